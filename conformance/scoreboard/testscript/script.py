"""What a TestScript holds while it is played: fixtures, answers and variables (R4 testscript.html)."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec

from conformance.scoreboard.testscript.values import selected
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.codec.xml import parse_xml

Json = dict[str, Any]  # Any: FHIR JSON

LIMITS = Limits()
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


class ScriptFailed(Exception):
    """The script cannot go on: what failed, in a sentence."""


class Played(msgspec.Struct):
    """A script under way.

    Args:
        script: the TestScript.
        folder: of the suite: a fixture that is not beside the script may lie anywhere in it.
        path: of the script.
        fixtures: resources by id, those that answers were kept under included.
        answers: answers by the id they were kept under.
        server_ids: the ids that the server gave to fixtures.
        last: the last answer.
    """

    script: Json
    folder: Path
    path: Path
    fixtures: dict[str, Json] = {}
    answers: dict[str, httpx.Response] = {}
    server_ids: dict[str, str] = {}
    last: httpx.Response | None = None

    def answer(self, source: str | None = None) -> httpx.Response:
        """Return a kept answer, or the last one."""
        found = self.answers.get(source) if source else self.last
        if found is None:
            raise ScriptFailed(f"there is no answer {source or 'yet'}")
        return found

    def resource(self, source: str | None) -> Json:
        """Return a fixture by its id, or the resource of the last answer."""
        if source is None:
            return resource_of(self.answer())
        if source not in self.fixtures:
            raise ScriptFailed(f"there is no fixture '{source}'")
        return self.fixtures[source]

    def id_of(self, fixture: str) -> str:
        """Return the id that a fixture has at the server, else its own."""
        return self.server_ids.get(fixture) or str(self.resource(fixture).get("id", ""))

    def filled(self, text: str) -> str:
        """Return a text with its variables replaced.

        Raises:
            ScriptFailed: one has no value.
        """
        return _VARIABLE.sub(lambda match: self.variable(match[1]), text)

    def variable(self, name: str) -> str:
        """Return the value of a variable: from a header, an expression or a path, else its default."""
        known = (one for one in self.script.get("variable", ()) if one.get("name") == name)
        variable = next(known, None)
        if variable is None:
            raise ScriptFailed(f"there is no variable '{name}'")
        source = variable.get("sourceId")
        found: list[str] = []
        if "headerField" in variable:
            answer = self.answers.get(source) if source else self.last
            header = None if answer is None else answer.headers.get(variable["headerField"])
            found = [header] if header else []
        elif "expression" in variable or "path" in variable:
            found = selected(self.resource(source), variable)
        value = found[0] if found else variable.get("defaultValue")
        if value is None:
            raise ScriptFailed(f"nothing gives the variable '{name}' a value")
        return str(value)


def resource_of(answer: httpx.Response) -> Json:
    """Return the resource in an answer, JSON or XML."""
    if not answer.content:
        raise ScriptFailed("the answer holds no resource")
    is_xml = "xml" in answer.headers.get("content-type", "")
    return parse_xml(answer.content, LIMITS) if is_xml else parse_json(answer.content, LIMITS)


def fixture_file(reference: str, script: Path, folder: Path) -> Path | None:
    """Return the file of a fixture: beside the script, else the first of the suite whose path ends so.

    Folders before type and name may be left away: suites keep their fixtures in folders of several names.
    """
    if "://" in reference or not reference:
        return None
    names = [reference] if reference.endswith((".json", ".xml")) else [f"{reference}.json"]
    for name in names:
        parts = Path(name).parts
        beside = script.parent / name
        if beside.is_file() and folder in beside.resolve().parents:
            return beside
        for start in range(max(1, len(parts) - 1)):
            tail = parts[start:]
            for path in sorted(folder.rglob(tail[-1])):
                if path.parts[-len(tail) :] == tail:
                    return path
    return None


def read_fixture(path: Path) -> Json:
    """Return the resource in a file; its numbers keep their digits."""
    body = path.read_bytes()
    if path.suffix == ".xml":
        return parse_xml(body, LIMITS)
    found: Json = json.loads(body, parse_float=Decimal)
    return found
