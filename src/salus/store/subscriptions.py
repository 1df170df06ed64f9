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
from salus.store.asker import asker_of
from salus.store.postgres import Connection, Database
from salus.store.readable import require_readable
from salus.store.rows import StoredResource

WINDOW = timedelta(seconds=30)
"""Longer than any transaction of the node: a statement has a timeout of seconds."""
_COLUMNS = "compartment, type, id, version, updated, deleted, others, source, source_id, content"
_START = "SELECT start_subscription($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
_STATE = """
id, caller, criteria, endpoint, content, payload, header, expires_at, heartbeat, greeted, since, leaf_after,
events, failures, told_at, stopped
"""
_DUE = f"""
SELECT {_STATE} FROM subscription WHERE attempt_at <= $1 ORDER BY attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""  # noqa: S608  (constants only)
_CHANGED = """
SELECT id, version FROM resource
WHERE type = $1 AND updated > $2 AND NOT EXISTS (
    SELECT FROM subscription_event
    WHERE subscription = $3 AND event = resource.type || '/' || resource.id || '/' || resource.version
) ORDER BY updated, id LIMIT $4
"""
_CONTENT = f"""
SELECT {_COLUMNS} FROM resource
WHERE type = $1 AND id = ANY ($2::text[]) AND (NOT hidden OR salus_shows(type, id, $3::jsonb))
ORDER BY updated, id
"""  # noqa: S608  (constants only)
_LEAVES = """
SELECT leaf_index.index, leaf.entry FROM leaf_index JOIN leaf USING (patient, arrival)
WHERE leaf_index.index > $1 ORDER BY leaf_index.index LIMIT $2
"""


class Subscription(msgspec.Struct, frozen=True):
    """A subscription that is served, and how far its delivery has come.

    Args:
        id: of the Subscription.
        caller: who made it: what they see, they may be told.
        criteria: a search, or the access topic.
        endpoint: where notifications go.
        content: empty, id-only or full-resource (topic backport); ping or resource (plain R4).
        payload: media type of a plain resource.
        header: request headers to send with each.
        expires_at: when it ends by itself.
        heartbeat: seconds without a notification after which a sign of life is sent, 0 for none.
        greeted: the endpoint has answered the handshake, or none is sent.
        since: changes up to here were looked at.
        leaf_after: accesses up to this index of the ledger were looked at.
        events: notified so far.
        failures: in a row.
        told_at: when the endpoint last took something.
        stopped: it is served no more; who made it is still known.
    """

    id: str
    caller: Caller
    criteria: str
    endpoint: str
    content: str
    payload: str
    header: tuple[str, ...]
    expires_at: datetime | None
    heartbeat: int
    greeted: bool
    since: datetime
    leaf_after: int
    events: int
    failures: int
    told_at: datetime | None
    stopped: bool


async def start(
    grant: Grant,
    connection: Connection,
    subscription: str,
    *,
    caller: Caller,
    criteria: str,
    endpoint: str,
    content: str,
    payload: str,
    header: Sequence[str],
    expires_at: datetime | None,
    heartbeat: int,
    greeted: bool,
) -> None:
    """Begin to notify as `caller` may see, or go on with changed terms; failures so far are forgotten.

    In the transaction that stores the Subscription.
    """
    await connection.execute(
        _START, subscription, msgspec.json.encode(caller), criteria, endpoint, content, payload,
        msgspec.json.encode(list(header)), expires_at, heartbeat, greeted, grant.opened_at,
    )  # fmt: skip


async def stop(connection: Connection, subscription: str) -> None:
    """End the delivery, in the caller's transaction; a subscription that has none stays so."""
    await connection.execute("SELECT stop_subscription($1)", subscription)


async def state_of(grant: Grant, connection: Connection, subscription: str) -> Subscription | None:
    """Return the state of a Subscription that the grant was seen to open, None when it was never served."""
    assert grant.opened_at
    row = await connection.fetchrow(f"SELECT {_STATE} FROM subscription_state($1)", subscription)  # noqa: S608
    return None if row is None else _subscription(row)


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
    """Return the current versions of those of the resources that the grant may see, deleted ones included.

    Raises:
        AccessRefused: the grant does not let the type be read.
    """
    require_readable(grant, (kind,), "subscribe to another type")
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_CONTENT, kind, list(ids), asker_of(grant))
    return [resources.stored(row) for row in rows]


async def accesses(connection: Connection, watched: Subscription, *, count: int) -> list[tuple[int, Leaf]]:
    """Return the next leaves of the ledger with their index; the caller filters them by what it may see."""
    rows = await connection.fetch(_LEAVES, watched.leaf_after, count)
    return [(row["index"], ledger.leaf_in(connection, bytes(row["entry"]))) for row in rows]


async def advance(
    connection: Connection,
    watched: Subscription,
    *,
    since: datetime,
    leaf_after: int,
    seen: Sequence[str],
    notified: int,
    again_at: datetime,
    told_at: datetime | None,
) -> None:
    """Note what was looked at and notified, and when the next turn is; `told_at` None: nothing was sent."""
    await connection.executemany(
        "INSERT INTO subscription_event VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        [(watched.id, event, since) for event in seen],
    )
    await connection.execute(
        "DELETE FROM subscription_event WHERE subscription = $1 AND at < $2", watched.id, since - 2 * WINDOW
    )
    await connection.execute(
        "UPDATE subscription SET since = $2, leaf_after = $3, events = events + $4, failures = 0,"
        " attempt_at = $5, told_at = coalesce($6, told_at), greeted = true WHERE id = $1",
        watched.id,
        since,
        leaf_after,
        notified,
        again_at,
        told_at,
    )


async def postpone(connection: Connection, watched: Subscription, *, again_at: datetime) -> None:
    """Note a failed delivery: what was to be notified stays due."""
    await connection.execute(
        "UPDATE subscription SET failures = failures + 1, attempt_at = $2 WHERE id = $1", watched.id, again_at
    )
