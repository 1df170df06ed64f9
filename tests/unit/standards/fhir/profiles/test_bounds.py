"""Bounds: nothing crowds out an error, and rules that cost too much are no good news."""

from __future__ import annotations

from tests.unit.standards.fhir.profiles.writing import BASE, book_of, profile

from salus.standards.fhir.profiles.run import JUDGED_ISSUES_MAX
from salus.standards.fhir.profiles.validator import check_profiles
from salus.standards.fhir.validation import issue
from salus.standards.fhir.validation.validator import validate

UNKNOWN = {"url": "http://vendor.test/x", "valueString": "x"}


def test_notes_never_hide_an_error():
    rule = profile("p", "Patient", {"id": "Patient.name.family", "min": 1})
    patient = {
        "resourceType": "Patient",
        "extension": [UNKNOWN] * (JUDGED_ISSUES_MAX * 2),
        "contained": [
            {"resourceType": "Patient", "meta": {"profile": [BASE + "p"]}, "name": [{"text": "x"}]}
        ],
    }
    found = check_profiles(patient, book_of(rule))
    assert len(found) <= JUDGED_ISSUES_MAX * 2 + 1
    assert [one.message_id for one in found if one.severity == "error"] == ["profile-min"]
    assert found[-1].message_id == "more-issues"


def test_errors_of_many_entries_are_bounded():
    rule = profile("p", "Patient", {"id": "Patient.name", "min": 1})
    entry = {"fullUrl": "urn:x", "resource": {"resourceType": "Patient", "meta": {"profile": [BASE + "p"]}}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry] * (JUDGED_ISSUES_MAX * 3)}
    found = check_profiles(bundle, book_of(rule))
    assert len(found) <= JUDGED_ISSUES_MAX * 2 + 1


def test_a_resource_whose_rules_cost_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(issue, "STEPS_MAX", 1_000)
    elements = [{"id": f"Patient.{number}", "path": "Patient.name"} for number in range(100)]
    given = {"resourceType": "StructureDefinition", "type": "Patient", "differential": {"element": elements}}
    assert "too-costly" in {one.message_id for one in validate(given) if one.severity == "error"}
