"""Resources whose strings an older Salus kept in clear, indexed anew by keyed hashes (decision 0029).

Schema 0145 writes down which they are and drops the clear text. The owner does the rest before anything else
reads the database, so that no search meets half an index. Each batch is a transaction that also writes down
what is left: a killed run goes on where it stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache

import msgspec

from salus.core.errors import SettingsInvalid
from salus.standards.fhir.model import SearchParameterRow
from salus.standards.fhir.search.extract import Indexer, compile_indexer
from salus.store.parameters_known import registry_of
from salus.store.pool import Connection
from salus.store.search_check import resource_of
from salus.store.search_index import write_index

BATCH = 500
LOG = logging.getLogger("salus.store.strings_indexed")

_IS_WAITING = "SELECT to_regclass('public.strings_waiting') IS NOT NULL"
_COUNT = "SELECT count(*) FROM strings_waiting"
_DEFINITIONS = "SELECT definition FROM search_parameter ORDER BY added_at DESC, url"
_NEXT = """
WITH next AS (
    DELETE FROM strings_waiting WHERE (type, id, compartment) IN
        (SELECT type, id, compartment FROM strings_waiting ORDER BY type, id, compartment LIMIT $1)
    RETURNING compartment, type, id
)
SELECT compartment, type, id, r.content, r.source, r.source_id, r.updated
FROM next LEFT JOIN resource r USING (compartment, type, id)
"""
_DONE = "DROP TABLE strings_waiting; ANALYZE resource"


async def index_strings(owner: Connection, key: bytes, *, batch: int = BATCH) -> int:
    """Index what waits for it and return how many resources that were.

    Args:
        owner: a connection of the database's owner; it reads content and gives none away.
        key: the node's secret of search hashes.
        batch: resources of one transaction.

    Raises:
        SettingsInvalid: there is something to index, and no key.
    """
    if not await owner.fetchval(_IS_WAITING):
        return 0
    waiting = await owner.fetchval(_COUNT)
    if waiting and not key:
        raise SettingsInvalid(
            f"The strings of {waiting} resources must be indexed anew with the node's index key: "
            "open the database with `salus serve` or another command of the node first."
        )
    if waiting:
        LOG.warning("indexing the strings of %d resources anew before the node starts", waiting)
    indexers = await _indexers(owner, key)
    indexed = 0
    while found := await _step(owner, indexers, batch):
        indexed += found
    await owner.execute(_DONE)
    return indexed


async def _indexers(owner: Connection, key: bytes) -> Callable[[str], Indexer]:
    """Return how the indexer of a resource type is found; a type's is compiled once."""
    rows = await owner.fetch(_DEFINITIONS)
    registry = registry_of(tuple(msgspec.json.decode(row[0], type=SearchParameterRow) for row in rows))
    return cache(lambda kind: compile_indexer(kind, key, registry))


async def _step(owner: Connection, indexers: Callable[[str], Indexer], batch: int) -> int:
    """Index the next resources in one transaction; return how many there were."""
    async with owner.transaction():
        taken = await owner.fetch(_NEXT, batch)
        rows = [row for row in taken if row["content"]]
        if rows:
            keys = [(row["compartment"], row["type"], row["id"]) for row in rows]
            await write_index(owner, keys, [indexers(row["type"])(resource_of(row)) for row in rows])
    return len(taken)
