"""The tables behind the synthetic citizens, as typed values (countries.toml, clinical.toml)."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec


class Country(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names and places; `cities` are (city, postal code, NUTS-3 region), `families` a count of names."""

    language: str
    language_name: str
    phone: str
    families: int
    female: tuple[str, ...]
    male: tuple[str, ...]
    family: tuple[str, ...]
    streets: tuple[str, ...]
    cities: tuple[tuple[str, str, str], ...]
    hospitals: tuple[str, ...]
    practices: tuple[str, ...]


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A common condition; `percent` have it at `age_max` years, none at `age_min`."""

    key: str
    icd10: str
    name: str
    age_min: int
    age_max: int
    percent: float
    snomed: str = ""
    sex: str = ""
    lasts_days: int = 0


class Medicine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A medicine for one condition: `daily` doses of one unit, `pack` units in a package.

    `display` is what the ATC calls it, `name` the product.
    """

    atc: str
    display: str
    name: str
    treats: str
    daily: int
    unit: str
    pack: int
    as_needed: bool = False


class Allergy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An allergy that `percent` of persons have, with its usual reaction."""

    snomed: str
    name: str
    category: str
    criticality: str
    reaction: str
    reaction_snomed: str
    percent: float


class Vaccine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vaccine given at ages (months), every year from an age, or on fixed dates; `display` is the ATC's."""

    atc: str
    display: str
    name: str
    disease: str
    disease_snomed: str
    percent: float
    ages_months: tuple[int, ...] = ()
    dates: tuple[str, ...] = ()
    born_from: int = 0
    yearly_from_age: int = 0
    age_min_then: int = 0


class Test(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A laboratory test with reference ranges by sex; `shift_by` moves it for who has the condition."""

    loinc: str
    name: str
    unit: str
    ucum: str
    decimals: int
    female: tuple[float, float]
    male: tuple[float, float]
    shift_by: dict[str, float] = {}
    only_with: str = ""


class Procedure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A procedure that `percent` have had by `age_max` years."""

    snomed: str
    name: str
    age_min: int
    age_max: int
    percent: float
    sex: str = ""
    age_done_max: int = 120


class Clinical(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All clinical tables."""

    condition: tuple[Condition, ...]
    medicine: tuple[Medicine, ...]
    allergy: tuple[Allergy, ...]
    vaccine: tuple[Vaccine, ...]
    test: tuple[Test, ...]
    procedure: tuple[Procedure, ...]


@cache
def countries() -> dict[str, Country]:
    """Return the countries with a table of their own, and `default`."""
    text = resources.files(__package__).joinpath("countries.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, Country])


@cache
def clinical() -> Clinical:
    """Return the clinical tables."""
    text = resources.files(__package__).joinpath("clinical.toml").read_bytes()
    return msgspec.toml.decode(text, type=Clinical)
