"""Refusals of those who could not say who they are: counted, and written down as one leaf of a kind.

A leaf for each would let anybody without a token fill the audit.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from salus.core.access import Leaf, Outcome

BEARER, ASSERTION = "bearer token", "client assertion"
RULE = "not-authenticated"


class Refusals:
    """How many were refused since the last leaf, by what was wrong."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def note(self, what: str) -> None:
        """Count one refusal; `what` is one of this module's words, never the caller's."""
        self._counts[what] += 1

    def take(self, at: datetime, request: str) -> list[Leaf]:
        """Return a leaf for each kind, with the number of refusals as `resources`, and begin anew."""
        counts, self._counts = self._counts, Counter()
        return [
            Leaf(
                at=at, request=request, patient="", subject="", name="", role="", organisation="", node="",
                purpose="", action="authenticate", what=what, resources=count, outcome=Outcome.REFUSED,
                rule=RULE,
            )
            for what, count in sorted(counts.items())
        ]  # fmt: skip
