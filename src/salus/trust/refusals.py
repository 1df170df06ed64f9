"""Refusals of those who could not say who they are: counted, and written down as one leaf of a kind.

A leaf for each would let anybody without a token fill the audit.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from salus.core.access import Leaf, Outcome

BEARER, ASSERTION, LOGIN = "bearer token", "client assertion", "log-in"
RULE = "not-authenticated"
FAILURES_MAX = 60
"""Failures to authenticate that one address may have in a minute; then unknown names are not looked up."""
ADDRESSES_MAX = 10_000
KNOWN_MAX = 10_000


class Failures:
    """Failures to authenticate in the current minute by address, and who has authenticated before.

    Behind a reverse proxy all come from one address: a name that was good once is never held up by others.
    """

    __slots__ = ("_counts", "_known", "_minute")

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._known: set[str] = set()
        self._minute = 0

    def note(self, address: str, now: datetime) -> None:
        """Count one failure; addresses beyond the first ten thousand of a minute count as one."""
        self._begin(now)
        self._counts[address if address in self._counts or len(self._counts) < ADDRESSES_MAX else ""] += 1

    def welcome(self, client: str) -> None:
        """Remember a client that has authenticated."""
        if len(self._known) < KNOWN_MAX:
            self._known.add(client)

    def seconds_left(self, address: str, client: str, now: datetime) -> int:
        """Return in how many seconds an unknown client of the address may try again, 0 for now."""
        self._begin(now)
        if client in self._known or self._counts[address] < FAILURES_MAX:
            return 0
        return 60 - int(now.timestamp()) % 60

    def _begin(self, now: datetime) -> None:
        minute = int(now.timestamp()) // 60
        if minute != self._minute:
            self._minute, self._counts = minute, Counter()


class Refusals:
    """How many were refused since the last leaf, by what was wrong."""

    __slots__ = ("_counts", "failures")

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self.failures = Failures()

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
