"""Vital signs follow the profile that their LOINC code implies (R4, observation-vitalsigns.html)."""

from __future__ import annotations

import pytest
from tests.unit.standards.fhir.profiles.writing import book_of, profile

from salus.standards.fhir.profiles.validator import check_profiles

HEART_RATE = profile(
    "heartrate",
    "Observation",
    {"id": "Observation.subject", "min": 1},
    url="http://hl7.org/fhir/StructureDefinition/heartrate",
)


@pytest.mark.parametrize(
    ("system", "code", "wanted"),
    [
        ("http://loinc.org", "8867-4", ["profile-min"]),
        ("http://loinc.org", "9279-1", []),  # its profile is not at hand: nothing is said
        ("http://loinc.org", "718-7", []),
        ("urn:local", "8867-4", []),
    ],
)
def test_a_code_implies_a_profile(system, code, wanted):
    given = {"resourceType": "Observation", "code": {"coding": [{"system": system, "code": code}]}}
    assert [one.message_id for one in check_profiles(given, book_of(HEART_RATE))] == wanted
