"""Plays every suite of a folder and writes down what failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from conformance.scoreboard.suite import Case, Score, Suite, score_of
from conformance.scoreboard.table import suites

VECTORS = "testvectors"


class Found(msgspec.Struct, frozen=True):
    """A folder with a suite, or with none that can be played (`suite` None)."""

    folder: Path
    suite: Suite | None


def find(root: Path) -> list[Found]:
    """Return the folders below `root`, and those beside it among the test vectors that can be played.

    A folder that no suite recognises is listed too when it lies in `root`: it must be named, not forgotten.
    """
    beside = [_found(folder) for folder in _folders(root.resolve().parent / VECTORS)]
    return [_found(folder) for folder in _folders(root)] + [one for one in beside if one.suite is not None]


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _found(folder: Path) -> Found:
    return Found(folder, next((one for one in suites() if one.recognises(folder)), None))


def _lines(cases: list[Case]) -> Iterator[str]:
    for case in cases:
        if case.failure:
            yield json.dumps({"case": case.name, "reason": case.failure}, ensure_ascii=False) + "\n"


def play(found: Found, output: Path) -> Score:
    """Play the suite of a folder; write the failing cases with their reasons to `output`."""
    assert found.suite is not None
    cases = list(found.suite.play(found.folder))
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"{found.suite.name}.failures.jsonl"
    path.write_text("".join(_lines(cases)), encoding="utf-8")
    return score_of(found.suite, cases)
