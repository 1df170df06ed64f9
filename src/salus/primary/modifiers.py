"""Whether what a source sent is marked as meaning something else than its elements say (R4 extensibility)."""

from __future__ import annotations


def is_modified(value: object) -> bool:
    """Return whether anything in the resource carries an extension that changes its meaning.

    R4 forbids to act on what carries a modifier extension that one does not know; none is known here.
    """
    if isinstance(value, dict):
        return bool(value.get("modifierExtension")) or any(is_modified(each) for each in value.values())
    return isinstance(value, list) and any(is_modified(each) for each in value)
