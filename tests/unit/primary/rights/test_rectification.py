"""By when a request is answered (GDPR 12(3)), and that an answer has a reason."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from salus.core.errors import InvalidSearch
from salus.primary.rights.rectification import checked_text, months_later


@pytest.mark.parametrize(
    ("asked", "months", "due"),
    [
        ((2026, 11, 24), 1, (2026, 12, 24)),
        ((2026, 12, 31), 2, (2027, 2, 28)),
        ((2028, 1, 31), 1, (2028, 2, 29)),
        ((2026, 12, 1), 1, (2027, 1, 1)),
    ],
)
def test_a_month_is_a_month_of_the_calendar(asked, months, due):
    assert months_later(datetime(*asked, 9, 30, tzinfo=UTC), months) == datetime(*due, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "  no     ", "x" * 4_001])
def test_a_reason_says_something(text):
    with pytest.raises(InvalidSearch):
        checked_text(text)
