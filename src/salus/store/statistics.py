"""How much a node holds: counts that tell of no person."""

from __future__ import annotations

import msgspec

from salus.store.postgres import Database

_COUNTS = """
SELECT (SELECT count(*) FROM resource WHERE type = 'Patient' AND NOT deleted) AS patients,
       (SELECT count(*) FROM resource WHERE NOT deleted) AS resources,
       (SELECT count(*) FROM leaf) AS leaves,
       (SELECT max(size) FROM checkpoint) AS signed
"""


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
