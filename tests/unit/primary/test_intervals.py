"""The time between two hand-overs, by the calendar."""

from datetime import UTC, datetime, timedelta

import pytest

from salus.primary.intervals import Interval, earliest_next, latest_moment, read_interval

UCUM = "http://unitsofmeasure.org"


def duration(value, code, **members):
    return {"value": value, "code": code, "system": UCUM} | members


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "interval"),
    [
        (None, None),
        ({}, None),
        (duration(0, "d"), None),
        (duration(28, "d"), Interval(rest=timedelta(28))),
        (duration("4.0", "wk"), Interval(rest=timedelta(28))),
        (duration(36, "h"), Interval(rest=timedelta(1.5), by_moment=True)),
        (duration(24, "h"), Interval(rest=timedelta(1), by_moment=True)),
        (duration(1440, "min"), Interval(rest=timedelta(1), by_moment=True)),
        (duration("0.5", "d"), Interval(rest=timedelta(0.5), by_moment=True)),
        (duration(1, "mo"), Interval(months=1)),
        (duration(1, "a"), Interval(months=12)),
        (duration(28, "mg"), Interval()),
        (duration(-1, "d"), Interval()),
        (duration(10**15, "d"), Interval()),
        (duration("many", "d"), Interval()),
        (duration(28, "d", comparator=">"), Interval()),
        ({"value": 4, "unit": "weeks"}, Interval()),
        ({"unit": "d"}, Interval()),
    ],
)
def test_what_a_duration_says(written, interval):
    assert read_interval(written) == interval


@pytest.mark.parametrize(
    ("interval", "last", "next_"),
    [
        (duration(28, "d"), "2026-11-01T23:30", "2026-11-29T00:00"),
        (duration(36, "h"), "2026-11-01T23:30", "2026-11-03T11:30"),
        (duration(24, "h"), "2026-11-28T23:50", "2026-11-29T23:50"),
        (duration(1440, "min"), "2026-11-28T23:50", "2026-11-29T23:50"),
        (duration(72, "h"), "2026-11-28T23:50", "2026-12-01T23:50"),
        (duration(1, "d"), "2026-11-28T23:50", "2026-11-29T00:00"),
        (duration(1, "mo"), "2026-01-31T10:00", "2026-02-28T00:00"),
        (duration(1, "mo"), "2026-12-05T10:00", "2027-01-05T00:00"),
        (duration(1, "a"), "2028-02-29T10:00", "2029-02-28T00:00"),
    ],
)
def test_the_earliest_next_moment(interval, last, next_):
    read = read_interval(interval)
    assert read.after(at(last)) == at(next_)
    assert earliest_next(read, [at(last)], at(next_)) is None
    assert earliest_next(read, [at(last)], at(next_) - timedelta(minutes=1)) == at(next_)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-02-28T10:00:00+02:00", "2026-02-28T08:00:00"),
        ("2026-02-28", "2026-02-28T23:59:59"),
        ("2026-02", "2026-02-28T23:59:59"),
        ("2026", "2026-12-31T23:59:59"),
        ("2026-02-28T10:00:00", None),
        ("", None),
        ("soon", None),
        ("20", None),
    ],
)
def test_a_date_stands_for_its_last_moment(written, moment):
    assert latest_moment(written) == (at(moment) if moment else None)
