"""Displays against the names of definitions at hand, and of countries."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.standards.fhir.profiles.writing import book_of

from salus.standards.fhir.profiles.policy import Policy
from salus.standards.fhir.profiles.validator import check_profiles

SYSTEM = {
    "resourceType": "CodeSystem",
    "url": "urn:s",
    "version": "1",
    "content": "complete",
    "concept": [
        {
            "code": "C",
            "display": "Emergency Contact",
            "designation": [{"language": "de", "value": "Notfallkontakt"}],
        },
        {"code": "nameless"},
    ],
}


def severities(coding: dict[str, Any], policy: Policy | None = None, **more: Any) -> list[str]:
    patient = {"resourceType": "Patient", "maritalStatus": {"coding": [coding]}, **more}
    issues = check_profiles(patient, book_of(SYSTEM), policy=policy or Policy())
    return [one.severity for one in issues if one.message_id == "coding-display"]


@pytest.mark.parametrize(
    ("code", "display", "language", "wanted"),
    [
        ("C", "Emergency Contact", None, []),
        ("C", "emergency  contact", None, []),
        ("C", "Notfallkontakt", None, []),
        ("C", "Employer", None, ["error"]),
        ("C", "Arbeitgeber", "de-AT", ["error"]),
        ("C", "Employeur", "fr", []),
        ("nameless", "Employer", None, []),
        ("absent", "Employer", None, []),
    ],
)
def test_a_display_is_a_name_of_its_code(code, display, language, wanted):
    more = {"language": language} if language else {}
    assert severities({"system": "urn:s", "code": code, "display": display}, **more) == wanted


def test_a_receiver_may_take_it_as_a_warning():
    coding = {"system": "urn:s", "code": "C", "display": "Employer"}
    assert severities(coding, Policy(wrong_display="warning")) == ["warning"]


@pytest.mark.parametrize(
    ("code", "display", "wanted"),
    [("BD", "Bangladesh", []), ("BD", "Australia", ["error"]), ("IR", "Iran, Islamic Republic of", [])],
)
def test_the_name_of_another_country_is_wrong(code, display, wanted):
    assert severities({"system": "urn:iso:std:iso:3166", "code": code, "display": display}) == wanted
