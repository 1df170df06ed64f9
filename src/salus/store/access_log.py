"""Reading the ledger: a citizen's own accesses, proofs that they are in the log, and its tiles."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from salus.core.access import Grant, Leaf
from salus.core.errors import NotFound
from salus.standards.merkle.tiles import Tile
from salus.standards.merkle.tree import Span, consistency_spans, fold, full_nodes, inclusion_spans
from salus.store.ledger import decode_entry, leaf_in
from salus.store.postgres import Connection, Database
from salus.store.sealing import seal_of
from salus.store.sequencer import nodes_of
from salus.store.withholding import Withheld, withheld_from

_PAGE = """
SELECT page.arrival, page.entry, leaf_index.index
FROM unnest($1::text[]) AS one (patient)
CROSS JOIN LATERAL (
    SELECT leaf.arrival, leaf.entry FROM leaf WHERE leaf.patient = one.patient AND leaf.arrival < $2
    ORDER BY leaf.arrival DESC LIMIT $3
) AS page
LEFT JOIN leaf_index ON leaf_index.arrival = page.arrival
ORDER BY page.arrival DESC LIMIT $3
"""
_NODE_PAGE = """
SELECT leaf.arrival, leaf.entry, leaf_index.index
FROM leaf LEFT JOIN leaf_index ON leaf_index.arrival = leaf.arrival
WHERE leaf.arrival < $1 ORDER BY leaf.arrival DESC LIMIT $2
"""
_NEWEST = 2**63 - 1
_FROM = """
SELECT leaf_index.index, leaf.arrival, leaf.entry
FROM leaf_index JOIN leaf ON leaf.patient = leaf_index.patient AND leaf.arrival = leaf_index.arrival
WHERE leaf_index.index >= $1 ORDER BY leaf_index.index LIMIT $2
"""
_HASH = "SELECT hash FROM leaf_index WHERE index = $1"
_BEFORE = "SELECT size FROM checkpoint WHERE signed_at < $1 ORDER BY size DESC LIMIT 1"


class LoggedAccess(msgspec.Struct, frozen=True):
    """One line of an access log.

    Args:
        arrival: names the line; pages go on below it.
        index: its place in the Merkle log, None for the moment before it is sequenced.
        leaf: who, what, why.
        entry: the bytes whose hash the log commits to, with the proof they show that the line is genuine;
            b"" where the log is read as a whole.
        withheld_until: until when its author is withheld, and `entry` empty; None where they are told.
    """

    arrival: int
    index: int | None
    leaf: Leaf
    entry: bytes
    withheld_until: datetime | None = None


async def access_log(
    grant: Grant, database: Database, patient: str, *, count: int, before: int | None = None
) -> list[LoggedAccess]:
    """Return the accesses to a patient's record, newest first, at most `count` of them.

    Pass the last line's `arrival` as `before` for the next page. A grant over several records of the patient
    gets the accesses to all of them, one that does not open the patient's compartment gets nothing.
    """
    if grant.patients is not None and patient not in grant.patients:
        return []
    records = [patient] if grant.patients is None else sorted(grant.patients)
    await database.bring_in()
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_PAGE, records, _NEWEST if before is None else before, count)
        opened = [seal_of(connection).open(row["entry"]) for row in rows]
        withheld = await withheld_from(grant, connection, records)
    return [
        _logged(row["arrival"], row["index"], entry, withheld)
        for row, entry in zip(rows, opened, strict=True)
    ]


async def node_log(
    grant: Grant, database: Database, *, count: int, before: int | None = None
) -> list[LoggedAccess]:
    """Return the accesses at the node, whoever they are to, the newest first; pages as `access_log` has them.

    For those who watch the log as a whole: a grant over named patients gets nothing.
    """
    if grant.patients is not None:
        return []
    await database.bring_in()
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_NODE_PAGE, _NEWEST if before is None else before, count)
        return _of_all(connection, rows)


async def accesses_from(grant: Grant, database: Database, index: int, count: int) -> list[LoggedAccess]:
    """Return the node's accesses from an index of the log on, at most `count`; for whom `node_log` is."""
    if grant.patients is not None:
        return []
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_FROM, index, count)
        return _of_all(connection, rows)


