"""Removing what has outlived its time; nothing is shown to anybody, so that no Grant is needed."""

from __future__ import annotations

from datetime import datetime

from salus.store.postgres import Database
from salus.store.record_seal import DAYS, rejected_of

_QUARANTINE = """
WITH gone AS (DELETE FROM quarantine WHERE expires_at <= $1 RETURNING 1) SELECT count(*) FROM gone
"""


async def expire_quarantine(database: Database, now: datetime) -> int:
    """Remove rejected input whose time is over, and the keys of its days; return how many pieces."""
    async with database.system() as connection:
        count = int(await connection.fetchval(_QUARANTINE, now))
        first = await connection.fetchval("SELECT min(arrived_at) FROM quarantine")
    kept_from = rejected_of("", min(now if first is None else first, now))
    keyed = await database.contents.begin_with(DAYS)
    await database.contents.destroy([one for one in keyed if one < kept_from])
    return count
