"""The sequencer: gives each leaf its index in the Merkle tree and signs checkpoints, within a second.

Arrivals become visible out of order, since a transaction takes its arrival before it commits. So a round
takes every leaf above `settled` that has no index yet. `settled` moves up to an arrival once every
transaction that ran when that arrival was sequenced has ended: then nothing can still appear below it (see
`append_leaves`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import asyncpg
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from salus.core.clock import Clock
from salus.core.errors import StorageUnavailable
from salus.standards.merkle.checkpoint import sign_checkpoint
from salus.standards.merkle.tree import Node, Span, completed, fold, full_nodes, node_hash
from salus.store.postgres import Connection, Database

_LOCK = 0x4C454446
_LEAVES_PER_ROUND = 20_000
KEPT_EVERY = 4
"""Subtrees of every fourth level are kept: a fifteenth of the rows, at most 8 hashes more for a node."""

_LAST = "SELECT size, root, settled FROM checkpoint ORDER BY size DESC LIMIT 1"
_OLDEST = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_NEXT = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_TAKE = """
WITH new AS (
    SELECT patient, arrival, sha256('\\x00'::bytea || entry) AS hash
    FROM leaf
    WHERE arrival > $1 AND NOT EXISTS (SELECT FROM leaf_index taken WHERE taken.arrival = leaf.arrival)
    ORDER BY arrival LIMIT $3
)
INSERT INTO leaf_index (index, patient, arrival, hash)
SELECT $2 + row_number() OVER (ORDER BY arrival) - 1, patient, arrival, hash FROM new
RETURNING index, arrival, hash
"""
_NODES = (
    "INSERT INTO tree_node (level, position, hash) SELECT * FROM unnest($1::int2[], $2::int8[], $3::bytea[])"
)
_CHECKPOINT = "INSERT INTO checkpoint (size, root, signed_at, note, settled) VALUES ($1, $2, $3, $4, $5)"


class Signer(msgspec.Struct, frozen=True):
    """Signs checkpoints: the log's name (no space, no plus) and its Ed25519 key."""

    origin: str
    key: Ed25519PrivateKey


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

    A round that another process holds the lock for changes nothing.
    """
    previous = previous or Progress()
    async with database.system() as connection, connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
            return Progress(size=previous.size)
        return await _round(connection, signer, at, previous)


async def _round(connection: Connection, signer: Signer, at: datetime, previous: Progress) -> Progress:
    last = await connection.fetchrow(_LAST)
    size, settled = (last["size"], last["settled"]) if last is not None else (0, 0)
    oldest = await connection.fetchval(_OLDEST)
    rows = sorted(await connection.fetch(_TAKE, settled, size, _LEAVES_PER_ROUND))
    horizon = previous.horizon
    if not rows:
        return Progress(size=size, horizon=horizon)
    if horizon is not None and oldest >= horizon[1]:
        # Whatever could appear below it was visible above, so it is in the tree now.
        settled, horizon = max(settled, horizon[0]), None
    if horizon is None:
        # Whoever holds a smaller arrival got its transaction id before these rows were read: below this one.
        horizon = (max(row["arrival"] for row in rows), await connection.fetchval(_NEXT))
    root = await _extend(connection, size, rows)
    size += len(rows)
    note = sign_checkpoint(signer.origin, size, root, signer.key)
    await connection.execute(_CHECKPOINT, size, root, at, note, settled)
    return Progress(size=size, sequenced=len(rows), full=len(rows) == _LEAVES_PER_ROUND, horizon=horizon)


async def _extend(connection: Connection, size: int, rows: list[asyncpg.Record]) -> bytes:
    """Store the subtrees that the new leaves complete, and return the new root."""
    edge = await nodes_of(connection, full_nodes(Span(0, size)))
    new = completed(size, [row["hash"] for row in rows], edge)
    kept = [(node.level, node.position, value) for node, value in new.items() if node.level % KEPT_EVERY == 0]
    if kept:
        await connection.execute(_NODES, *[list(column) for column in zip(*kept, strict=True)])
    known = edge | new | {Node(0, row["index"]): row["hash"] for row in rows}
    return fold([known[node] for node in full_nodes(Span(0, size + len(rows)))])


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
        if not progress.full:
            await (pause() if pause is not None else asyncio.sleep(0.5))


async def last_checkpoint(database: Database) -> tuple[int, bytes, str] | None:
    """Return (size, root, signed note) of the newest checkpoint, None while the log is empty."""
    async with database.system() as connection:
        row = await connection.fetchrow("SELECT size, root, note FROM checkpoint ORDER BY size DESC LIMIT 1")
    return None if row is None else (row["size"], row["root"], row["note"])