def _of_all(connection: Connection, rows: Iterable[Any]) -> list[LoggedAccess]:  # Any: asyncpg records
    return [
        LoggedAccess(row["arrival"], row["index"], leaf_in(connection, row["entry"]), b"") for row in rows
    ]


def _logged(arrival: int, index: int | None, entry: bytes, withheld: Withheld) -> LoggedAccess:
    leaf = decode_entry(entry)
    until = withheld.until_of(leaf)
    shown = entry if until is None else b""
    return LoggedAccess(arrival, index, withheld.shown(leaf), shown, until)


async def leaves_from(grant: Grant, connection: Connection, index: int, count: int) -> list[tuple[int, Leaf]]:
    """Return the log's leaves from an index on, with their indexes, at most `count` of them.

    For those who watch the log as a whole: a grant over named patients gets nothing.
    """
    if grant.patients is not None:
        return []
    rows = await connection.fetch(_FROM, index, count)
    return [(row["index"], leaf_in(connection, row["entry"])) for row in rows]


async def first_index_at(grant: Grant, connection: Connection, at: datetime) -> int:
    """Return an index below which every leaf was written down before `at`."""
    return int(await connection.fetchval(_BEFORE, at) or 0)


async def inclusion_proof(database: Database, index: int, size: int) -> list[bytes]:
    """Return the proof that leaf `index` is in the log of `size` leaves (RFC 9162 section 2.1.3).

    Raises:
        NotFound: the log has not `size` leaves, or no leaf of that index.
    """
    return (await inclusion_proofs(database, [index], size))[0]


async def inclusion_proofs(database: Database, indexes: list[int], size: int) -> list[list[bytes]]:
    """Return the proofs of several leaves, in their order, with one reading of the tree.

    Raises:
        NotFound: the log has not `size` leaves, or no leaf of one of the indexes.
    """
    if not indexes:
        return []
    async with database.system() as connection:
        await _check(connection, size)
        for index in indexes:
            if not 0 <= index < size:
                raise NotFound(f"The log of {size} leaves has no leaf {index}.")
        spans = [inclusion_spans(index, size) for index in indexes]
        known = iter(await _hashes(connection, [span for each in spans for span in each]))
        return [list(islice(known, len(each))) for each in spans]


async def hash_of_leaf(database: Database, index: int) -> bytes:
    """Return the hash of a leaf of the log (32 bytes).

    Raises:
        NotFound: the log has no such leaf.
    """
    async with database.system() as connection:
        found: bytes | None = await connection.fetchval(_HASH, index)
    if found is None:
        raise NotFound(f"The log has no leaf {index}.")
    return found


async def tile_of(database: Database, tile: Tile) -> bytes:
    """Return a tile's hashes, one after the other (C2SP tlog-tiles).

    Raises:
        NotFound: the newest checkpoint does not cover all of the tile.
    """
    nodes = list(tile.nodes)
    async with database.system() as connection:
        newest = await connection.fetchval("SELECT max(size) FROM checkpoint") or 0
        if (nodes[-1].position + 1) << nodes[-1].level > newest:
            raise NotFound(f"The log has {newest} leaves; this tile is not full so far.")
        known = await nodes_of(connection, nodes)
    return b"".join(known[node] for node in nodes)


async def consistency_proof(database: Database, before: int, after: int) -> list[bytes]:
    """Return the proof that the log of `after` leaves only appends to that of `before` (section 2.1.4).

    Raises:
        NotFound: the log was never of these sizes.
    """
    async with database.system() as connection:
        await _check(connection, after)
        if not 0 < before <= after:
            raise NotFound(f"The log has no proof from size {before} to {after}.")
        return await _hashes(connection, consistency_spans(before, after))


async def _check(connection: Connection, size: int) -> None:
    newest = await connection.fetchval("SELECT max(size) FROM checkpoint") or 0
    if not 0 < size <= newest:
        raise NotFound(f"The log has {newest} leaves, not {size}.")


async def _hashes(connection: Connection, spans: list[Span]) -> list[bytes]:
    rows = {span: full_nodes(span) for span in spans}
    known = await nodes_of(connection, list({node for row in rows.values() for node in row}))
    hashes = {span: fold([known[node] for node in row]) for span, row in rows.items()}
    return [hashes[span] for span in spans]
