"""Whether what is handed over is what was prescribed."""

import pytest

from salus.primary.products import is_same_product, medication_of, read_product

SNOMED, ATC = "http://snomed.info/sct", "http://www.whocc.no/atc"
BRAND_X, BRAND_Y = {"system": SNOMED, "code": "111"}, {"system": SNOMED, "code": "222"}
ENALAPRIL = {"system": ATC, "code": "C09AA02"}


def concept(*codings, text=""):
    return {"medicationCodeableConcept": {"coding": list(codings)} | ({"text": text} if text else {})}


@pytest.mark.parametrize(
    ("prescribed", "given", "same"),
    [
        (concept(BRAND_X), concept(BRAND_X, text="other words"), True),
        (concept(BRAND_X), concept(BRAND_Y), False),
        (concept(BRAND_X, ENALAPRIL), concept(BRAND_Y, ENALAPRIL), False),
        (concept(BRAND_X, ENALAPRIL), concept(BRAND_X), True),
        (concept(ENALAPRIL, text="Brand X"), concept(ENALAPRIL, text="brand  x"), True),
        (concept(ENALAPRIL, text="Brand X"), concept(ENALAPRIL, text="Brand Y"), False),
        (concept(ENALAPRIL), concept(ENALAPRIL, text="Brand Y"), True),
        (concept(BRAND_X), concept(text="Brand X"), False),
        (concept(BRAND_X | {"display": "Brand X"}), concept(text="Brand X"), True),
        (concept(text="Brand X"), concept(text="Brand Y"), False),
        (concept(text="Brand X"), {}, False),
        ({}, {}, True),
        ({"medicationReference": {"reference": "Medication/m"}}, concept(BRAND_X), True),
        ({"medicationReference": {"reference": "Medication/m"}}, concept(BRAND_Y), False),
        (
            {"medicationReference": {"reference": "Medication/m"}},
            {"medicationReference": {"reference": "https://pt.example/fhir/Medication/m/_history/2"}},
            True,
        ),
        ({"medicationReference": {"reference": "Medication/gone"}}, concept(BRAND_X), False),
        (
            {
                "contained": [{"resourceType": "Medication", "id": "1", "code": {"coding": [BRAND_X]}}],
                "medicationReference": {"reference": "#1"},
            },
            concept(BRAND_X),
            True,
        ),
    ],
)
def test_two_products_are_one_only_where_codes_or_names_say_so(prescribed, given, same):
    held = {"Medication/m": {"code": {"coding": [BRAND_X]}}}
    one, other = read_product(prescribed, held), read_product(given, held)
    assert is_same_product(one, other) is is_same_product(other, one) is same


def test_a_medication_kept_beside_is_named_by_type_and_id():
    assert medication_of({"medicationReference": {"reference": "Medication/m/_history/1"}}) == "Medication/m"
    assert medication_of({"medicationReference": {"reference": "#1"}}) == ""
    assert medication_of(concept(BRAND_X)) == ""
