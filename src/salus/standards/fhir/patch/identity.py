"""What a patch must leave alone, and what it must not leave behind."""

from __future__ import annotations

from typing import Any

from salus.core.errors import InvalidResource
from salus.core.limits import Limits

DEPTH_MAX = Limits().depth_max
_UNTOUCHABLE = ("resourceType", "id")


def check_identity(before: dict[str, Any], after: Any) -> dict[str, Any]:  # after: JSON, any shape
    """Return the patched resource, if it is still the same one.

    Raises:
        InvalidResource: the patch changed the type or the id, left no resource, or nested it too deep.
    """
    if not isinstance(after, dict):
        raise InvalidResource("The patch leaves no resource; patch its elements, not the whole")
    for key in _UNTOUCHABLE:
        if before.get(key) != after.get(key):
            raise InvalidResource(f"A patch cannot change {key}; create another resource instead")
    check_depth(depth_of(after))
    return after


def depth_of(value: Any) -> int:  # JSON
    """Return how many objects and arrays are nested in each other, 0 for a plain value; without recursion."""
    level, depth = [value] if isinstance(value, dict | list) else [], 0
    while level:
        depth += 1
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
    return depth


def check_depth(depth: int) -> None:
    """Refuse to nest deeper than a resource may be.

    Raises:
        InvalidResource: it would be nested too deep.
    """
    if depth > DEPTH_MAX:
        raise InvalidResource(f"The patch nests the resource more than {DEPTH_MAX} levels deep")


def without_empty(value: Any) -> Any:  # JSON
    """Return JSON without the empty objects and arrays that FHIR does not allow."""
    if isinstance(value, dict):
        kept = {
            key: _aligned(member) if key[:1] == "_" and isinstance(member, list) else without_empty(member)
            for key, member in value.items()
        }
        return {key: member for key, member in kept.items() if member not in ({}, [])}
    if isinstance(value, list):
        members = [without_empty(member) for member in value]
        return [member for member in members if member not in ({}, [])]
    return value


def _aligned(siblings: list[Any]) -> list[Any]:
    """Return the ids and extensions of a list of primitives, each still at the place of its value."""
    members = [without_empty(member) or None for member in siblings]
    return members if any(member is not None for member in members) else []
