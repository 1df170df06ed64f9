"""The rules of dispensing, next to the resources they read."""

from datetime import UTC, datetime

import pytest

from salus.core.errors import Conflict, InvalidResource
from salus.primary.prescriptions import (
    PRESCRIBED_QUANTITY,
    check_dispensable,
    is_valid_at,
    prescriptions_named,
    read_dispensation,
    read_prescription,
    read_recorded,
    remaining,
    why_not,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
INPATIENT = [{"coding": [{"code": "inpatient"}]}]
TABLETS = {"system": "http://unitsofmeasure.org", "code": "{tbl}", "unit": "tablet"}


def prescription(status="active", **request):
    fields = {"quantity": {"value": 30, **TABLETS}, "numberOfRepeatsAllowed": 1} | request
    head = {"resourceType": "MedicationRequest", "id": "rx", "status": status, "intent": "order"}
    return head | {"authoredOn": "2026-11-01", "dispenseRequest": fields}


UCUM = {"system": "http://unitsofmeasure.org"}


def grams(total, each=1):
    whole = {"url": PRESCRIBED_QUANTITY, "valueQuantity": {"value": total, "code": "g", **UCUM}}
    once = {"value": each, "code": "g", **UCUM} if each else None
    return prescription(quantity=once, extension=[whole])


def dispensation(value=30, name="d1", status="completed", **members):
    return {
        "resourceType": "MedicationDispense",
        "identifier": [{"system": "urn:oid:1.2.3", "value": name}],
        "status": status,
        "authorizingPrescription": [{"reference": "MedicationRequest/rx"}],
        "quantity": {"value": value, **TABLETS},
    } | members


def left(request, *dispensations):
    return str(remaining(read_prescription(request), map(read_dispensation, dispensations)).amount)


@pytest.mark.parametrize(
    ("request_", "dispensations", "expected"),
    [
        (prescription(), [], "60 tablet"),
        (prescription(), [dispensation(20)], "40 tablet"),
        (prescription(), [dispensation(), dispensation(name="d2")], "0 tablet"),
        (prescription(), [dispensation(status="entered-in-error")], "60 tablet"),
        (prescription(), [dispensation(status="declined")], "60 tablet"),
        (prescription(), [dispensation("12.50")], "47.5 tablet"),
        (prescription(), [dispensation(quantity=None)], "30 tablet"),
        (prescription(), [dispensation(quantity={"value": 1, "unit": "box"})], "30 tablet"),
        (prescription(), [dispensation(quantity={"value": 1, "code": "{box}"} | UCUM)], "30 tablet"),
        (prescription(), [dispensation(-5)], "30 tablet"),
        (prescription(), [dispensation(90)], "0 tablet"),
        (grams(2, each=None), [dispensation(quantity={"value": 1, "unit": "box"})], "0 g"),
        (grams(2), [dispensation(quantity={"value": 500, "code": "mg"} | UCUM)], "1.5 g"),
        (grams(2), [dispensation(quantity={"value": 5, "code": "mL"} | UCUM)], "1 g"),
        (
            prescription(extension=[{"url": PRESCRIBED_QUANTITY, "valueQuantity": {"value": 50, **TABLETS}}]),
            [dispensation(20)],
            "30 tablet",
        ),
    ],
)
def test_what_is_left_is_the_prescribed_amount_less_what_was_handed_over(request_, dispensations, expected):
    assert left(request_, *dispensations) == expected


@pytest.mark.parametrize(
    ("request_", "known", "offered", "reason"),
    [
        (prescription("cancelled"), [], dispensation(), "cancelled"),
        (prescription("on-hold"), [], dispensation(), "on-hold"),
        (prescription(), [dispensation(), dispensation(20, "d2")], dispensation(11, "d3"), "only 10 tablet"),
        (prescription(), [dispensation(), dispensation(name="d2")], dispensation(1, "d3"), "nothing is left"),
        (prescription(), [], dispensation(31), "at most 30 tablet"),
        (prescription(), [], dispensation(0), "greater than zero"),
        (prescription(), [], dispensation(-5), "greater than zero"),
        (prescription(), [], dispensation(quantity={"value": 1, "code": "mg"}), "unit"),
        (prescription(), [], dispensation(status="preparation"), "completed or in-progress"),
        (prescription(validityPeriod={"end": "2026-11-23"}), [], dispensation(), "validity"),
        (prescription(validityPeriod={"start": "2026-11-25"}), [], dispensation(), "validity"),
        (prescription() | {"authoredOn": "1957-03-01"}, [], dispensation(), "validity"),
        (prescription() | {"authoredOn": ""}, [], dispensation(), "no date of writing"),
        (prescription() | {"intent": "plan"}, [], dispensation(), "its intent is plan"),
        (prescription() | {"intent": "proposal"}, [], dispensation(), "its intent is proposal"),
        (prescription() | {"doNotPerform": True}, [], dispensation(), "must not be given"),
        (
            prescription() | {"category": [{"coding": [{"code": "inpatient"}]}]},
            [],
            dispensation(),
            "hospital",
        ),
        (
            prescription() | {"substitution": {"allowedBoolean": False}},
            [],
            dispensation(substitution={"wasSubstituted": True}),
            "substitution",
        ),
        (
            prescription() | {"substitution": {"allowedBoolean": False}},
            [],
            dispensation(medicationCodeableConcept={"text": "Another product"}),
            "substitution",
        ),
    ],
)
def test_a_hand_over_that_breaks_a_rule_is_refused_by_name(request_, known, offered, reason):
    with pytest.raises(Conflict, match=reason):
        check_dispensable(
            read_prescription(request_),
            map(read_dispensation, known),
            read_dispensation(offered),
            now=NOW,
            country="PT",
        )


def test_a_substitution_is_recorded_where_the_prescriber_did_not_exclude_it():
    offered = read_dispensation(dispensation(substitution={"wasSubstituted": True}))
    check_dispensable(read_prescription(prescription()), [], offered, now=NOW, country="PT")


@pytest.mark.parametrize("end", ["2026-11-24", "2026-11", "2026", "2026-11-24T12:00:00Z"])
def test_the_last_day_of_validity_is_still_valid(end):
    assert is_valid_at(read_prescription(prescription(validityPeriod={"end": end})), NOW, "PT")


@pytest.mark.parametrize(
    ("country", "repeats", "authored", "valid"),
    [
        ("EE", 0, "2026-09-25", True),
        ("EE", 0, "2026-09-24", False),
        ("EE", 2, "2026-05-28", True),
        ("EE", 2, "2026-05-27", False),
        ("EE", 5, "2025-06-02", True),
        ("FR", 0, "2026-08-26", True),
        ("FR", 0, "2026-08-25", False),
        ("XX", 0, "2026-08-26", True),
        ("XX", 9, "2026-08-25", False),
        ("PT", 0, "2026-01", True),
        ("PT", 0, "1957", False),
        ("PT", 0, "soon", False),
    ],
)
def test_where_no_end_is_written_the_prescribing_country_says_how_long(country, repeats, authored, valid):
    request = prescription(numberOfRepeatsAllowed=repeats) | {"authoredOn": authored}
    assert is_valid_at(read_prescription(request), NOW, country) is valid


@pytest.mark.parametrize(
    "intent", ["order", "original-order", "reflex-order", "filler-order", "instance-order"]
)
def test_every_kind_of_order_may_be_dispensed(intent):
    assert why_not(read_prescription(prescription() | {"intent": intent}), NOW, "PT") is None


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
