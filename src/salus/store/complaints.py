"""What people complain of (schema 0170): kept as it was said. Each is a leaf in the same transaction."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import NotFound, Throttled
from salus.store import ledger
from salus.store.postgres import Database
from salus.store.record_seal import sealed_words

LISTED_MAX = 500
A_DAY_MAX = 20
"""Most complaints of a person in a day."""
_COLUMNS = "patient, number, at, by, kind, about, said"
_TODAY = "SELECT count(*) FROM complaint WHERE patient = ANY ($1) AND at > $2::timestamptz - interval '1 day'"
_IS_LOGGED = "SELECT EXISTS (SELECT FROM leaf WHERE patient = ANY ($1) AND request = $2)"
_KEEP = """
INSERT INTO complaint (patient, at, by, kind, about, said) VALUES ($1, $2, $3, $4, $5, $6) RETURNING number
"""
_OWN = f"SELECT {_COLUMNS} FROM complaint WHERE patient = ANY ($1) ORDER BY number DESC LIMIT $2"  # noqa: S608  (constants only)
_ALL = f"SELECT {_COLUMNS} FROM complaint ORDER BY number DESC LIMIT $1"  # noqa: S608  (constants only)
_ONE = f"SELECT {_COLUMNS} FROM complaint WHERE patient = ANY ($1) AND number = $2"  # noqa: S608  (constants only)


class Complaint(msgspec.Struct, frozen=True):
    """A complaint; `about` is the request of an access, the name of an organisation, or ""."""

    patient: str
    number: int
    at: datetime
    by: str
    kind: str
    about: str
    said: str


async def complain(
    grant: Grant, database: Database, patient: str, *, kind: str, about: str, said: str
) -> Complaint:
    """Keep a complaint and return it with its number.

    Raises:
        NotFound: the person's log has no access of that request.
        Throttled: too many of the person's in a day.
    """
    records, at, by = sorted(grant.patients or ()), grant.opened_at, grant.caller.name
    if kind == "access":
        await database.bring_in()
    async with database.writing(grant) as connection:
        if await connection.fetchval(_TODAY, records, at) >= A_DAY_MAX:
            raise Throttled(f"You made {A_DAY_MAX} complaints today: complain of more tomorrow.")
        if kind == "access" and not await connection.fetchval(_IS_LOGGED, records, about):
            raise NotFound("Your access log has no line of this request; see /ledger/accesses.")
        sealed = await sealed_words(connection, patient, said)
        number = int(await connection.fetchval(_KEEP, patient, at, by, kind, about, sealed))
        what = f"complaint/{number}"
        leaf = ledger.leaf_of(grant, patient, what=what, resources=1, outcome=Outcome.SERVED)
        await ledger.append(connection, [leaf])
    return Complaint(patient, number, at, by, kind, about, said)


async def complaints(grant: Grant, database: Database) -> list[Complaint]:
    """Return the complaints of the person of the grant, newest first; of everybody where it opens all."""
    async with database.reading(grant) as connection:
        if grant.patients is None:
            rows = await connection.fetch(_ALL, LISTED_MAX)
        else:
            rows = await connection.fetch(_OWN, sorted(grant.patients), LISTED_MAX)
    return [_kept(row) for row in rows]


async def complaint(grant: Grant, database: Database, number: int) -> Complaint:
    """Return one complaint of the person of the grant. Raises NotFound."""
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_ONE, sorted(grant.patients or ()), number)
    if row is None:
        raise NotFound(f"You made no complaint {number}; see /rights/complaints.")
    return _kept(row)


def _kept(row: Any) -> Complaint:  # Any: an asyncpg record of `_COLUMNS`
    return Complaint(**{**row, "said": row["said"].decode()})
