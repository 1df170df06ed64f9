"""What a suite is: how its folder is recognised, and how its cases are played."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec


class Case(msgspec.Struct, frozen=True):
    """One case, played.

    Args:
        name: as the suite calls it.
        failure: why it failed, "" when it passed.
        apart: why it is not counted: the standard's own word for a weaker rule ("should", "may"), or
            "not offered" for what the node does not take from anybody; "" for a case that counts.
    """

    name: str
    failure: str = ""
    apart: str = ""


class Suite(msgspec.Struct, frozen=True):
    """One kind of suite.

    Args:
        name: the name on the scoreboard.
        recognises: whether a folder holds such a suite.
        play: yields every case of the folder; a case that cannot even be read has failed.
    """

    name: str
    recognises: Callable[[Path], bool]
    play: Callable[[Path], Iterator[Case]]


class Tally(msgspec.Struct, frozen=True):
    """Cases that passed and that failed."""

    passed: int
    failed: int


class Score(msgspec.Struct, frozen=True, omit_defaults=True):
    """The outcome of a suite; `apart` has the cases that are not counted, by the reason."""

    suite: str
    passed: int
    failed: int
    total: int
    apart: dict[str, Tally] = {}

    @property
    def share(self) -> float:
        """Passed cases of all, 0 to 1; a suite without cases has 0."""
        return self.passed / self.total if self.total else 0.0


def score_of(suite: Suite, cases: list[Case]) -> Score:
    """Count the cases."""
    counted = _tally(case for case in cases if not case.apart)
    reasons = sorted({case.apart for case in cases if case.apart})
    apart = {reason: _tally(case for case in cases if case.apart == reason) for reason in reasons}
    return Score(suite.name, counted.passed, counted.failed, counted.passed + counted.failed, apart)


def _tally(cases: Iterable[Case]) -> Tally:
    failures = [bool(case.failure) for case in cases]
    return Tally(failures.count(False), failures.count(True))
