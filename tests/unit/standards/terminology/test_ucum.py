"""Units: the examples are those of UCUM's own table of units in use, the conversions of its definitions."""

from decimal import Decimal

import pytest
from tests.unit.standards.terminology.asking import ask, parts, value_set

from salus.core.errors import InvalidResource
from salus.standards.terminology import ucum
from salus.standards.terminology.grammars import Grammars


@pytest.mark.parametrize(
    "code", ["mg/dL", "10*3/uL", "mm[Hg]", "Cel", "[iU]/L", "{beats}/min", "%", "kg/m2", "10.L/min"]
)
def test_units_in_use_are_units(code):
    assert ucum.is_unit(code)


@pytest.mark.parametrize("code", ["", "mcg", "mg//dL", "beats/min", "mg/", "{open", "m" * 81, "µg"])
def test_what_is_no_sentence_of_the_grammar_is_none(code):
    assert not ucum.is_unit(code)


@pytest.mark.parametrize(
    ("code", "other", "ratio"),
    [
        ("mg/dL", "g/L", "0.01"),
        ("wk", "d", "7"),
        ("m/s", "m.s-1", "1"),
        ("10*3/uL", "10*9/L", "1"),
        ("%", "1", "0.01"),
    ],
)
def test_units_of_one_dimension_are_multiples_of_each_other(code, other, ratio):
    assert ucum.ratio(code, other) == Decimal(ratio)


@pytest.mark.parametrize(("code", "other"), [("mg", "mmol"), ("Cel", "K"), ("mg", "nonsense")])
def test_others_are_not_compared(code, other):
    with pytest.raises(InvalidResource):
        ucum.ratio(code, other)


def test_a_value_set_of_comparable_units_holds_them():
    masses = value_set({"system": ucum.URL, "filter": [{"property": "canonical", "op": "=", "value": "g"}]})
    for code, expected in (("ug", True), ("mL", False)):
        answer = ask(
            "ValueSet/$validate-code",
            masses,
            library=Grammars(),
            url=masses["url"],
            system=ucum.URL,
            code=code,
        )
        assert parts(answer)["result"] is expected
