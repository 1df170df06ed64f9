"""Shapes: which keys an object has, in their order, as one number, by which plans are found at once.

An object is looked at by several profiles; its shape is numbered once for each run.
"""

from __future__ import annotations

from itertools import count
from typing import Any

NUMBERED_MAX = 20_000
"""Most shapes that are remembered; then numbering goes on, and plans for old numbers are no longer met."""

_NUMBERS: dict[tuple[str, ...], int] = {}
_NEXT = count(1)


def number_of(node: Any) -> int:  # Any: a JSON value
    """Return the number of an object's shape; 0 for what is no object."""
    if type(node) is not dict:
        return 0
    shape = tuple(node)
    number = _NUMBERS.get(shape)
    if number is None:
        if len(_NUMBERS) >= NUMBERED_MAX:
            _NUMBERS.clear()
        number = _NUMBERS[shape] = next(_NEXT)
    return number
