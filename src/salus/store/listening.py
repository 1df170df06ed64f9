"""A connection that listens, and is known to: one that died without a word hears nothing and tells nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

import asyncpg

from salus.store.pool import Connection

T = TypeVar("T")

SILENCE_SECONDS = 0.5
"""How long nothing may be heard before the connection is asked, and how long it may take to answer."""


async def heard(connection: Connection, news: Awaitable[T]) -> T | None:
    """Return the news, or None where none came for a while: then the connection was asked whether it lives.

    One that does not answer is closed, as if the server had gone (a failover, a router that forgot it): then
    its termination listeners are told, and whoever follows it listens anew. Nothing else uses it meanwhile.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(SILENCE_SECONDS):  # `wait_for` can lose a cancellation before Python 3.12
            return await news
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            await connection.execute("SELECT 1")
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
    return None
