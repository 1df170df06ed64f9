"""Emergency accesses (EHDS article 11(5)): claimed, open for an hour at most, looked at again by another.

Each step is a leaf of the audit in the same transaction; the claim tells the citizen (`store.notices`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import Conflict, NotFound
from salus.store import ledger
from salus.store.notices import EMERGENCY_UNJUSTIFIED, Telling, tell
from salus.store.postgres import Connection, Database

_COLUMNS = (
    "id, patient, subject, name, organisation, node, reason, began_at, ends_at, review_by, reviewed_at, "
    "reviewer, verdict, note"
)
_OPEN = """
INSERT INTO emergency (id, patient, subject, name, organisation, node, reason, began_at, ends_at, review_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_RUNNING = f"""
SELECT {_COLUMNS} FROM emergency
WHERE patient = $1 AND subject = $2 AND node = $3 AND ends_at > $4 ORDER BY ends_at DESC LIMIT 1
"""  # noqa: S608  (constants only)
_LIST = f"""
SELECT {_COLUMNS} FROM emergency WHERE $1 OR reviewed_at IS NULL ORDER BY review_by, id LIMIT $2
"""  # noqa: S608
_ONE = f"SELECT {_COLUMNS} FROM emergency WHERE id = $1 FOR UPDATE"  # noqa: S608
_REVIEW = """
UPDATE emergency SET reviewed_at = $3, reviewer = $4, verdict = $5, note = $6, ends_at = $7
WHERE patient = $1 AND id = $2
"""
_JUSTIFIED = f"SELECT {_COLUMNS} FROM emergency WHERE patient = ANY($1) AND verdict = 'justified'"  # noqa: S608
_OVERDUE = f"""
SELECT {_COLUMNS}, (
    SELECT i.index FROM leaf l JOIN leaf_index i ON i.arrival = l.arrival
    WHERE l.patient = e.patient AND l.at = e.began_at ORDER BY i.index LIMIT 1
) AS index
FROM emergency e
WHERE reviewed_at IS NULL AND review_by <= $1
    AND NOT EXISTS (SELECT FROM finding f WHERE f.key = 'second-look|' || e.id)
ORDER BY review_by LIMIT 1000
"""  # noqa: S608
_CROWDED = """
SELECT node, day, patients FROM (
    SELECT node, (began_at AT TIME ZONE 'UTC')::date AS day, count(DISTINCT patient) AS patients
    FROM emergency WHERE node <> '' AND began_at > $1 GROUP BY 1, 2
) AS days
WHERE patients > $2
    AND NOT EXISTS (SELECT FROM finding WHERE key = 'emergencies|' || node || '|' || day)
ORDER BY day, node LIMIT 1000
"""
LISTED_MAX = 1_000
UNJUSTIFIED = "unjustified"


class Emergency(msgspec.Struct, frozen=True):
    """One emergency access; schema 0061 says what the fields mean."""

    id: str
    patient: str
    subject: str
    name: str
    organisation: str
    node: str
    reason: str
    began_at: datetime
    ends_at: datetime
    review_by: datetime
    reviewed_at: datetime | None = None
    reviewer: str | None = None
    verdict: str | None = None
    note: str | None = None


async def open_emergency(grant: Grant, database: Database, claimed: Emergency) -> Emergency:
    """Keep an emergency access, and return it, or the one of the same professional that still runs.

    The grant is the professional's over the patient, marked as an emergency; so its leaf tells the citizen.
    """
    whose = (claimed.patient, claimed.subject, claimed.node)
    async with database.writing(grant) as connection:
        running = await connection.fetchrow(_RUNNING, *whose, claimed.began_at)
        if running is not None:
            return Emergency(*running)
        await connection.execute(
            _OPEN, claimed.id, claimed.patient, claimed.subject, claimed.name, claimed.organisation,
            claimed.node, claimed.reason, claimed.began_at, claimed.ends_at, claimed.review_by,
        )  # fmt: skip
        await _write_down(grant, connection, claimed.patient, f"emergency/{claimed.id} claimed")
    return claimed


async def running_emergency(grant: Grant, database: Database, patient: str) -> Emergency | None:
    """Return the caller's emergency access to the patient that runs, None where none does."""
    caller = grant.caller
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_RUNNING, patient, caller.subject, caller.node or "", grant.opened_at)
    return None if row is None else Emergency(*row)


