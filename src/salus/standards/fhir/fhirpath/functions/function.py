"""What a row of a function table says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from salus.standards.fhir.fhirpath.environment import Context
from salus.standards.fhir.fhirpath.values import Collection

Evaluate = Callable[[Context], Collection]
"""A compiled expression: from a context to a collection."""

SAME = "same"


class Function(msgspec.Struct, frozen=True):
    """One function.

    Args:
        run: called with the context, the input and the arguments.
        arguments_min, arguments_max: how many arguments it takes.
        lazy: its arguments are handed over as `Evaluate` and evaluated in a context of its choosing;
            else they are evaluated where the function stands and handed over as collections.
        result: type of what it returns: a type's name, SAME as its input, or "" for unknown.
        many: it may return more than one item even for one.
        ordered_input: it has no meaning on a collection without order (children() has none).
    """

    run: Callable[..., Collection]
    arguments_min: int = 0
    arguments_max: int = 0
    lazy: bool = False
    result: str = ""
    many: bool = False
    ordered_input: bool = False


def boolean(value: Any) -> Collection:  # bool or None
    """Return a truth value as a collection, the unknown one as the empty collection."""
    return [] if value is None else [value]
