"""Versions of a resource as they once were: by number, or at a moment; read in the transaction that asks."""

from __future__ import annotations

from datetime import datetime

from salus.core.access import Grant
from salus.store import resources
from salus.store.asker import asker_of
from salus.store.postgres import Connection
from salus.store.rows import StoredResource

VERSIONS_MAX = 200
_COLUMNS = "compartment, type, id, version, updated, deleted, others, source, source_id, content"
_SHOWN = "type = $1 AND id = $2 AND (NOT hidden OR salus_shows(type, id, $3::jsonb))"
_ALL = f"""(
    SELECT {_COLUMNS} FROM resource WHERE {_SHOWN}
    UNION ALL SELECT {_COLUMNS} FROM resource_version WHERE {_SHOWN}
) AS version_of"""  # noqa: S608  (constants only)
_NUMBERED = f"SELECT {_COLUMNS} FROM {_ALL} WHERE version = $4"  # noqa: S608  (constants only)
_AT = f"""
SELECT {_COLUMNS} FROM {_ALL}
ORDER BY updated <= $4 DESC, CASE WHEN updated <= $4 THEN version END DESC, version LIMIT 1
"""  # noqa: S608  (constants only)
_NEWEST_FIRST = f"SELECT {_COLUMNS} FROM {_ALL} ORDER BY version DESC LIMIT $4"  # noqa: S608


async def version_of(
    grant: Grant, connection: Connection, kind: str, identity: str, version: int
) -> StoredResource | None:
    """Return a version, a deletion too; None where there is none to see."""
    row = await connection.fetchrow(_NUMBERED, kind, identity, asker_of(grant), version)
    return None if row is None else resources.stored(row)


async def version_at(
    grant: Grant, connection: Connection, kind: str, identity: str, moment: datetime
) -> StoredResource | None:
    """Return the version that was current at the moment, else the first after it; None for none to see."""
    row = await connection.fetchrow(_AT, kind, identity, asker_of(grant), moment)
    return None if row is None else resources.stored(row)


async def versions_of(grant: Grant, connection: Connection, kind: str, identity: str) -> list[StoredResource]:
    """Return the versions, the newest first, at most `VERSIONS_MAX`."""
    rows = await connection.fetch(_NEWEST_FIRST, kind, identity, asker_of(grant), VERSIONS_MAX)
    return [resources.stored(row) for row in rows]
