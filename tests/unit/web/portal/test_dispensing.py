"""The amount that a pharmacist writes, in the reader's language."""

from decimal import Decimal

import pytest

from salus.core.errors import InvalidSearch
from salus.web.portal.dispensing import read_quantity

MOST = Decimal(2000)


@pytest.mark.parametrize(
    ("written", "language", "amount"),
    [
        ("1500", "pt", 1500),
        ("1,5", "pt", "1.5"),
        ("1,500", "et", "1.5"),
        ("1.5", "en", "1.5"),
        (" 8 ", "fr", 8),
    ],
)
def test_the_decimal_mark_is_that_of_the_language(written, language, amount):
    assert read_quantity(written, MOST, language) == Decimal(amount)


@pytest.mark.parametrize(("written", "amount"), [("20", "20"), ("007", "7"), ("1.50", "1.50")])
def test_an_amount_keeps_the_digits_that_were_written(written, amount):
    assert str(read_quantity(written, MOST, "en")) == amount


@pytest.mark.parametrize(
    ("written", "language"),
    [("1.500", "pt"), ("1.5", "fr"), ("1,500", "en"), ("2001", "en"), ("0", "en"), ("-1", "en"),
     ("1e3", "en"), ("NaN", "en"), ("1 500", "fr"), ("٣", "en")],
)  # fmt: skip
def test_what_may_be_read_in_two_ways_is_refused(written, language):
    with pytest.raises(InvalidSearch, match="at most 2000"):
        read_quantity(written, MOST, language)


@pytest.mark.parametrize("written", ["", " "])
def test_an_emptied_amount_is_asked_for_and_is_not_the_whole_package(written):
    with pytest.raises(InvalidSearch, match="how much is handed over now"):
        read_quantity(written, MOST, "en")


def test_where_hand_overs_are_counted_there_is_no_amount():
    assert read_quantity("5", None, "en") is None
