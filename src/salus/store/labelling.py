"""By which version of the tables of sensitive codes veils were worked out, and over whose records."""

from __future__ import annotations

from datetime import datetime, timedelta

from salus.store.postgres import Database

_VERSION = "SELECT version FROM labelling"
_TAKE = "UPDATE labelling SET taken = $1 WHERE version <> $2 AND (taken < $3 OR $4) RETURNING true"
_DONE = "UPDATE labelling SET version = $1, taken = '-infinity'"
_VEILED = "SELECT DISTINCT patient FROM veil WHERE patient > $1 ORDER BY patient LIMIT $2"
_LEASE = timedelta(minutes=10)
"""After this time without a sign a process that works them out is taken for dead."""


async def labelled_by(database: Database) -> str:
    """Return the version of the table by which all veils were worked out; "" for none."""
    async with database.system() as connection:
        return str(await connection.fetchval(_VERSION))


async def take(database: Database, version: str, now: datetime, *, going_on: bool = False) -> bool:
    """Return whether this process shall work the veils out by another version of the table.

    Not where they hang by it already, or another process does; `going_on`: this one did until now.
    """
    async with database.system() as connection:
        return bool(await connection.fetchval(_TAKE, now, version, now - _LEASE, going_on))


async def note_labelled(database: Database, version: str) -> None:
    """Keep that all veils were worked out by this version."""
    async with database.system() as connection:
        await connection.execute(_DONE, version)


async def veiled_after(database: Database, patient: str, count: int) -> list[str]:
    """Return the first `count` patients, in the order of their ids, over whose records veils hang."""
    async with database.system() as connection:
        return [row["patient"] for row in await connection.fetch(_VEILED, patient, count)]
