"""How much a node holds: counts that tell of no person."""

from __future__ import annotations

import msgspec

from salus.core.access import Grant
from salus.store.postgres import Database

_COUNTS = """
SELECT (SELECT count(*) FROM resource WHERE type = 'Patient' AND NOT deleted) AS patients,
       (SELECT count(*) FROM resource WHERE NOT deleted) AS resources,
       (SELECT count(*) FROM leaf) AS leaves,
       (SELECT max(size) FROM checkpoint) AS signed
"""
_SAMPLE = "SELECT id FROM resource WHERE type = 'Patient' AND NOT deleted ORDER BY random() LIMIT $1"


class Counts(msgspec.Struct, frozen=True):
    """Current Patients and resources, audit leaves, and how many leaves the last checkpoint signs."""

    patients: int
    resources: int
    leaves: int
    signed: int


async def count(database: Database) -> Counts:
    """Count what the node holds."""
    await database.bring_in()
    async with database.system() as connection:
        row = await connection.fetchrow(_COUNTS)
    assert row is not None
    return Counts(row["patients"], row["resources"], row["leaves"], row["signed"] or 0)


async def sample_patients(grant: Grant, database: Database, count_max: int) -> list[str]:
    """Return the logical ids of at most so many patients of the node, drawn at random.

    Args:
        grant: over the whole node.
        database: the node's.
        count_max: how many at most.
    """
    assert grant.patients is None
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_SAMPLE, count_max)
    return [row[0] for row in rows]
