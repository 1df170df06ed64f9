"""TestScripts (R4 testscript.html), each played against a fresh node on loopback.

A file with a TestScript is one case, wherever in the folder it lies; it passes when all its assertions hold.
One that cannot be played (a fixture or profile that is not there, nothing to do) has failed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance.scoreboard.node import running_node
from conformance.scoreboard.suite import Case, Suite
from conformance.scoreboard.testscript.player import play_script

Json = dict[str, Any]  # Any: FHIR JSON


def _scripts(folder: Path) -> Iterator[tuple[Path, Json]]:
    for path in sorted(folder.rglob("*.json")):
        try:
            found = json.loads(path.read_bytes())
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("resourceType") == "TestScript":
            yield path, found


def _recognises(folder: Path) -> bool:
    return folder.name.startswith("testscripts") and next(_scripts(folder), None) is not None


def _play(folder: Path) -> Iterator[Case]:
    with running_node() as client:
        for path, script in _scripts(folder):
            yield Case(str(path.relative_to(folder)), play_script(script, path, folder, client))


SUITE = Suite("testscripts", _recognises, _play)
