"""What national law settles about access to health data, one table a country (`XX.toml` beside this file).

Regulation (EU) 2025/327 leaves to Member States whether one may opt out of exchange (article 10), what an
emergency opens, how a child grows up, delays, retention and more. Code names no country: `settings.country`
chooses the table, and `EU.toml`, the Regulation alone, stands in where a country has none.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Annotated, Generic, Literal, TypeVar

import msgspec

from salus.core.access import Assurance
from salus.core.errors import SettingsInvalid

Value = TypeVar("Value")
NEUTRAL = "EU"
_Years = Annotated[int, msgspec.Meta(ge=0, le=150)]
ResultCategory = Literal["laboratory", "imaging"]
LookupParameter = Literal["identifier", "family", "given", "birthdate", "gender", "birth-place"]
CopyAction = Literal["mark", "hide", "erase", "keep"]
_Hours = Annotated[int, msgspec.Meta(ge=0, le=8_760)]


class Ground(StrEnum):
    """Why something is to be erased (GDPR 17(1)): the law of the country says which of them count.

    own-entry: the person entered it themselves. no-ground: a document came without any. mistake: the whole
    record was made by mistake. retention-ended: it has been kept as long as it must be.
    """

    OWN_ENTRY = "own-entry"
    NO_GROUND = "no-ground"
    MISTAKE = "mistake"
    RETENTION_ENDED = "retention-ended"


class Sourced(msgspec.Struct, Generic[Value], frozen=True, forbid_unknown_fields=True):
    """One value with where it is written; `verified` is False for one that nobody has read there yet."""

    value: Value
    source: str
    verified: bool = False


class AssuranceNeeded(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least assurance of a log-in, by what is done with it; each for people who act on personal data."""

    citizen: Assurance
    professional: Assurance
    abroad: Assurance


class CopiesFromAbroad(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of copies by what their home tells of them.

    mark: they are shown with what was told. hide: no professional but their author sees them. erase: they
    go for good. keep: nothing is changed, and the home is told that this is the law here.
    """

    rectified: CopyAction
    unmerged: CopyAction
    restricted: CopyAction
    erased: CopyAction


class Authority(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one complains: its name in its own language, its web address."""

    name: str
    address: str


class Jurisdiction(msgspec.Struct, frozen=True, eq=False, forbid_unknown_fields=True, rename="kebab"):
    """The law of one country; each table is read once, and known by identity.

    Args:
        country: ISO 3166-1 alpha-2, or "EU".
        name: in English.
        default_access: what a treating professional may without a word of the citizen.
        restriction_opened_in_emergency: whether vital interests open what a citizen restricted (8, 11(5)).
        exchange_opt_out_offered: whether one may opt out of access through exchange (10).
        exchange_opt_out_opened_in_emergency: whether vital interests set that opt-out aside.
        secondary_opt_out_overridable: whether public bodies may use data for public health despite an opt-out
            (71(4)).
        parent_acts_until_years: the age of the child at which the power of its parents ends.
        child_decides_from_years: the age at which a child's own log-in stands beside its parents'.
        results_delay_hours: delay of results for the citizen, by category; a category left away has none.
        record_kept_years: how long a record is kept after the last entry.
        access_log_kept_years: how long the log of accesses is kept at least, 3 or more (9).
        assurance: least assurance of a log-in.
        assurance_of_acts: least assurance for what needs another than its role does, by the policy's word for
            it (`proxy`, `exchange-opt-out`).
        lookup_parameters: the combinations of parameters by which another node finds a person, each enough
            alone.
        emergency_minutes_max: how long one emergency access may last.
        second_look_hours: within which an emergency access is looked at again.
        rights_answered_months: within which a request such as rectification is answered (GDPR 12(3)).
        erasure_grounds: on which something may be erased (GDPR 17), where the facts bear them out.
        complaint_authorities: where one complains, name and address (EHDS 21, GDPR 77).
        copies_from_abroad: what becomes of this node's hand-overs on prescriptions from abroad, when the home
            of the patient tells that they were corrected, parted, hidden or erased there.
        acts_after_death: kinds of proxies (`store/schema/0062`) whose power outlasts the person.
    """

    country: str
    name: str
    default_access: Sourced[Literal["permit", "deny"]]
    restriction_opened_in_emergency: Sourced[bool]
    exchange_opt_out_offered: Sourced[bool]
    exchange_opt_out_opened_in_emergency: Sourced[bool]
    secondary_opt_out_overridable: Sourced[bool]
    parent_acts_until_years: Sourced[_Years]
    child_decides_from_years: Sourced[_Years]
    results_delay_hours: Sourced[dict[ResultCategory, _Hours]]
    record_kept_years: Sourced[_Years]
    access_log_kept_years: Sourced[Annotated[int, msgspec.Meta(ge=3, le=150)]]
    assurance: Sourced[AssuranceNeeded]
    assurance_of_acts: Sourced[dict[str, Assurance]]
    lookup_parameters: Sourced[
        Annotated[
            list[Annotated[list[LookupParameter], msgspec.Meta(min_length=1)]], msgspec.Meta(min_length=1)
        ]
    ]
    emergency_minutes_max: Sourced[Annotated[int, msgspec.Meta(ge=1, le=60)]]
    second_look_hours: Sourced[Annotated[int, msgspec.Meta(ge=1, le=72)]]

    @property
    def delays(self) -> tuple[tuple[str, int], ...]:
        """The delays of results that there are, as a grant has them."""
        return tuple(sorted((name, hours) for name, hours in self.results_delay_hours.value.items() if hours))

    @property
    def default_denies(self) -> bool:
        """Whether nothing is open that no Consent permits."""
        return self.default_access.value == "deny"

    rights_answered_months: Sourced[Annotated[int, msgspec.Meta(ge=1, le=3)]]
    erasure_grounds: Sourced[list[Ground]]
    complaint_authorities: Sourced[list[Authority]]
    copies_from_abroad: Sourced[CopiesFromAbroad]
    acts_after_death: Sourced[list[Literal["parent", "guardian", "carer", "executor"]]]


@cache
def countries() -> tuple[str, ...]:
    """Return the countries that have a table, sorted; "EU" is among them."""
    folder = resources.files(__package__)
    return tuple(sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".toml")))


@cache
def jurisdiction_of(country: str) -> Jurisdiction:
    """Return the law of a country, that of the Regulation alone where the country has no table."""
    name = country if country in countries() else NEUTRAL
    return read_jurisdiction(resources.files(__package__).joinpath(f"{name}.toml").read_bytes(), name)


def read_jurisdiction(table: bytes, name: str) -> Jurisdiction:
    """Read one table, called `name` in what is said of it.

    Raises:
        SettingsInvalid: it is no TOML, a key is unknown or missing, a value is out of range, or it is
            another country's.
    """
    try:
        found = msgspec.toml.decode(table, type=Jurisdiction)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise SettingsInvalid(
            f"The law of {name} cannot be read: {error}. docs/jurisdictions.md lists every key; correct it."
        ) from error
    if found.country != name:
        raise SettingsInvalid(f"The law of {name} says that it is {found.country}'s; correct `country`.")
    return found
