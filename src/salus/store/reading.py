"""Reads by id of concurrent requests, many in one round trip.

While some are at the database the next ones gather, as leaves do in `store.journal`: under load this halves
what a read costs, and a lone read does not wait. Each is made under its own grant (schema 0009).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from salus.store.pool import Pool

_READ = "SELECT * FROM read_resources($1, $2, $3, $4)"
_TOGETHER_MAX, _LANES_MAX = 32, 2


class Wanted(NamedTuple):
    """What one request reads, and as the policies of schema 0001 read it, under which grant."""

    patients: str
    sees_hidden: str
    type: str
    id: str


class Reads:
    """Reads through one pool; belongs to one event loop."""

    __slots__ = ("_lanes", "_pool", "_running", "_waiting")

    def __init__(self, pool: Pool) -> None:
        """Take the pool of the role whose grants are read under."""
        self._pool = pool
        self._waiting: list[tuple[Wanted, asyncio.Future[asyncpg.Record | None]]] = []
        self._lanes: set[asyncio.Task[None]] = set()
        self._running = 0

    async def read(self, wanted: Wanted) -> asyncpg.Record | None:
        """Return the row (place, compartment, version, updated, deleted, others, source, source_id, content).

        None when there is none, or the grant may not know of it. The database's errors are let through.
        """
        found: asyncio.Future[asyncpg.Record | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, found))
        if self._running < _LANES_MAX:
            self._running += 1
            lane = asyncio.create_task(self._run(), name="reads")
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await found

    async def _run(self) -> None:
        # Nothing may gather between the last look at what waits and the end: nobody would come for it.
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_TOGETHER_MAX], self._waiting[_TOGETHER_MAX:]
                await self._settle([(wanted, found) for wanted, found in batch if not found.done()])
        finally:
            self._running -= 1

    async def _settle(self, batch: Sequence[tuple[Wanted, asyncio.Future[asyncpg.Record | None]]]) -> None:
        """Give each its row or its error; a request that PostgreSQL refuses takes no other with it."""
        try:
            rows = await self._fetch([wanted for wanted, _ in batch])
        except asyncpg.PostgresError as error:
            if len(batch) > 1 and not isinstance(error, asyncpg.QueryCanceledError):
                for one in batch:
                    await self._settle([one])
                return
            _refuse(batch, error)
        except BaseException as error:
            _refuse(batch, error)
            if not isinstance(error, Exception):
                raise
        else:
            by_place = {row[0]: row for row in rows}
            for place, (_, found) in enumerate(batch, 1):
                if not found.done():
                    found.set_result(by_place.get(place))

    async def _fetch(self, wanted: Sequence[Wanted]) -> list[asyncpg.Record]:
        connection = await self._pool.take()
        try:
            rows: list[asyncpg.Record] = await connection.fetch(_READ, *zip(*wanted, strict=True))
        except asyncpg.PostgresError:
            self._pool.give_back(connection)
            raise
        except BaseException:
            self._pool.give_up(connection)
            raise
        self._pool.give_back(connection)
        return rows


def _refuse(
    batch: Sequence[tuple[Wanted, asyncio.Future[asyncpg.Record | None]]], error: BaseException
) -> None:
    for _, found in batch:
        if found.done():
            continue
        if isinstance(error, Exception):
            found.set_exception(error)
        else:
            found.cancel()
