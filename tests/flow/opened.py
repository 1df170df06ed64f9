"""The database of a node as the node reads it: sealed contents opened with its key store."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager

import asyncpg

from salus.node import key_store_of, load_node_keys
from salus.settings import read_settings
from salus.store.record_seal import RecordSeal, digest_key, opens


@contextmanager
def seal_of(folder):
    """Yield what seals the contents of the node in a folder."""
    keys = key_store_of(folder, read_settings(folder))
    yield RecordSeal(keys, digest_key(load_node_keys(folder).search))
    keys.close()


@asynccontextmanager
async def opened(folder):
    """Yield a connection of the database's owner that opens what is sealed."""
    connection = await asyncpg.connect(read_settings(folder).database)
    try:
        with seal_of(folder) as seal:
            await opens(connection, seal)
            yield connection
    finally:
        await connection.close()
