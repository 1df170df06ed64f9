"""Plays every suite of a folder and writes down what failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from conformance.scoreboard.suite import Case, Score, Suite, score_of
from conformance.scoreboard.table import suites


class Found(msgspec.Struct, frozen=True):
    """A folder with a suite, or with none that can be played (`suite` None)."""

    folder: Path
    suite: Suite | None


def find(root: Path) -> list[Found]:
    """Return the suites of a folder: itself, the folders in it, or, where those are none, those in them.

    A folder in which nothing is recognised is listed too: it must be named, not forgotten.
    """
    itself = _found(root)
    if itself.suite is not None:
        return [itself]
    found = []
    for folder in _folders(root):
        one = _found(folder)
        inner = [two for two in map(_found, _folders(folder)) if two.suite] if one.suite is None else []
        found += inner or [one]
    return found


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _found(folder: Path) -> Found:
    return Found(folder, next((one for one in suites() if one.recognises(folder)), None))


def _lines(cases: list[Case]) -> Iterator[str]:
    for case in cases:
        if case.failure:
            line = {"case": case.name, "reason": case.failure} | ({"apart": case.apart} if case.apart else {})
            yield json.dumps(line, ensure_ascii=False) + "\n"


def play(found: Found, output: Path) -> Score:
    """Play the suite of a folder; write the failing cases with their reasons to `output`."""
    assert found.suite is not None
    cases = list(found.suite.play(found.folder))
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"{found.suite.name}.failures.jsonl"
    path.write_text("".join(_lines(cases)), encoding="utf-8")
    return score_of(found.suite, cases)
