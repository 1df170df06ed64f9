"""The system of a bare code, from the value set that it is for (parameter inferSystem)."""

from __future__ import annotations

from collections.abc import Iterator

from salus.standards.terminology.checked import Coded, Findings
from salus.standards.terminology.codesystem import ValueSet
from salus.standards.terminology.includes import selection
from salus.standards.terminology.inquiry import NESTED_MAX, Inquiry


def infer_system(coded: Coded, value_set: ValueSet, inquiry: Inquiry, findings: Findings) -> bool:
    """Find the one system of a value set that has a code; return whether there is one."""
    found = dict.fromkeys(_systems(coded.code, value_set, inquiry, 0))
    if len(found) == 1:
        coded.inferred_system = next(iter(found))
        return True
    several = "Unable_to_resolve_system__value_set_has_multiple_matches"
    findings.add(
        "error",
        "not-found",
        "cannot-infer",
        coded.at("code"),
        several if found else "UNABLE_TO_INFER_CODESYSTEM",
        code=coded.code,
        value_set=value_set.canonical,
        known=", ".join(found),
    )
    return False


def _systems(code: str, value_set: ValueSet, inquiry: Inquiry, depth: int) -> Iterator[str]:
    """Yield the systems by which a value set has a code."""
    included = _of_parts(code, value_set, "include", inquiry, depth)
    excluded = set(_of_parts(code, value_set, "exclude", inquiry, depth))
    return (one for one in included if one not in excluded)


def _of_parts(code: str, value_set: ValueSet, kind: str, inquiry: Inquiry, depth: int) -> Iterator[str]:
    if depth > NESTED_MAX:
        return
    for include in value_set.compose.get(kind, ()):
        inquiry.step()
        nested: list[set[str]] = []
        for reference in include.get("valueSet", ()):
            other = inquiry.value_set(inquiry.pinned(str(reference)), source=value_set)
            nested.append(set(_systems(code, other, inquiry, depth + 1)) if other else set())
        url = str(include.get("system", ""))
        if url:
            own = {url} if _has(code, include, inquiry) else set()
            yield from own.intersection(*nested)
        elif nested:
            yield from nested[0].intersection(*nested[1:])


def _has(code: str, include: dict[str, object], inquiry: Inquiry) -> bool:
    concepts = include.get("concept")
    system = inquiry.code_system(str(include["system"]), str(include.get("version", "")))
    if isinstance(concepts, list):
        return any(one.get("code") == code for one in concepts)
    concept = system.find(code) if system else None
    if system is None or concept is None:
        return False
    return all(concept.code in one for one in selection(system, include, inquiry))
