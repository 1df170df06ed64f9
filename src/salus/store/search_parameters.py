"""Search parameters added to a running node, and the indexing of what is stored already.

A parameter is added in the state `indexing`: every writer indexes by it from then on, no search may use it
yet. `reindex` goes through the stored resources in batches, each a transaction that also writes down how far
it came, so that a killed run goes on where it stopped, in this process or another. When it is through, the
parameter is `ready`: searches and the CapabilityStatement have it (`Database.parameters`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import asyncpg
import msgspec

from salus.core.errors import InvalidResource
from salus.standards.fhir.fhirpath.expression import compile_expression
from salus.standards.fhir.model import SearchParameterRow, ancestors, resource_types
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.parameters import Registry, standard
from salus.store.parameters_known import WRITERS_LOCK, registry_of
from salus.store.postgres import Connection, Database
from salus.store.search_check import resource_of
from salus.store.search_index import write_index

BATCH = 500
_REINDEX_LOCK = 0x53414C5549  # "SALUI": held by the one process that indexes
_WRITERS_WAIT = "SET LOCAL lock_timeout = '200ms'"
_CHANGED = "UPDATE search_parameter_generation SET number = number + 1"
_ADD = """
INSERT INTO search_parameter (url, definition, state, added_at, resource_id)
VALUES ($1, $2, 'indexing', $3, $4)
ON CONFLICT (url) DO UPDATE
SET definition = $2, state = 'indexing', done = '{}', type = '', after_id = '', added_at = $3,
    settled = false, resources = 0, resource_id = $4
"""
_OTHERS = "SELECT url, definition, resource_id FROM search_parameter ORDER BY url FOR UPDATE"
_WAITING = """
SELECT url, definition, settled, done, type, after_id FROM search_parameter WHERE state = 'indexing'
ORDER BY added_at, url LIMIT 1
"""
_NEXT = """
SELECT compartment, type, id, content, source, source_id, updated FROM resource
WHERE type = $1 AND id > $2 AND NOT deleted ORDER BY id LIMIT $3 FOR UPDATE
"""


class Progress(msgspec.Struct, frozen=True):
    """How far a run of `reindex` came: the type under way, and resources indexed anew by this run."""

    type: str
    resources: int


class State(msgspec.Struct, frozen=True):
    """An added parameter.

    Args:
        url: its canonical.
        code: its name in a search.
        type: its search type.
        base: the resource types it is defined for.
        state: "indexing" or "ready".
        resources: stored resources that were indexed anew for it.
        added_at: when it was added or last changed.
    """

    url: str
    code: str
    type: str
    base: tuple[str, ...]
    state: str
    resources: int
    added_at: datetime


async def register(
    connection: Connection, definition: SearchParameterRow, *, at: datetime, resource_id: str
) -> None:
    """Add a parameter, or replace one of the same canonical; it is offered once `reindex` is through.

    The same definition again changes nothing.

    Args:
        connection: in the transaction that stores its SearchParameter resource.
        definition: what is indexed.
        at: the present.
        resource_id: id of its SearchParameter resource.

    Raises:
        InvalidResource: the definition cannot be searched by, or its canonical or code is another's.
        InvalidExpression: its expression is no FHIRPath.
    """
    check_definition(definition)
    content = msgspec.json.encode(definition)
    for row in await connection.fetch(_OTHERS):
        if row["url"] == definition.url:
            if row["resource_id"] not in ("", resource_id):
                raise InvalidResource(
                    f"The url is that of SearchParameter/{row['resource_id']}: change or delete that one."
                )
            if bytes(row["definition"]) == content:
                return
        elif row["resource_id"] and row["resource_id"] == resource_id:
            await remove(connection, resource_id)
        else:
            _refuse_same_code(definition, msgspec.json.decode(row["definition"], type=SearchParameterRow))
    await connection.execute(_ADD, definition.url, content, at, resource_id)
    await connection.execute(_CHANGED)


def check_definition(definition: SearchParameterRow) -> None:
    """Refuse a definition that no search could use.

    Raises:
        InvalidResource: it lacks something, reads nothing of its type, or its code is another parameter's.
        InvalidExpression: its expression is no FHIRPath.
    """
    registry = standard().with_added([definition])
    if not definition.url or not definition.code.replace("-", "").replace("_", "").isalnum():
        raise InvalidResource("A SearchParameter needs a url and a code of letters, digits and hyphens.")
    if definition.code.startswith("_"):
        raise InvalidResource("Codes that begin with _ are the standard's: choose another code.")
    for base in definition.base:
        compile_expression(definition.expression, base)
    kinds = _bases(definition)
    for kind in kinds:
        known = standard().of(kind).get(definition.code)
        if known is not None and known.url != definition.url:
            raise InvalidResource(
                f"{kind} has a search parameter '{definition.code}' already ({known.url}): choose another "
                "code, or give that url to replace it."
            )
    found = [registry.of(kind)[definition.code] for kind in kinds]
    if not any(one.paths or one.general or (one.composites and not one.refused) for one in found):
        raise InvalidResource(
            f"The expression of '{definition.code}' reads no element that a search of type "
            f"{definition.type} can use: check expression and type."
        )


def _refuse_same_code(definition: SearchParameterRow, other: SearchParameterRow) -> None:
    shared = set(_bases(definition)) & set(_bases(other))
    if definition.code == other.code and shared:
        raise InvalidResource(
            f"The code '{definition.code}' of {min(shared)} is taken by {other.url}: choose another code."
        )


async def remove(connection: Connection, resource_id: str) -> None:
    """Take away what a SearchParameter resource added, if it did, in the caller's transaction."""
    done = await connection.execute("DELETE FROM search_parameter WHERE resource_id = $1", resource_id)
    if done != "DELETE 0":
        await connection.execute(_CHANGED)


