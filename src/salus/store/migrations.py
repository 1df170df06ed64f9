"""Forward migrations: the files of `schema/`, in order of their number, each once, each in a transaction."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources

import asyncpg
import msgspec

from salus.core.errors import SettingsInvalid

_LOCK = 0x53414C5553  # "SALUS"

_TABLE = """
CREATE TABLE IF NOT EXISTS migration (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""

# What runs as its owner looks at its caller's temporary tables last (schema 0111), in whichever migration.
_LAST = """
SELECT format('ALTER FUNCTION %s SET search_path = pg_catalog, public, pg_temp', oid::regprocedure)
FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
AND proowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)
AND NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, public, pg_temp'], false)
"""


class Migration(msgspec.Struct, frozen=True):
    """One schema file: its name ("0001_resources.sql"), text and SHA-256 in hexadecimal."""

    name: str
    sql: str
    sha256: str


def migrations() -> list[Migration]:
    """Return the migrations shipped with this Salus, oldest first."""
    folder = resources.files("salus.store").joinpath("schema")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda f: f.name)
    return [
        Migration(file.name, text.decode(), hashlib.sha256(text).hexdigest())
        for file in files
        for text in [file.read_bytes()]
    ]


@asynccontextmanager
async def changing(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Hold the lock under which one process at a time changes the schema; it may be taken again within."""
    await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)


async def migrate(connection: asyncpg.Connection, wanted: list[Migration]) -> list[str]:
    """Bring the database to `wanted` and return the names of the migrations applied now.

    Raises:
        SettingsInvalid: the database was made by a newer Salus, or an old file was edited since.
    """
    applied: list[str] = []
    async with changing(connection):
        await connection.execute(_TABLE)
        rows = await connection.fetch("SELECT name, sha256 FROM migration ORDER BY name")
        done: dict[str, str] = {row["name"]: row["sha256"] for row in rows}
        _check(done, wanted)
        for migration in wanted:
            if migration.name in done:
                continue
            async with connection.transaction():
                await connection.execute(migration.sql)
                await connection.execute(
                    "INSERT INTO migration (name, sha256) VALUES ($1, $2)", migration.name, migration.sha256
                )
            applied.append(migration.name)
        for (statement,) in await connection.fetch(_LAST):
            await connection.execute(statement)
    return applied


def _check(done: dict[str, str], wanted: list[Migration]) -> None:
    known = {migration.name: migration.sha256 for migration in wanted}
    newer = sorted(set(done) - set(known))
    if newer:
        raise SettingsInvalid(
            f"The database was made by a newer Salus (it has {newer[-1]}); "
            "start that version, or restore a backup."
        )
    edited = sorted(name for name, sha256 in done.items() if known[name] != sha256)
    if edited:
        raise SettingsInvalid(
            f"The schema file {edited[0]} was changed after it was applied to this database; "
            "put the original back and add a new migration instead."
        )
