"""Closure tables of client systems (R4, $closure): which codes each has named so far, with versions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from salus.core.access import Caller, Grant
from salus.core.errors import Conflict, NotFound, TooLarge
from salus.store.postgres import Database

TABLES_MAX = 50
"""Most closure tables of one client."""
KEPT = timedelta(days=90)
"""How long a table is kept that nobody uses."""
_READ = "SELECT version FROM closure_table WHERE owner = $1 AND name = $2"
_CODES = "SELECT system, code, version FROM closure_code WHERE owner = $1 AND name = $2 ORDER BY position"
_SWEEP = "DELETE FROM closure_table WHERE used_at < $1"
_COUNT = "SELECT count(*) FROM closure_table WHERE owner = $1 AND name <> $2"
_START = """
INSERT INTO closure_table (owner, name, version, used_at) VALUES ($1, $2, 0, $3)
ON CONFLICT (owner, name) DO UPDATE SET version = 0, used_at = excluded.used_at
"""
_FORGET = "DELETE FROM closure_code WHERE owner = $1 AND name = $2"
_ADVANCE = """
UPDATE closure_table SET version = $3 + 1, used_at = $4 WHERE owner = $1 AND name = $2 AND version = $3
RETURNING version
"""
_ADD = """
INSERT INTO closure_code (owner, name, system, code, version, position)
SELECT $1, $2, new.system, new.code, $5, $6 + new.place
FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS new (system, code, place)
"""


class Table(msgspec.Struct, frozen=True):
    """A closure table: its version, and its codes (system, code, version they came with) in order."""

    version: int
    codes: tuple[tuple[str, str, int], ...]


def owner_of(caller: Caller) -> bytes:
    """Return what stands for a client in its tables."""
    return hashlib.sha256(f"{caller.issuer}\0{caller.subject}".encode()).digest()


async def start(grant: Grant, database: Database, owner: bytes, name: str, at: datetime) -> None:
    """Make a table, or empty the one of this name; tables that nobody used for long go.

    Raises:
        TooLarge: the client has as many as one may have.
    """
    async with database.writing(grant) as connection:
        await connection.execute(_SWEEP, at - KEPT)
        if await connection.fetchval(_COUNT, owner, name) >= TABLES_MAX:
            raise TooLarge(f"You have {TABLES_MAX} closure tables; use one of them again.")
        await connection.execute(_START, owner, name, at)
        await connection.execute(_FORGET, owner, name)


async def read(grant: Grant, database: Database, owner: bytes, name: str) -> Table:
    """Return a table.

    Raises:
        NotFound: it was not started, or nobody used it for long.
    """
    async with database.reading(grant) as connection:
        version = await connection.fetchval(_READ, owner, name)
        rows = await connection.fetch(_CODES, owner, name)
    if version is None:
        raise NotFound("There is no closure table of this name; start it by the name alone.")
    return Table(version, tuple((row[0], row[1], row[2]) for row in rows))


async def add(
    grant: Grant,
    database: Database,
    owner: bytes,
    name: str,
    table: Table,
    new: Sequence[tuple[str, str]],
    at: datetime,
) -> int:
    """Add codes to a table as it was read; return its new version.

    Raises:
        Conflict: it has changed meanwhile.
    """
    async with database.writing(grant) as connection:
        version = await connection.fetchval(_ADVANCE, owner, name, table.version, at)
        if version is None:
            raise Conflict("The closure table has changed meanwhile; ask again.")
        systems, codes = [one[0] for one in new], [one[1] for one in new]
        await connection.execute(_ADD, owner, name, systems, codes, version, len(table.codes))
    return int(version)
