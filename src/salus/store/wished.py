"""Which accesses are new in the records of those who wish to be told of each (schema 0079)."""

from __future__ import annotations

from salus.core.access import Grant, Leaf, Outcome, Role
from salus.store.ledger import leaf_in
from salus.store.notices import ACCESS, Telling, tell
from salus.store.postgres import Connection, Database

_POSITION = "SELECT position FROM wished_notice FOR UPDATE SKIP LOCKED"
_BEGIN = "INSERT INTO wished_notice (position) VALUES ($1) ON CONFLICT DO NOTHING"
_MOVE = "UPDATE wished_notice SET position = $1"
_END = "SELECT coalesce(max(index), -1) + 1 FROM leaf_index"
_WHOSE = """
SELECT DISTINCT place.patient FROM leaf_index place
JOIN notice_channel chosen ON chosen.patient = place.patient AND chosen.every
WHERE place.index >= $1 AND place.index < $2
"""
_NEW = """
SELECT leaf.entry FROM leaf JOIN leaf_index place ON place.arrival = leaf.arrival
WHERE leaf.patient = ANY ($1) AND place.index >= $2 AND place.index < $3 ORDER BY place.index
"""
_OWN = frozenset({Role.CITIZEN.value})
_ROUND_MAX = 50_000


async def begin_round(connection: Connection) -> tuple[int, int, list[str]]:
    """Return which part of the log is new, [begin, end), and in whose records it tells of something.

    In the caller's transaction, whose end moves on; another process that is at it leaves nothing to do.
    """
    end = int(await connection.fetchval(_END))
    await connection.execute(_BEGIN, end)
    begin = await connection.fetchval(_POSITION)
    if begin is None or begin >= end:
        return end, end, []
    end = min(end, begin + _ROUND_MAX)
    await connection.execute(_MOVE, end)
    return begin, end, [row["patient"] for row in await connection.fetch(_WHOSE, begin, end)]


async def tell_of_accesses(grant: Grant, database: Database, begin: int, end: int) -> int:
    """Tell the person of the grant of others' accesses in a part of the log; return of how many."""
    async with database.writing(grant) as connection:
        rows = await connection.fetch(_NEW, sorted(grant.patients or ()), begin, end)
        found = [leaf_in(connection, row["entry"]) for row in rows]
        tellings = [_telling(leaf) for leaf in found if is_wished(leaf)]
        await tell(connection, tellings)
    return len(tellings)


def is_wished(leaf: Leaf) -> bool:
    """Return whether a person who wishes it is told of an access: by somebody else or an app, and served."""
    return leaf.outcome is Outcome.SERVED and (leaf.role not in _OWN or bool(leaf.app))


def _telling(leaf: Leaf) -> Telling:
    """Return the notice: one a day for each who looks."""
    place = ", ".join(part for part in (leaf.organisation, leaf.node) if part)
    subject = leaf.app or leaf.subject
    key = f"{leaf.at:%Y-%m-%d} {leaf.node} {subject}"
    return Telling(leaf.patient, leaf.at, ACCESS, key, subject, leaf.name, place, leaf.request)
