"""Whose records the store held at a date, and how much of each type: for a copy of the store that was taken.

What was erased since is not among it; how many people that is, tombstones tell. A record counts from its
first entry on, also one that was deleted before the date: its history was in the copy.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from salus.core.access import Grant
from salus.store.postgres import Database

PAGE = 1_000
"""Patients of one statement."""
_PAGE = """
WITH page AS (
    SELECT id AS patient FROM resource WHERE type = 'Patient' AND id > $1 ORDER BY id LIMIT $2
)
SELECT page.patient, held.type, held.count FROM page
LEFT JOIN LATERAL (
    SELECT type, count(*) FROM (
        SELECT r.type, r.id FROM resource r WHERE r.compartment = page.patient AND r.updated <= $3
        UNION
        SELECT v.type, v.id FROM resource_version v WHERE v.compartment = page.patient AND v.updated <= $3
        UNION
        SELECT 'DocumentReference', d.reference FROM document d
        WHERE d.patient = page.patient AND d.received_at <= $3
    ) AS entry GROUP BY type
) AS held ON true
ORDER BY page.patient, held.type
"""
_ERASED = "SELECT count(DISTINCT erasure) FROM erased WHERE whole AND at > $1"


class Held(msgspec.Struct, frozen=True):
    """What the store held of a patient: entries by resource type."""

    patient: str
    entries: dict[str, int]


async def held_at(grant: Grant, database: Database, at: datetime) -> AsyncIterator[list[Held]]:
    """Yield, page by page in the order of their ids, the patients whose records the store held at a date."""
    assert grant.patients is None
    after = ""
    while True:
        async with database.reading(grant) as connection:
            rows = await connection.fetch(_PAGE, after, PAGE, at)
        if not rows:
            return
        page: dict[str, dict[str, int]] = {}
        for row in rows:
            entries = page.setdefault(row["patient"], {})
            if row["type"] is not None:
                entries[row["type"]] = row["count"]
        yield [Held(patient, entries) for patient, entries in page.items() if entries]
        after = rows[-1]["patient"]


async def erased_since(grant: Grant, database: Database, at: datetime) -> int:
    """Return how many people were erased since: a copy from then holds them, and nobody can name them."""
    assert grant.patients is None
    async with database.reading(grant) as connection:
        return int(await connection.fetchval(_ERASED, at))
