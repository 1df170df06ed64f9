"""Search parameters added to a running node, and the indexing of what is stored already.

A parameter is added in the state `indexing`: every writer indexes by it from then on (`indexing_registry`),
no search may use it yet. `reindex` goes through the stored resources in batches, each a transaction that also
writes down how far it came, so that a killed run goes on where it stopped. When it is through, the parameter
is `ready`: searches and the CapabilityStatement have it (`searching_registry`, `offered_parameters`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from salus.core.errors import NotFound
from salus.standards.fhir.fhirpath.expression import compile_expression
from salus.standards.fhir.model import SearchParameterRow, ancestors, resource_types
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.index_row import IndexRow
from salus.standards.fhir.search.parameters import Registry, SearchParameter, parameters_of, standard
from salus.store.postgres import Connection, Database
from salus.store.search_check import content_of

BATCH = 500
_ADD = """
INSERT INTO search_parameter (url, definition, state, added_at) VALUES ($1, $2, 'indexing', $3)
ON CONFLICT (url) DO UPDATE
SET definition = $2, state = 'indexing', done = '{}', type = '', after_id = '', added_at = $3
"""
_NEXT = """
SELECT compartment, type, id, content FROM resource
WHERE type = $1 AND id > $2 AND NOT deleted ORDER BY id LIMIT $3 FOR UPDATE
"""
_TOKENS = """
UPDATE resource r SET tokens = n.tokens::bigint[], date = n.date
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    AS n (compartment, type, id, tokens, date)
WHERE (r.compartment, r.type, r.id) = (n.compartment, n.type, n.id)
"""
_FORGET = (
    "DELETE FROM {} WHERE (compartment, type, id) IN "
    "(SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))"
)
_RANGES = (
    "INSERT INTO resource_range "
    "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::float8[], $6::float8[])"
)
_STRINGS = (
    "INSERT INTO resource_string SELECT compartment, type, id, key, value, trigrams::integer[] "
    "FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[]) "
    "AS n (compartment, type, id, key, value, trigrams)"
)
_KNOWN = "SELECT definition FROM search_parameter WHERE state = ANY($1::text[]) ORDER BY added_at DESC, url"


class Progress(msgspec.Struct, frozen=True):
    """How far a run of `reindex` came: the type under way, and resources indexed anew by this run."""

    type: str
    resources: int


async def add_parameter(database: Database, definition: SearchParameterRow, *, at: datetime) -> None:
    """Add a parameter, or replace one of the same canonical; it is offered once `reindex` is through.

    Raises:
        InvalidResource: the definition has no base of R4, no code or no expression.
        InvalidExpression: its expression is no FHIRPath.
    """
    standard().with_added([definition])
    for base in definition.base:
        compile_expression(definition.expression, base)
    async with database.system() as connection:
        await connection.execute(_ADD, definition.url, msgspec.json.encode(definition), at)


async def remove_parameter(database: Database, url: str) -> None:
    """Take an added parameter away; what was indexed for it is left and finds nothing.

    Raises:
        NotFound: no such parameter was added.
    """
    async with database.system() as connection:
        done = await connection.execute("DELETE FROM search_parameter WHERE url = $1", url)
    if done == "DELETE 0":
        raise NotFound(f"No search parameter '{url[:80]}' was added to this node.")


async def searching_registry(database: Database) -> Registry:
    """Return the parameters that searches may use: those of R4 and the added ones that are ready."""
    return await _registry(database, ["ready"])


async def indexing_registry(database: Database) -> Registry:
    """Return the parameters that writers index by: also those not ready yet."""
    return await _registry(database, ["ready", "indexing"])


async def _registry(database: Database, states: list[str]) -> Registry:
    async with database.system() as connection:
        rows = await connection.fetch(_KNOWN, states)
    if not rows:
        return standard()
    return standard().with_added(
        [msgspec.json.decode(row["definition"], type=SearchParameterRow) for row in rows]
    )


def offered_parameters(type_name: str, registry: Registry | None = None) -> dict[str, SearchParameter]:
    """Return the parameters that a search of the type may name, for the CapabilityStatement.

    Args:
        type_name: a resource type.
        registry: from `searching_registry`; None stands for those of R4.
    """
    known = parameters_of(type_name, registry)
    return {code: one for code, one in sorted(known.items()) if not one.refused}


async def reindex(database: Database, *, key: bytes, batch: int = BATCH) -> AsyncIterator[Progress]:
    """Index the stored resources by every parameter that is not ready; yield after each batch.

    Args:
        database: where the resources are. It reads content but gives none away, so that no grant is needed.
        key: the node's secret of search hashes.
        batch: resources of one transaction.
    """
    registry = await indexing_registry(database)
    resources = 0
    async with database.system() as connection:
        while waiting := await connection.fetchrow(
            "SELECT url, definition, done, type, after_id FROM search_parameter WHERE state = 'indexing' "
            "ORDER BY added_at, url LIMIT 1"
        ):
            definition = msgspec.json.decode(waiting["definition"], type=SearchParameterRow)
            kinds = [kind for kind in _bases(definition) if kind not in waiting["done"]]
            if not kinds:
                await connection.execute(
                    "UPDATE search_parameter SET state = 'ready' WHERE url = $1", waiting["url"]
                )
                continue
            kind = waiting["type"] or kinds[0]
            async with connection.transaction():
                count = await _batch(
                    connection, registry, key, waiting["url"], kind, waiting["after_id"], batch
                )
            resources += count
            yield Progress(kind, resources)


def _bases(definition: SearchParameterRow) -> list[str]:
    """Return the resource types a definition applies to."""
    return sorted(kind for kind in resource_types() if set(ancestors(kind)) & set(definition.base))


async def _batch(
    connection: Connection, registry: Registry, key: bytes, url: str, kind: str, after: str, batch: int
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
    index = compile_indexer(kind, key, registry)
    keys = [(row["compartment"], row["type"], row["id"]) for row in rows]
    indexed = [index(content_of(row["content"])) for row in rows]
    await _write(connection, keys, indexed)
    return len(rows)


async def _write(connection: Connection, keys: list[tuple[str, str, str]], indexed: list[IndexRow]) -> None:
    columns = [list(column) for column in zip(*keys, strict=True)]
    tokens = ["{" + ",".join(map(str, one.tokens)) + "}" for one in indexed]
    await connection.execute(_TOKENS, *columns, tokens, [one.date for one in indexed])
    for table in ("resource_range", "resource_string"):
        await connection.execute(_FORGET.format(table), *columns)
    pairs = list(zip(keys, indexed, strict=True))
    ranges = [(*key, *entry) for key, one in pairs for entry in one.ranges]
    if ranges:
        await connection.execute(_RANGES, *[list(column) for column in zip(*ranges, strict=True)])
    strings = [
        (*key, slot, folded, "{" + ",".join(map(str, trigrams)) + "}")
        for key, one in pairs
        for slot, folded, trigrams in one.strings
    ]
    if strings:
        await connection.execute(_STRINGS, *[list(column) for column in zip(*strings, strict=True)])
