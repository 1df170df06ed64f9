"""Indicators worked out of counts: in all, by vendor, system, country, category or profile, over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import msgspec

from salus.core.tally import MS_AT_MOST, Kind
from salus.primary.indicators.table import Filter, Indicator, indicators
from salus.store.tallies import Counted

DIMENSIONS = ("vendor", "system", "country", "category", "profile")
PERIODS = ("day", "month")
GROUPINGS = (*DIMENSIONS, *PERIODS)
FAULTS_MAX = 20

Group = tuple[str, ...]


class Result(msgspec.Struct, frozen=True):
    """An indicator of one group.

    Args:
        indicator: its name.
        group: values of the groupings asked for, in their order.
        numerator, denominator: counts, >= 0; None where a count is too small to be told.
        share: the quotient from 0 to 1, None where there is nothing to divide by or a count is not told.
    """

    indicator: str
    group: Group
    numerator: int | None
    denominator: int | None
    share: float | None


class Fault(msgspec.Struct, frozen=True):
    """How many checked files broke a rule, by who made the system that they come from."""

    vendor: str
    code: str
    category: str
    count: int


def work_out(counted: Sequence[Counted], by: Sequence[str] = ()) -> list[Result]:
    """Return every indicator of every group for which something was counted, by indicator and group.

    Args:
        counted: of the days in question.
        by: groupings, of `GROUPINGS`.
    """
    found = []
    for name, indicator in indicators().items():
        below = _sum(counted, indicator.denominator, indicator, by)
        above = _sum(counted, indicator.numerator, indicator, by, at_most_ms=indicator.at_most_ms)
        for group in sorted(below):
            over, under = above.get(group, 0), below[group]
            found.append(Result(name, group, over, under, over / under if under else None))
    return found


def rank_faults(counted: Iterable[Counted]) -> list[Fault]:
    """Return what is wrong most often, by vendor, at most `FAULTS_MAX`."""
    sums: Counter[tuple[str, str, str]] = Counter()
    for one in counted:
        if one.tally.kind is Kind.FAULT:
            sums[one.tally.vendor, one.tally.code, one.tally.category] += one.count
    ordered = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    return [Fault(*key, count) for key, count in ordered[:FAULTS_MAX]]


def _sum(
    counted: Iterable[Counted],
    meant: Filter,
    indicator: Indicator,
    by: Sequence[str],
    *,
    at_most_ms: int = 0,
) -> Mapping[Group, int]:
    taken = [one for one in counted if meant.takes(one.tally)]
    if indicator.level:
        taken = _as_of_the_last_day(taken, by)
    sums: Counter[Group] = Counter()
    for one in taken:
        sums[group_of(one, by)] += _within(one, at_most_ms) if at_most_ms else one.count
    return sums


def _as_of_the_last_day(taken: Iterable[Counted], by: Sequence[str]) -> list[Counted]:
    """Return what holds as of the last day of each group; days before it do not count again."""
    held = list(taken)
    last: dict[Group, date] = {}
    for one in held:
        group = group_of(one, by)
        last[group] = max(last.get(group, one.day), one.day)
    return [one for one in held if one.day == last[group_of(one, by)]]


def _within(one: Counted, at_most_ms: int) -> int:
    return sum(count for most, count in zip(MS_AT_MOST, one.ms_classes, strict=False) if most <= at_most_ms)


def group_of(one: Counted, by: Sequence[str]) -> Group:
    """Return the values of the groupings."""
    periods = {"day": one.day.isoformat(), "month": one.day.strftime("%Y-%m")}
    return tuple(periods[each] if each in periods else str(getattr(one.tally, each)) for each in by)
