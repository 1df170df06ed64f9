"""The search values of resources that are stored already, written anew."""

from __future__ import annotations

from salus.standards.fhir.search.index_row import IndexRow
from salus.store.pool import Connection

_TOKENS = """
UPDATE resource r SET tokens = n.tokens::bigint[], date = n.date
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
    AS n (compartment, type, id, tokens, date)
WHERE (r.compartment, r.type, r.id) = (n.compartment, n.type, n.id)
"""
_FORGET = (
    "DELETE FROM resource_range WHERE (compartment, type, id) IN "
    "(SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))"
)
_RANGES = (
    "INSERT INTO resource_range "
    "SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::float8[], $6::float8[])"
)


async def write_index(
    connection: Connection, keys: list[tuple[str, str, str]], indexed: list[IndexRow]
) -> None:
    """Replace the search values of stored resources, named by compartment, type and id."""
    columns = [list(column) for column in zip(*keys, strict=True)]
    tokens = ["{" + ",".join(map(str, one.tokens)) + "}" for one in indexed]
    await connection.execute(_TOKENS, *columns, tokens, [one.date for one in indexed])
    await connection.execute(_FORGET, *columns)
    pairs = list(zip(keys, indexed, strict=True))
    ranges = [(*key, *entry) for key, one in pairs for entry in one.ranges]
    if ranges:
        await connection.execute(_RANGES, *[list(column) for column in zip(*ranges, strict=True)])
