"""Dates and times of partial precision."""

import pytest

from salus.standards.fhir.fhirpath.temporal import add, compare, parse_temporal


@pytest.mark.parametrize(
    "text", ["2015", "2015-02", "2015-02-04", "2015-02-04T14", "2015-02-04T14:34:28.123+10:00", "T14:34"]
)
def test_a_value_is_written_as_it_was_read(text):
    assert str(parse_temporal(text)) == text.removeprefix("T")


@pytest.mark.parametrize(
    "text", ["2015-13", "2015-02-29", "0000", "2015-2", "T24:00", "T12:60", "2015-02T12", "20150204", "", "T"]
)
def test_what_is_not_of_the_calendar_is_no_value(text):
    assert parse_temporal(text) is None


def test_a_leap_day_exists_in_leap_years_only():
    assert parse_temporal("2016-02-29") is not None
    assert parse_temporal("1900-02-29") is None


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [
        ("2015-02-04T23:00:00-05:00", "2015-02-05T04:00:00Z", 0),
        ("2015-02-04T10:00:00Z", "2015-02-04T12:00:00", None),
        ("2015-02-04T10:00:00Z", "2015-02-06T12:00:00", -1),
        ("2015-02-04", "2015-02-04T12:00:00Z", None),
        ("2015-02-03", "2015-02-04T12:00:00Z", -1),
        ("T12:00", "T12:00:01", None),
        ("T12:00:01.5", "T12:00:01", 1),
    ],
)
def test_order_is_told_only_where_it_is_certain(left, right, order):
    first, second = parse_temporal(left), parse_temporal(right)
    assert first is not None
    assert second is not None
    assert compare(first, second) == order


@pytest.mark.parametrize(
    ("text", "amount", "unit", "sum_"),
    [
        ("2015-01-31", 1, "month", "2015-02-28"),
        ("2015", 13, "month", "2016"),
        ("2015-12-31T23:59:59.999Z", 1, "millisecond", "2016-01-01T00:00:00.000Z"),
        ("2015-03-01", -24, "hour", "2015-02-28"),
        ("T00:30:00", -1, "hour", "23:30:00"),
        ("9999-12-31", 1, "day", "None"),
        ("0001-01-01", -1, "year", "None"),
        ("2015-01-01", 10**12, "week", "None"),
    ],
)
def test_moments_move_by_calendar_units(text, amount, unit, sum_):
    value = parse_temporal(text)
    assert value is not None
    assert str(add(value, amount, unit)) == sum_
