"""What a medicine is made of, as Medications of HL7 Europe MPD and others state it."""

import pytest

from salus.primary.composition import read_composition

UCUM, EDQM, SCT = "http://unitsofmeasure.org", "http://standardterms.edqm.eu", "http://snomed.info/sct"
CEFUROXIME = {"coding": [{"system": SCT, "code": "372833007", "display": "Cefuroxime"}]}
OTHER = {"coding": [{"system": SCT, "code": "1"}], "text": "Cefuroxime"}
ML_5 = {"value": 5, "code": "mL", "system": UCUM}
VIAL = {"value": 1, "code": "15060000", "system": EDQM, "unit": "Vial"}


def strength(value, code="mg", of=VIAL):
    return {"numerator": {"value": value, "code": code, "system": UCUM}} | ({"denominator": of} if of else {})


def made_of(*ingredients, **members):
    return read_composition({"resourceType": "Medication", "ingredient": list(ingredients)} | members)


def cefuroxime(value=1500, code="mg", of=VIAL, item=CEFUROXIME):
    return {"itemCodeableConcept": item, "strength": strength(value, code, of)}


@pytest.mark.parametrize(
    ("one", "other", "agrees"),
    [
        (cefuroxime(), cefuroxime(), True),
        (cefuroxime(), cefuroxime("1.50", "g"), True),
        (cefuroxime(), cefuroxime(3000, of=VIAL | {"value": 2}), True),
        (cefuroxime(), cefuroxime(750), False),
        (cefuroxime(), cefuroxime(of={"value": 1, "unit": "tablet"}), False),
        (cefuroxime(of={"value": 1, "unit": "tablet"}), cefuroxime(of={"value": 1, "unit": "Tablets"}), True),
        (cefuroxime(of={"value": 1, "code": "1", "system": UCUM}), cefuroxime(of=None), True),
        (cefuroxime(of=ML_5), cefuroxime(of={"value": 5, "unit": "mL"}), True),
        (cefuroxime(of=VIAL | {"value": 0}), cefuroxime(), False),
        (cefuroxime(), cefuroxime(item=CEFUROXIME | {"text": "another language"}), True),
        (cefuroxime(), cefuroxime(item=OTHER), False),
        (cefuroxime(), cefuroxime(item={"text": "cefuroxime"}), True),
    ],
)  # fmt: skip
def test_strengths_agree_as_quantities_do(one, other, agrees):
    first, second = made_of(one), made_of(other)
    assert first.agrees(second) is second.agrees(first) is agrees
    assert first.is_kept_by(second) is agrees


def test_what_one_states_is_kept_only_where_the_other_states_it_too():
    stated, silent = made_of(cefuroxime(), form={"text": "powder"}), made_of()
    assert not stated.agrees(silent)
    assert silent.is_kept_by(stated)
    assert not stated.is_kept_by(silent)
    assert not made_of(cefuroxime(), form={"text": "syrup"}).is_kept_by(stated)


def test_two_ingredients_are_compared_in_any_order_and_none_twice():
    other = {"itemReference": {"reference": "Substance/x", "display": "Lidocaine"}, "strength": strength(10)}
    assert made_of(cefuroxime(), other).agrees(made_of(other, cefuroxime()))
    assert not made_of(cefuroxime(), other).agrees(made_of(cefuroxime(), cefuroxime()))
    assert not made_of(cefuroxime()).agrees(made_of(cefuroxime(), other))


def test_an_ingredient_that_is_contained_is_read_there():
    inside = {"resourceType": "Substance", "id": "s", "code": CEFUROXIME}
    referred = {"itemReference": {"reference": "#s"}, "strength": strength(1500)}
    assert made_of(referred, contained=[inside]).agrees(made_of(cefuroxime()))
