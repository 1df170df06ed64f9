"""Versions of an instance, of a type or of everything, the newest first (http://hl7.org/fhir/R4/http.html#history)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from salus.core.access import Grant
from salus.core.errors import NotFound
from salus.store import resources
from salus.store.postgres import Database, sees_hidden
from salus.store.readable import require_readable
from salus.store.rows import StoredResource

_COLUMNS = "compartment, type, id, version, updated, deleted, others, source, source_id, content"
_WHERE = """
    type = wanted AND (NOT hidden OR $2) AND ($3::text IS NULL OR id = $3)
    AND ($4::timestamptz IS NULL OR updated >= $4)
    AND (updated, type, id, version) < ($5, $6, $7, $8)
    AND ($9::text[] IS NULL OR compartment = ANY ($9))
"""
# One short index scan a type and table, so that the newest of all types need no index of their own.
_PAGE = f"""
SELECT page.* FROM unnest($1::text[]) AS wanted
CROSS JOIN LATERAL (
    (SELECT {_COLUMNS} FROM resource WHERE {_WHERE} ORDER BY updated DESC, id DESC LIMIT $10)
    UNION ALL
    (SELECT {_COLUMNS} FROM resource_version WHERE {_WHERE} ORDER BY updated DESC, id DESC LIMIT $10)
) AS page
ORDER BY updated DESC, type DESC, id DESC, version DESC LIMIT $10
"""  # noqa: S608  (constants only)


class Position(msgspec.Struct, frozen=True):
    """Where a page ends: the versions after it are older."""

    updated: datetime
    type: str
    id: str
    version: int


START = Position(datetime(9999, 1, 1, tzinfo=UTC), "", "", 0)


async def history(
    grant: Grant,
    database: Database,
    types: Sequence[str],
    *,
    identity: str | None = None,
    since: datetime | None = None,
    after: Position = START,
    count: int,
) -> list[StoredResource]:
    """Return at most `count` versions, the newest first; a deletion has no content.

    `identity` leaves one resource of the one type, `since` the versions from then on; `after` is the last
    version of the page before.

    Raises:
        AccessRefused: the grant does not let one of the types be read.
        NotFound: the one resource has never been, or the grant may not know of it.
    """
    require_readable(grant, types, "ask for the history of a type that may be read")
    patients = None if grant.patients is None else sorted(grant.patients)
    async with database.reading(grant) as connection:
        rows = await connection.fetch(
            _PAGE,
            list(types),
            sees_hidden(grant),
            identity,
            since,
            after.updated,
            after.type,
            after.id,
            after.version,
            patients,
            count,
        )
        if not rows and identity is not None and after == START:
            known = await connection.fetchval(
                "SELECT true FROM resource WHERE type = $1 AND id = $2 AND (NOT hidden OR $3)",
                types[0],
                identity,
                sees_hidden(grant),
            )
            if known is None:
                raise NotFound(f"There is no {types[0]}/{identity} that this access may see.")
    return [resources.stored(row) for row in rows]
