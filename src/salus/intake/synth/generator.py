"""Seeded synthetic citizens as FHIR R4 resources: the same country, seed and day give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial
from random import Random

from salus.core.errors import NotSupported
from salus.core.identifiers import derived_id
from salus.intake.synth.coding import Resource
from salus.intake.synth.person import make_person
from salus.intake.synth.providers import make_providers
from salus.intake.synth.record import Scene, make_patient, make_record
from salus.intake.synth.tables import clinical, countries
from salus.standards.nationalid.identifiers import national_identifiers

EUROPE = frozenset(
    ["AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT",
     "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK"]
)  # fmt: skip


def synthesize(persons: int, code: str, seed: int, today: date) -> Iterator[Resource]:
    """Yield the country's providers, then each citizen with their record.

    Person number i is the same whatever the number of persons asked for.

    Args:
        persons: how many citizens (>= 0).
        code: ISO 3166-1 alpha-2 code of an EU or EEA country.
        seed: any integer.
        today: the day on which the records are current (prescriptions are valid around it).

    Raises:
        NotSupported: the country is not one of the EU or EEA.
    """
    if code not in EUROPE:
        raise NotSupported(f"--country {code}: give the two-letter code of an EU or EEA country, such as PT")
    country = countries().get(code, countries()["default"])
    make_id = partial(derived_id, f"urn:salus:synth:{code}:{seed}")
    chance = Random(f"{seed}/{code}/providers")  # noqa: S311 - synthetic persons, no secret
    providers = make_providers(code, country, make_id, chance)
    yield from providers.resources()
    numbers = tuple(row for row in national_identifiers() if row.country == code)
    for index in range(persons):
        random = Random(f"{seed}/{code}/{index}")  # noqa: S311 - synthetic persons, no secret
        person = make_person(country, numbers, today, random)
        at = random.randrange(len(providers.practitioners))
        doctor, organization = providers.practitioners[at], providers.organizations[at // 3]
        patient = make_patient(code, country, person, make_id(f"Patient/{index}"), doctor, organization)
        yield patient
        scene = Scene(person, patient, doctor, organization, today, random, make_id)
        yield from make_record(scene, clinical())
