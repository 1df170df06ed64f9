"""Sessions in which staff at a desk help one person (EHDS article 4(4); schema 0203).

No grant over a record may write here: whom a desk helps decides grants.
"""

from __future__ import annotations

from datetime import datetime

from salus.core.access import Grant
from salus.store.postgres import Database

_IN_TURN = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_COUNT = """
SELECT count(DISTINCT patient) FROM assisted WHERE subject = $1 AND since >= $2 AND patient <> $3
"""
_KEEP = """
INSERT INTO assisted (patient, subject, evidence, since, until) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""
_END = "UPDATE assisted SET until = $3 WHERE patient = $1 AND subject = $2 AND until > $3"
_FORGET = "DELETE FROM assisted WHERE until < $1"


async def keep_assisted(
    grant: Grant, database: Database, patient: str, evidence: str, until: datetime, *, people_max: int
) -> bool:
    """Keep that the caller helps the person; return whether, False after so many others today (UTC)."""
    subject, now = grant.caller.subject, grant.opened_at
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    async with database.system() as connection, connection.transaction():
        await connection.execute(_IN_TURN, f"people assisted by {subject}")
        if await connection.fetchval(_COUNT, subject, midnight, patient) >= people_max:
            return False
        await connection.execute(_KEEP, patient, subject, evidence, now, until)
    return True


async def end_assisted(grant: Grant, database: Database, patient: str) -> None:
    """End the caller's session of the person now."""
    async with database.system() as connection:
        await connection.execute(_END, patient, grant.caller.subject, grant.opened_at)


async def forget_assisted(database: Database, before: datetime) -> None:
    """Remove sessions that ended before."""
    async with database.system() as connection:
        await connection.execute(_FORGET, before)
