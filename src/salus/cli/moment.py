"""A moment on the command line."""

from __future__ import annotations

from datetime import datetime


def moment(text: str) -> datetime:
    """Return an ISO 8601 moment with its time zone.

    Raises:
        ValueError: it is none, or says no time zone.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time zone is missing")
    return at
