"""The sequencer: gives each leaf its place in the tree and in its person's chain, and signs, within a second.

Arrivals become visible out of order, since a transaction takes its arrival before it commits. So a round
takes every leaf above `settled` that has no index yet. `settled` moves up to an arrival once every
transaction that ran when that arrival was sequenced has ended: then nothing can still appear below it (see
`append_leaves`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from salus.core.clock import Clock
from salus.core.errors import SettingsInvalid, StorageUnavailable
from salus.standards.merkle.checkpoint import sign_checkpoint
from salus.standards.merkle.link import NO_LEAF, Link, pseudonym
from salus.standards.merkle.persons import ROOT as MAP_ROOT
from salus.standards.merkle.persons import Page, Person, Place, top_of, with_persons
from salus.standards.merkle.tree import Node, Span, completed, fold, full_nodes, node_hash
from salus.store.mirror import Marker, Mirror, take_events
from salus.store.person_map import Way, numbers, way_to, write_pages
from salus.store.postgres import Connection, Database

LOG = logging.getLogger("salus.store.sequencer")
LOCK = 0x4C454446
LEAVES_PER_ROUND = 20_000
KEPT_EVERY = 4
"""Subtrees of every fourth level are kept: a fifteenth of the rows, at most 8 hashes more for a node."""

_LAST = "SELECT size, root, settled FROM checkpoint ORDER BY size DESC LIMIT 1"
_OLDEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_NEXT = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_TAKE = """
SELECT arrival, patient, coalesce(digest, sha256(entry)) AS digest,
    CASE WHEN $3 AND filed IS NULL THEN at END AS at, CASE WHEN $3 AND filed IS NULL THEN entry END AS entry,
    CASE WHEN $3 AND filed IS NULL THEN request END AS request
FROM leaf
WHERE arrival > $1 AND NOT EXISTS (SELECT FROM leaf_index taken WHERE taken.arrival = leaf.arrival)
ORDER BY arrival LIMIT $2
"""
_PLACE = """
INSERT INTO leaf_index (index, patient, arrival, hash, count)
SELECT $1 + ordinal - 1, patient, arrival, hash, count
FROM unnest($2::text[], $3::text::int8[], $4::bytea[], $5::text::int8[])
    WITH ORDINALITY AS new (patient, arrival, hash, count, ordinal)
