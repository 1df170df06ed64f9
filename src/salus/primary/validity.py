"""How long a prescription holds: as its prescriber wrote, else by the table of the country it is from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources

import msgspec

from salus.primary.intervals import months_later

DEFAULT = "default"


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One country: days or calendar months, by permitted hand-overs, the last for all that are more.

    `first_months`: until when the first hand-over must be, 0 where it is as any other.
    """

    source: str
    days: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    first_months: int = 0


@cache
def validity() -> dict[str, Row]:
    """Return the table, keyed by ISO 3166-1 alpha-2 code and "default"."""
    table = resources.files(__package__).joinpath("validity.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, Row])


def last_day(dates: Iterable[str], country: str, fills: int, *, begun: bool) -> date:
    """Return the last day of a prescription of which no end is written.

    Args:
        dates: when it was written and from when on it is valid, FHIR dateTimes or "": the later one counts,
            a year or month from its start.
        country: where it was prescribed (ISO 3166-1 alpha-2).
        fills: permitted hand-overs, the first and the repeats (>= 1).
        begun: whether something was handed over on it.

    Raises:
        ValueError: there is no date, or one that cannot be read.
    """
    start = max(_first_day(each) for each in dates if each)
    row = validity().get(country, validity()[DEFAULT])
    if row.months:
        months = _by_fills(row.months, fills)
        return months_later(
            start, min(months, row.first_months) if row.first_months and not begun else months
        )
    try:
        return start + timedelta(days=_by_fills(row.days, fills))
    except OverflowError:
        return date.max


def _by_fills(numbers: Sequence[int], fills: int) -> int:
    return numbers[min(max(fills, 1), len(numbers)) - 1]


def _first_day(written: str) -> date:
    day = written.partition("T")[0]
    return date.fromisoformat(
        day + "-01-01"[len(day) - len("2000") :] if len(day) < len("2000-01-01") else day
    )


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
