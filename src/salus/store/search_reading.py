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

BATCH = 1_000


class Deadline:
    """The end of the time that a search may read."""

    def __init__(self, limits: Limits) -> None:
        """Begin now."""
        self._clock = asyncio.get_running_loop().time
        self._at = self._clock() + limits.statement_timeout_ms / 1000

    def keep(self, type_name: str, rows_read: int) -> None:
        """Let the search go on, if there is time.

        Raises:
            TooCostly: there is none left.
        """
        if self._clock() > self._at:
            raise TooCostly(
                f"No index answers this search, and the first {rows_read} {type_name} resources took all the "
                f"time there is; ask for three letters or more, or add a filter on {type_name}, such as a "
                "patient, a code or a date."
            )


async def first_matches(
    connection: Connection, selection: Selection, limits: Limits, *, count_max: int
) -> list[asyncpg.Record]:
    """Return the rows of a selection, confirmed, at most `count_max`.

    Raises:
        TooCostly: they cannot be read in the time of a statement.
    """
    found: list[asyncpg.Record] = []
    async with aclosing(_matches(connection, selection, limits)) as batches:
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
    async with aclosing(_matches(connection, selection, limits)) as batches:
        return sum([len(batch) async for batch in batches])


async def _matches(
    connection: Connection, selection: Selection, limits: Limits
) -> AsyncGenerator[list[asyncpg.Record], None]:
    deadline = Deadline(limits)
    statement, where = selection.render()
    rows_read = 0
    async with connection.transaction():
        cursor = await connection.cursor(statement.select(COLUMNS, where), *statement.arguments)
        while rows := await cursor.fetch(BATCH):
            yield await asyncio.to_thread(confirmed, rows, selection.checker)
            rows_read += len(rows)
            if len(rows) == BATCH:
                deadline.keep(selection.type, rows_read)
