"""What shapes the answer of a search: order, page, parts, what is included (R4 search.html#return)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from salus.core.errors import InvalidSearch, NotSupported
from salus.standards.fhir.search import operands
from salus.standards.fhir.search.elements import read_elements
from salus.standards.fhir.search.operands import complaint
from salus.standards.fhir.search.parameters import SearchParameter, not_followed, reference_targets
from salus.standards.fhir.search.query import Include, SortKey
from salus.standards.fhir.search.reading import Reading, Unknown, leave_out, parameter_of

CURSOR = "_cursor"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*", re.ASCII)
_SUMMARIES = ("true", "text", "data", "count", "false")
_TOTALS = ("none", "estimate", "accurate")


def read_include(reading: Reading, name: str, value: str) -> None:
    """Read an _include or _revinclude, `:iterate` or not.

    Raises:
        Unknown: the type named has no such parameter.
    """
    head, _, modifier = name.partition(":")
    if head not in ("_include", "_revinclude") or modifier not in ("", "iterate", "recurse"):
        raise InvalidSearch(
            f"'{name[:80]}' is none of _include, _revinclude, _include:iterate, _revinclude:iterate."
        )
    reverse, iterate = head == "_revinclude", bool(modifier)
    if value == "*":
        if reverse:
            raise NotSupported(
                "_revinclude=* would return everything; name the type, such as Observation:subject."
            )
        reading.includes.append(Include("", "*", "", reverse, iterate))
        return
    parts = value.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise complaint(name, value, "write Type:parameter or Type:parameter:TargetType")
    source, code, target = (*parts, "")[:3]
    for named in (source, target):
        if named and not operands.is_type(named):
            raise complaint(name, value, "it names a resource type that R4 does not have")
    if code != "*":
        parameter = _included(reading, source, code, name, value)
        if parameter.type != "reference":
            raise complaint(name, value, f"'{code[:80]}' is no reference")
        if not reference_targets(parameter):
            raise NotSupported(not_followed(parameter))
    reading.includes.append(Include(source, code, target, reverse, iterate))


def _included(reading: Reading, source: str, code: str, name: str, value: str) -> SearchParameter:
    try:
        return parameter_of(reading, source, code, value)
    except Unknown as unknown:
        raise Unknown(unknown.message, f"{name} of {source} (its parameter)") from None


def _read_sort(reading: Reading, value: str) -> str:
    """Read the keys that are known; those are what the search is sorted by, and said to be.

    The others are told by their place: an answer repeats no value that it does not understand.
    """
    applied = []
    for place, key in enumerate(value.split(","), start=1):
        code = key.removeprefix("-")
        if not _NAME.fullmatch(code):
            raise complaint("_sort", value, "write search parameters joined by commas, '-' for descending")
        try:
            parameter = parameter_of(reading, reading.type, code, "_sort")
        except Unknown as unknown:
            leave_out(reading, f"_sort (key {place})", unknown)
            continue
        if parameter.type == "composite":
            raise NotSupported(f"Nothing can be sorted by the composite parameter '{code}'.")
        reading.sort.append(SortKey(parameter, descending=key.startswith("-")))
        applied.append(key)
    return ",".join(applied)


def _read_count(reading: Reading, value: str) -> str:
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise complaint("_count", value, "write a whole number, 0 or more")
    reading.count = int(value)
    return value


def _choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise complaint(name, value, f"write one of {', '.join(allowed)}")
    return value


def _read_summary(reading: Reading, value: str) -> str:
    reading.summary = _choice("_summary", value, _SUMMARIES)
    return value


def _read_total(reading: Reading, value: str) -> str:
    reading.total = _choice("_total", value, _TOTALS)
    return value


def _read_elements(reading: Reading, value: str) -> str:
    found = read_elements(reading.type, value)
    for place, name in enumerate(found.unknown + (found.paths if reading.strict else ()), start=1):
        message = f"_elements takes elements at the root of a resource, such as name; '{name[:80]}' is none."
        leave_out(reading, f"_elements (unknown name {place})", Unknown(message))
    reading.elements = found.known
    return ",".join(found.known)


def _read_cursor(reading: Reading, value: str) -> str:
    reading.cursor = value
    return value


CONTROLS: Mapping[str, Callable[[Reading, str], str]] = {
    "_sort": _read_sort,
    "_count": _read_count,
    "_summary": _read_summary,
    "_total": _read_total,
    "_elements": _read_elements,
    CURSOR: _read_cursor,
}
