"""A pool of connections of one role.

asyncpg's own pool wraps every connection in a proxy and resets it on release; on the read path both cost
more than the gate's decision. Here a connection goes back as it is, or not at all: when its use ended
otherwise than by a result or an error of the database, it is closed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg

from salus.core.errors import SalusError

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Pool:
    """Lends at most `size` connections at once; the others wait, first come, first served."""

    __slots__ = ("_connect", "_free", "_open", "_size", "_waiting")

    def __init__(self, connect: Callable[[], Awaitable[Connection]], size: int) -> None:
        """Take how to open a connection, and the most to have open."""
        self._connect = connect
        self._size = size
        self._free: list[Connection] = []
        self._open = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Connection]:
        """Lend a connection."""
        connection = await self.take()
        try:
            yield connection
        except (SalusError, asyncpg.PostgresError):
            self.give_back(connection)
            raise
        except BaseException:
            self.give_up(connection)
            raise
        self.give_back(connection)

    async def take(self) -> Connection:
        """Return a connection; give it back or up."""
        while True:
            while self._free:
                connection = self._free.pop()
                if not connection.is_closed():
                    return connection
                self._open -= 1
            if self._open < self._size:
                return await self._new()
            await self._turn()

    async def _new(self) -> Connection:
        self._open += 1
        try:
            return await self._connect()
        except BaseException:
            self._open -= 1
            self._call_next()
            raise

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self._call_next()
            raise

    def give_back(self, connection: Connection) -> None:
        """Take back a connection whose last statement has ended."""
        if connection.is_closed() or connection.is_in_transaction():
            self.give_up(connection)
            return
        self._free.append(connection)
        self._call_next()

    def give_up(self, connection: Connection) -> None:
        """Close a connection that may still be in the middle of something."""
        connection.terminate()
        self._open -= 1
        self._call_next()

    def _call_next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    async def close(self) -> None:
        """Close the connections that are not lent; a lent one is closed when it is given back."""
        self._size = 0
        while self._free:
            connection = self._free.pop()
            self._open -= 1
            await connection.close(timeout=5)
