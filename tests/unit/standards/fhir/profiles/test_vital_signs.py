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


def test_what_follows_the_profile_of_its_code_is_not_judged_by_its_bases_again():
    """The base asks for no more than what is derived from it; what breaks the latter is judged by both."""
    core = "http://hl7.org/fhir/StructureDefinition/"
    base = profile(
        "vitalsigns", "Observation", {"id": "Observation.subject", "min": 1}, url=f"{core}vitalsigns"
    )
    rate = profile(
        "heartrate",
        "Observation",
        {"id": "Observation.performer", "min": 1},
        url=f"{core}heartrate",
        baseDefinition=f"{core}vitalsigns",
    )
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    given = {"resourceType": "Observation", "code": code, "meta": {"profile": [f"{core}vitalsigns"]}}

    def errors(**more):
        found = check_profiles(given | more, book_of(base, rate))
        return sorted({one.expression.partition(".")[2] for one in found if one.severity == "error"})

    subject, performer = {"reference": "Patient/1"}, [{"reference": "Patient/1"}]
    assert errors(subject=subject, performer=performer) == []
    assert errors(subject=subject) == ["performer"]
    assert errors() == ["performer", "subject"]
