"""When the next hand-over may be: MedicationRequest.dispenseRequest.dispenseInterval (R4).

Days are counted by the calendar: what was handed over at any hour of the 1st with 28 days between may be
handed over again at any hour of the 29th. Hours and minutes are counted from the moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec

from salus.core.errors import InvalidResource
from salus.primary.amounts import UCUM, read_amount
from salus.standards.fhir.fhirpath.units import conversion

DAY = timedelta(days=1)
CALENDAR_DAYS = frozenset({"d", "wk"})
"""UCUM units that are whole days of the calendar, where there is a whole number of them."""
YEARS_MAX = 100
SECONDS_MAX, MONTHS_MAX = YEARS_MAX * 366 * 86400, YEARS_MAX * 12
Resource = Mapping[str, Any]  # FHIR content is open JSON, hence Any


class Interval(msgspec.Struct, frozen=True):
    """The least time between two hand-overs; both parts are zero where what is written cannot be read.

    Args:
        months: calendar months (a year is twelve).
        rest: the time besides.
        by_moment: whether it is counted from the moment, for it is written in hours or minutes (24 h is no
            day of the calendar) or is no whole number of days.
    """

    months: int = 0
    rest: timedelta = timedelta(0)
    by_moment: bool = False

    @property
    def is_readable(self) -> bool:
        """Return whether it is known how long it is."""
        return bool(self.months or self.rest)

    def after(self, moment: datetime) -> datetime:
        """Return the earliest moment of the next hand-over; days of the calendar end as their day begins."""
        day = months_later(moment.date(), self.months)
        if self.by_moment:
            return datetime.combine(day, moment.timetz()) + self.rest
        return datetime.combine(day, time(tzinfo=UTC)) + self.rest


def read_interval(duration: Resource | None) -> Interval | None:
    """Return a Duration as an interval: None when there is none or it is zero.

    One without a UCUM code of time, or not a positive number of at most a hundred years, cannot be read.
    """
    if not duration:
        return None
    try:
        amount = read_amount(duration)
    except InvalidResource:
        return Interval()
    if amount is None or amount.system not in {UCUM, ""} or duration.get("comparator"):
        return Interval()
    if amount.value == 0:
        return None
    months = {"mo": 1, "a": 12}.get(amount.code, 0) * amount.value
    if 0 < months <= MONTHS_MAX and months == int(months):
        return Interval(months=int(months))
    factor = conversion(amount.code, "s") if amount.code else None
    seconds = 0 if factor is None else amount.value * factor.numerator / factor.denominator
    if not 0 < seconds <= SECONDS_MAX:
        return Interval()
    rest = timedelta(seconds=float(seconds))
    return Interval(rest=rest, by_moment=amount.code not in CALENDAR_DAYS or bool(rest % DAY))


def latest_moment(written: str) -> datetime | None:
    """Return the latest moment that a FHIR dateTime stands for (UTC), None for none that can be read.

    A day stands for its last second, a month or year for that of its last day.
    """
    try:
        if "T" in written:
            moment = datetime.fromisoformat(written)
            return moment.astimezone(UTC) if moment.tzinfo else None
        first = date.fromisoformat(written + "-01-01"[len(written) - 4 :] if len(written) < 10 else written)
    except ValueError:
        return None
    months = {4: 12, 7: 1}.get(len(written), 0)
    last = months_later(first, months) - DAY if months else first
    return datetime.combine(last, time(23, 59, 59), UTC)


def earliest_next(interval: Interval, known: Iterable[datetime], at: datetime) -> datetime | None:
    """Return from when a hand-over may be that is now too near to another one, None where it is not.

    Args:
        interval: a readable one.
        known: when the other hand-overs were.
        at: when this one is; it may be given an earlier date than one that is recorded.
    """
    moments = list(known)
    near = [each for each in moments if interval.after(min(each, at)) > max(each, at)]
    return interval.after(max(moments)) if near else None


def months_later(day: date, months: int) -> date:
    """Return the day so many months later, the last of the month where that has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    return date.max
