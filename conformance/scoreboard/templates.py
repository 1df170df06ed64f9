"""Compares an answer with a template of the tx-ecosystem suite (HL7/fhir-tx-ecosystem-ig, testcases).

A template is the answer with marks: `$$` any value, `$uuid$` and its kin a value of a kind, `$choice:a|b$`
one of several, `$optional$` an item that may be missing, `$optional-properties$` elements that may. Not
compared is free text: texts and diagnostics of issues, the parameter `message`, narratives; nor the ids of
messages. As in the suite's own runner, parameters, issues, properties and the like are compared without
regard to their order, and the codes of an expansion after both sides are sorted by system, version and
code, as they are recorded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]  # Any: FHIR JSON
FHIR_VERSION = "4.0.1"
_MARK = "$optional$"
_MARKS = frozenset({_MARK, "$optional-properties$", "$optional", "$count-arrays$"})
_FREE = frozenset({"diagnostics", "text", "div"})
_MESSAGE_ID = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id"
_KINDS: Mapping[str, Callable[[str], object]] = {
    "$$": lambda text: True,
    "$id$": re.compile(r"[A-Za-z0-9.\-]{1,64}").fullmatch,
    "$uuid$": re.compile(r"(urn:uuid:)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch,
    "$instant$": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)").fullmatch,
    "$date$": re.compile(r"\d{4}(-\d\d(-\d\d(T.*)?)?)?").fullmatch,
    "$url$": re.compile(r"\w+:\S+").fullmatch,
    "$semver$": re.compile(r"\d+\.\d+(\.\d+.*)?").fullmatch,
    "$token$": re.compile(r"[A-Za-z0-9\-_.$]+").fullmatch,
    "$string$": re.compile(r"(?s).+").fullmatch,
}


def difference(template: Any, answer: Any, where: str = "") -> str:
    """Return the first difference between a template and an answer, "" where there is none."""
    if isinstance(template, dict):
        return _of_objects(template, answer, where) if isinstance(answer, dict) else f"{where}: no object"
    if isinstance(template, list):
        return _of_lists(template, answer, where) if isinstance(answer, list) else f"{where}: no list"
    if isinstance(template, str) and template.startswith("$") and template.endswith("$"):
        return "" if _is_kind(template, answer) else f"{where}: {answer!r} is not {template}"
    if isinstance(template, str):
        template = template.replace("$version$", FHIR_VERSION)
    return "" if _is_same(template, answer) else f"{where}: {answer!r}, not {template!r}"


def _is_same(template: Any, answer: Any) -> bool:
    return bool(template == answer) and isinstance(template, bool) == isinstance(answer, bool)


def _is_kind(mark: str, answer: Any) -> bool:
    if mark.startswith("$choice:"):
        return answer in mark[len("$choice:") : -1].split("|")
    if mark.startswith(("$external:", "$fragments:")):
        return isinstance(answer, str)
    test = _KINDS.get(mark)
    return test is not None and isinstance(answer, str) and bool(test(answer))


def _of_objects(template: Json, answer: Json, where: str) -> str:
    if "*" in template.get("$optional-properties$", ()):
        optional = set(template)
    else:
        optional = {*template.get("$optional-properties$", ()), *template.get("$optional", ())}
    free = _free_of(template, where)
    counted = set(template.get("$count-arrays$", ()))
    wanted = {key for key in template if key not in _MARKS and key not in free}
    for key in sorted(wanted - set(answer) - optional):
        if not (isinstance(template[key], list) and all(_is_optional(one) for one in template[key])):
            return f"{where}.{key}: missing"
    for key in sorted(set(answer) - wanted - free - optional):
        if not (key == "location" and answer.get("expression") == answer[key]):
            return f"{where}.{key}: not expected"
    for key in sorted(wanted & set(answer)):
        if key in counted:
            if len(template[key]) != len(answer[key]):
                return f"{where}.{key}: {len(answer[key])} entries, not {len(template[key])}"
            continue
        found = difference(template[key], answer[key], f"{where}.{key}")
        if found:
            return found
    return ""


def _free_of(template: Json, where: str) -> frozenset[str]:
    """Return the elements of an object that are free text or ids of messages."""
    if template.get("name") == "message":
        return frozenset({"valueString"})
    if str(template.get("url", "")).endswith("-reason"):
        return frozenset({"valueString"})
    if where.endswith("issue"):
        return frozenset({"diagnostics", "extension"})
    return _FREE


def _is_optional(template: Any) -> bool:
    mark = template.get(_MARK) if isinstance(template, dict) else None
    if mark is None:
        return False
    if isinstance(mark, str) and mark.startswith("version:"):
        return FHIR_VERSION.startswith(mark.removeprefix("version:"))
    return mark is True or isinstance(mark, str)


def _of_lists(template: Sequence[Any], answer: Sequence[Any], where: str) -> str:
    if where.endswith(".contains"):
        template, answer = sorted(template, key=_place), sorted(answer, key=_place)
        if len(template) != len(answer):
            ours, theirs = [_place(one) for one in answer], [_place(one) for one in template]
            return f"{where}: codes {ours[:12]}, not {theirs[:12]}"
        return next(
            (
                found
                for position, (left, right) in enumerate(zip(template, answer, strict=True))
                if (found := difference(left, right, f"{where}[{position}]"))
            ),
            "",
        )
    return _unordered(template, answer, where)


def _place(row: Any) -> tuple[str, str, str]:
    return str(row.get("system", "")), str(row.get("version", "")), str(row.get("code", ""))


def _unordered(template: Sequence[Any], answer: Sequence[Any], where: str) -> str:
    left = list(answer)
    excused: set[str] = set()
    for one in sorted(template, key=_is_optional):
        tried = [difference(one, other, where) for other in left]
        if "" in tried:
            left.pop(tried.index(""))
        elif _is_optional(one):
            excused.add(str(one.get("name")))
        else:
            return _nearest(one, left, tried, where)
    left = [one for one in left if not (isinstance(one, dict) and one.get("name") in excused)]
    return f"{where}: not expected {_named(left[0])}" if left else ""


def _nearest(template: Any, answer: Sequence[Any], tried: Sequence[str], where: str) -> str:
    """Return what is wrong with the item that was meant."""
    if isinstance(template, dict):
        for other, said in zip(answer, tried, strict=True):
            if isinstance(other, dict) and "name" in template and other.get("name") == template["name"]:
                return f"{where}({template['name']}){said.removeprefix(where)}"
    return f"{where}: missing {_named(template)}; there are {[_named(one) for one in answer]}"


def _named(row: Any) -> str:
    if not isinstance(row, dict):
        return repr(row)
    if "severity" in row:
        details = row.get("details", {}).get("coding", [{}])[0].get("code")
        return f"{row['severity']}/{row.get('code')}/{details}@{row.get('expression')}"
    return str({key: value for key, value in row.items() if not isinstance(value, (dict, list))})
