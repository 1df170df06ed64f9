"""Contained resources belong to the resource around them, each by its id (R4, DomainResource, rule dom-3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from salus.standards.fhir.validation.issue import Findings, Where, quote

_LINK = re.compile(r"""=\s*["'](#[^"']+)["']""")


def check_contained(node: dict[str, Any], where: Where, run: Findings) -> None:  # Any: FHIR JSON
    """Report contained resources of one id, and those that nothing refers to and that refer to nobody around.

    dom-3 looks at references, canonicals, uris and urls; here every string that is "#" and an id counts, and
    links in narratives (later versions of the rule count them too).
    """
    contained = node["contained"]
    if type(contained) is not list:
        return
    mentioned = set(_fragments(node))
    names: set[str] = set()
    for index, resource in enumerate(contained):
        if type(resource) is not dict:
            continue
        name = resource.get("id")
        if type(name) is str and name in names:
            message = f"Two contained resources have the id {quote(name)}; give each its own."
            run.error("duplicate", "duplicate-id", (where, "contained", index), message)
        elif type(name) is str:
            names.add(name)
        if type(name) is str and f"#{name}" in mentioned:
            continue
        if "#" not in _fragments(resource):
            shown = quote(name) if type(name) is str else "without id"
            message = (
                f"Nothing refers to the contained resource {shown}; refer to it or remove it (rule dom-3)."
            )
            run.error("invariant", "dom-3", (where, "contained", index), message)


def _fragments(node: dict[str, Any]) -> Iterator[str]:  # Any: FHIR JSON
    """Yield every string that begins with "#", and those that a narrative links to, level by level."""
    level: list[Any] = [node]
    while level:
        children = [child for part in level for child in (part.values() if type(part) is dict else part)]
        for child in children:
            if type(child) is str:
                if child[:1] == "#":
                    yield child
                elif child[:4] == "<div":
                    yield from _LINK.findall(child)
        level = [child for child in children if type(child) is dict or type(child) is list]
