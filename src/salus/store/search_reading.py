"""Searches that no index answers: all that SQL finds is read, for as long as a statement may take.

So it is with a string of under three letters, and with parts of strings (docs/decisions/0029). Rows come in
batches, and no more of them are kept than are asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import asyncpg

from salus.core.errors import TooCostly
from salus.core.limits import Limits
from salus.store.postgres import Connection
from salus.store.search_check import confirmed
from salus.store.search_selection import COLUMNS, Selection
from salus.store.search_statement import Statement

BATCH = 1_000


async def first_matches(
    connection: Connection, selection: Selection, limits: Limits, *, count_max: int
) -> list[asyncpg.Record]:
    """Return the rows of a selection, confirmed, at most `count_max`.

    Raises:
        TooCostly: they cannot be read in the time of a statement.
    """
    found: list[asyncpg.Record] = []
    async with aclosing(_all(connection, selection, limits)) as batches:
        async for batch in batches:
            found += batch
            if len(found) >= count_max:
                break
    return found[:count_max]


async def count_matches(connection: Connection, selection: Selection, limits: Limits) -> int:
    """Return how many rows of a selection match.

    Raises:
        TooCostly: they cannot be read in the time of a statement.
    """
    async with aclosing(_all(connection, selection, limits)) as batches:
        return sum([len(batch) async for batch in batches])


async def batches_read(
    connection: Connection, statement: Statement, text: str, selection: Selection, limits: Limits
) -> AsyncGenerator[list[asyncpg.Record], None]:
    """Yield the confirmed rows of a query of a selection, batch by batch.

    Raises:
        TooCostly: they cannot be read in the time of a statement.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + limits.statement_timeout_ms / 1000
    rows_read = 0
    async with connection.transaction():
        cursor = await connection.cursor(text, *statement.arguments)
        while rows := await cursor.fetch(BATCH):
            yield await asyncio.to_thread(confirmed, rows, selection.checker)
            rows_read += len(rows)
            if len(rows) == BATCH and clock() > deadline:
                kind = selection.type
                raise TooCostly(
                    f"No index answers this search, and the first {rows_read} {kind} resources took all the "
                    f"time there is; ask for three letters or more, or add a filter on {kind}, such as a "
                    "patient, a code or a date."
                )


def _all(
    connection: Connection, selection: Selection, limits: Limits
) -> AsyncGenerator[list[asyncpg.Record], None]:
    statement, where = selection.render()
    return batches_read(connection, statement, statement.select(COLUMNS, where), selection, limits)
