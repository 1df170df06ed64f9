"""What a suite is: how its folder is recognised, and how its cases are played."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec


class Case(msgspec.Struct, frozen=True):
    """One case, played.

    Args:
        name: as the suite calls it.
        failure: why it failed, "" when it passed.
    """

    name: str
    failure: str = ""


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


class Score(msgspec.Struct, frozen=True):
    """The outcome of a suite."""

    suite: str
    passed: int
    failed: int
    total: int

    @property
    def share(self) -> float:
        """Passed cases of all, 0 to 1; a suite without cases has 0."""
        return self.passed / self.total if self.total else 0.0


def score_of(suite: Suite, cases: list[Case]) -> Score:
    """Count the cases."""
    failed = sum(1 for case in cases if case.failure)
    return Score(suite.name, len(cases) - failed, failed, len(cases))
