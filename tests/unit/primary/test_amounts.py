"""Amounts of a product: which of them are in the same unit."""

from decimal import Decimal

import pytest

from salus.core.errors import InvalidResource
from salus.primary.amounts import noun, read_amount

UCUM = "http://unitsofmeasure.org"


def amount(value, code="", unit="", system=UCUM):
    return read_amount({"value": value, "code": code, "unit": unit, "system": system if code else ""})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (amount(1, "mg"), amount(2, "mg", "milligram"), True),
        (amount(1, "mg"), amount(1, "g"), False),
        (amount(1, "1", "tablet"), amount(1, "1", "box"), False),
        (amount(1, "1", "tablet"), amount(1, "1", " TABLETS "), True),
        (amount(1, "1", "tablet"), amount(1, "1"), False),
        (amount(1, "1"), amount(2, "1"), True),
        (amount(1, "{tbl}"), amount(1, "{tbl}", "tablet"), True),
        (amount(1, "{count}", "tablet"), amount(1, "{count}", "box"), False),
        (amount(1, "10*3", "cells"), amount(1, "10*3", "tablets"), False),
        (amount(1, "15060000", "Vial", "http://standardterms.edqm.eu"),
         amount(1, "15060000", "Flacon", "http://standardterms.edqm.eu"), True),
        (amount(1, "15060000", "", "http://standardterms.edqm.eu"), amount(1, "15060000"), False),
        (amount(1, unit="tablet"), amount(1, "{tbl}", "tablets"), True),
        (amount(1, unit="tablet"), amount(1, "{tbl}"), False),
        (amount(5), amount(5, "mg"), False),
        (amount(5), amount(5), True),
    ],
)  # fmt: skip
def test_two_amounts_are_in_one_unit_only_where_that_is_known(one, other, same):
    assert one.same_unit(other) is other.same_unit(one) is same


@pytest.mark.parametrize(
    ("one", "other", "value"),
    [
        (amount("0.5", "g"), amount(1, "mg"), Decimal(500)),
        (amount(1, "L"), amount(1, "mL"), Decimal(1000)),
        (amount(1, "g"), amount(1, "mL"), None),
        (amount(1, "1", "box"), amount(1, "1", "tablet"), None),
        (amount(1, "10*3", "tablet"), amount(1, "1", "tablet"), None),
        (amount(3, unit="tablet"), amount(1, unit="tablets"), Decimal(3)),
    ],
)
def test_measures_convert_and_what_is_counted_does_not(one, other, value):
    assert one.in_unit_of(other) == value


def test_an_amount_is_read_with_its_digits_or_refused():
    assert str(amount("12.50", "mg", "mg")) == "12.5 mg"
    assert read_amount(None) is read_amount({"unit": "tablet"}) is None
    for value in ("many", "NaN", "1e99", "1e-99"):
        with pytest.raises(InvalidResource):
            read_amount({"value": value})


@pytest.mark.parametrize(
    ("written", "read"), [("Tablet(s)", "tablet"), ("comprimidos", "comprimido"), ("", "")]
)
def test_a_noun_is_compared_without_its_plural(written, read):
    assert noun(written) == read
