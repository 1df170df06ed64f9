"""The tables say what R4 says."""

import pytest

from salus.standards.fhir.model import (
    ancestors,
    compartments,
    invariants_of,
    properties,
    resource_types,
    search_parameters,
    system_codes,
    type_definition,
    type_names,
    value_set_codes,
)


def test_r4_has_146_resource_types():
    assert len(resource_types()) == 146
    assert {"Patient", "Bundle", "Parameters"} <= resource_types()
    assert not {"Resource", "DomainResource", "HumanName"} & resource_types()


def test_elements_stand_in_the_order_of_the_standard():
    patient = type_definition("Patient")
    assert patient is not None
    assert list(patient.elements)[:10] == [
        *("id", "meta", "implicitRules", "language", "text", "contained", "extension", "modifierExtension"),
        *("identifier", "active"),
    ]


@pytest.mark.parametrize(
    ("type_name", "element", "minimum", "maximum"),
    [
        ("Observation", "status", 1, 1),
        ("Observation", "component", 0, None),
        ("Patient.communication", "language", 1, 1),
        ("Bundle", "type", 1, 1),
        ("HumanName", "given", 0, None),
    ],
)
def test_cardinalities_are_those_of_the_standard(type_name, element, minimum, maximum):
    found = type_definition(type_name).elements[element]
    assert (found.min, found.max) == (minimum, maximum)


def test_every_type_that_an_element_names_is_known():
    unknown = {
        reference.code
        for name in type_names()
        for element in type_definition(name).elements.values()
        for reference in element.types
        if type_definition(reference.code) is None
    }
    assert unknown == set()


def test_choices_are_spelled_out_and_content_references_lead_on():
    assert {"effectiveDateTime", "effectivePeriod", "valueQuantity"} <= set(properties("Observation"))
    item = type_definition("Questionnaire.item").elements["item"]
    assert (item.types[0].code, item.content_reference) == ("Questionnaire.item", "Questionnaire.item")


def test_references_name_their_targets():
    subject = type_definition("Condition").elements["subject"].types[0]
    assert subject.target_profiles == ("Patient", "Group")
    assert type_definition("Provenance").elements["target"].types[0].target_profiles == ()


def test_types_inherit_invariants():
    assert ancestors("Age") == ("Age", "Quantity", "Element")
    assert [rule.key for rule in invariants_of("Age")] == ["age-1", "qty-3", "ele-1"]
    assert {rule.key for rule in invariants_of("Patient")} == {"dom-2", "dom-3", "dom-4", "dom-5", "dom-6"}


def test_unknown_names_have_no_definition():
    assert type_definition("Pat1ent") is None
    assert ancestors("Pat1ent") == ()


def test_1400_search_parameters_of_which_16_have_no_expression():
    rows = search_parameters()
    assert len(rows) == 1400
    assert sum(1 for row in rows if not row.expression) == 16
    by_url = {row.url: row for row in rows}
    code = by_url["http://hl7.org/fhir/SearchParameter/Observation-code-value-quantity"]
    assert [part.expression for part in code.components] == ["code", "value.as(Quantity)"]


def test_the_patient_compartment_says_how_a_type_belongs_to_it():
    assert set(compartments()) == {"Device", "Encounter", "Patient", "Practitioner", "RelatedPerson"}
    assert compartments()["Patient"]["AllergyIntolerance"] == ("patient", "recorder", "asserter")
    assert "Medication" not in compartments()["Patient"]


def test_value_sets_are_expanded_where_the_package_determines_them():
    gender = value_set_codes("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1")
    assert gender == {
        "http://hl7.org/fhir/administrative-gender": frozenset({"male", "female", "other", "unknown"})
    }
    assert value_set_codes("http://hl7.org/fhir/ValueSet/observation-codes") is None


def test_code_systems_are_known_whole_or_not_at_all():
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    assert system_codes(system) >= {"active", "recurrence", "resolved"}
    assert system_codes("http://snomed.info/sct") is None
