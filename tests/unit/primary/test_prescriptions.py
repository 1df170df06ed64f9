"""Prescriptions and hand-overs as they are read."""

import pytest

from salus.core.errors import InvalidResource
from salus.primary.prescriptions import prescriptions_named, read_dispensation, read_recorded

TABLETS = {"system": "http://unitsofmeasure.org", "code": "{tbl}", "unit": "tablet"}


def dispensation(value=30, name="d1", status="completed", **members):
    return {
        "resourceType": "MedicationDispense",
        "identifier": [{"system": "urn:oid:1.2.3", "value": name}],
        "status": status,
        "authorizingPrescription": [{"reference": "MedicationRequest/rx"}],
        "quantity": {"value": value, **TABLETS},
    } | members


@pytest.mark.parametrize(
    "members",
    [
        {"identifier": []},
        {"identifier": [{"value": "no-system"}]},
        {"authorizingPrescription": []},
        {"authorizingPrescription": [{"reference": "ServiceRequest/1"}]},
        {
            "authorizingPrescription": [
                {"reference": "MedicationRequest/1"},
                {"reference": "MedicationRequest/2"},
            ]
        },
    ],
)
def test_a_dispensation_without_id_or_prescription_is_refused(members):
    with pytest.raises(InvalidResource):
        read_dispensation(dispensation(**members))


def test_a_dispensation_names_the_prescriptions_of_this_node_and_those_of_others_apart():
    links = [
        "MedicationRequest/a",
        "HTTPS://PT.example/fhir/MedicationRequest/b",
        "https://es.example/MedicationRequest/c",
    ]
    resource = {"authorizingPrescription": [{"reference": each} for each in links] + [{"display": "paper"}]}
    assert prescriptions_named(resource, bases=("https://pt.example/fhir",)) == ["a", "b"]
    assert prescriptions_named(resource) == ["a"]


def test_records_that_no_rule_would_let_in_today_still_count():
    nameless = dispensation(10) | {"id": "a", "identifier": []}
    of_two = dispensation(5) | {
        "authorizingPrescription": [
            {"reference": "MedicationRequest/other"},
            {"reference": "https://pt.example/fhir/MedicationRequest/rx/_history/3"},
        ]
    }
    elsewhere = dispensation(7) | {"authorizingPrescription": [{"reference": "MedicationRequest/other"}]}
    none = dispensation(9) | {"authorizingPrescription": []}
    found = read_recorded([nameless, of_two, elsewhere, none], "rx")
    assert [str(each.amount) for each in found] == ["10 tablet", "5 tablet"]
    assert {each.prescription for each in found} == {"rx"}
