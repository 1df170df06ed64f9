"""FHIRPath Patch and JSON Patch cases (FHIR/fhir-test-cases, r4/patch; json-patch-tests).

A FHIRPath Patch case passes when the patched input equals the output (without the empty elements that FHIR
does not allow); a JSON Patch case when it gives
`expected`, or is refused where `error` is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from lxml import etree

from conformance.scoreboard.suite import Case, Suite
from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.standards.fhir.codec.xml import FHIR, parse_xml, read_tree
from salus.standards.fhir.patch.fhirpath_patch import fhirpath_patch
from salus.standards.fhir.patch.identity import without_empty
from salus.standards.fhir.patch.json_patch import json_patch

_LIMITS = Limits()


def _recognises(folder: Path) -> bool:
    return folder.name.startswith("fhir-patch") and any(_files(folder))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in (".json", ".xml"))


def _json_case(case: dict[str, Any]) -> str:
    """Play a JSON Patch case; return why it failed, "" if it passed."""
    try:
        found = json_patch(case["doc"], case["patch"])
    except SalusError as error:
        return "" if "error" in case else f"refused: {error.message}"
    if "error" in case:
        return f"should be refused ({case['error']}), gave {json.dumps(found, default=str)}"
    if "expected" in case and found != case["expected"]:
        return f"expected {json.dumps(case['expected'])}, gave {json.dumps(found, default=str)}"
    return ""


def _json_cases(path: Path) -> Iterator[Case]:
    for number, case in enumerate(json.loads(path.read_bytes(), parse_float=Decimal)):
        if not case.get("disabled") and "doc" in case:
            name = f"{path.name}/{case.get('comment') or number}"
            yield Case(name, _json_case(case))


def _resource(case: etree._Element, name: str) -> dict[str, Any]:
    holder = case.find(f"{{{FHIR}}}{name}")
    inner = [] if holder is None else [one for one in holder if isinstance(one.tag, str)]
    if len(inner) != 1:
        raise ValueError(f"<{name}> holds {len(inner)} resources")
    return parse_xml(etree.tostring(inner[0], with_tail=False), _LIMITS)


def _xml_case(case: etree._Element) -> str:
    """Play a FHIRPath Patch case; return why it failed, "" if it passed."""
    refused = case.find(f"{{{FHIR}}}output") is None
    try:
        found = fhirpath_patch(_resource(case, "input"), _resource(case, "diff"))
    except SalusError as error:
        return "" if refused else f"refused: {error.message}"
    if refused:
        return "should be refused"
    expected = without_empty(_resource(case, "output"))
    return "" if found == expected else f"expected {expected}, gave {found}"


def _xml_cases(path: Path) -> Iterator[Case]:
    for case in read_tree(path.read_bytes(), _LIMITS).iter(f"{{{FHIR}}}case"):
        name = f"{path.name}/{case.get('name')}"
        try:
            yield Case(name, _xml_case(case))
        except ValueError as error:
            yield Case(name, f"case unreadable: {error}")


def _play(folder: Path) -> Iterator[Case]:
    for path in _files(folder):
        yield from _json_cases(path) if path.suffix == ".json" else _xml_cases(path)


SUITE = Suite("fhir-patch-r4", _recognises, _play)
