"""What a superior asks of those below it: depth, names, types (OpenID Federation 1.0 section 6.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from salus.core.errors import NotAuthenticated

ALWAYS_ALLOWED = "federation_entity"


def check_constraints(constraints: Mapping[str, Any], *, below: Sequence[str]) -> None:
    """Return when the constraints hold for the entities below whoever set them.

    Args:
        constraints: of one subordinate statement.
        below: entity identifiers from the subject of the chain up to the subject of that statement.

    Raises:
        NotAuthenticated: a constraint does not hold, or is malformed.
    """
    length = constraints.get("max_path_length")
    if length is not None:
        if isinstance(length, bool) or not isinstance(length, int) or length < 0:
            raise NotAuthenticated("max_path_length must be a number from 0 on")
        if len(below) - 1 > length:
            raise NotAuthenticated("the trust chain is longer than a superior allows (max_path_length)")
    names = constraints.get("naming_constraints", {})
    if not isinstance(names, dict):
        raise NotAuthenticated("naming_constraints must be an object")
    permitted, excluded = (_texts(names, key) for key in ("permitted", "excluded"))
    for entity in below:
        host = (urlsplit(entity).hostname or "").lower()
        if any(_is_within(host, name) for name in excluded or ()):
            raise NotAuthenticated("the trust chain holds a name that a superior excludes")
        if permitted is not None and not any(_is_within(host, name) for name in permitted):
            raise NotAuthenticated("the trust chain holds a name that no superior permits")


def allowed_types(constraints: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of the entity types that the constraints allow. Raises NotAuthenticated."""
    allowed = _texts(constraints, "allowed_entity_types")
    if allowed is None:
        return dict(metadata)
    return {kind: each for kind, each in metadata.items() if kind in allowed or kind == ALWAYS_ALLOWED}


def _is_within(host: str, name: str) -> bool:
    """Return whether a host satisfies a name: ".example.com" any host below it, "example.com" that one."""
    name = name.lower()
    return host.endswith(name) and len(host) > len(name) if name.startswith(".") else host == name


def _texts(members: Mapping[str, Any], key: str) -> list[str] | None:
    if key not in members:
        return None
    found = members[key]
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise NotAuthenticated(f"{key} must be an array of texts")
    return found
