"""Whether what is handed over is what was prescribed."""

import pytest

from salus.primary.products import (
    is_same_group,
    is_same_product,
    is_same_substance,
    medication_of,
    read_product,
)

SNOMED, ATC = "http://snomed.info/sct", "http://www.whocc.no/atc"
BRAND_X, BRAND_Y = {"system": SNOMED, "code": "111"}, {"system": SNOMED, "code": "222"}
ENALAPRIL = {"system": ATC, "code": "C09AA02"}


def concept(*codings, text=""):
    return {"medicationCodeableConcept": {"coding": list(codings)} | ({"text": text} if text else {})}


def refer(link, **members):
    return {"medicationReference": {"reference": link} | members}


def named(text):
    return {"medicationReference": {"display": text}}


def numbered(value):
    return {"medicationReference": {"identifier": {"system": "urn:p", "value": value}}}


def inside(**members):
    held = {"resourceType": "Medication", "id": "m"} | members
    return {"contained": [held], "medicationReference": {"reference": "#m"}}


@pytest.mark.parametrize(
    ("prescribed", "given", "same"),
    [
        (concept(BRAND_X), concept(BRAND_X, text="other words"), True),
        (concept(BRAND_X), concept(BRAND_Y), False),
        (concept(BRAND_X, ENALAPRIL), concept(BRAND_Y, ENALAPRIL), False),
        (concept(BRAND_X, ENALAPRIL), concept(BRAND_X), True),
        (concept(ENALAPRIL, text="Brand X"), concept(ENALAPRIL, text="brand  x"), True),
        (concept(ENALAPRIL, text="Brand X"), concept(ENALAPRIL, text="Brand Y"), False),
        (concept(ENALAPRIL), concept(ENALAPRIL, text="Brand Y"), False),
        (concept(ENALAPRIL), concept(ENALAPRIL), True),
        (concept(BRAND_X), concept(text="Brand X"), False),
        (concept(BRAND_X | {"display": "Brand X"}), concept(text="Brand X"), True),
        (concept(text="Brand X"), concept(text="Brand Y"), False),
        (concept(text="Brand X"), {}, False),
        ({}, {}, False),
        (named("Morphine 10 mg"), named("Morphine 100 mg"), False),
        (named("Morphine 10 mg"), named("morphine 10 mg"), True),
        (named("Morphine 10 mg"), concept(text="Morphine 10 mg"), True),
        (numbered("10"), numbered("100"), False),
        (numbered("10"), numbered("10"), True),
        (inside(identifier=[{"system": "urn:p", "value": "10"}]), inside(), False),
        (
            concept({"code": "1"}, text="Morphine 10 mg"),
            concept({"code": "1"}, text="Morphine 100 mg"),
            False,
        ),
        (concept({"code": "1"}), concept({"code": "1"}), False),
        (refer("https://a.example/Medication/1"), refer("https://b.example/Medication/1"), False),
        (refer("https://a.example/Medication/1"), refer("https://a.example/Medication/1"), True),
        (refer("https://a.example/Medication/m"), refer("Medication/m"), False),
        (refer("Medication/gone"), refer("Medication/gone"), True),
        (refer("Medication/gone", display="10 mg"), refer("Medication/gone", display="100 mg"), False),
        (refer("Medication/m/_history/1"), refer("Medication/m/_history/1"), True),
        (refer("Medication/m/_history/1"), refer("Medication/m"), False),
        (refer("Medication/m/_history/2"), refer("Medication/m"), True),
        ({"medicationReference": {"reference": "Medication/m"}}, concept(BRAND_X), True),
        ({"medicationReference": {"reference": "Medication/m"}}, concept(BRAND_Y), False),
        (
            {"medicationReference": {"reference": "Medication/m"}},
            {"medicationReference": {"reference": "https://pt.example/fhir/Medication/m/_history/2"}},
            False,
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
    held = {"Medication/m": {"code": {"coding": [BRAND_X]}, "meta": {"versionId": "2"}}}
    one, other = read_product(prescribed, held), read_product(given, held)
    assert is_same_product(one, other) is is_same_product(other, one) is same


def test_a_medication_kept_beside_is_named_by_type_and_id():
    assert medication_of({"medicationReference": {"reference": "Medication/m/_history/1"}}) == "Medication/m"
    assert medication_of({"medicationReference": {"reference": "#1"}}) == ""
    assert medication_of(concept(BRAND_X)) == ""


UCUM = "http://unitsofmeasure.org"
MG_500 = {
    "numerator": {"value": 500, "code": "mg", "system": UCUM},
    "denominator": {"value": 1, "unit": "tablet"},
}
MG_1000 = MG_500 | {"numerator": {"value": 1000, "code": "mg", "system": UCUM}}
HALF_GRAM = {"numerator": {"value": "0.50", "code": "g", "system": UCUM}}
PARACETAMOL = {"system": SNOMED, "code": "387517004"}
TABLET, SYRUP = {"text": "Tablet"}, {"text": "Syrup"}


def medication(strength=None, substance="paracetamol", **members):
    made = {"itemCodeableConcept": {"text": substance}} | ({"strength": strength} if strength else {})
    return {"code": {"coding": [PARACETAMOL]}, "ingredient": [made]} | members


MORPHINE = {"system": "urn:s", "value": "1"}


def of(**substance):
    """A product of one ingredient that is named by a concept (text, coding), else by a reference."""
    concept = "itemCodeableConcept" if substance.keys() & {"text", "coding"} else "itemReference"
    return {"code": {"coding": [BRAND_X]}, "ingredient": [{concept: substance, "strength": MG_500}]}


def product(resource):
    held = {"resourceType": "Medication", "id": "m"} | resource
    return read_product({"contained": [held], "medicationReference": {"reference": "#m"}})


@pytest.mark.parametrize(
    ("prescribed", "given", "same"),
    [
        (medication(MG_500), medication(MG_500), True),
        (medication(MG_500), medication(MG_1000), False),
        (medication(MG_500), medication(HALF_GRAM), True),
        (medication(MG_500), medication(), False),
        (medication(MG_500), {"code": {"coding": [PARACETAMOL]}}, False),
        (medication(MG_500), medication(MG_500, "ibuprofen"), False),
        (medication(MG_500, form=TABLET), medication(MG_500, form=SYRUP), False),
        (medication(MG_500, form=TABLET), medication(MG_500), False),
        (medication(MG_500, amount=MG_500), medication(MG_500, amount=MG_1000), False),
        (of(text=""), of(text=""), False),
        (of(reference="#s"), of(reference="#s"), False),
        (of(identifier=MORPHINE), of(identifier=MORPHINE), True),
        (of(identifier=MORPHINE), of(identifier=MORPHINE | {"value": "2"}), False),
        (of(coding=[{"code": "1"}], text="morphine"), of(coding=[{"code": "1"}], text="fentanyl"), False),
        (medication({"numerator": {"value": 5}}), medication({"numerator": {"value": "many"}}), False),
    ],
)
def test_one_code_is_not_one_product_where_strength_form_or_package_differ(prescribed, given, same):
    one, other = product(prescribed), product(given)
    assert is_same_product(one, other) is is_same_product(other, one) is same


def test_an_ingredient_that_is_not_active_tells_no_products_apart():
    lactose = {"itemCodeableConcept": {"text": "lactose"}, "isActive": False}
    more = medication(MG_500)
    more["ingredient"] = [*more["ingredient"], lactose]
    assert is_same_product(product(medication(MG_500)), product(more))


PARACETAMOL_ATC = {"system": ATC, "code": "N02BE01"}
MG = {"itemCodeableConcept": {"text": "paracetamol"}, "strength": MG_500}


def atc(code, *ingredients, **members):
    return {"code": {"coding": [{"system": ATC, "code": code}]}, "ingredient": list(ingredients)} | members


@pytest.mark.parametrize(
    ("prescribed", "given", "substance", "group"),
    [
        (atc("A02BA01"), atc("A02BA01", code_text=""), True, True),
        (atc("A02BA01"), atc("A02BA02"), False, True),
        (atc("A02BA01"), atc("N02BE01"), False, False),
        (atc("A02BA01"), {"code": {"text": "cimetidine"}}, False, False),
        (atc("A02B"), atc("A02B"), True, True),
        (atc("N02BE01", MG), {"code": {"coding": [PARACETAMOL_ATC], "text": "1000 mg"}}, False, True),
        (atc("N02BE01", MG), atc("N02BE01", MG, code_text=""), True, True),
        (atc("N02BE01"), atc("N02BE01", MG), True, True),
        (atc("N02BE01", form=TABLET), atc("N02BE01"), False, True),
        (medication(MG_500), medication(MG_500) | {"code": {"text": "Brand"}}, True, True),
        (medication(MG_500), medication(MG_1000) | {"code": {"text": "Brand"}}, False, False),
    ],
)
def test_substance_and_group_are_told_by_atc_or_ingredients(prescribed, given, substance, group):
    one, other = product(prescribed), product(given)
    assert is_same_substance(one, other) is substance
    assert is_same_group(one, other) is group
