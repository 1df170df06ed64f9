"""Parts of a value set's definition that expansion and validation read alike (R4 ValueSet.compose)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cmp_to_key
from typing import Any

from salus.standards.terminology.codesystem import CodeSystem, ValueSet
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.issues import Unanswerable, issue
from salus.standards.terminology.versions import order

Include = Mapping[str, Any]  # Any: FHIR JSON


def check_shape(value_set: ValueSet) -> None:
    """Refuse what changes a value set's meaning and is not understood here.

    Raises:
        Unanswerable: it has a modifier extension or locks a date.
    """
    resource = value_set.resource
    compose = value_set.compose
    parts = [resource, compose, *compose.get("include", ()), *compose.get("exclude", ())]
    for part in parts:
        for one in part.get("modifierExtension", ()):
            found = issue(
                "error",
                "business-rule",
                "vs-invalid",
                "",
                "MODIFIER_EXTENSION",
                value_set=value_set.canonical,
                known=one.get("url", ""),
            )
            raise Unanswerable(found)
    if "lockedDate" in compose:
        raise Unanswerable(
            issue("error", "business-rule", "vs-invalid", "", "LOCKED_DATE", value_set=value_set.canonical)
        )


def in_version_order(includes: Sequence[Include]) -> list[Include]:
    """Return includes in their order, of the same system the newer version first."""

    def compare(left: Include, right: Include) -> int:
        if left.get("system") != right.get("system") or not left.get("version") or not right.get("version"):
            return 0
        one, other = order(str(left["version"])), order(str(right["version"]))
        return (one < other) - (one > other)

    return sorted(includes, key=cmp_to_key(compare))


def filter_of(system: CodeSystem, row: Include, where: str, inquiry: Inquiry) -> Collection[str]:
    """Return the codes that a filter keeps.

    Raises:
        Unanswerable: it has no value, or is not understood.
    """
    name, operator, value = (str(row.get(key, "")) for key in ("property", "op", "value"))
    if not value:
        found = issue(
            "error",
            "invalid",
            "vs-invalid",
            where,
            "UNABLE_TO_HANDLE_SYSTEM_FILTER_WITH_NO_VALUE",
            system=system.about.url,
            property=name,
            operator=operator,
        )
        raise Unanswerable(found, status=400)
    kept = inquiry.selected(system, name, operator, value)
    if kept is None:
        found = issue(
            "error",
            "not-supported",
            "vs-invalid",
            where,
            "FILTER_NOT_UNDERSTOOD",
            system=system.about.url,
            property=name,
            operator=operator,
            wanted=value,
        )
        raise Unanswerable(found, status=400)
    return kept


def selection(
    system: CodeSystem, include: Include, inquiry: Inquiry, where: str = "ValueSet.compose.include"
) -> Iterator[Collection[str]]:
    """Yield what each filter of an include keeps; errors as `filter_of`."""
    for position, row in enumerate(include.get("filter", ())):
        yield filter_of(system, row, f"{where}.filter[{position}]", inquiry)
