"""Rectification (GDPR, Art. 16 and 12(3); EHDS, Art. 6): by when it is answered, and how."""

from __future__ import annotations

import calendar
from datetime import datetime

from salus.core.errors import InvalidSearch

OPEN, EXTENDED, ACCEPTED, REFUSED = "open", "extended", "accepted", "refused"
WAITING = frozenset({OPEN, EXTENDED})
EXTENSION_MONTHS = 2
"""GDPR 12(3): once, with the reason told within the first time."""
REASON_LENGTH_MIN, TEXT_LENGTH_MAX = 10, 4_000


def months_later(at: datetime, months: int) -> datetime:
    """Return the same day some months later, the last one of a month that is too short."""
    month = at.month - 1 + months
    year, month = at.year + month // 12, month % 12 + 1
    return at.replace(year=year, month=month, day=min(at.day, calendar.monthrange(year, month)[1]))


def checked_text(text: str) -> str:
    """Return what somebody says in their own words.

    Raises:
        InvalidSearch: it is too short to be a reason, or too long.
    """
    said = text.strip()
    if not REASON_LENGTH_MIN <= len(said) <= TEXT_LENGTH_MAX:
        raise InvalidSearch(
            f"Say it in {REASON_LENGTH_MIN} to {TEXT_LENGTH_MAX} characters: what is wrong, or why."
        )
    return said
