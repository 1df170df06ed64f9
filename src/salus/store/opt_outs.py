"""Opting out of exchange and of secondary use (EHDS articles 10 and 71): reversible, with its history kept.

Each change is a leaf of the audit in the same transaction. All records of a person are opted out together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec

from salus.core.access import Grant, Outcome
from salus.store import ledger
from salus.store.postgres import Connection, Database

_HISTORY = """
SELECT at, opted_out, by FROM opt_out WHERE patient = $1 AND kind = $2 ORDER BY number DESC LIMIT $3
"""
_CHANGE = """
INSERT INTO opt_out (patient, kind, number, at, opted_out, by)
SELECT own.patient, $2, 1 + (SELECT count(*) FROM opt_out o WHERE o.patient = own.patient AND o.kind = $2),
    $3, $4, $5
FROM unnest($1::text[]) AS own (patient)
WHERE $4 IS DISTINCT FROM coalesce((
    SELECT o.opted_out FROM opt_out o WHERE o.patient = own.patient AND o.kind = $2
    ORDER BY o.number DESC LIMIT 1
), false)
RETURNING patient
"""
HISTORY_MAX = 200


class Change(msgspec.Struct, frozen=True):
    """One change of an opt-out: when, to what, said by whom."""

    at: datetime
    opted_out: bool
    by: str


async def opt_out_history(grant: Grant, database: Database, patient: str, kind: str) -> list[Change]:
    """Return the changes of one of the person's opt-outs, newest first; the first one holds."""
    async with database.reading(grant) as connection:
        return [Change(*row) for row in await connection.fetch(_HISTORY, patient, kind, HISTORY_MAX)]


async def change_opt_out(
    grant: Grant,
    database: Database,
    patient: str,
    kind: str,
    *,
    opted_out: bool,
    after: Callable[[Connection], Awaitable[None]],
) -> bool:
    """Opt out for all records of the grant, or take that back; return whether that changed anything.

    The leaf is the patient's. `after` does the rest of a change in the same transaction: what it veils.
    """
    records = sorted(grant.patients or ())
    async with database.writing(grant) as connection:
        changed = await connection.fetch(
            _CHANGE, records, kind, grant.opened_at, opted_out, grant.caller.name
        )
        if changed:
            await after(connection)
        what = f"{kind}-opt-out {'chosen' if opted_out else 'taken back'}"
        leaf = ledger.leaf_of(grant, patient, what=what, resources=len(changed), outcome=Outcome.SERVED)
        await ledger.append(connection, [leaf])
    return bool(changed)