"""
_START = "SELECT index, key_check FROM link_start"
_BEGIN = "INSERT INTO link_start (index, key_check) VALUES ($1, $2)"
_NODES = (
    "INSERT INTO tree_node (level, position, hash) "
    "SELECT * FROM unnest($1::text::int2[], $2::text::int8[], $3::bytea[])"
)
_CHECKPOINT = "INSERT INTO checkpoint (size, root, signed_at, note, settled) VALUES ($1, $2, $3, $4, $5)"


class Signer(msgspec.Struct, frozen=True):
    """Writes the log.

    Args:
        origin: the log's name (no space, no plus).
        key: signs its checkpoints.
        pseudonyms: key of the names that persons have in it (32 bytes).
    """

    origin: str
    key: Ed25519PrivateKey
    pseudonyms: bytes


class Progress(msgspec.Struct, frozen=True):
    """What a round left behind.

    Args:
        size: leaves in the tree.
        sequenced: leaves this round gave an index.
        full: more leaves may be waiting: go on at once.
        horizon: (arrival, transaction id): `settled` may become the arrival once no older transaction runs.
    """

    size: int = 0
    sequenced: int = 0
    full: bool = False
    horizon: tuple[int, int] | None = None


async def sequence(
    database: Database, signer: Signer, at: datetime, previous: Progress | None = None
) -> Progress:
    """Do one round. Pass the progress of the round before, so that `settled` can move.

    What waits in files is brought in first. A round that another process holds the lock for changes nothing.

    Raises:
        SettingsInvalid: the key of the pseudonyms is not the one that the chains began with.
    """
    previous = previous or Progress()
    mirror = database.mirror
    await database.bring_in()
    async with database.system() as connection, connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", LOCK):
            return Progress(size=previous.size)
        if mirror is not None and (events := await take_events(connection)):
            await asyncio.to_thread(mirror.add, events)
        progress, marker = await _round(connection, signer, at, previous, mirror)
    if mirror is not None and marker is not None and not progress.full:
        await asyncio.to_thread(mirror.mark, marker)
    return progress


async def _round(
    connection: Connection, signer: Signer, at: datetime, previous: Progress, mirror: Mirror | None
) -> tuple[Progress, Marker | None]:
    last = await connection.fetchrow(_LAST)
    size, settled = (last["size"], last["settled"]) if last is not None else (0, 0)
    oldest = await connection.fetchval(_OLDEST)
    rows = await connection.fetch(_TAKE, settled, LEAVES_PER_ROUND, mirror is not None)
    horizon = previous.horizon
    if not rows:
        return Progress(size=size, horizon=horizon), None
    if horizon is not None and oldest >= horizon[1]:
        # Whatever could appear below it was visible above, so it is in the tree now.
        settled, horizon = max(settled, horizon[0]), None
    if horizon is None:
        # Whoever holds a smaller arrival got its transaction id before these rows were read: below this one.
        horizon = (max(row["arrival"] for row in rows), await connection.fetchval(_NEXT))
    placing = place(connection, signer, at, rows, size=size, settled=settled)
    if mirror is None:
        marker = await placing
    else:
        marker, _ = await asyncio.gather(placing, asyncio.to_thread(_keep, mirror, size, rows))
    full = len(rows) == LEAVES_PER_ROUND
    return Progress(size=marker.size, sequenced=len(rows), full=full, horizon=horizon), marker


def _keep(mirror: Mirror, size: int, rows: list[asyncpg.Record]) -> None:
    """Keep the order of new leaves in the mirror, and those that came through no journal file."""
    mirror.keep(
        size,
        [row["digest"] for row in rows],
        [
            (row["patient"], row["at"], row["entry"], row["digest"], row["request"] or "")
            for row in rows
            if row["entry"] is not None
        ],
    )


async def place(
    connection: Connection,
    signer: Signer,
    at: datetime,
    rows: Sequence[Mapping[str, Any]],
    *,
    size: int,
    settled: int,
) -> Marker:
    """Give the leaves (arrival, patient, digest) the next places in their order, and sign.

    Args:
        connection: in a transaction that holds `LOCK`.
        signer: writes the log.
        at: when the checkpoint is signed.
        rows: at least one, none of which has a place.
        size: leaves in the tree.
        settled: every leaf that arrived up to here is in the tree then.
    """
    start = await _start_of_links(connection, signer, size)
    edge = await nodes_of(connection, full_nodes(Span(0, size)))
    chains = await _chain(connection, signer, rows)
    # The database takes the leaves while the map and the tree are worked out, in a thread of their own: the
    # process answers others meanwhile.
    _, (pages, persons, new) = await asyncio.gather(
        connection.execute(
            _PLACE,
            size,
            [row["patient"] for row in rows],
            numbers([row["arrival"] for row in rows]),
            chains.leaves,
            numbers(chains.counts),
        ),
        asyncio.to_thread(_worked_out, size, chains, edge),
    )
    await write_pages(connection, pages)
    root = await _extend(connection, size, chains.leaves, edge, new)
    size += len(rows)
    note = sign_checkpoint(signer.origin, size, root, signer.key, extensions_of(start, persons))
    await connection.execute(_CHECKPOINT, size, root, at, note, settled)
    return Marker(size, root, note)


def extensions_of(start: int, persons: bytes) -> tuple[str, str]:
    """Return the checkpoint's further lines: where links begin, and the root of the map of persons."""
    return f"salus/links/v1 {start}", f"salus/persons/v1 {base64.b64encode(persons).decode()}"


async def _start_of_links(connection: Connection, signer: Signer, size: int) -> int:
    """Return the index of the first leaf with a link: it is the present size where none has one so far."""
    check = hmac.digest(signer.pseudonyms, b"\x00salus/pseudonyms/v1", hashlib.sha256)
    row = await connection.fetchrow(_START)
    if row is None:
        await connection.execute(_BEGIN, size, check)
        return size
    if row["key_check"] != check:
        raise SettingsInvalid(
            "keys/pseudonym.key is not the one that this node's ledger began with; restore it from a backup. "
            "Until then accesses are recorded and not signed."
        )
    return int(row["index"])


class _Chains(msgspec.Struct, frozen=True):
    """New leaves in their persons' chains: hashes and numbers by leaf, and where the chains end now."""

    leaves: list[bytes]
    counts: list[int]
    way: Way
    ends: list[Person]


async def _chain(connection: Connection, signer: Signer, rows: Sequence[Mapping[str, Any]]) -> _Chains:
    """Link the new leaves to those before of their persons."""
    names = {patient: pseudonym(signer.pseudonyms, patient) for patient in {row["patient"] for row in rows}}
    way = await way_to(connection, names.values())
    return await asyncio.to_thread(_linked, rows, names, way)


