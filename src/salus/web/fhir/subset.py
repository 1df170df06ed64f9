"""Parts of a resource: _summary and _elements (http://hl7.org/fhir/R4/search.html#summary).

A resource that is not whole says so with the tag SUBSETTED, so that no client stores it back.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from salus.core.errors import MalformedContent
from salus.standards.fhir.codec.json import parse_json, write_json_like
from salus.standards.fhir.model import type_definition
from salus.standards.fhir.query_string import Pairs
from salus.web.fhir.answer import UNLIMITED
from salus.web.fhir.request import first

Resource = dict[str, Any]  # FHIR content is open JSON
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
ALWAYS = frozenset({"resourceType", "id", "meta", "implicitRules"})
SUMMARIES = frozenset({"true", "false", "text", "data", "count"})
ELEMENTS_MAX = 100


class Subset(msgspec.Struct, frozen=True):
    """Which part of each resource to answer: `summary` is true, text or data; else `elements` are named."""

    summary: str = ""
    elements: frozenset[str] = frozenset()

    def of(self, resource: Resource) -> Resource:
        """Return the part of a parsed resource, tagged SUBSETTED."""
        kind = str(resource.get("resourceType", ""))
        kept = {key: member for key, member in resource.items() if self.keeps(kind, key)}
        meta = dict(resource.get("meta") or {})
        meta["tag"] = [*meta.get("tag", ()), SUBSETTED]
        part: Resource = {}
        for key in ("resourceType", "id"):
            if key in kept:
                part[key] = kept.pop(key)
        kept.pop("meta", None)
        return part | {"meta": meta} | kept

    def of_bytes(self, body: bytes) -> bytes:
        """Return the part of a resource given as JSON."""
        return write_json_like(self.of(parse_json(body, UNLIMITED)), body)

    def keeps(self, kind: str, key: str) -> bool:
        """Return whether a top-level JSON key belongs to the part."""
        name = key.removeprefix("_")
        if name in ALWAYS:
            return True
        if self.summary == "data":
            return name != "text"
        if self.summary == "text":
            return name == "text" or name in mandatory(kind)
        if self.summary == "true":
            return name in in_summary(kind)
        return name in keys_of(kind, self.elements) or name in mandatory(kind)


def read_subset(pairs: Pairs) -> Subset | None:
    """Return the part asked for by _summary or _elements, None for whole resources.

    Raises:
        MalformedContent: _summary has no such value.
    """
    if not pairs:
        return None
    summary = first(pairs, "_summary")
    if summary is not None and summary not in SUMMARIES:
        raise MalformedContent("_summary takes true, false, text, data or count.")
    if summary in ("true", "text", "data"):
        return Subset(summary=summary)
    names = first(pairs, "_elements")
    if not names:
        return None
    roots = (name.strip().partition(".")[0] for name in names.split(",")[:ELEMENTS_MAX])
    return Subset(elements=frozenset(roots))


def json_keys(
    kind: str, chosen: frozenset[str] | None, *, least: int = 0, summary: bool = False
) -> frozenset[str]:
    """Return the JSON keys of the elements of a type that fit; a choice has one key a type."""
    definition = type_definition(kind)
    keys: set[str] = set()
    for name, element in (definition.elements if definition else {}).items():
        if (chosen is not None and name not in chosen) or element.min < least:
            continue
        if summary and not element.is_summary:
            continue
        if element.choice:
            keys.update(name + ref.code[:1].upper() + ref.code[1:] for ref in element.types)
        else:
            keys.add(name)
    return frozenset(keys)


@cache
def in_summary(kind: str) -> frozenset[str]:
    """Return the JSON keys of a type that belong to its summary."""
    return json_keys(kind, None, summary=True) | mandatory(kind)


@cache
def mandatory(kind: str) -> frozenset[str]:
    """Return the JSON keys of a type's mandatory elements."""
    return json_keys(kind, None, least=1)


def keys_of(kind: str, names: frozenset[str]) -> frozenset[str]:
    """Return the JSON keys of named elements ("value" for value[x]); what the type has not is left out."""
    return json_keys(kind, names) | (names & json_keys(kind, None))
