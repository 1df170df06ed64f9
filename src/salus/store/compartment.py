"""A patient's compartment, type by type, in pages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from salus.core.access import Grant
from salus.store import resources
from salus.store.asker import asker_of
from salus.store.narrowed import fill_page, keeping, shown
from salus.store.postgres import Database
from salus.store.readable import is_open, require_open
from salus.store.rows import StoredResource

_COLUMNS = "compartment, type, id, version, updated, deleted, others, source, source_id, content"
_PAGE = f"""
SELECT {_COLUMNS} FROM resource JOIN unnest($2::text[]) WITH ORDINALITY AS wanted (name, place) ON name = type
WHERE compartment = ANY($1::text[]) AND NOT deleted
  AND (NOT hidden OR salus_shows(type, id, $3::jsonb))
  AND ($4::timestamptz IS NULL OR updated >= $4)
  AND ($5::integer IS NULL OR (place, id) > ($5, $6))
  AND ($8::bigint[] IS NULL OR date IS NULL OR EXISTS (
    SELECT FROM resource_range AS care
    WHERE (care.compartment, care.type, care.id) = (resource.compartment, resource.type, resource.id)
      AND care.key = ANY ($8) AND care.low < $10 AND care.high > $9))
ORDER BY place, id LIMIT $7
"""  # noqa: S608  (constants only)

_KINDS = """
SELECT DISTINCT type FROM resource
WHERE compartment = ANY($1::text[]) AND NOT deleted AND (NOT hidden OR salus_shows(type, id, $2::jsonb))
"""


class Position(msgspec.Struct, frozen=True):
    """The last resource of a page."""

    type: str
    id: str


class Cared(msgspec.Struct, frozen=True):
    """When care was given: in part at least within [start, end), in seconds since 1970.

    Resources without a date of care, as the Patient, belong to every time. `keys` are the places in the index
    where the dates of care stand.
    """

    start: float
    end: float
    keys: tuple[int, ...]


async def page(
    grant: Grant,
    database: Database,
    patients: Sequence[str],
    types: Sequence[str],
    *,
    since: datetime | None,
    after: Position | None,
    count: int,
    cared: Cared | None = None,
) -> list[StoredResource]:
    """Return the next `count` current resources of the patients' compartments, in the order of `types`.

    `since` leaves only those changed from then on; `after` is the last resource of the page before.

    Raises:
        AccessRefused: the grant does not let one of the types be read.
    """
    require_open(grant, types, "leave it out")

    async def fetch(last: asyncpg.Record | None) -> Sequence[asyncpg.Record]:
        here = after if last is None else Position(last["type"], last["id"])
        place = None if here is None or here.type not in types else types.index(here.type) + 1
        rows: list[asyncpg.Record] = await connection.fetch(
            _PAGE,
            list(patients),
            list(types),
            asker_of(grant),
            since,
            place,
            "" if here is None else here.id,
            count,
            None if cared is None else list(cared.keys),
            None if cared is None else cared.start,
            None if cared is None else cared.end,
        )
        return rows

    async with database.reading(grant) as connection:
        scanned_max = database.limits.search_candidates_max
        rows = await fill_page(fetch, keeping(grant), count=count, scanned_max=scanned_max)
    return [resources.stored(row) for row in rows]


async def kinds(grant: Grant, database: Database, patients: Sequence[str]) -> frozenset[str]:
    """Return the resource types of which the patients' compartments hold something that the grant may see.

    One that the grant shows in part only counts, whether or not that part holds any.
    """
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_KINDS, list(patients), asker_of(grant))
    found = {row["type"] for row in rows} | {name for name, _ in grant.narrowed}
    return frozenset(name for name in found if is_open(grant, name))


async def named(grant: Grant, database: Database, keys: Sequence[tuple[str, str]]) -> list[StoredResource]:
    """Return those of the named (type, id) that are current and that the grant may see.

    Raises:
        AccessRefused: the grant does not let one of the types be read.
    """
    require_open(grant, (kind for kind, _ in keys), "leave it out")
    async with database.reading(grant) as connection:
        rows = await connection.fetch(
            f"SELECT {_COLUMNS} FROM resource"  # noqa: S608  (constants only)
            " WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[])) AND NOT deleted"
            " AND (NOT hidden OR salus_shows(type, id, $3::jsonb))",
            [key[0] for key in keys],
            [key[1] for key in keys],
            asker_of(grant),
        )
    return [resources.stored(row) for row in shown(grant, rows)]
