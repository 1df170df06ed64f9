"""Which log-in is behind a session of the portal, so that the one ends with the other."""

from __future__ import annotations

from datetime import datetime

import msgspec

from salus.core.access import Grant
from salus.store.postgres import Connection, Database
from salus.store.revocations import note_revoked

_KEEP = """
INSERT INTO login_session
    (token_id, source, issuer, subject, session, id_token, expires_at, name, began_at, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
"""
_FORGET = "DELETE FROM login_session WHERE expires_at < $1"
_TAKE = "DELETE FROM login_session WHERE token_id = $1 RETURNING source, id_token"
_END = """
DELETE FROM login_session
WHERE issuer = $1 AND ($2 = '' OR subject = $2) AND ($3 = '' OR session = $3) RETURNING token_id, expires_at
"""
_SEEN = "UPDATE login_session SET seen_at = $2 WHERE token_id = $1 AND seen_at < $2"
_FOLLOW = "UPDATE login_session SET token_id = $2, expires_at = $3 WHERE token_id = $1"
# Of the account that this session is of, and of the others that open the same record.
_OWN = """
(issuer, subject) IN (
    SELECT issuer, subject FROM login_session WHERE token_id = $1
    UNION SELECT issuer, subject FROM account WHERE patient = ANY ($2) AND ended_at IS NULL)
"""
_LIST = f"""
SELECT token_id, name, began_at, seen_at FROM login_session
WHERE {_OWN} AND expires_at > $3 ORDER BY token_id <> $1, seen_at DESC, token_id LIMIT $4
"""  # noqa: S608  (constants only)
_END_OWN = f"""
DELETE FROM login_session
WHERE {_OWN} AND token_id <> $1 AND ($3 = '' OR token_id = $3) RETURNING token_id, expires_at
"""  # noqa: S608
LISTED_MAX = 100


class LoginSession(msgspec.Struct, frozen=True):
    """The log-in behind one session; the columns of schema 0071."""

    token_id: str
    source: str
    issuer: str
    subject: str
    session: str
    id_token: str
    expires_at: datetime
    name: str = ""


class OpenSession(msgspec.Struct, frozen=True):
    """A session as its person sees it: by which log-in (a name), since when, when last seen."""

    token_id: str
    name: str
    began_at: datetime
    seen_at: datetime


async def keep_session(database: Database, login: LoginSession, now: datetime) -> None:
    """Remember the log-in until its session ends by itself."""
    async with database.system() as connection:
        await connection.execute(_KEEP, *msgspec.structs.astuple(login), now)
        await connection.execute(_FORGET, now)


async def note_seen(database: Database, token_id: str, now: datetime) -> None:
    """Remember that a session was used."""
    async with database.system() as connection:
        await connection.execute(_SEEN, token_id, now)


async def follow_session(database: Database, before: str, after: str, expires_at: datetime) -> None:
    """Let the log-in behind a session stand for another token from now on: its person acts as somebody."""
    async with database.system() as connection:
        await connection.execute(_FOLLOW, before, after, expires_at)


async def sessions_of(grant: Grant, database: Database) -> list[OpenSession]:
    """Return the open sessions of the person who asks, by any of their accounts; theirs of now first."""
    async with database.system() as connection:
        rows = await connection.fetch(
            _LIST, grant.caller.token_id, sorted(grant.patients or ()), grant.opened_at, LISTED_MAX
        )
    return [OpenSession(*row) for row in rows]


async def end_own_sessions(grant: Grant, database: Database, token_id: str = "") -> list[str]:
    """End one other session of the person who asks, or all others; return the ids of their tokens."""
    async with database.system() as connection, connection.transaction():
        rows = await connection.fetch(_END_OWN, grant.caller.token_id, sorted(grant.patients or ()), token_id)
        for row in rows:
            await note_revoked(connection, row["token_id"], row["expires_at"])
    return [row["token_id"] for row in rows]


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
