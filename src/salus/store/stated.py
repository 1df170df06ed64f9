"""That a professional of this node treats a patient: shown by the patient, or only stated (schema 0161).

Each is a leaf of the audit in the same transaction; what is only stated tells the citizen (`store.notices`),
with the reason, and is kept with the record. No grant over a record may write here: who is with whom decides
grants.
"""

from __future__ import annotations

from datetime import datetime

from salus.core.access import Grant, Outcome
from salus.store import ledger
from salus.store.postgres import Database
from salus.store.standing import DECLARED

_KEEP = """
INSERT INTO presence (patient, node, subject, evidence, since, until, reason)
VALUES ($1, '', $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""
_RUNNING = """
SELECT until FROM presence
WHERE patient = $1 AND node = '' AND subject = $2 AND until > $3 AND (evidence <> 'declared' OR $4)
ORDER BY until DESC LIMIT 1
"""
_COUNT = """
SELECT count(DISTINCT patient) FROM presence
WHERE node = '' AND subject = $1 AND evidence = 'declared' AND since >= $2 AND patient <> $3
"""
_IN_TURN = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_END = """
UPDATE presence SET until = $3
WHERE patient = $1 AND node = '' AND subject = $2 AND until > $3 RETURNING patient
"""


async def keep_treatment(
    grant: Grant,
    database: Database,
    patient: str,
    evidence: str,
    reason: str,
    until: datetime,
    *,
    stated_max: int,
) -> datetime | None:
    """Keep that the caller treats the patient; return until when, of one that is kept already as it was.

    None where it is only stated, and the caller has stated it of as many other patients today (UTC).

    `evidence` is "code" or "document", or "declared" for the caller's word alone. The grant is the caller's
    over the patient, marked as unproven where it is only stated; so its leaf tells the citizen.
    """
    subject, now = grant.caller.subject, grant.opened_at
    async with database.system() as connection, connection.transaction():
        running: datetime | None = await connection.fetchval(
            _RUNNING, patient, subject, now, evidence == DECLARED
        )
        if running is not None:
            return running
        if evidence == DECLARED:
            await connection.execute(_IN_TURN, f"treatments stated by {subject}")
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
            if await connection.fetchval(_COUNT, subject, midnight, patient) >= stated_max:
                return None
        await connection.execute(_KEEP, patient, subject, evidence, now, until, reason)
        what = f"treatment {'stated' if evidence == DECLARED else 'shown'}"
        leaf = ledger.leaf_of(grant, patient, what=what, resources=1, outcome=Outcome.SERVED)
        await ledger.append(connection, [leaf])
    return until


async def end_treatment(grant: Grant, database: Database, patient: str) -> bool:
    """End what the caller showed or stated of the patient; return whether anything was in force."""
    async with database.system() as connection, connection.transaction():
        ended = await connection.fetch(_END, patient, grant.caller.subject, grant.opened_at)
        if ended:
            leaf = ledger.leaf_of(grant, patient, what="treatment ended", resources=1, outcome=Outcome.SERVED)
            await ledger.append(connection, [leaf])
    return bool(ended)
