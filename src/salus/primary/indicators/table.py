"""The indicators: two filters over counts each (`indicators.toml`)."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

import msgspec

from salus.core.tally import Kind, Tally


class Filter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which counts are meant: those that agree in everything that is named.

    Args:
        kind: of the count.
        way: how it came about.
        category: priority category.
        outcome: any of these; none named means any.
        first: first attempts only.
    """

    kind: Kind
    way: str = ""
    category: str = ""
    outcome: tuple[str, ...] = ()
    first: bool = False

    def takes(self, tally: Tally) -> bool:
        """Return whether a count is meant."""
        return (
            tally.kind is self.kind
            and self.way in ("", tally.way)
            and self.category in ("", tally.category)
            and (not self.outcome or tally.outcome in self.outcome)
            and (tally.is_first or not self.first)
        )


class Indicator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One indicator; the meaning of the fields is in the head of `indicators.toml`."""

    title: str
    law: str
    better: Literal["increase", "decrease"]
    numerator: Filter
    denominator: Filter
    at_most_ms: int = 0
    level: bool = False
    sign_of_blocking: bool = False


@cache
def indicators() -> dict[str, Indicator]:
    """Return the table, keyed by the indicator's name."""
    table = resources.files(__package__).joinpath("indicators.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, Indicator])
