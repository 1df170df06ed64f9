"""Versions of an instance, of a type or of everything, the newest first (http://hl7.org/fhir/R4/http.html#history)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec

from salus.core.access import Grant
from salus.core.errors import NotFound
from salus.store import resources
from salus.store.asker import asker_of
from salus.store.narrowed import fill_page, narrowing_of, shown
from salus.store.postgres import Database
from salus.store.readable import require_open
from salus.store.rows import StoredResource

_COLUMNS = "compartment, type, id, version, updated, deleted, others, source, source_id, content"
_WHERE = """
    type = wanted AND (NOT hidden OR salus_shows(type, id, $2::jsonb)) AND ($3::text IS NULL OR id = $3)
    AND ($4::timestamptz IS NULL OR updated >= $4)
    AND (updated, type, id, version) < ($5, $6, $7, $8)
    AND ($9::text[] IS NULL OR compartment = ANY ($9))
"""
_MAY_KNOW = "type = $1 AND id = $2 AND (NOT hidden OR salus_shows(type, id, $3::jsonb))"
_ONE = f"{_MAY_KNOW} AND ($4::timestamptz IS NULL OR updated >= $4)"
# A version is current from its time until that of the next one.
_AT = "($11::timestamptz IS NULL OR (updated < $12 AND {next} > $11))"
_NEXT = """coalesce(
    (SELECT next.updated FROM resource_version AS next
     WHERE (next.type, next.id, next.version) = (old.type, old.id, old.version + 1)),
    (SELECT next.updated FROM resource AS next WHERE (next.type, next.id) = (old.type, old.id)),
    'infinity')"""
# One short index scan a type and table, so that the newest of all types need no index of their own.
_PAGE = f"""
SELECT page.*, EXISTS (
    SELECT FROM resource_version AS before
    WHERE (before.type, before.id, before.version) = (page.type, page.id, page.version - 1) AND before.deleted
) AS revived
FROM unnest($1::text[]) AS wanted
CROSS JOIN LATERAL (
    (SELECT {_COLUMNS} FROM resource WHERE {_WHERE} AND {_AT.format(next="'infinity'::timestamptz")}
     ORDER BY updated DESC, id DESC LIMIT $10)
    UNION ALL
    (SELECT {_COLUMNS} FROM resource_version AS old WHERE {_WHERE} AND {_AT.format(next=_NEXT)}
     ORDER BY updated DESC, id DESC LIMIT $10)
) AS page
ORDER BY updated DESC, type DESC, id DESC, version DESC LIMIT $10
"""  # noqa: S608  (constants only)
_CURRENT = f"""
SELECT {_COLUMNS} FROM resource WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""  # noqa: S608  (constants only)
_COUNT = f"""
SELECT (SELECT count(*) FROM resource WHERE {_ONE}) + (SELECT count(*) FROM resource_version WHERE {_ONE})
"""  # noqa: S608  (constants only)


class Position(msgspec.Struct, frozen=True):
    """Where a page ends: the versions after it are older."""

    updated: datetime
    type: str
    id: str
    version: int


START = Position(datetime(9999, 1, 1, tzinfo=UTC), "", "", 0)


class History(msgspec.Struct, frozen=True):
    """One page of versions.

    Args:
        versions: the newest first; a deletion has no content.
        revived: those (type, id, version) that came after a deletion.
        total: how many versions there are in all, counted for one resource only.
    """

    versions: list[StoredResource]
    revived: frozenset[tuple[str, str, int]]
    total: int | None


async def history(
    grant: Grant,
    database: Database,
    types: Sequence[str],
    *,
    identity: str | None = None,
    since: datetime | None = None,
    at: tuple[datetime, datetime] | None = None,
    after: Position = START,
    count: int,
) -> History:
    """Return at most `count` versions.

    `identity` leaves one resource of the one type, `since` the versions from then on, `at` those that were
    current at some moment of [start, end); `after` is the last version of the page before.

    Raises:
        AccessRefused: the grant does not let one of the types be read.
        NotFound: the one resource has never been, or the grant may not know of it.
    """
    require_open(grant, types, "ask for the history of a type that may be read")
    patients = None if grant.patients is None else sorted(grant.patients)
    asker = asker_of(grant)
    start, end = (None, None) if at is None else at

    async def fetch(last: asyncpg.Record | None) -> Sequence[asyncpg.Record]:
        here = after if last is None else Position(last["updated"], last["type"], last["id"], last["version"])
        rows: list[asyncpg.Record] = await connection.fetch(
            _PAGE, list(types), asker, identity, since, here.updated, here.type, here.id, here.version,
            patients, count, start, end,
        )  # fmt: skip
        return rows

    async def keep(rows: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
        """Return the versions that the scopes show, of what they still show: a deletion is none."""
        kept = shown(grant, rows)
        if not grant.narrowed or not kept:
            return kept
        keys = sorted({(row["type"], row["id"]) for row in kept})
        current = await connection.fetch(_CURRENT, [key[0] for key in keys], [key[1] for key in keys])
        still = {(row["type"], row["id"]) for row in shown(grant, current)}
        return [row for row in kept if (row["type"], row["id"]) in still]

    if identity is not None and narrowing_of(grant, types[0]):
        await resources.read(grant, database, types[0], identity)
    async with database.reading(grant) as connection:
        scanned_max = database.limits.search_candidates_max
        rows = await fill_page(fetch, keep, count=count, scanned_max=scanned_max)
        total = None
        if identity is not None and at is None and not narrowing_of(grant, types[0]):
            total = await connection.fetchval(_COUNT, types[0], identity, asker, since)
        if not rows and identity is not None and after == START:
            known = await connection.fetchval(
                f"SELECT true FROM resource WHERE {_MAY_KNOW}",  # noqa: S608  (constants only)
                types[0],
                identity,
                asker,
            )
            if known is None:
                raise NotFound(f"There is no {types[0]}/{identity} that this access may see.")
    revived = frozenset((row["type"], row["id"], row["version"]) for row in rows if row["revived"])
    return History([resources.stored(row) for row in rows], revived, total)
