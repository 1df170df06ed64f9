"""Copies that two records leave behind when they are parted, made while they were one person's (GDPR 32).

A health link and the files of an export keep what was read when they were made. After a wrong merge is undone
they would go on giving one person the record of another.
"""

from __future__ import annotations

from datetime import datetime

from salus.core.access import Grant, Outcome
from salus.store import ledger
from salus.store.postgres import Connection

_SIDES = "SELECT records_of_person($1) AS ones, records_of_person($2) AS others"
_LINKS = """
UPDATE health_link SET ended_at = coalesce(ended_at, $3), content = NULL
WHERE patient = ANY ($1) AND made_at >= $2 AND content IS NOT NULL
RETURNING patient, id
"""
# A job that was asked for with a token for one of the records covers all that were the person's; another one
# does when it names records of both sides.
_EXPORTS = """
WITH discarded AS (
    UPDATE export_job SET status = 'cancelled' WHERE id IN (
        SELECT job.id FROM export_job job
        CROSS JOIN LATERAL (
            SELECT convert_from(job.caller, 'UTF8')::jsonb ->> 'patient' AS own,
                ARRAY(SELECT jsonb_array_elements_text(
                    CASE jsonb_typeof(wished) WHEN 'array' THEN wished ELSE '[]' END)) AS named
            FROM (SELECT convert_from(job.wish, 'UTF8')::jsonb -> 'patients' AS wished) AS wish
        ) AS about
        WHERE job.created_at >= $3 AND job.status <> 'cancelled'
            AND (about.own = ANY ($1::text[] || $2::text[]) OR (about.named && $1 AND about.named && $2)))
    RETURNING id
)
DELETE FROM export_file USING discarded WHERE job = discarded.id
"""


async def discard_copies(
    grant: Grant, connection: Connection, one: str, other: str, *, merged_at: datetime
) -> None:
    """End the links and discard the exports that may hold both records, made since they were merged.

    In the transaction that parts them. Nothing is done where they are one person's by another merge still.
    """
    sides = await connection.fetchrow(_SIDES, one, other)
    assert sides is not None
    ones, others = list(sides["ones"]), list(sides["others"])
    if one in others:
        return
    ended = await connection.fetch(_LINKS, [*ones, *others], merged_at, grant.opened_at)
    await connection.execute(_EXPORTS, ones, others, merged_at)
    await ledger.append(
        connection,
        [
            ledger.leaf_of(
                grant,
                row["patient"],
                what=f"health-link/{row['id']} ended",
                resources=1,
                outcome=Outcome.SERVED,
            )
            for row in ended
        ],
    )
