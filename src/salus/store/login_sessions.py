"""Which log-in is behind a session of the portal, so that the one ends with the other."""

from __future__ import annotations

from datetime import datetime

import msgspec

from salus.store.postgres import Connection, Database
from salus.store.revocations import note_revoked

_KEEP = """
INSERT INTO login_session (token_id, source, issuer, subject, session, id_token, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_FORGET = "DELETE FROM login_session WHERE expires_at < $1"
_TAKE = "DELETE FROM login_session WHERE token_id = $1 RETURNING source, id_token"
_END = """
DELETE FROM login_session
WHERE issuer = $1 AND ($2 = '' OR subject = $2) AND ($3 = '' OR session = $3) RETURNING token_id, expires_at
"""


class LoginSession(msgspec.Struct, frozen=True):
    """The log-in behind one session; the columns of schema 0071."""

    token_id: str
    source: str
    issuer: str
    subject: str
    session: str
    id_token: str
    expires_at: datetime


async def keep_session(database: Database, login: LoginSession, now: datetime) -> None:
    """Remember the log-in until its session ends by itself."""
    async with database.system() as connection:
        await connection.execute(_KEEP, *msgspec.structs.astuple(login))
        await connection.execute(_FORGET, now)


async def take_session(database: Database, token_id: str) -> tuple[str, str]:
    """Forget the log-in of a session that ends; return the provider's id and the ID token, "" without one."""
    async with database.system() as connection:
        row = await connection.fetchrow(_TAKE, token_id)
    return (row["source"], row["id_token"]) if row else ("", "")


async def end_sessions(
    connection: Connection, issuer: str, *, subject: str = "", session: str = ""
) -> list[str]:
    """End the sessions of a subject, of one log-in, or of both; return the ids of their tokens."""
    assert subject or session
    rows = await connection.fetch(_END, issuer, subject, session)
    for row in rows:
        await note_revoked(connection, row["token_id"], row["expires_at"])
    return [row["token_id"] for row in rows]
