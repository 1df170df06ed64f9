"""The terminology of the FHIR R4 core package as facts: codes of systems, and expanded value sets.

Used by `tools.r4_tables`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

# FHIR JSON as this tool reads it: any object of the package. Its shape is FHIR's, not ours.
Json = dict[str, Any]


def walk_concepts(concepts: Iterable[Json], parent: str | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield each code with its parents, outer codes first."""
    for concept in concepts:
        above = {parent} if parent else set()
        for row in concept.get("property", ()):
            if row["code"] in ("subsumedBy", "parent"):
                above.add(row.get("valueCode") or row.get("valueString") or "")
        yield concept["code"], sorted(above - {""})
        yield from walk_concepts(concept.get("concept", ()), concept["code"])


def code_systems(package: dict[str, list[Json]]) -> dict[str, dict[str, list[str]]]:
    """Return the complete code systems: codes with their parents."""
    found = {}
    for row in package["CodeSystem"]:
        if row["content"] == "complete" and row.get("concept"):
            codes: dict[str, list[str]] = {}
            for code, above in walk_concepts(row["concept"]):
                codes[code] = sorted({*codes.get(code, []), *above})
            found[row["url"]] = codes
    return found


def below(codes: dict[str, list[str]], ancestor: str) -> set[str]:
    """Return the code and everything beneath it."""
    found = {ancestor}
    while more := {
        code for code, above in codes.items() if code not in found and not found.isdisjoint(above)
    }:
        found |= more
    return found


class NotExpandable(Exception):
    """The value set needs content that the package does not hold."""


def filtered(codes: dict[str, list[str]], row: Json) -> set[str]:
    """Return the codes that a compose filter selects."""
    match row["property"], row["op"]:
        case "concept" | "parent", "is-a":
            return below(codes, row["value"])
        case "concept", "descendent-of":
            return below(codes, row["value"]) - {row["value"]}
        case "concept", "is-not-a":
            return set(codes) - below(codes, row["value"])
        case "parent", "=":
            return {code for code, above in codes.items() if row["value"] in above}
        case "code", "regex":
            return {code for code in codes if re.fullmatch(row["value"], code)}
    raise NotExpandable(f"filter {row['property']} {row['op']}")


class Expander:
    """Expands the package's value sets; each is computed once."""

    def __init__(self, systems: dict[str, dict[str, list[str]]], value_sets: dict[str, Json]) -> None:
        self.systems = systems
        self.value_sets = value_sets

    def expand(self, url: str, seen: frozenset[str] = frozenset()) -> dict[str, set[str]]:
        """Return the codes by system; raise NotExpandable when the package does not determine them."""
        definition = self.value_sets.get(url.split("|")[0])
        if definition is None or url in seen or "compose" not in definition:
            raise NotExpandable(url)
        found: dict[str, set[str]] = {}
        for part in definition["compose"]["include"]:
            for system, codes in self._part(part, seen | {url}).items():
                found.setdefault(system, set()).update(codes)
        for part in definition["compose"].get("exclude", ()):
            for system, codes in self._part(part, seen | {url}).items():
                found.get(system, set()).difference_update(codes)
        return found

    def _part(self, part: Json, seen: frozenset[str]) -> dict[str, set[str]]:
        sets = [self.expand(url, seen) for url in part.get("valueSet", ())]
        if "system" in part:
            sets.append({part["system"]: self._codes(part)})
        found = sets[0]
        for other in sets[1:]:
            found = {system: codes & other[system] for system, codes in found.items() if system in other}
        return {system: set(codes) for system, codes in found.items()}

    def _codes(self, part: Json) -> set[str]:
        if "concept" in part:
            return {row["code"] for row in part["concept"]}
        codes = self.systems.get(part["system"])
        if codes is None:
            raise NotExpandable(part["system"])
        found = set(codes)
        for row in part.get("filter", ()):
            found &= filtered(codes, row)
        return found


def value_set_rows(
    package: dict[str, list[Json]], systems: dict[str, dict[str, list[str]]]
) -> dict[str, dict[str, list[str] | None]]:
    """Return the expandable value sets: codes by system, None standing for every code of the system."""
    expander = Expander(systems, {row["url"]: row for row in package["ValueSet"]})
    rows: dict[str, dict[str, list[str] | None]] = {}
    for url in sorted(expander.value_sets):
        try:
            expansion = expander.expand(url)
        except NotExpandable:
            continue
        rows[url] = {
            system: None if codes == set(systems.get(system, ())) else sorted(codes)
            for system, codes in sorted(expansion.items())
        }
    return rows
