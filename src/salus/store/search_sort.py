"""The order that no index has: by a string, token or reference, or several keys (R4 search.html, 3.1.1.5.1).

Every match is read once in batches, and only the rows of the page are kept, so that memory does not grow with
what matches. That takes time in proportion to it: a sort that would not end in time is refused.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sequence
from typing import Any

import asyncpg

from salus.core.errors import TooCostly
from salus.standards.fhir.search.extract import clinical_start
from salus.standards.fhir.search.match import sort_value
from salus.standards.fhir.search.parameters import clinical_date
from salus.standards.fhir.search.query import Query, SortKey
from salus.store.postgres import Connection
from salus.store.search_check import confirmed, resource_of
from salus.store.search_cursor import Place
from salus.store.search_selection import COLUMNS, Selection

BATCH = 1_000
_NUMERIC = frozenset({"date", "number", "quantity"})
_Keyed = tuple[list[tuple[int, Any]], str, asyncpg.Record]  # Any: text or number


class _Descending:
    """A value that sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:  # Any: text or number
        self.value = value

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(self.value == other.value)

    __hash__ = None  # type: ignore[assignment]  # only compared


async def sorted_page(
    connection: Connection, selection: Selection, query: Query, after: Place | None, *, milliseconds_max: int
) -> tuple[list[asyncpg.Record], Place | None]:
    """Return the rows of a page in the order of `query.sort` and then of the id, and where the page ends.

    Rows without a value come last, whether ascending or descending.

    Raises:
        TooCostly: the matches cannot be read and compared in so many milliseconds.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + milliseconds_max / 1000
    statement, where = selection.render()
    text = statement.select(COLUMNS, where)
    kept: list[_Keyed] = []
    rows_read = 0
    async with connection.transaction(readonly=True):
        cursor = await connection.cursor(text, *statement.arguments)
        while rows := await cursor.fetch(BATCH):
            kept = await asyncio.to_thread(_first_rows, selection, query, after, kept, rows)
            rows_read += len(rows)
            if len(rows) == BATCH and clock() > deadline:
                raise _too_slow(query, rows_read)
    shown = [row for *_, row in kept[: query.count]]
    if len(kept) <= query.count:
        return shown, None
    return shown, Place(0, _sort_values(query.sort, shown[-1]), shown[-1]["id"])


def _first_rows(
    selection: Selection,
    query: Query,
    after: Place | None,
    kept: list[_Keyed],
    rows: Sequence[asyncpg.Record],
) -> list[_Keyed]:
    """Return the first rows after a place, of those kept and of new ones: a page and one more."""
    found = list(kept)
    place = None
    if after is not None:  # a page that an index gave names no value where there is none
        place = (_comparable(query.sort, after.values or [None] * len(query.sort)), after.id)
    for row in confirmed(rows, selection.checker):
        key = _comparable(query.sort, _sort_values(query.sort, row))
        if place is None or (key, row["id"]) > place:
            found.append((key, row["id"], row))
    return heapq.nsmallest(query.count + 1, found, key=lambda one: one[:2])


def _too_slow(query: Query, rows_read: int) -> TooCostly:
    keys = ",".join(("-" if one.descending else "") + one.parameter.code for one in query.sort)
    return TooCostly(
        f"_sort={keys} follows no index, and the first {rows_read} {query.type} resources that match took "
        f"all the time there is; add a filter on {query.type}, such as a patient, a code or a date, or sort "
        "by one key: _id, _lastUpdated, a date or a number."
    )


def _sort_values(sort: Sequence[SortKey], row: asyncpg.Record) -> list[Any]:
    resource = resource_of(row)
    return [_sort_value(one, resource) for one in sort]


def _sort_value(key: SortKey, resource: dict[str, Any]) -> Any:
    """Return what a resource is sorted by, a number as text, None for nothing.

    By the clinical date it is sorted as along its index (`search_order`): by the start, either way.
    """
    clinical = clinical_date(key.parameter.resource)
    if clinical is not None and clinical.code == key.parameter.code:
        start = clinical_start(clinical, resource)
        return None if start is None else repr(start.timestamp())
    absent, value = sort_value(key.parameter, resource, descending=key.descending)
    return None if absent else repr(value) if isinstance(value, float) else value


def _comparable(sort: Sequence[SortKey], values: Sequence[Any]) -> list[tuple[int, Any]]:
    """Return sort values, numbers among them as text, so that they compare in the order asked for."""
    found: list[tuple[int, Any]] = []
    for one, text in zip(sort, values, strict=True):
        value = float(text) if text is not None and one.parameter.type in _NUMERIC else text
        found.append((1, 0) if value is None else (0, _Descending(value) if one.descending else value))
    return found