def _linked(rows: Sequence[Mapping[str, Any]], names: dict[str, bytes], way: Way) -> _Chains:
    ends = dict(way.ends)
    leaves: list[bytes] = []
    counts: list[int] = []
    for row in rows:
        name = names[row["patient"]]
        last = ends.get(name)
        count, previous = (last.number, last.head) if last is not None else (0, NO_LEAF)
        leaf = Link(name, count + 1, previous, row["digest"]).leaf
        leaves.append(leaf)
        counts.append(count + 1)
        ends[name] = Person(name, count + 1, leaf)
    return _Chains(leaves, counts, way, [ends[name] for name in names.values()])


def _worked_out(
    size: int, chains: _Chains, edge: dict[Node, bytes]
) -> tuple[dict[Place, Page], bytes, dict[Node, bytes]]:
    """Return the changed pages of the map of persons, its root, and the subtrees that are complete now."""
    pages = with_persons(chains.way, chains.ends)
    return pages, top_of(pages[MAP_ROOT])[0], completed(size, chains.leaves, edge)


async def _extend(
    connection: Connection, size: int, leaves: list[bytes], edge: dict[Node, bytes], new: dict[Node, bytes]
) -> bytes:
    """Store the subtrees that the new leaves complete, and return the new root."""
    kept = [(node.level, node.position, value) for node, value in new.items() if node.level % KEPT_EVERY == 0]
    if kept:
        levels, positions, values = zip(*kept, strict=True)
        await connection.execute(_NODES, numbers(levels), numbers(positions), list(values))
    after = size + len(leaves)
    known = edge | new | {Node(0, after - 1): leaves[-1]}
    return fold([known[node] for node in full_nodes(Span(0, after))])


async def nodes_of(connection: Connection, nodes: list[Node]) -> dict[Node, bytes]:
    """Return the hashes of full subtrees; every one of them must be in the tree."""
    parts = {node: _kept_below(node) for node in nodes}
    known = await _kept(connection, {part for many in parts.values() for part in many})
    return {node: _joined([known[part] for part in many]) for node, many in parts.items()}


def _kept_below(node: Node) -> list[Node]:
    """Return the kept subtrees that make up a full one, from left to right."""
    height = node.level % KEPT_EVERY
    first = node.position << height
    return [Node(node.level - height, first + offset) for offset in range(1 << height)]


def _joined(row: list[bytes]) -> bytes:
    """Return the root over a row of 2**n subtrees of one level."""
    while len(row) > 1:
        row = [node_hash(row[place], row[place + 1]) for place in range(0, len(row), 2)]
    return row[0]


async def _kept(connection: Connection, nodes: set[Node]) -> dict[Node, bytes]:
    leaves = [node.position for node in nodes if node.level == 0]
    inner = [node for node in nodes if node.level > 0]
    found: dict[Node, bytes] = {}
    if leaves:
        rows = await connection.fetch("SELECT index, hash FROM leaf_index WHERE index = ANY ($1)", leaves)
        found |= {Node(0, row["index"]): row["hash"] for row in rows}
    if inner:
        rows = await connection.fetch(
            "SELECT level, position, hash FROM tree_node "
            "WHERE (level, position) IN (SELECT * FROM unnest($1::int2[], $2::int8[]))",
            [node.level for node in inner],
            [node.position for node in inner],
        )
        found |= {Node(row["level"], row["position"]): row["hash"] for row in rows}
    assert len(found) == len(nodes), "a full subtree of the ledger is missing"
    return found


async def run_sequencer(
    database: Database, signer: Signer, clock: Clock, *, pause: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Sequence until cancelled: twice a second, without a pause while leaves are waiting.

    An unreachable database is tried again in the next round: leaves wait in it, none is lost.
    """
    progress = Progress()
    while True:
        try:
            progress = await sequence(database, signer, clock(), progress)
        except StorageUnavailable:
            progress = Progress()
        except SettingsInvalid as error:
            LOG.error("%s", error.message)
            raise
        if not progress.full:
            await (pause() if pause is not None else asyncio.sleep(0.5))


async def last_checkpoint(database: Database) -> tuple[int, bytes, str] | None:
    """Return (size, root, signed note) of the newest checkpoint, None while the log is empty."""
    async with database.system() as connection:
        row = await connection.fetchrow("SELECT size, root, note FROM checkpoint ORDER BY size DESC LIMIT 1")
    return None if row is None else (row["size"], row["root"], row["note"])
