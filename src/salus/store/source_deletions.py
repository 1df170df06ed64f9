"""What sources say they deleted (schema 0109), so that a load brings no older content of it back to life."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from salus.core.access import Grant
from salus.standards.fhir.search.values import date_interval, moment_at
from salus.store.postgres import Connection

# A deletion without a time is of the moment it was first heard of: said again it says nothing later.
_NOTE = """
INSERT INTO source_deletion (type, id, deleted_at)
SELECT type, id, max(deleted_at) FROM unnest($1::text[], $2::text[], $3::timestamptz[])
    AS said (type, id, deleted_at)
GROUP BY type, id ORDER BY type, id
ON CONFLICT (type, id) DO UPDATE SET deleted_at = greatest(source_deletion.deleted_at, excluded.deleted_at)
WHERE $4
"""
_FIND = """
SELECT type, id, deleted_at FROM source_deletion
WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""


class Deletion(msgspec.Struct, frozen=True):
    """A resource that its source deleted.

    Args:
        type, id: resource type and the logical id it has, or would have, here.
        deleted_at: when, as the source says (a FHIR instant); "" where it does not.
    """

    type: str
    id: str
    deleted_at: str = ""


async def note_deletions(grant: Grant, connection: Connection, deletions: Sequence[Deletion]) -> None:
    """Keep what a source deleted, of each the last time, in the caller's transaction."""
    assert grant.patients is None
    timed = [(one, moment) for one in deletions if (moment := _moment(one.deleted_at)) is not None]
    untimed = [(one, grant.opened_at) for one in deletions if _moment(one.deleted_at) is None]
    for said, is_timed in ((timed, True), (untimed, False)):
        if said:
            types, ids = [one.type for one, _ in said], [one.id for one, _ in said]
            await connection.execute(_NOTE, types, ids, [moment for _, moment in said], is_timed)


async def deleted_at(
    connection: Connection, names: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], datetime]:
    """Return when those of the named resources ((type, id) each) were deleted that their source deleted."""
    rows = await connection.fetch(_FIND, [name for name, _ in names], [own_id for _, own_id in names])
    return {(row["type"], row["id"]): row["deleted_at"] for row in rows}


def _moment(text: str) -> datetime | None:
    interval = date_interval(text)
    return None if interval is None else moment_at(interval[0])
