"""Profiles written for a test, over the shipped tables alone."""

from __future__ import annotations

from typing import Any

from salus.standards.fhir.packages.definitions import Library, definition_of
from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.shelf import LibraryShelf

BASE = "http://example.org/StructureDefinition/"


def profile(name: str, type_name: str, *elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a differential-only profile; an element is its id and facts, its path is worked out."""
    rows = []
    for element in elements:
        steps = [step.partition(":")[0] for step in element["id"].split(".")]
        cut = element["id"].rpartition(".")[2].partition(":")[2]
        rows.append({"path": ".".join(steps), **({"sliceName": cut} if cut else {}), **element})
    return {
        "resourceType": "StructureDefinition",
        "url": BASE + name,
        "version": "1.0.0",
        "kind": "resource",
        "abstract": False,
        "type": type_name,
        "baseDefinition": f"http://hl7.org/fhir/StructureDefinition/{type_name}",
        "derivation": "constraint",
        "differential": {"element": rows},
    } | more


def book_of(*resources: dict[str, Any]) -> Book:
    library = Library()
    for resource in resources:
        found = definition_of(resource)
        assert found is not None
        library.add(found)
    return Book(LibraryShelf(library))
