"""Synthetic organisations and practitioners of a country."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import msgspec

from salus.intake.synth.coding import SNOMED, TERMINOLOGY, Resource, coded, reference
from salus.intake.synth.tables import Country

_SPECIALTIES = (("General practitioner", "62247001"), ("Medical doctor", "309343006"))


class Providers(msgspec.Struct, frozen=True):
    """The care providers of one country."""

    organizations: tuple[Resource, ...]
    practitioners: tuple[Resource, ...]
    roles: tuple[Resource, ...]

    def resources(self) -> tuple[Resource, ...]:
        """Return all of them, referenced before referring."""
        return self.organizations + self.practitioners + self.roles


def make_providers(code: str, country: Country, make_id: Callable[[str], str], random: Random) -> Providers:
    """Return the hospitals and practices of the table with three doctors each."""
    organizations: list[Resource] = []
    practitioners: list[Resource] = []
    roles: list[Resource] = []
    for kind, names in (("prov", country.hospitals), ("prov", country.practices)):
        for name in names:
            organization = _organization(code, country, name, kind, make_id(f"Organization/{name}"), random)
            organizations.append(organization)
            for number in range(3):
                doctor = _practitioner(country, make_id(f"Practitioner/{name}/{number}"), random)
                practitioners.append(doctor)
                title, snomed = _SPECIALTIES[names is country.hospitals]
                roles.append(
                    {
                        "resourceType": "PractitionerRole",
                        "id": make_id(f"PractitionerRole/{name}/{number}"),
                        "active": True,
                        "practitioner": reference(doctor),
                        "organization": reference(organization),
                        "code": [coded(title, (SNOMED, snomed))],
                    }
                )
    return Providers(tuple(organizations), tuple(practitioners), tuple(roles))


def _organization(code: str, country: Country, name: str, kind: str, own_id: str, random: Random) -> Resource:
    city, postal_code, _ = random.choice(country.cities)
    return {
        "resourceType": "Organization",
        "id": own_id,
        "identifier": [{"system": "urn:salus:synthetic-organization", "value": own_id}],
        "active": True,
        "type": [{"coding": [{"system": TERMINOLOGY + "organization-type", "code": kind}]}],
        "name": name,
        "telecom": [{"system": "phone", "value": country.phone + "".join(random.choices("0123456789", k=7))}],
        "address": [{"city": city, "postalCode": postal_code, "country": code}],
    }


def _practitioner(country: Country, own_id: str, random: Random) -> Resource:
    sex = random.choice(("female", "male"))
    given = random.choice(country.female if sex == "female" else country.male)
    return {
        "resourceType": "Practitioner",
        "id": own_id,
        "identifier": [{"system": "urn:salus:synthetic-practitioner", "value": own_id}],
        "active": True,
        "name": [
            {
                "use": "official",
                "family": " ".join(random.sample(country.family, country.families)),
                "given": [given],
                "prefix": ["Dr."],
            }
        ],
        "gender": sex,
    }
