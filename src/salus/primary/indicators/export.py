"""What a node tells its federation of a month: indicators without small numbers (docs/decisions/0047)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from salus.primary.indicators.results import Result, work_out
from salus.store.tallies import Counted

COUNT_MIN = 10
"""A count below it, or whose complement is, is not told."""

TYPE = "salus-indicators+jwt"
GROUPED_BY = ("category",)


def suppress(result: Result, *, count_min: int) -> Result:
    """Return a result whose counts are told only where neither part of the whole is small."""
    over, under = result.numerator or 0, result.denominator or 0
    if under < count_min:
        return msgspec.structs.replace(result, numerator=None, denominator=None, share=None)
    if 0 < over < count_min or 0 < under - over < count_min:
        return msgspec.structs.replace(result, numerator=None, share=None)
    return result


def month_claims(
    counted: Sequence[Counted], *, node: str, country: str, month: str, issued: int
) -> dict[str, Any]:
    """Return the claims that a node signs for its federation: plain JSON.

    Args:
        counted: of the days of the month.
        node: this node's id.
        country: its country.
        month: as 2026-11.
        issued: when, seconds since 1970.
    """
    told = [suppress(each, count_min=COUNT_MIN) for each in work_out(counted, GROUPED_BY)]
    return {
        "iss": node,
        "iat": issued,
        "country": country,
        "month": month,
        "count_min": COUNT_MIN,
        "grouped_by": list(GROUPED_BY),
        "indicators": msgspec.to_builtins(told),
    }
