"""Revoked access tokens, known to every process of the node at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

import asyncpg

from salus.store.listening import heard
from salus.store.postgres import Connection, Database, storage_errors

_CHANNEL = "salus_revoked"
_RETRY_SECONDS = 1.0


_REVOKE = """
INSERT INTO revoked_token (token_id, expires_at) VALUES ($1, $2)
ON CONFLICT (token_id) DO UPDATE SET expires_at = greatest(revoked_token.expires_at, excluded.expires_at)
"""


def of_client(client: str) -> str:
    """Return what stands for every token of a client among the revoked ones; no token id has a blank.

    Its tokens that expire later than the entry were issued later, and are good.
    """
    return f"client {client}"


def of_consent(consent: str) -> str:
    """Return what stands for every token that came of a person's consent to an app."""
    return f"consent {consent}"


def of_app_session(session: str) -> str:
    """Return what stands for every token that came of one authorisation of an app."""
    return f"app-session {session}"


async def revoke(database: Database, token_id: str, expires_at: datetime) -> None:
    """Refuse the token from now on, in every process; the row may go after `expires_at`."""
    async with database.system() as connection, connection.transaction():
        await note_revoked(connection, token_id, expires_at)


async def note_revoked(connection: Connection, token_id: str, expires_at: datetime) -> None:
    """Refuse the token from the end of the connection's transaction on."""
    await connection.execute(_REVOKE, token_id, expires_at)
    await connection.execute(
        "SELECT pg_notify($1, $2)", _CHANNEL, f"{token_id} {int(expires_at.timestamp())}"
    )


async def forget_expired(database: Database, now: datetime) -> None:
    """Remove revocations of tokens that have expired anyway."""
    async with database.system() as connection:
        await connection.execute("DELETE FROM revoked_token WHERE expires_at < $1", now)


@asynccontextmanager
async def follow_revocations(database: Database) -> AsyncIterator[dict[str, datetime]]:
    """Yield the revoked token ids with their expiry, kept current while the context is open.

    Raises:
        StorageUnavailable: they cannot be read now.
    """
    revoked: dict[str, datetime] = {}
    with storage_errors():
        connection = await _listen(database, revoked)
    task = asyncio.create_task(_follow(database, revoked, connection), name="revocations")
    try:
        yield revoked
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _listen(database: Database, revoked: dict[str, datetime]) -> asyncpg.Connection[asyncpg.Record]:
    connection = await database.listening()

    def hear(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        token_id, _, seconds = str(payload).rpartition(" ")
        revoked[token_id] = datetime.fromtimestamp(int(seconds)).astimezone()

    # Listen first, then read: what is revoked in between is heard, read or both.
    await connection.add_listener(_CHANNEL, hear)
    for row in await connection.fetch("SELECT token_id, expires_at FROM revoked_token"):
        revoked[row["token_id"]] = row["expires_at"]
    return connection


async def _follow(
    database: Database, revoked: dict[str, datetime], connection: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Keep a listening connection open; after a loss, listen and read anew."""
    try:
        while True:
            lost = asyncio.Event()
            connection.add_termination_listener(lambda _connection, lost=lost: lost.set())
            while not connection.is_closed():
                await heard(connection, lost.wait())
            while connection.is_closed():
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    connection = await _listen(database, revoked)
                    break
                await asyncio.sleep(_RETRY_SECONDS)
    finally:
        await connection.close(timeout=1)
