"""A person's accesses with all that shows that each is in the log, and none missing (docs/decisions/0017)."""

from __future__ import annotations

import hashlib
from datetime import datetime

import asyncpg
import msgspec

from salus.core.access import Grant
from salus.standards.merkle.link import NO_LEAF, Link, pseudonym
from salus.standards.merkle.persons import Person
from salus.store.access_log import inclusion_proofs
from salus.store.ledger import decode_entry
from salus.store.person_map import map_proofs
from salus.store.postgres import Database
from salus.store.sealing import seal_of
from salus.store.withholding import withheld_from

_LAST = "SELECT size, note, settled FROM checkpoint ORDER BY size DESC LIMIT 1"
_ACCESSES = """
SELECT found.* FROM unnest($1::text[]) AS one (patient)
CROSS JOIN LATERAL (
    SELECT place.index, leaf.patient, place.hash, place.count, leaf.entry
    FROM leaf JOIN leaf_index place ON place.arrival = leaf.arrival
    WHERE leaf.patient = one.patient AND place.index < $2
    ORDER BY place.index DESC LIMIT $3
) AS found
ORDER BY found.index DESC
"""
_NEWER = """
SELECT count(*) FROM leaf LEFT JOIN leaf_index place ON place.arrival = leaf.arrival
WHERE leaf.patient = ANY ($1) AND leaf.arrival > $2 AND (place.index IS NULL OR place.index >= $3)
"""
_EMPTY_LOG = (0, "", 0)


class ProvedAccess(msgspec.Struct, frozen=True):
    """An access in the log.

    Args:
        index: in the log.
        entry: the bytes of its record; empty where its author is withheld.
        link: None before links began.
        hashes: the inclusion proof.
        withheld_until: until when, None where it is told.
    """

    index: int
    entry: bytes
    link: str | None
    hashes: list[bytes]
    withheld_until: datetime | None = None


class ProvedAccesses(msgspec.Struct, frozen=True):
    """The accesses under one signed checkpoint.

    Args:
        size: leaves under the checkpoint.
        note: the checkpoint.
        unsigned: accesses that are too new for it.
        accesses: the newest first.
        withheld_before_links: accesses that are withheld, and have no link by which to prove them.
        following: an index below which there are older ones, None where there are none.
        persons: pseudonym to the siblings that prove where its chain ends.
    """

    size: int
    note: str
    unsigned: int
    accesses: list[ProvedAccess]
    following: int | None
    persons: dict[bytes, list[bytes]]
    withheld_before_links: int = 0


async def proved_accesses(
    grant: Grant, database: Database, key: bytes, *, count: int, before: int | None = None
) -> ProvedAccesses:
    """Return the accesses to the records that the grant names, the newest `count` below index `before`.

    Args:
        grant: over named patients; one over the node names nobody and gets nothing.
        database: holds the log.
        key: of the pseudonyms.
        count: most accesses.
        before: only accesses with a smaller index.
    """
    await database.bring_in()
    records = sorted(grant.patients or ())
    names = {patient: pseudonym(key, patient) for patient in records}
    (size, note, settled), ends = await _checkpoint_and_ends(database, list(names.values()))
    below = size if before is None else min(size, before)
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_ACCESSES, records, below, count + 1)
        unsigned = await connection.fetchval(_NEWER, records, settled, size)
        entries = {row["index"]: seal_of(connection).open(row["entry"]) for row in rows}
        withheld = await withheld_from(grant, connection, records)
    shown = rows[:count]
    links = _links(rows, names, entries)
    until = {row["index"]: withheld.until_of(decode_entry(entries[row["index"]])) for row in shown}
    # Without a link the leaf is the record itself, which cannot be withheld and proved.
    proved = [row for row in shown if until[row["index"]] is None or links[row["index"]] is not None]
    proofs = await inclusion_proofs(database, [row["index"] for row in proved], size)
    told = {names[row["patient"]] for row in shown if row["count"] is not None}
    return ProvedAccesses(
        size,
        note,
        unsigned,
        [
            _proved(row["index"], entries[row["index"]], links[row["index"]], proof, until[row["index"]])
            for row, proof in zip(proved, proofs, strict=True)
        ],
        shown[-1]["index"] if len(rows) > count else None,
        {name: siblings for name, (_, siblings) in ends.items() if name in told} if before is None else {},
        len(shown) - len(proved),
    )


def _proved(
    index: int, entry: bytes, link: str | None, hashes: list[bytes], until: datetime | None
) -> ProvedAccess:
    return ProvedAccess(index, entry if until is None else b"", link, hashes, until)


async def _checkpoint_and_ends(
    database: Database, pseudonyms: list[bytes]
) -> tuple[tuple[int, str, int], dict[bytes, tuple[Person, list[bytes]]]]:
    """Read the newest checkpoint and the ends of the chains under it: the map is that of the newest only."""
    async with (
        database.system() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        row = await connection.fetchrow(_LAST)
        proofs = await map_proofs(connection, pseudonyms)
    return (_EMPTY_LOG if row is None else (row["size"], row["note"], row["settled"])), proofs


def _links(
    rows: list[asyncpg.Record], names: dict[str, bytes], entries: dict[int, bytes]
) -> dict[int, str | None]:
    """Return each row's link by index; rows are the newest first and hold one more than is shown."""
    found: dict[int, str | None] = {}
    before: dict[str, bytes] = {}
    for row in reversed(rows):
        patient, count = row["patient"], row["count"]
        previous = NO_LEAF if count == 1 else before.get(patient, NO_LEAF)
        digest = hashlib.sha256(entries[row["index"]]).digest()
        found[row["index"]] = None if count is None else Link(names[patient], count, previous, digest).text
        before[patient] = row["hash"]
    return found
