"""fhir-tx-ecosystem: $expand, $validate-code, $lookup, $translate, batches (HL7/fhir-tx-ecosystem-ig).

Each suite sets up its own definitions; a case sends Parameters and compares the answer with a template
(`conformance/scoreboard/templates.py`). Where it expects a status, the answer must be refused with one of
that class.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from conformance.scoreboard.suite import Case, Suite
from conformance.scoreboard.templates import difference
from salus.core.errors import SalusError
from salus.standards.fhir.packages.archive import members
from salus.standards.terminology.capabilities import terminology_capabilities
from salus.standards.terminology.issues import Issue, TerminologyRefused, outcome
from salus.standards.terminology.library import Definitions, Layers, Library
from salus.standards.terminology.operations import Occasion, run
from salus.web.fhir.capability import statement

Json = dict[str, Any]  # Any: FHIR JSON
_OPERATIONS = {
    "expand": "ValueSet/$expand",
    "validate-code": "ValueSet/$validate-code",
    "cs-validate-code": "CodeSystem/$validate-code",
    "lookup": "CodeSystem/$lookup",
    "subsumes": "CodeSystem/$subsumes",
    "translate": "ConceptMap/$translate",
    "batch-validate": "ValueSet/$batch-validate-code",
}
_BASE = "https://node.test/fhir"
_SHARED = Path(__file__).resolve().parents[4] / "shared" / "fhir-packages"
_IDENTIFIER = "urn:uuid:00000000-0000-4000-8000-000000000000"
_NOW = "2026-01-01T00:00:00Z"


def _recognises(folder: Path) -> bool:
    return folder.name.startswith("fhir-tx") and (folder / "test-cases.json").is_file()


def _read(path: Path) -> Json:
    return json.loads(path.read_text(encoding="utf-8-sig"))  # type: ignore[no-any-return]  # FHIR JSON


@cache
def _resource(path: Path) -> Json:
    return _read(path)


def answer(folder: Path, case: Json, library: Library) -> tuple[int, Json]:
    """Return status and body of our answer to a case."""
    if case["operation"] == "metadata":
        return 200, statement(_BASE, "Node", "https://node.test")
    if case["operation"] == "term-caps":
        return 200, _capabilities(library)
    request = _read(folder / case["request"])
    if "profile" in case:
        request = request | {
            "parameter": [*request.get("parameter", ()), *_read(folder / case["profile"])["parameter"]]
        }
    occasion = Occasion(_IDENTIFIER, _NOW, accepted=case.get("Accept-Language", ""))
    try:
        return 200, run(_OPERATIONS[case["operation"]], request, library, occasion)
    except TerminologyRefused as error:
        return error.http_status, outcome([error.finding, *error.more])
    except SalusError as error:
        return error.status, outcome([Issue("error", error.issue, "", "", "", error.message)])


def _capabilities(library: Library) -> Json:
    return terminology_capabilities(
        library.systems(),
        url=f"{_BASE}/metadata",
        base=_BASE,
        title="Node",
        date=_NOW,
        software=("Salus", "0"),
    )


def verdict(folder: Path, case: Json, library: Library) -> str:
    """Return why a case fails, "" where it passes."""
    if case["operation"] not in (*_OPERATIONS, "metadata", "term-caps"):
        return f"the operation {case['operation']} is not played here"
    wanted = case.get("http-code", "200")
    status, body = answer(folder, case, library)
    if str(status)[0] != wanted[0]:
        return f"status {status}, not {wanted}: {json.dumps(body)[:600]}"
    return difference(_read(folder / case["response"]), body)


def _judged(folder: Path, case: Json, library: Library) -> str:
    try:
        return verdict(folder, case, library)
    except (OSError, LookupError, TypeError, ValueError, AttributeError, AssertionError) as error:
        return f"broke: {error!r}"


@cache
def _core(folder: Path) -> Definitions:
    """Return the definitions of the R4 core package beside the suites, else of that in ../shared."""
    found = Definitions()
    beside = folder.parent.parent / "fhir-packages"
    for path in sorted((beside if beside.is_dir() else _SHARED).glob("hl7.fhir.r4.core*.tgz")):
        with path.open("rb") as archive:
            for member in members(archive):
                if member.path.startswith(("package/CodeSystem-", "package/ValueSet-")):
                    found.add(json.loads(member.body))
    return found


def _play(folder: Path) -> Iterator[Case]:
    for suite in _read(folder / "test-cases.json")["suites"]:
        own = Definitions(_resource(folder / name) for name in suite.get("setup", ()))
        library = Layers([own, _core(folder)])
        for case in suite.get("tests", ()):
            yield Case(f"{suite['name']}/{case['name']}", _judged(folder, case, library))


SUITE = Suite("fhir-tx-ecosystem", _recognises, _play)
