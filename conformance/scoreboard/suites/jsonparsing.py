"""JSON parser cases (nst/JSONTestSuite), as lines of {name, expect, b64}.

`accept` means that it is read as JSON, `refuse` that it is not; `either` is not counted.
Two cases that must be accepted repeat a key in one object; Salus refuses those on purpose, because readers
disagree which of the two counts. They are found by their content, read here with Python's own parser.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

from conformance.scoreboard.suite import Case, Suite
from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json_value

_LIMITS = Limits()


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def _recognises(folder: Path) -> bool:
    return folder.name.startswith("json-parsing") and bool(_files(folder))


def _repeats_a_key(body: bytes) -> bool:
    """Return whether a JSON text holds an object with two equal keys."""
    found = False

    def look(pairs: list[tuple[str, object]]) -> None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) < len(pairs)

    json.loads(body, object_pairs_hook=look)
    return found


def _failure(body: bytes, expect: str) -> str:
    try:
        parse_json_value(body, _LIMITS)
    except SalusError as error:
        refused = expect == "refuse" or _repeats_a_key(body)
        return "" if refused else f"refused: {error.message}"
    return "" if expect == "accept" and not _repeats_a_key(body) else f"accepted, expected {expect}"


def _play(folder: Path) -> Iterator[Case]:
    for path in _files(folder):
        for line in path.read_text(encoding="utf-8").splitlines():
            case = json.loads(line)
            if case["expect"] != "either":
                yield Case(case["name"], _failure(base64.b64decode(case["b64"]), case["expect"]))


SUITE = Suite("json-parsing", _recognises, _play)
