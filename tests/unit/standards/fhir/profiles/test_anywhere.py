"""Rules of R4's text, the policies of receivers, and definitions as instances."""

from __future__ import annotations

import pytest
from tests.unit.standards.fhir.profiles.writing import book_of, profile

from salus.standards.fhir.profiles.policy import Policy
from salus.standards.fhir.profiles.validator import check_profiles, check_resource
from salus.standards.fhir.validation.validator import validate


def found(resource, **more):
    issues = check_profiles(resource, book_of(), **more)
    return [(one.message_id, one.expression) for one in issues if one.severity == "error"]


@pytest.mark.parametrize(
    ("system", "wanted"),
    [
        ("http://loinc.org", []),
        ("loinc", [("coding-system", "Patient.maritalStatus.coding[0].system")]),
        ("http://hl7.org/fhir/ValueSet/x", [("coding-system", "Patient.maritalStatus.coding[0].system")]),
    ],
)
def test_a_code_system_is_named_by_its_address(system, wanted):
    given = {"resourceType": "Patient", "maritalStatus": {"coding": [{"system": system, "code": "x"}]}}
    assert found(given) == wanted


def test_what_a_search_found_has_an_id():
    given = {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient"}}],
    }
    assert found(given) == [("search-result-id", "Bundle.entry[0].resource")]


def test_a_composite_search_parameter_has_components():
    assert found({"resourceType": "SearchParameter", "type": "composite", "component": [{}]}) == [
        ("composite-components", "SearchParameter")
    ]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("Observation.value[x]", []),
        ("Observation.valueQuantity.unit", []),
        ("Observation.valueBla", [("definition-path", "StructureDefinition.differential.element[0].path")]),
        ("Patient.name", [("definition-path", "StructureDefinition.differential.element[0].path")]),
        ("Observation.component.referenceRange.low", []),
        ("Observation.contained.name", []),
    ],
)
def test_paths_of_a_definition_lead_to_elements(path, wanted):
    assert found(profile("p", "Observation", {"id": path})) == wanted


UNKNOWN = {"url": "http://vendor.test/x", "valueString": "x"}


def test_an_unknown_extension_is_a_note_unless_the_receiver_takes_known_ones_only():
    given = {"resourceType": "Patient", "extension": [UNKNOWN]}
    assert found(given) == []
    assert found(given, policy=Policy(unknown_extensions=False)) == [
        ("extension-unknown", "Patient.extension[0]")
    ]


def test_a_receiver_may_refuse_addresses_for_examples_and_markup():
    given = {"resourceType": "ValueSet", "url": "http://example.org/x", "description": "<b>bold</b>"}
    assert found(given) == []
    policy = Policy(example_addresses=False, markup_in_markdown=False)
    assert found(given, policy=policy) == [
        ("example-address", "ValueSet.url"),
        ("markup-in-markdown", "ValueSet.description"),
    ]


def test_a_link_to_a_name_is_refused():
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><a href="urn:uuid:1">x</a></div>'
    given = {"resourceType": "Patient", "text": {"status": "generated", "div": div}}
    assert found(given) == [("narrative-link", "Patient.text.div")]


def test_a_guide_beside_says_which_profile_holds_for_a_type():
    rule = profile("p", "Patient", {"id": "Patient.name", "min": 1})
    guide = {"resourceType": "ImplementationGuide", "global": [{"type": "Patient", "profile": rule["url"]}]}
    given = {"resourceType": "Patient", "active": True}
    issues = check_profiles(given, book_of(rule), beside=[guide])
    assert [one.message_id for one in issues] == ["profile-min"]


def test_a_receiver_may_refuse_html_in_texts():
    given = {"resourceType": "Patient", "name": [{"text": "Ana <b onclick='x()'>B</b>"}]}
    assert found(given) == []
    assert found(given, policy=Policy(markup_in_strings=False)) == [
        ("markup-in-string", "Patient.name[0].text")
    ]


def test_a_rule_whose_answer_is_empty_is_broken_in_a_check():
    """per-1 of a day and a moment on it: neither is surely the earlier."""
    period = {"start": "2021-01-01", "end": "2021-01-01T10:00:00Z"}
    given = {"resourceType": "Patient", "name": [{"text": "x", "period": period}]}
    assert [one.message_id for one in check_resource(given, book_of()) if one.severity == "error"] == [
        "per-1"
    ]
    assert [one.message_id for one in validate(given) if one.severity == "error"] == []
