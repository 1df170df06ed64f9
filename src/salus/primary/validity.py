"""How long a prescription holds: as its prescriber wrote, else by the table of the country it is from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources

import msgspec

DEFAULT = "default"


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One country: days from authoring, by permitted hand-overs, the last for all that are more."""

    days: tuple[int, ...]
    source: str


@cache
def validity() -> dict[str, Row]:
    """Return the table, keyed by ISO 3166-1 alpha-2 code and "default"."""
    table = resources.files(__package__).joinpath("validity.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, Row])


def validity_days(country: str, fills: int) -> int:
    """Return how many days a prescription with so many hand-overs (>= 1) holds where nothing is written."""
    days = validity().get(country, validity()[DEFAULT]).days
    return days[min(max(fills, 1), len(days)) - 1]


def last_day(authored: str, days: int) -> date:
    """Return the last day, `days` after the day of a FHIR dateTime; a year or month counts from its start.

    The calendar's last day where it would lie beyond.
    """
    day = authored.partition("T")[0]
    whole = day + "-01-01"[len(day) - len("2000") :] if len(day) < len("2000-01-01") else day
    try:
        return date.fromisoformat(whole) + timedelta(days=days)
    except OverflowError:
        return date.max


def is_within(now: datetime, start: str, end: str) -> bool:
    """Return whether the moment lies in a period as written; a bare date lasts its whole day (UTC)."""
    return not (start and _before(now, start)) and not (end and _after(now, end))


def _before(now: datetime, start: str) -> bool:
    if "T" in start:
        return now < datetime.fromisoformat(start)
    return now.astimezone(UTC).date().isoformat()[: len(start)] < start


def _after(now: datetime, end: str) -> bool:
    if "T" in end:
        return now > datetime.fromisoformat(end)
    return now.astimezone(UTC).date().isoformat()[: len(end)] > end
