"""Whether a prescription is still what the pharmacist was shown."""

from decimal import Decimal

import pytest

from salus.primary.shown import changed_since, fingerprint

ORDER = {
    "resourceType": "MedicationRequest",
    "id": "rx",
    "meta": {"versionId": "3"},
    "medicationReference": {"reference": "Medication/m"},
    "dosageInstruction": [{"text": "one a day"}],
    "dispenseRequest": {"quantity": {"value": Decimal(30), "unit": "tablet"}},
}


def medication(version):
    return {"resourceType": "Medication", "id": "m", "meta": {"versionId": version}}


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({}, []),
        ({"meta": {"versionId": "4"}}, []),
        ({"medicationReference": {"reference": "Medication/n"}}, ["product"]),
        ({"dosageInstruction": [{"text": "two a day"}]}, ["dosage"]),
        ({"dispenseRequest": {"quantity": {"value": Decimal(60), "unit": "tablet"}}}, ["amount"]),
        ({"dispenseRequest": {"quantity": {"value": Decimal("30.0"), "unit": "tablet"}}}, []),
        ({"dispenseRequest": {"quantity": {"value": Decimal("3e1"), "unit": "tablet"}}}, []),
        ({"dispenseRequest": {"quantity": {"value": Decimal("3e999999"), "unit": "tablet"}}}, ["amount"]),
        ({"substitution": {"allowedBoolean": False}}, ["substitution"]),
    ],
)
def test_what_is_not_as_it_was_shown_is_named(change, parts):
    assert changed_since(fingerprint(ORDER), ORDER | change) == parts


def test_the_version_of_the_product_counts_however_the_prescription_names_it():
    shown = fingerprint(ORDER, medication("1"))
    named = ORDER | {"medicationReference": {"reference": "Medication/m/_history/1"}}
    assert changed_since(shown, named) == []
    assert changed_since(shown, ORDER, medication("2")) == ["product"]


def test_a_contained_product_is_part_of_what_is_shown():
    inside = ORDER | {"medicationReference": {"reference": "#m"}, "contained": [{"code": {"text": "A"}}]}
    other = inside | {"contained": [{"code": {"text": "B"}}]}
    assert changed_since(fingerprint(inside), other) == ["product"]


@pytest.mark.parametrize("shown", ["", "x", "a:b"])
def test_a_form_that_does_not_say_what_was_shown_is_not_taken_for_the_same(shown):
    assert changed_since(shown, ORDER)
