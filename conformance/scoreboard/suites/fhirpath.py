"""The official FHIRPath cases (FHIR/fhir-test-cases, r4/fhirpath), as tests.json beside a folder input/.

An expression passes when it gives the outputs listed, in number, type (where stated) and value, or, for a
case marked invalid, when it is refused. `predicate` cases compare the truth of the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from conformance.scoreboard.suite import Case, Suite
from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.codec.xml import parse_xml
from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.expression import compile_expression
from salus.standards.fhir.fhirpath.functions.conversion import text_of
from salus.standards.fhir.fhirpath.truth import truth
from salus.standards.fhir.fhirpath.values import Node, system_type, system_value
from salus.standards.fhir.model import value_set_codes

_LIMITS = Limits()


def _recognises(folder: Path) -> bool:
    return folder.name.startswith("fhirpath") and (folder / "tests.json").is_file()


def _input(folder: Path, case: dict[str, Any]) -> dict[str, Any]:
    """Return the case's resource; a case that names none is evaluated on an empty object."""
    name = case.get("inputfile")
    if not name:
        return {}
    path = folder / "input" / name
    if not path.exists():
        path = path.with_suffix(".json" if path.suffix == ".xml" else ".xml")
    body = path.read_bytes()
    return parse_xml(body, _LIMITS) if path.suffix == ".xml" else parse_json(body, _LIMITS)


def _answer(item: Any) -> tuple[str, str]:  # any FHIRPath item
    """Return an item's type and value as the suite writes them."""
    value = system_value(item)
    kind = item.type if isinstance(item, Node) else system_type(item)
    return kind, text_of(value) or json.dumps(getattr(value, "value", None), default=str)


def _is_same_type(kind: str, wanted: str | None) -> bool:
    return not wanted or kind.removeprefix("System.").lower() == wanted.removeprefix("System.").lower()


def _is_same_value(value: str, wanted: str) -> bool:
    wanted = wanted.removeprefix("@").removeprefix("T") if wanted.startswith("@") else wanted
    if value == wanted:
        return True
    try:
        return Decimal(value) == Decimal(wanted)
    except InvalidOperation:
        return False


def _matches(answers: list[tuple[str, str]], wanted: list[dict[str, Any]], *, ordered: bool) -> bool:
    if len(answers) != len(wanted):
        return False
    rest = list(answers)
    for output in wanted:
        candidates = rest[:1] if ordered else rest
        found = next(
            (
                answer
                for answer in candidates
                if _is_same_type(answer[0], output["type"])
                and (output["value"] is None or _is_same_value(answer[1], output["value"]))
            ),
            None,
        )
        if found is None:
            return False
        rest.remove(found)
    return True


def _failure(folder: Path, case: dict[str, Any], environment: Environment) -> str:
    """Play one case; return why it failed, "" if it passed."""
    resource = _input(folder, case)
    invalid = case.get("invalid")
    try:
        expression = compile_expression(
            case["expression"], resource.get("resourceType", ""), strict=case.get("mode") == "strict"
        )
        answer = expression.collection(resource, environment)
        if case.get("predicate") in (True, "true"):
            answer = [truth(answer[:1]) is True]
    except SalusError as error:
        return "" if invalid else f"refused: {error.message}"
    found = [_answer(item) for item in answer]
    if invalid:
        return f"should be refused ({invalid}), gave {found}"
    if _matches(found, case["outputs"], ordered=case.get("ordered") not in (False, "false")):
        return ""
    return f"expected {[(one['type'], one['value']) for one in case['outputs']]}, gave {found}"


def _is_member(value_set: str, code: object) -> bool | None:
    """Answer memberOf() from the value sets that ship with Salus, None for others."""
    systems = value_set_codes(value_set)
    if systems is None:
        return None
    if isinstance(code, dict):
        return any(
            one.get("code") in systems.get(one.get("system"), ()) for one in code.get("coding", [code])
        )
    return any(code in codes for codes in systems.values())


def _play(folder: Path) -> Iterator[Case]:
    environment = Environment(now=datetime.now(UTC), expand=_is_member)
    for case in json.loads((folder / "tests.json").read_bytes()):
        name = f"{case.get('group', '')}/{case['name']}"
        try:
            yield Case(name, _failure(folder, case, environment))
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, LookupError) as error:
            yield Case(name, f"broke: {error!r}")
        except (SalusError, OSError) as error:
            yield Case(name, f"input unreadable: {error}")


SUITE = Suite("fhirpath-r4", _recognises, _play)
