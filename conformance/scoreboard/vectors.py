"""Reads the JSON of a folder of test vectors, whatever its files are called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def documents(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield (path, value) of each .json file and (path:line, value) of each line of .jsonl below a folder.

    What is no JSON (an illustration with "..." in it) is left out.
    """
    for path in sorted(folder.rglob("*.json*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".json":
            yield from _value(name, path.read_text(encoding="utf-8"))
        elif path.suffix == ".jsonl":
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                yield from _value(f"{name}:{number}", line)


def _value(name: str, text: str) -> Iterator[tuple[str, Any]]:
    try:
        yield name, json.loads(text)
    except json.JSONDecodeError:
        return


def objects(folder: Path, *members: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield those documents that are objects with all of the members."""
    for name, found in documents(folder):
        if isinstance(found, dict) and all(member in found for member in members):
            yield name, found


def level_apart(case: dict[str, Any]) -> str:
    """Return "should" or "may" for a case of a weaker rule, "" for one that must be right."""
    level = str(case.get("level", "must"))
    return "" if level == "must" else level
