"""What people allow apps: consents, the sessions that come of them, their codes and refresh tokens.

Of a code, a refresh token and a launch only the SHA-256 is kept. A code or refresh token that is used a
second time, or by anybody else, ends its session: one of the two who had it stole it (RFC 6749, 10.4, 10.5).
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Literal

import msgspec

from salus.core.access import Caller, Grant, Outcome
from salus.core.errors import NotFound
from salus.store import ledger
from salus.store.postgres import Connection, Database
from salus.store.revocations import note_revoked, of_app_session, of_consent

Kind = Literal["code", "refresh"]
_COLUMNS = "id, client, subject, role, patient, scopes, allowed_at, used_at"
_CURRENT = f"""
SELECT {_COLUMNS} FROM app_consent
WHERE client = $1 AND subject = $2 AND role = $3 AND patient = $4 AND ended_at IS NULL
"""  # noqa: S608  (constants only)
_OF_PERSON = f"""
SELECT {_COLUMNS}, (SELECT name FROM client WHERE client.id = app_consent.client) AS name
FROM app_consent WHERE subject = $1 AND role = $2 AND ended_at IS NULL ORDER BY allowed_at DESC, id
"""  # noqa: S608  (constants only)
_ALLOW = f"""
INSERT INTO app_consent ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
"""  # noqa: S608  (constants only)
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('app-consent ' || $1 || ' ' || $2, 0))"
_END = """
UPDATE app_consent SET ended_at = $2 WHERE id = $1 AND subject = $3 AND role = $4 AND ended_at IS NULL
RETURNING client, patient
"""
_END_SESSIONS = "UPDATE app_session SET ended_at = $2 WHERE consent = $1 AND ended_at IS NULL"
_BEGIN = """
INSERT INTO app_session (id, consent, client, caller, nonce, context, login, began_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_KEEP = """
INSERT INTO app_secret (digest, session, kind, redirect, challenge, expires_at)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_USE = """
UPDATE app_secret SET used_at = $3 WHERE digest = $1 AND kind = $2 AND used_at IS NULL
RETURNING session, redirect, challenge, expires_at > $3 AS good
"""
_KNOWN = "SELECT session FROM app_secret WHERE digest = $1"
_SESSION = """
SELECT s.id, s.consent, s.client, s.caller, s.nonce, s.context, s.login, s.began_at, s.expires_at
FROM app_session s JOIN app_consent c ON c.id = s.consent
WHERE s.id = $1 AND s.ended_at IS NULL AND c.ended_at IS NULL AND s.expires_at > $2
"""
_EXTEND = "UPDATE app_session SET expires_at = $2 WHERE id = $1"
_NOTE_USE = "UPDATE app_consent SET used_at = $2 WHERE id = $1"
_END_SESSION = "UPDATE app_session SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL"
_OFFER = """
INSERT INTO app_launch (digest, client, subject, role, patient, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
"""
_LAUNCH = """
SELECT patient FROM app_launch
WHERE digest = $1 AND client = $2 AND subject = $3 AND role = $4 AND expires_at > $5
"""


class Consent(msgspec.Struct, frozen=True):
    """What a person allows an app.

    Args:
        id: of the consent.
        client: id of the app.
        subject, role: of the person, as in `core.access.Caller`.
        patient: whose record, "" for none in particular.
        scopes: what is allowed.
        allowed_at: since when; used_at: when a token was last given for it.
        name: of the app, where it is listed; "" for one that is registered no more.
    """

    id: str
    client: str
    subject: str
    role: str
    patient: str
    scopes: tuple[str, ...]
    allowed_at: datetime
    used_at: datetime
    name: str = ""


class Session(msgspec.Struct, frozen=True):
    """One authorisation of an app.

    Args:
        id: of the session.
        consent: id of what it came of.
        client: id of the app.
        caller: for whom the app acts, within which scopes.
        nonce: for the id token, "" for none.
        context: logical id of the patient in context, "" for none.
        login: id of the log-in with which the session ends, "" for none.
        began_at, expires_at: from when until when.
    """

    id: str
    consent: str
    client: str
    caller: Caller
    nonce: str
    context: str
    login: str
    began_at: datetime
    expires_at: datetime


class Taken(msgspec.Struct, frozen=True):
    """A code or refresh token that was good: its session; of a code where it was sent, and the challenge."""

    session: Session
    redirect: str
    challenge: str


class Reused(msgspec.Struct, frozen=True):
    """A code or refresh token that had been used before: the id of its session, which has ended now."""

    session: str


class Code(msgspec.Struct, frozen=True):
    """A fresh code.

    Args:
        secret: itself.
        redirect: where it is sent.
        challenge: PKCE S256.
        expires_at: until when.
    """

    secret: str
    redirect: str
    challenge: str
    expires_at: datetime


def digest_of(secret: str) -> bytes:
    """Return the SHA-256 of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


async def current_consent(grant: Grant, database: Database, client: str, patient: str) -> Consent | None:
    """Return what the caller allows the app now for this record, None when nothing."""
    caller = grant.caller
    async with database.system() as connection:
        row = await connection.fetchrow(_CURRENT, client, caller.subject, caller.role.value, patient)
    return None if row is None else _consent(row)


async def consents(grant: Grant, database: Database) -> list[Consent]:
    """Return what the caller allows, the newest first."""
    async with database.system() as connection:
        rows = await connection.fetch(_OF_PERSON, grant.caller.subject, grant.caller.role.value)
    return [_consent(row) for row in rows]


async def allow(
    grant: Grant, database: Database, wanted: Consent, session: Session, code: Code, *, until: datetime
) -> str:
    """Keep what the caller allows, and the code by which the app has it, with its leaf.

    What they allowed the same app before for the same record stands if it is the same, and else ends with all
    that came of it: its id is returned, else "". `until` is when the last of its access tokens expires.
    """
    ended = ""
    async with database.system() as connection, connection.transaction():
        await connection.execute(_LOCK, wanted.client, wanted.subject)
        keys = (wanted.client, wanted.subject, wanted.role, wanted.patient)
        row = await connection.fetchrow(_CURRENT, *keys)
        known = None if row is None else _consent(row)
        if known is not None and set(known.scopes) != set(wanted.scopes):
            await _end(grant, connection, known.id, until)
            ended, known = known.id, None
        if known is None:
            scopes = " ".join(wanted.scopes)
            await connection.execute(_ALLOW, wanted.id, *keys, scopes, wanted.allowed_at)
            await _write_down(grant, connection, wanted.client, wanted.patient)
        consent = wanted.id if known is None else known.id
        await connection.execute(
            _BEGIN, session.id, consent, session.client, msgspec.json.encode(session.caller).decode(),
            session.nonce, session.context, session.login, session.began_at, session.expires_at,
        )  # fmt: skip
        await connection.execute(
            _KEEP, digest_of(code.secret), session.id, "code", code.redirect, code.challenge, code.expires_at
        )
    return ended


async def end_consent(grant: Grant, database: Database, consent: str, *, until: datetime) -> None:
    """End what the caller allows, and every token that came of it, with its leaf.

    Raises:
        NotFound: they allow no such thing.
    """
    async with database.system() as connection, connection.transaction():
        ended = await _end(grant, connection, consent, until)
        if ended is None:
            raise NotFound("You allow no such app; it may have been ended already.")
        await _write_down(grant, connection, *ended)


async def take(
    database: Database, kind: Kind, secret: str, *, now: datetime, until: datetime
) -> Taken | Reused | None:
    """Use a code or refresh token up; None when it is none, was used, or what it came of has ended.

    One that was used before ends its session.
    """
    digest = digest_of(secret)
    async with database.system() as connection, connection.transaction():
        row = await connection.fetchrow(_USE, digest, kind, now)
        if row is None:
            known = await connection.fetchval(_KNOWN, digest)
            if known is None:
                return None
            await _end_session(connection, known, now, until)
            return Reused(known)
        found = await connection.fetchrow(_SESSION, row["session"], now) if row["good"] else None
    return None if found is None else Taken(_session(found), row["redirect"], row["challenge"])


async def keep_refresh(
    database: Database, session: Session, secret: str, *, now: datetime, expires_at: datetime
) -> None:
    """Keep the session's next refresh token ("" for none), and the session as long as it lasts."""
    async with database.system() as connection, connection.transaction():
        await connection.execute(_EXTEND, session.id, session.expires_at)
        await connection.execute(_NOTE_USE, session.consent, now)
        if secret:
            await connection.execute(_KEEP, digest_of(secret), session.id, "refresh", "", "", expires_at)


async def session_of(database: Database, secret: str, *, now: datetime) -> Session | None:
    """Return the session of a refresh token that is good, without using it up."""
    async with database.system() as connection:
        row = await connection.fetchrow(
            "SELECT session FROM app_secret WHERE digest = $1 AND kind = 'refresh' AND used_at IS NULL"
            " AND expires_at > $2",
            digest_of(secret),
            now,
        )
        found = None if row is None else await connection.fetchrow(_SESSION, row["session"], now)
    return None if found is None else _session(found)


async def end_session(database: Database, session: str, *, now: datetime, until: datetime) -> None:
    """End a session and its tokens; `until` is when the last access token expires."""
    async with database.system() as connection, connection.transaction():
        await _end_session(connection, session, now, until)


async def offer_launch(
    database: Database, secret: str, client: str, caller: Caller, patient: str, *, expires_at: datetime
) -> None:
    """Keep that the portal opens the app for the caller with the patient in context."""
    async with database.system() as connection:
        await connection.execute(
            _OFFER, digest_of(secret), client, caller.subject, caller.role.value, patient, expires_at
        )


async def find_launch(
    database: Database, secret: str, client: str, caller: Caller, *, now: datetime
) -> str | None:
    """Return the patient with whom the portal opened this app for this caller, None when it did not."""
    async with database.system() as connection:
        found: str | None = await connection.fetchval(
            _LAUNCH, digest_of(secret), client, caller.subject, caller.role.value, now
        )
    return found


async def push_request(
    database: Database, secret: str, client: str, query: str, *, expires_at: datetime
) -> None:
    """Keep a request that an app sends ahead of the person."""
    async with database.system() as connection:
        await connection.execute(
            "INSERT INTO app_request (digest, client, query, expires_at) VALUES ($1, $2, $3, $4)",
            digest_of(secret),
            client,
            query,
            expires_at,
        )


async def pushed_request(database: Database, secret: str, client: str, *, now: datetime) -> str | None:
    """Return the request that this app sent ahead, None when there is none, or none any more."""
    async with database.system() as connection:
        found: str | None = await connection.fetchval(
            "SELECT query FROM app_request WHERE digest = $1 AND client = $2 AND expires_at > $3",
            digest_of(secret),
            client,
            now,
        )
    return found


async def use_request(database: Database, secret: str) -> None:
    """Forget a request that has been answered with a code."""
    async with database.system() as connection:
        await connection.execute("DELETE FROM app_request WHERE digest = $1", digest_of(secret))


async def forget_expired_apps(database: Database, now: datetime) -> None:
    """Remove sessions, launches and requests that are over; consents are kept."""
    async with database.system() as connection:
        await connection.execute("DELETE FROM app_session WHERE expires_at < $1", now)
        await connection.execute("DELETE FROM app_launch WHERE expires_at < $1", now)
        await connection.execute("DELETE FROM app_request WHERE expires_at < $1", now)


async def _end(grant: Grant, connection: Connection, consent: str, until: datetime) -> tuple[str, str] | None:
    caller, at = grant.caller, grant.opened_at
    row = await connection.fetchrow(_END, consent, at, caller.subject, caller.role.value)
    if row is None:
        return None
    await connection.execute(_END_SESSIONS, consent, at)
    await note_revoked(connection, of_consent(consent), until)
    return row["client"], row["patient"]


async def _end_session(connection: Connection, session: str, now: datetime, until: datetime) -> None:
    await connection.execute(_END_SESSION, session, now)
    await note_revoked(connection, of_app_session(session), until)


async def _write_down(grant: Grant, connection: Connection, client: str, patient: str) -> None:
    what = f"app/{client}"[:200]
    leaf = ledger.leaf_of(grant, patient, what=what, resources=0, outcome=Outcome.SERVED)
    await ledger.append(connection, [leaf])


def _consent(row: Any) -> Consent:  # Any: a database row
    named = dict(row)
    return Consent(**{**named, "scopes": tuple(named["scopes"].split()), "name": named.get("name") or ""})


def _session(row: Any) -> Session:  # Any: a database row
    named = dict(row)
    return Session(**{**named, "caller": msgspec.json.decode(named["caller"], type=Caller)})