async def emergencies(grant: Grant, database: Database, *, reviewed: bool = False) -> list[Emergency]:
    """Return those that wait for a second look, the most pressing first; with `reviewed` all."""
    async with database.reading(grant) as connection:
        return [Emergency(*row) for row in await connection.fetch(_LIST, reviewed, LISTED_MAX)]


async def has_overdue(database: Database, now: datetime) -> bool:
    """Say whether nobody looked at some emergency access in time, and no finding tells of it."""
    async with database.system() as connection:
        return bool(await connection.fetchval(f"SELECT EXISTS ({_OVERDUE})", now))


async def crowded_days(database: Database, since: datetime, most: int) -> list[tuple[str, date, int]]:
    """Return (node, day, patients) where a node abroad opened more than `most` patients on a day (UTC).

    Those that a finding tells of are left out.
    """
    async with database.system() as connection:
        rows = await connection.fetch(_CROWDED, since, most)
    return [(row["node"], row["day"], row["patients"]) for row in rows]


async def overdue(grant: Grant, connection: Connection) -> list[tuple[Emergency, int | None]]:
    """Return those, each with the index of its claim in the log, None where it has none yet."""
    rows = await connection.fetch(_OVERDUE, grant.opened_at)
    return [(Emergency(*tuple(row)[:-1]), row["index"]) for row in rows]


async def justified_emergencies(
    grant: Grant, connection: Connection, patients: Sequence[str]
) -> list[Emergency]:
    """Return those to the patients that a second look found justified, in the caller's transaction."""
    return [Emergency(*row) for row in await connection.fetch(_JUSTIFIED, list(patients))]


async def review(grant: Grant, database: Database, identity: str, verdict: str, note: str) -> Emergency:
    """Keep what the second look found, "justified" or "unjustified", and why; return it as it is now.

    One that is found unjustified ends now, if it still runs, and its patient is told in the same transaction.

    Raises:
        NotFound: there is no such emergency access.
        Conflict: somebody has looked at it, or it is the reviewer's own.
    """
    now = grant.opened_at
    async with database.writing(grant) as connection:
        row = await connection.fetchrow(_ONE, identity)
        if row is None:
            raise NotFound("There is no emergency access of this id; see: salus emergencies list")
        found = Emergency(*row)
        if found.reviewed_at is not None:
            raise Conflict(f"{found.reviewer} has looked at it already: {found.verdict}.")
        if found.subject == grant.caller.subject:
            raise Conflict("Somebody else than who opened it looks at an emergency access.")
        ends_at = min(found.ends_at, now) if verdict == UNJUSTIFIED else found.ends_at
        kept = msgspec.structs.replace(
            found, ends_at=ends_at, reviewed_at=now, reviewer=grant.caller.name, verdict=verdict, note=note
        )
        await connection.execute(
            _REVIEW, kept.patient, kept.id, now, kept.reviewer, verdict, note, kept.ends_at
        )  # fmt: skip
        await _write_down(grant, connection, kept.patient, f"emergency/{kept.id} {verdict}")
        if verdict == UNJUSTIFIED:
            await tell(connection, [_notice_of(kept, grant)])
    return kept


def _notice_of(kept: Emergency, grant: Grant) -> Telling:
    """Return the notice that an access was not justified: whose it was, and the request that found it."""
    place = ", ".join(part for part in (kept.organisation, kept.node) if part)
    return Telling(
        kept.patient, grant.opened_at, EMERGENCY_UNJUSTIFIED, kept.id, kept.subject, kept.name, place,
        grant.request,
    )  # fmt: skip


async def _write_down(grant: Grant, connection: Connection, patient: str, what: str) -> None:
    leaf = ledger.leaf_of(grant, patient, what=what, resources=1, outcome=Outcome.SERVED)
    await ledger.append(connection, [leaf])
