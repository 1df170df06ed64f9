"""Accounts of people at log-in providers, and the records that they open.

Every binding, its end and every code is a leaf of the person's log, in the same transaction. The person is
told of each new account and of each code that is made for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import AccessRefused, AlreadyDone, NotFound
from salus.core.identifiers import new_id
from salus.store import ledger
from salus.store.login_sessions import end_sessions
from salus.store.notices import ACCOUNT_BOUND, ACCOUNT_CODE, tell, told_of
from salus.store.postgres import Connection, Database

_KNOWN = """
SELECT patient, how, ended_at IS NOT NULL AS ended FROM account WHERE issuer = $1 AND subject = $2
"""
_BIND = """
INSERT INTO account (patient, id, issuer, subject, source, how, bound_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (issuer, subject) WHERE ended_at IS NULL DO NOTHING RETURNING true
"""
_LIST = """
SELECT id, patient, source, how, bound_at, ended_at FROM account
WHERE patient = ANY ($1) ORDER BY ended_at IS NOT NULL, bound_at DESC, id
"""
_END = """
UPDATE account SET ended_at = $3 WHERE patient = ANY ($1) AND id = $2 AND ended_at IS NULL
RETURNING patient, issuer, subject
"""
_MAKE_CODE = "INSERT INTO binding_code (digest, patient, made_at, expires_at) VALUES ($1, $2, $3, $4)"
_USE_CODE = """
UPDATE binding_code SET used_at = $2 WHERE digest = $1 AND used_at IS NULL AND expires_at > $2
RETURNING patient
"""
_FORGET_CODES = "DELETE FROM binding_code WHERE expires_at < $1"


class Binding(msgspec.Struct, frozen=True):
    """One account that opens, or opened, a record.

    Args:
        id: of the binding.
        patient: whose record.
        source: name of the provider or issuer, for people.
        how: "identifier" or "code".
        bound_at: since when.
        ended_at: until when; None while it holds.
    """

    id: str
    patient: str
    source: str
    how: str
    bound_at: datetime
    ended_at: datetime | None


class Stored(msgspec.Struct, frozen=True):
    """What is stored of an account: the patient it is bound to and how ("" without one), and past ones."""

    patient: str = ""
    how: str = ""
    ended: frozenset[str] = frozenset()


async def account(grant: Grant, database: Database, issuer: str, subject: str) -> Stored:
    """Return what is stored of an account; the grant must open every patient."""
    if grant.patients is not None:
        raise AccessRefused("Only the node itself looks up whose record an account opens.")
    async with database.system() as connection:
        rows = await connection.fetch(_KNOWN, issuer, subject)
    open_ones = [row for row in rows if not row["ended"]]
    ended = frozenset(row["patient"] for row in rows if row["ended"])
    if not open_ones:
        return Stored(ended=ended)
    return Stored(open_ones[0]["patient"], open_ones[0]["how"], ended)


async def bind(grant: Grant, database: Database, *, issuer: str, subject: str, source: str, how: str) -> None:
    """Let the account open the record of the grant's citizen from now on.

    Raises:
        AccessRefused: the grant is not over one's own record.
        AlreadyDone: the account opens another record.
    """
    patient = _own(grant)
    async with database.system() as connection, connection.transaction():
        identity = new_id()
        values = (patient, identity, issuer, subject, source, how, grant.opened_at)
        if not await connection.fetchval(_BIND, *values):
            raise AlreadyDone("This account opens a record already; log in again.")
        await _write_down(grant, connection, [patient], f"account bound by {how}")
        await tell(connection, [told_of(grant, patient, ACCOUNT_BOUND, identity, place=source)])


async def bindings(grant: Grant, database: Database) -> list[Binding]:
    """Return the accounts of the grant's patients: those that hold first, the newest first."""
    async with database.system() as connection:
        rows = await connection.fetch(_LIST, sorted(grant.patients or ()))
    return [Binding(**dict(row)) for row in rows]


async def end(grant: Grant, database: Database, binding_id: str) -> list[str]:
    """End a binding, and every session that the account has open; return the ids of their tokens.

    Raises:
        NotFound: the grant's patients have no such binding that holds.
    """
    async with database.system() as connection, connection.transaction():
        row = await connection.fetchrow(_END, sorted(grant.patients or ()), binding_id, grant.opened_at)
        if row is None:
            raise NotFound("There is no such account, or it was taken back already.")
        await _write_down(grant, connection, [row["patient"]], "account taken back")
        return await end_sessions(connection, row["issuer"], subject=row["subject"])


async def make_code(
    grant: Grant, database: Database, patient: str, digest: bytes, *, expires_at: datetime, seen: str
) -> None:
    """Keep the digest of a code that binds an account to the patient's record, once.

    `seen` is what the leaf says of the document that staff saw (`trust.login.binding.document_seen`).

    Raises:
        AccessRefused: the grant does not open the patient.
    """
    if grant.patients is not None and patient not in grant.patients:
        raise AccessRefused("This grant is not about that person.")
    async with database.system() as connection, connection.transaction():
        await connection.execute(_FORGET_CODES, grant.opened_at)
        await connection.execute(_MAKE_CODE, digest, patient, grant.opened_at, expires_at)
        await _write_down(grant, connection, [patient], f"code to bind an account, {seen}")
        await tell(connection, [told_of(grant, patient, ACCOUNT_CODE, grant.request)])


async def use_code(grant: Grant, database: Database, digest: bytes) -> str:
    """Take a code, which is good no more then, and return whose record it is for.

    Raises:
        NotFound: there is no such code, or it was used, or has expired; which of them is not told.
    """
    async with database.system() as connection, connection.transaction():
        patient: str | None = await connection.fetchval(_USE_CODE, digest, grant.opened_at)
        if patient is None:
            raise NotFound(
                "This code is not right, was used already or is too old. Ask the desk for a new one."
            )
        await _write_down(grant, connection, [patient], "code to bind an account used")
    return patient


def _own(grant: Grant) -> str:
    patient = grant.caller.patient
    if not patient or patient not in (grant.patients or ()):
        raise AccessRefused("An account is bound to one's own record only.")
    return patient


async def _write_down(grant: Grant, connection: Connection, patients: Iterable[str], what: str) -> None:
    leaves = [ledger.leaf_of(grant, one, what=what, resources=1, outcome=Outcome.SERVED) for one in patients]
    await ledger.append(connection, leaves)