async def states(database: Database) -> list[State]:
    """Return the added parameters, the oldest first."""
    async with database.system() as connection:
        rows = await connection.fetch(
            "SELECT definition, state, resources, added_at FROM search_parameter ORDER BY added_at, url"
        )
    found = []
    for row in rows:
        one = msgspec.json.decode(row["definition"], type=SearchParameterRow)
        found.append(
            State(one.url, one.code, one.type, one.base, row["state"], row["resources"], row["added_at"])
        )
    return found


async def searching_registry(database: Database) -> Registry:
    """Return the parameters that searches may use: those of R4 and the added ones that are ready."""
    async with database.system() as connection:
        await database.parameters.refresh(connection)
    return database.parameters.searching or standard()


async def reindex(database: Database, *, key: bytes, batch: int = BATCH) -> AsyncIterator[Progress]:
    """Index the stored resources by every parameter that is not ready; yield after each batch.

    It ends when all are ready, another process does the work, or writers that began before a parameter was
    added are still at work: look again later.

    Args:
        database: where the resources are. It reads content but gives none away, so that no grant is needed.
        key: the node's secret of search hashes.
        batch: resources of one transaction.
    """
    resources = 0
    async with database.system() as connection:
        while True:
            done = await _step(connection, key, batch)
            if done is None:
                return
            if done.type:
                resources += done.resources
                yield Progress(done.type, resources)


async def _step(connection: Connection, key: bytes, batch: int) -> Progress | None:
    """Do the next transaction of the work, with type "" where it indexed nothing; None: nothing to do now."""
    async with connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _REINDEX_LOCK):
            return None
        waiting = await connection.fetchrow(_WAITING)
        if waiting is None:
            return None
        url = waiting["url"]
        if not waiting["settled"]:
            return Progress("", 0) if await _settle(connection, url) else None
        definition = msgspec.json.decode(waiting["definition"], type=SearchParameterRow)
        kinds = [kind for kind in _bases(definition) if kind not in waiting["done"]]
        if not kinds:
            await connection.execute("UPDATE search_parameter SET state = 'ready' WHERE url = $1", url)
            await connection.execute(_CHANGED)
            return Progress("", 0)
        kind = waiting["type"] or kinds[0]
        rows = await connection.fetch("SELECT definition FROM search_parameter ORDER BY added_at DESC, url")
        every = tuple(msgspec.json.decode(row[0], type=SearchParameterRow) for row in rows)
        count = await _batch(connection, registry_of(every), key, url, kind, waiting["after_id"], batch)
        return Progress(kind, count)


async def _settle(connection: Connection, url: str) -> bool:
    """Return whether every writer that may not know the parameter has ended; each later one knows it."""
    try:
        async with connection.transaction():
            await connection.execute(_WRITERS_WAIT)
            await connection.execute("SELECT pg_advisory_xact_lock($1)", WRITERS_LOCK)
    except asyncpg.LockNotAvailableError:
        return False
    await connection.execute("UPDATE search_parameter SET settled = true WHERE url = $1", url)
    return True


def _bases(definition: SearchParameterRow) -> list[str]:
    """Return the resource types a definition applies to."""
    return sorted(kind for kind in resource_types() if set(ancestors(kind)) & set(definition.base))


async def _batch(
    connection: Connection, registry: Registry | None, key: bytes, url: str, kind: str, after: str, batch: int
) -> int:
    """Index the next resources of a type anew and write down how far that came."""
    rows = await connection.fetch(_NEXT, kind, after, batch)
    if len(rows) < batch:
        await connection.execute(
            "UPDATE search_parameter SET done = done || $2::text, type = '', after_id = '' WHERE url = $1",
            url,
            kind,
        )
    else:
        await connection.execute(
            "UPDATE search_parameter SET type = $2, after_id = $3 WHERE url = $1", url, kind, rows[-1]["id"]
        )
    if not rows:
        return 0
    await connection.execute(
        "UPDATE search_parameter SET resources = resources + $2 WHERE url = $1", url, len(rows)
    )
    index = compile_indexer(kind, key, registry)
    keys = [(row["compartment"], row["type"], row["id"]) for row in rows]
    indexed = [index(resource_of(row)) for row in rows]
    await write_index(connection, keys, indexed)
    return len(rows)
