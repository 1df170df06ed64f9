"""Each kind of rule of a profile: what it lets through, what it reports, and where."""

from __future__ import annotations

import pytest
from tests.unit.standards.fhir.profiles.writing import BASE, book_of, profile

from salus.standards.fhir.profiles.validator import check_profiles, check_resource

PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "Rossi"}],
    "gender": "female",
    "birthDate": "1980-01-01",
}


@pytest.mark.parametrize(
    ("element", "resource", "wanted"),
    [
        ({"id": "Patient.name", "min": 1}, {}, []),
        ({"id": "Patient.name", "min": 1}, {"name": None}, [("profile-min", "Patient.name")]),
        ({"id": "Patient.name", "max": "0"}, {}, [("profile-max", "Patient.name[0]")]),
        ({"id": "Patient.name.given", "min": 1}, {}, [("profile-min", "Patient.name[0].given")]),
        ({"id": "Patient.gender", "fixedCode": "female"}, {}, []),
        ({"id": "Patient.gender", "fixedCode": "male"}, {}, [("profile-fixed", "Patient.gender")]),
        (
            {"id": "Patient.name", "patternHumanName": {"use": "official"}},
            {},
            [("profile-pattern", "Patient.name[0]")],
        ),
        ({"id": "Patient.name", "patternHumanName": {"family": "Rossi"}}, {}, []),
        ({"id": "Patient.name.family", "maxLength": 3}, {}, [("profile-length", "Patient.name[0].family")]),
        (
            {"id": "Patient.birthDate", "minValueDate": "1990-01-01"},
            {},
            [("profile-least", "Patient.birthDate")],
        ),
        ({"id": "Patient.birthDate", "maxValueDate": "1990-01-01"}, {}, []),
        (
            {"id": "Patient.deceased[x]", "type": [{"code": "boolean"}]},
            {"deceasedDateTime": "2020"},
            [("profile-type", "Patient.deceased.ofType(dateTime)")],
        ),
        ({"id": "Patient.deceasedBoolean", "min": 1}, {"deceasedBoolean": False}, []),
        (
            {
                "id": "Patient",
                "constraint": [{"key": "p-1", "severity": "error", "expression": "name.count() = 2"}],
            },
            {},
            [("p-1", "Patient")],
        ),
        (
            {
                "id": "Patient.birthDate",
                "constraint": [{"key": "d-1", "severity": "error", "expression": "$this < '1970'.toDate()"}],
            },
            {},
            [("d-1", "Patient.birthDate")],
        ),
        (
            {
                "id": "Patient.generalPractitioner",
                "type": [
                    {
                        "code": "Reference",
                        "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Organization"],
                    }
                ],
            },
            {"generalPractitioner": [{"reference": "Practitioner/1"}]},
            [("profile-target", "Patient.generalPractitioner[0]")],
        ),
    ],
)
def test_a_rule(errors, element, resource, wanted):
    given = {key: value for key, value in (PATIENT | resource).items() if value is not None}
    assert errors(given, profile("p", "Patient", element)) == wanted


def test_a_primitive_with_only_an_extension_counts_as_there(errors):
    rule = profile("p", "Patient", {"id": "Patient.birthDate", "min": 1})
    url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
    given = {"resourceType": "Patient", "_birthDate": {"extension": [{"url": url, "valueCode": "unknown"}]}}
    assert errors(given, rule) == []
    assert errors({"resourceType": "Patient"}, rule) == [("profile-min", "Patient.birthDate")]


def test_a_profile_on_a_profile_holds_what_both_say(errors):
    base = profile("base", "Patient", {"id": "Patient.name", "min": 1})
    upon = profile("upon", "Patient", {"id": "Patient.gender", "min": 1}, baseDefinition=BASE + "base")
    found = errors({"resourceType": "Patient", "active": True}, upon, base)
    assert sorted(found) == [("profile-min", "Patient.gender"), ("profile-min", "Patient.name")]


def test_a_profile_that_is_not_at_hand_is_told_and_is_no_error():
    given = {"resourceType": "Patient", "active": True, "meta": {"profile": ["http://example.org/absent"]}}
    found = [one for one in check_profiles(given, book_of()) if one.message_id == "not-checked"]
    assert [(one.severity, one.expression) for one in found] == [("information", "Patient")]


def test_a_profile_of_another_type_is_an_error(errors):
    given = {"resourceType": "Group", "type": "person", "actual": True}
    assert errors(given, profile("p", "Patient")) == [("profile-other-type", "Group")]


def test_definitions_that_build_on_each_other_in_a_ring_are_not_used():
    ring = [
        profile("a", "Patient", baseDefinition=BASE + "b"),
        profile("b", "Patient", baseDefinition=BASE + "a"),
    ]
    found = check_profiles(PATIENT, book_of(*ring), [BASE + "a"])
    assert [one.message_id for one in found] == ["not-checked"]


VALUE_SET = {
    "resourceType": "ValueSet",
    "url": "http://example.org/ValueSet/colours",
    "compose": {
        "include": [
            {"system": "http://example.org/colours", "concept": [{"code": "red"}, {"code": "blue"}]},
            {
                "system": "http://snomed.info/sct",
                "filter": [{"property": "concept", "op": "is-a", "value": "1"}],
            },
        ]
    },
}


@pytest.mark.parametrize(
    ("strength", "system", "code", "wanted"),
    [
        ("required", "http://example.org/colours", "red", []),
        ("required", "http://example.org/colours", "green", [("error", "profile-binding-required")]),
        ("extensible", "http://example.org/colours", "green", [("warning", "profile-binding-extensible")]),
        ("required", "http://snomed.info/sct", "371240000", [("information", "binding-not-checked")]),
        ("required", "http://example.org/other", "red", [("error", "profile-binding-required")]),
        ("preferred", "http://example.org/other", "red", []),
    ],
)
def test_a_binding_by_its_strength(strength, system, code, wanted):
    rule = profile(
        "p",
        "Patient",
        {"id": "Patient.maritalStatus", "binding": {"strength": strength, "valueSet": VALUE_SET["url"]}},
    )
    given = {"resourceType": "Patient", "maritalStatus": {"coding": [{"system": system, "code": code}]}}
    found = check_profiles(given, book_of(rule, VALUE_SET), [rule["url"]])
    assert [(one.severity, one.message_id) for one in found] == wanted


def test_base_issues_come_first_and_each_issue_once():
    rule = profile("p", "Patient", {"id": "Patient.name", "min": 1})
    given = {"resourceType": "Patient", "gender": "unheard-of", "meta": {"profile": [rule["url"]]}}
    found = [
        one.message_id
        for one in check_resource(given, book_of(rule), [rule["url"]])
        if one.severity == "error"
    ]
    assert found == ["binding-required", "profile-min"]
