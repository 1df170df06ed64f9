"""The ceiling of the loading figures: rows that are encoded already, by COPY into the node's own tables."""

from __future__ import annotations

import time

import asyncpg

from salus.store.copying import RANGE_COLUMNS, RESOURCE_COLUMNS, Encoded, copy_rows
from salus.store.migrations import migrate, migrations


async def copy_rate(url: str, chunks: list[list[Encoded]]) -> float:
    """Return resources a second that COPY stores in a fresh database of the same schema."""
    owner = await asyncpg.connect(url)
    await owner.execute("DROP DATABASE IF EXISTS ceiling")
    await owner.execute("CREATE DATABASE ceiling")
    connection = await asyncpg.connect(url, database="ceiling")
    await migrate(connection, migrations())
    started = time.monotonic()
    for chunk in chunks:
        async with connection.transaction():
            await copy_rows(connection, "resource", RESOURCE_COLUMNS, (one.resource for one in chunk))
            await copy_rows(connection, "resource_range", RANGE_COLUMNS, (one.ranges for one in chunk))
    seconds = time.monotonic() - started
    await connection.close()
    await owner.execute("DROP DATABASE ceiling")
    await owner.close()
    return sum(len(chunk) for chunk in chunks) / seconds
