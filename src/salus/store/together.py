"""One function of the database asked for many requests in one round trip: reads by id, searches in a record.

While some requests are at the database the next ones gather, as leaves do in `store.journal`: under load this
halves what a read costs, and a lone one does not wait. Each is made under its own grant (schema 0149).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg

from salus.core.access import Grant
from salus.core.errors import KeyMissing
from salus.store.granted import is_refused, together_of
from salus.store.pool import Pool

_Wanted = tuple[Grant, tuple[object, ...]]
_Asked = tuple[_Wanted, "asyncio.Future[list[asyncpg.Record]]"]


class Together:
    """Asks through one pool; belongs to one event loop.

    Args:
        pool: of the role whose grants are asked under.
        statement: a call of a function that takes an array for each argument of a request, behind the
            grants' signature, patients and askers, and returns rows that begin with the request's place, from
            1, in the order of the places.
        together_max: most requests in one round trip.
        lanes_max: most round trips at once. Another one begins for a quarter of a full one: fuller ones cost
            each request less than it waits for them.
    """

    __slots__ = ("_lanes", "_lanes_max", "_pool", "_running", "_statement", "_together_max", "_waiting")

    def __init__(self, pool: Pool, statement: str, *, together_max: int, lanes_max: int) -> None:
        self._pool = pool
        self._statement = statement
        self._together_max = together_max
        self._lanes_max = lanes_max
        self._waiting: list[_Asked] = []
        self._lanes: set[asyncio.Task[None]] = set()
        self._running = 0

    async def ask(self, grant: Grant, *wanted: object) -> list[asyncpg.Record]:
        """Return the rows of a request with these arguments. The database's errors are let through."""
        found: asyncio.Future[list[asyncpg.Record]] = asyncio.get_running_loop().create_future()
        self._waiting.append(((grant, wanted), found))
        if self._running < self._lanes_max and (
            not self._running or len(self._waiting) >= self._together_max // 4
        ):
            self._running += 1
            lane = asyncio.create_task(self._run(), name="together")
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await found

    async def _run(self) -> None:
        # Nothing may gather between the last look at what waits and the end: nobody would come for it.
        try:
            while self._waiting:
                count = self._together_max
                batch, self._waiting = self._waiting[:count], self._waiting[count:]
                await self._settle([one for one in batch if not one[1].done()])
        finally:
            self._running -= 1

    async def _settle(self, batch: Sequence[_Asked]) -> None:
        """Give each its rows or its error.

        A request that PostgreSQL refuses, or whose key is missing, takes no other with it.
        """
        if not batch:
            return
        try:
            rows = await self._fetch([wanted for wanted, _ in batch])
        except (asyncpg.PostgresError, KeyMissing) as error:
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
            by_place: list[list[asyncpg.Record]] = [[] for _ in batch]
            for row in rows:
                by_place[row[0] - 1].append(row)
            for (_, found), own in zip(batch, by_place, strict=True):
                if not found.done():
                    found.set_result(own)

    async def _fetch(self, wanted: Sequence[_Wanted]) -> list[asyncpg.Record]:
        connection = await self._pool.take()
        try:
            told = together_of(connection, [grant for grant, _ in wanted])
            asked = zip(*(arguments for _, arguments in wanted), strict=True)
            rows: list[asyncpg.Record] = await connection.fetch(self._statement, *told, *asked)
        except (asyncpg.PostgresError, KeyMissing) as error:
            if is_refused(error):
                self._pool.give_up(connection)
            else:
                self._pool.give_back(connection)
            raise
        except BaseException:
            self._pool.give_up(connection)
            raise
        self._pool.give_back(connection)
        return rows


def _refuse(batch: Sequence[_Asked], error: BaseException) -> None:
    for _, found in batch:
        if found.done():
            continue
        if isinstance(error, Exception):
            found.set_exception(error)
        else:
            found.cancel()
