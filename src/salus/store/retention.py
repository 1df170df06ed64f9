"""Removing what has outlived its time; nothing is shown to anybody, so that no Grant is needed."""

from __future__ import annotations

from datetime import datetime

from salus.store.postgres import Database

_QUARANTINE = """
WITH gone AS (DELETE FROM quarantine WHERE expires_at <= $1 RETURNING 1) SELECT count(*) FROM gone
"""


async def expire_quarantine(database: Database, now: datetime) -> int:
    """Remove rejected input whose time is over; return how many pieces."""
    async with database.system() as connection:
        return int(await connection.fetchval(_QUARANTINE, now))
