"""Erasing by destroying keys: no backup of the database opens the record any more (docs/decisions/0028).

The transaction that erases notes whose keys are due; they are destroyed right after it, or when the node
starts again. What stays because it is about others too is sealed with another key before.
"""

from __future__ import annotations

from collections.abc import Sequence

from salus.store.postgres import Connection, Database
from salus.store.record_seal import record_of, record_seal_of, whose_of
from salus.store.tombstones import erased_among

RECORDS = "Patient/"
_AT_ONCE = 1_000
_REFUSED_AT_ONCE = 50
_DUE = "INSERT INTO key_to_destroy (whose) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING"
_REFUSED = """
SELECT patient, id, CAST(content AS text) FROM quarantine
WHERE (patient, id) > ($1, $2) ORDER BY patient, id LIMIT $3
"""
_DROP = "DELETE FROM quarantine WHERE id = ANY ($1)"
_LEFT = """
SELECT compartment, type, id, version, others, CAST(content AS text) AS content FROM {table}
WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND content <> ''
    AND (salus_is_outside(compartment, type) OR type = 'Group')
"""
_SEAL = """
UPDATE {table} SET content = $4 WHERE compartment = $1 AND type = $2 AND id = $3 AND version = $5
"""


async def due(connection: Connection, records: Sequence[str]) -> None:
    """Note, in the caller's transaction, that the keys of these records are to be destroyed."""
    await connection.execute(_DUE, [record_of(one) for one in records])


async def destroy_what_is_due(database: Database) -> None:
    """Destroy the keys that were noted; whoever starts a node does it for one that was killed."""
    async with database.system() as connection:
        whose = [row[0] for row in await connection.fetch("SELECT whose FROM key_to_destroy")]
        if whose:
            await database.contents.destroy(whose)
            await connection.execute("DELETE FROM key_to_destroy WHERE whose = ANY ($1)", whose)


async def destroy_revived(database: Database) -> None:
    """Destroy the keys of records that were erased, which a restored backup of the key store brought back."""
    whose = await database.contents.begin_with(RECORDS)
    async with database.system() as connection:
        for start in range(0, len(whose), _AT_ONCE):
            gone = await erased_among(connection, whose[start : start + _AT_ONCE])
            await database.contents.destroy(sorted(gone))


async def seal_anew(connection: Connection, names: Sequence[str]) -> None:
    """Seal what stays of these resources ("Type/id") with the key of those whom it is about now."""
    seal = record_seal_of(connection)
    if not names or seal.keys is None:
        return
    pairs = [name.partition("/") for name in names]
    columns = [kind for kind, _, _ in pairs], [identity for _, _, identity in pairs]
    for table in ("resource", "resource_version"):
        for row in await connection.fetch(_LEFT.format(table=table), *columns):
            content = seal.open_if_possible(row["content"])
            if content is None:
                continue
            whose = whose_of(row["type"], row["compartment"], row["others"])
            sealed = seal.close(whose, content)
            await seal.settle()
            await connection.execute(
                _SEAL.format(table=table), row["compartment"], row["type"], row["id"], sealed, row["version"]
            )


async def refused_about(connection: Connection, needles: Sequence[bytes]) -> list[str]:
    """Remove refused input in which any of the texts stands, in the caller's transaction; return its ids."""
    found: list[str] = []
    if not needles:
        return found
    seal, after = record_seal_of(connection), ("", "")
    while True:
        rows = await connection.fetch(_REFUSED, *after, _REFUSED_AT_ONCE)
        for row in rows:
            content = seal.open_if_possible(row["content"])
            if content is not None and any(needle in content for needle in needles):
                found.append(row["id"])
        if len(rows) < _REFUSED_AT_ONCE:
            break
        after = rows[-1]["patient"], rows[-1]["id"]
    await connection.execute(_DROP, found)
    return found
