"""Ids of elements are unique within their resource and hold no spaces (R4 element.html#id)."""

from __future__ import annotations

from typing import Any

from salus.standards.fhir.validation.issue import Findings, Where, quote

SHARED = frozenset({"ElementDefinition"})
"""A StructureDefinition says the same id of an element in its snapshot and in its differential."""


def check_element_id(node: dict[str, Any], where: Where, run: Findings) -> None:  # Any: FHIR JSON
    """Report an element's id that holds a space, or that another element of the resource has."""
    name = node["id"]
    if type(name) is not str:
        return
    if any(character.isspace() for character in name):
        message = f"An element's id holds no spaces; {quote(name)} does."
        run.error("value", "element-id", (where, "id", None), message)
    elif run.is_taken(name):
        message = f"Two elements of the resource have the id {quote(name)}; give each its own."
        run.error("duplicate", "duplicate-id", (where, "id", None), message)
