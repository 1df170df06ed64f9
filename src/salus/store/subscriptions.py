"""What the delivery of notifications needs: who wants what, how far each has come, what has changed since.

Changes are found by time. A transaction may commit later than its time says, so each look goes back over a
window, and what was notified within it is remembered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import msgspec

from salus.core.access import Caller, Grant, Leaf
from salus.store import ledger, resources
from salus.store.postgres import Connection, Database, sees_hidden
from salus.store.rows import StoredResource

WINDOW = timedelta(seconds=30)
"""Longer than any transaction of the node: a statement has a timeout of seconds."""
_COLUMNS = "compartment, type, id, version, updated, deleted, others, source, source_id, content"
_START = """
INSERT INTO subscription
    (id, caller, criteria, endpoint, content, header, expires_at, since, leaf_after, attempt_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, coalesce((SELECT max(index) FROM leaf_index), -1), $8
ON CONFLICT (id) DO UPDATE SET caller = $2, criteria = $3, endpoint = $4, content = $5, header = $6,
    expires_at = $7, failures = 0, attempt_at = $8
"""
_DUE = """
SELECT id, caller, criteria, endpoint, content, header, expires_at, since, leaf_after, events, failures
FROM subscription WHERE attempt_at <= $1 ORDER BY attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_CHANGED = """
SELECT id, version FROM resource
WHERE type = $1 AND updated > $2 AND NOT EXISTS (
    SELECT FROM subscription_event
    WHERE subscription = $3 AND event = resource.type || '/' || resource.id || '/' || resource.version
) ORDER BY updated, id LIMIT $4
"""
_CONTENT = f"""
SELECT {_COLUMNS} FROM resource
WHERE type = $1 AND id = ANY ($2::text[]) AND (NOT hidden OR $3) ORDER BY updated, id
"""  # noqa: S608  (constants only)
_LEAVES = """
SELECT leaf_index.index, leaf.entry FROM leaf_index JOIN leaf USING (patient, arrival)
WHERE leaf_index.index > $1 ORDER BY leaf_index.index LIMIT $2
"""


class Subscription(msgspec.Struct, frozen=True):
    """An active subscription, and how far its delivery has come."""

    id: str
    caller: Caller
    criteria: str
    endpoint: str
    content: str
    header: tuple[str, ...]
    expires_at: datetime | None
    since: datetime
    leaf_after: int
    events: int
    failures: int


async def start(
    database: Database,
    subscription: str,
    caller: Caller,
    *,
    criteria: str,
    endpoint: str,
    content: str,
    header: Sequence[str],
    expires_at: datetime | None,
    at: datetime,
) -> None:
    """Begin to notify, or go on with changed terms; failures so far are forgotten."""
    async with database.system() as connection:
        await connection.execute(
            _START,
            subscription,
            msgspec.json.encode(caller),
            criteria,
            endpoint,
            content,
            msgspec.json.encode(list(header)),
            expires_at,
            at,
        )


async def stop(database: Database, subscription: str) -> None:
    """End the delivery; a subscription that has none stays so."""
    async with database.system() as connection:
        await connection.execute("DELETE FROM subscription WHERE id = $1", subscription)


@asynccontextmanager
async def due(database: Database, *, at: datetime) -> AsyncIterator[tuple[Connection, Subscription | None]]:
    """Lend the subscription whose turn it is, locked for other processes until the end, or None."""
    async with database.system() as connection, connection.transaction():
        row = await connection.fetchrow(_DUE, at)
        yield connection, None if row is None else _subscription(row)


def _subscription(row: Any) -> Subscription:  # Any: an asyncpg record
    columns = dict(row)
    columns["caller"] = msgspec.json.decode(columns["caller"], type=Caller)
    columns["header"] = msgspec.json.decode(columns["header"], type=tuple[str, ...])
    return Subscription(**columns)


async def changed(
    connection: Connection, watched: Subscription, kind: str, *, count: int
) -> list[tuple[str, int]]:
    """Return (id, version) of resources of a type changed since the last look and not yet notified."""
    rows = await connection.fetch(_CHANGED, kind, watched.since - WINDOW, watched.id, count)
    return [(row["id"], row["version"]) for row in rows]


async def contents(grant: Grant, database: Database, kind: str, ids: Sequence[str]) -> list[StoredResource]:
    """Return the current versions of those of the resources that the grant may see, deleted ones included."""
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_CONTENT, kind, list(ids), sees_hidden(grant))
    return [resources.stored(row) for row in rows]


async def accesses(connection: Connection, watched: Subscription, *, count: int) -> list[tuple[int, Leaf]]:
    """Return the next leaves of the ledger with their index; the caller filters them by what it may see."""
    rows = await connection.fetch(_LEAVES, watched.leaf_after, count)
    return [(row["index"], ledger.decode_entry(bytes(row["entry"]))) for row in rows]


async def advance(
    connection: Connection,
    watched: Subscription,
    *,
    since: datetime,
    leaf_after: int,
    seen: Sequence[str],
    notified: int,
    again_at: datetime,
) -> None:
    """Note what was looked at and notified, and when the next turn is."""
    await connection.executemany(
        "INSERT INTO subscription_event VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [(watched.id, event, since) for event in seen],
    )
    await connection.execute(
        "DELETE FROM subscription_event WHERE subscription = $1 AND at < $2", watched.id, since - 2 * WINDOW
    )
    await connection.execute(
        "UPDATE subscription SET since = $2, leaf_after = $3, events = events + $4, failures = 0,"
        " attempt_at = $5 WHERE id = $1",
        watched.id,
        since,
        leaf_after,
        notified,
        again_at,
    )


async def postpone(connection: Connection, watched: Subscription, *, again_at: datetime) -> None:
    """Note a failed delivery: what was to be notified stays due."""
    await connection.execute(
        "UPDATE subscription SET failures = failures + 1, attempt_at = $2 WHERE id = $1", watched.id, again_at
    )
