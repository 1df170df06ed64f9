"""What scopes let be read of a type only as far as it satisfies a search (`core.access.Grant.narrowed`).

A search takes the criteria into its SQL (`store.search_plan`); whoever reads rows by id or in order confirms
each on its bytes, and fills its page with what is left. What does not satisfy is answered as absent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import asyncpg

from salus.core.access import Grant, Narrowing
from salus.core.errors import TooCostly
from salus.standards.fhir.search.match import matches
from salus.standards.fhir.search.query import Query
from salus.standards.smart.scopes import constraint
from salus.store.search_check import resource_of


def narrowing_of(grant: Grant, type_name: str) -> Narrowing:
    """Return the searches of which a resource of the type must satisfy one; () for none."""
    return next((narrowing for name, narrowing in grant.narrowed if name == type_name), ())


def queries_of(grant: Grant, type_name: str) -> tuple[Query, ...]:
    """Return them understood."""
    return tuple(constraint(type_name, pairs) for pairs in narrowing_of(grant, type_name))


def shows(grant: Grant, row: Any, type_name: str = "") -> bool:  # Any: a database row
    """Return whether the grant shows this row, which has no column of its type where that is given.

    A deletion has no content that could satisfy anything.
    """
    queries = queries_of(grant, type_name or row["type"]) if grant.narrowed else ()
    if not queries:
        return True
    if not row["content"]:
        return False
    resource = resource_of(row)
    return any(matches(query, resource) for query in queries)


def keeping(grant: Grant) -> Callable[[Sequence[Any]], Awaitable[list[Any]]]:  # Any: database rows
    """Return what keeps of rows those that the grant shows, for `fill_page`."""

    async def keep(rows: Sequence[Any]) -> list[Any]:
        return shown(grant, rows)

    return keep


def shown(grant: Grant, rows: Iterable[Any]) -> list[Any]:  # Any: database rows
    """Return the rows that the grant shows, in their order."""
    return [row for row in rows if shows(grant, row)] if grant.narrowed else list(rows)


async def fill_page(
    fetch: Callable[[asyncpg.Record | None], Awaitable[Sequence[asyncpg.Record]]],
    keep: Callable[[Sequence[asyncpg.Record]], Awaitable[list[asyncpg.Record]]],
    *,
    count: int,
    scanned_max: int,
) -> list[asyncpg.Record]:
    """Return the next `count` rows that are to be shown.

    `fetch` returns the next `count` rows after the given one, None for the first; `keep` those of them that
    are shown. Where it keeps all, one fetch fills the page.

    Raises:
        TooCostly: more than `scanned_max` rows were passed.
    """
    found: list[asyncpg.Record] = []
    last: asyncpg.Record | None = None
    scanned = 0
    while len(found) < count:
        rows = await fetch(last)
        found += await keep(rows)
        scanned += len(rows)
        if len(rows) < count:
            break
        if scanned > scanned_max:
            raise TooCostly("The scopes leave too little of this: search by what they ask for instead.")
        last = rows[-1]
    return found[:count]
