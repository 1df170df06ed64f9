"""A search while it is read, and what becomes of a name in it that the node does not know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from salus.core.errors import InvalidSearch, NotSupported
from salus.core.limits import Limits
from salus.standards.fhir.search.parameters import Registry, SearchParameter, parameters_of
from salus.standards.fhir.search.query import Criterion, Include, SortKey

Expand = Callable[[str], Mapping[str, frozenset[str]] | None]


class Reading(msgspec.Struct):
    """A search while it is read: its circumstances, and what has been found of it."""

    type: str
    strict: bool
    limits: Limits
    registry: Registry | None
    expand: Expand
    base: str
    now: datetime | None
    values_left: int
    conditions: int = 0
    unindexed: int = 0
    criteria: list[Criterion] = []
    sort: list[SortKey] = []
    includes: list[Include] = []
    applied: list[tuple[str, str]] = []
    ignored: list[str] = []
    count: int | None = None
    total: str = "none"
    summary: str = "false"
    elements: tuple[str, ...] = ()
    cursor: str = ""


class Unknown(Exception):
    """A name that the node does not know; an error or left out, as the search is strict or not."""

    def __init__(self, message: str, left_out: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.left_out = left_out


def leave_out(reading: Reading, name: str, unknown: Unknown) -> None:
    """Note what the answer names as left out; raise InvalidSearch where that is not wished."""
    if reading.strict:
        raise InvalidSearch(unknown.message) from None
    reading.ignored.append((unknown.left_out or name)[:80])


def parameter_of(reading: Reading, type_name: str, code: str, name: str) -> SearchParameter:
    """Return a type's search parameter; `name` is what the search calls it, for messages.

    Raises:
        Unknown: it has none of that code.
        NotSupported: the node does not search by it.
    """
    found = parameters_of(type_name, reading.registry).get(code)
    if found is None:
        raise Unknown(f"{type_name} has no search parameter '{code[:80]}' (in '{name[:80]}').")
    if found.refused:
        raise NotSupported(found.refused)
    return found
