"""Dates in words keep the precision they came with."""

from datetime import UTC, datetime

import pytest

from salus.web.portal.rendering import day, moment


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2026-05-03", "3 May 2026"),
        ("2026-05", "May 2026"),
        ("2026", "2026"),
        ("2026-05-03T23:30:00+02:00", "3 May 2026"),
        ("", "no date"),
        ("unknown", "unknown"),
    ],
)
def test_a_date_in_words(written, shown):
    assert day(written) == shown


@pytest.mark.parametrize(
    ("when", "shown"),
    [
        (datetime(2026, 5, 3, 14, 5, 9, tzinfo=UTC), "3 May 2026, 14:05:09 UTC"),
        ("2026-05-03T23:30:00+02:00", "3 May 2026, 21:30:00 UTC"),
        ("2026-05-03", "3 May 2026"),
    ],
)
def test_a_moment_in_words(when, shown):
    assert moment(when) == shown
