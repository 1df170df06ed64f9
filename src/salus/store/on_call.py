"""The on-call rota: who is on call for which unit, and when (schema 0161). The operator loads it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from salus.core.access import Grant, Outcome
from salus.store import ledger
from salus.store.postgres import Database

LISTED_MAX = 20_000
_CLEAR = "DELETE FROM on_call"
_ADD = """
INSERT INTO on_call (subject, unit, starts_at, ends_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
"""
_LIST = "SELECT subject, unit, starts_at, ends_at FROM on_call ORDER BY starts_at, subject, unit LIMIT $1"


class Shift(msgspec.Struct, frozen=True):
    """One line: the professional's subject, the unit "Type/id" as encounters name it, from when to when."""

    subject: str
    unit: str
    starts_at: datetime
    ends_at: datetime


async def replace_rota(grant: Grant, database: Database, shifts: Sequence[Shift]) -> None:
    """Keep these shifts and no others; a leaf of the audit, about no patient."""
    columns = zip(*(msgspec.structs.astuple(each) for each in shifts), strict=True)
    async with database.writing(grant) as connection:
        await connection.execute(_CLEAR)
        if shifts:
            await connection.execute(_ADD, *(list(column) for column in columns))
        what = "on-call rota"
        leaf = ledger.leaf_of(grant, "", what=what, resources=len(shifts), outcome=Outcome.SERVED)
        await ledger.append(connection, [leaf])


async def rota(grant: Grant, database: Database) -> list[Shift]:
    """Return the shifts, the earliest first."""
    async with database.reading(grant) as connection:
        return [Shift(*row) for row in await connection.fetch(_LIST, LISTED_MAX)]
