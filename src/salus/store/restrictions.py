"""What a citizen restricts: hidden from every professional, never from the citizen (EHDS article 8).

A restricted DocumentReference takes along the document it describes and what was extracted from it. Every
restricted resource takes along those of the same record that refer to it, or did so in an earlier version.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Grant, Outcome, Role
from salus.core.errors import AccessRefused, NotFound
from salus.store import ledger
from salus.store.postgres import Connection, Database
from salus.store.referring import follow
from salus.store.resources import LOCK

_REACH = """
WITH base AS (
    SELECT compartment, type, id FROM resource WHERE type = $1 AND id = $2 AND compartment = ANY ($3)
    UNION
    SELECT patient, split_part(name, '/', 1), split_part(name, '/', 2)
    FROM document CROSS JOIN unnest(extracted) AS name
    WHERE $1 = 'DocumentReference' AND reference = $2 AND patient = ANY ($3)
), known AS (
    SELECT compartment, type, id, content FROM resource WHERE compartment = ANY ($3) AND $1 <> 'Patient'
    UNION ALL
    SELECT compartment, type, id, content FROM resource_version
    WHERE compartment = ANY ($3) AND $1 <> 'Patient'
)
SELECT compartment, type, id, '' AS cause FROM base
UNION
SELECT known.compartment, known.type, known.id, min(base.type || '/' || base.id)
FROM known JOIN base ON base.compartment = known.compartment
    AND salus_refers(known.content, base.type || '/' || base.id)
WHERE known.type <> 'Patient' AND (known.compartment, known.type, known.id) NOT IN (SELECT * FROM base)
GROUP BY 1, 2, 3
"""
_HIDE = """
WITH wanted AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS w (compartment, type, id)),
versions AS (
    UPDATE resource_version v SET hidden = $4 FROM wanted w
    WHERE (v.compartment, v.type, v.id) = (w.compartment, w.type, w.id)
)
UPDATE resource r SET hidden = $4 FROM wanted w
WHERE (r.compartment, r.type, r.id) = (w.compartment, w.type, w.id)
"""
_ADD = """
INSERT INTO restriction (patient, type, id, since, cause)
SELECT p, t, i, $5, c FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w (p, t, i, c)
ON CONFLICT (patient, type, id) DO UPDATE SET cause = '' WHERE excluded.cause = ''
"""
# What was asked for by itself stays when that which it refers to is shown again.
_ASKED = """
SELECT type, id FROM restriction JOIN unnest($1::text[], $2::text[]) AS w (t, i) ON (type, id) = (t, i)
WHERE patient = ANY ($3) AND cause = ''
"""
_REMOVE = """
DELETE FROM restriction
WHERE (patient, type, id) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))
"""
_LIST = "SELECT patient, type, id, since FROM restriction WHERE patient = ANY ($1) ORDER BY since, type, id"


class Restriction(msgspec.Struct, frozen=True):
    """One restricted resource of a patient, and since when."""

    patient: str
    type: str
    id: str
    since: datetime


async def restrict(grant: Grant, database: Database, resource_type: str, resource_id: str) -> int:
    """Hide the resource from professionals from now on; return how many resources that are.

    Raises:
        AccessRefused: the grant is not the citizen's own.
        NotFound: their record holds no such resource.
    """
    return await _set(grant, database, resource_type, resource_id, hidden=True)


async def lift(grant: Grant, database: Database, resource_type: str, resource_id: str) -> int:
    """Show the resource to professionals again. Raises as `restrict` does."""
    return await _set(grant, database, resource_type, resource_id, hidden=False)


async def restrictions(grant: Grant, database: Database) -> list[Restriction]:
    """Return what the citizen of the grant restricts, oldest first."""
    patients = _own(grant)
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_LIST, patients)
    return [Restriction(row["patient"], row["type"], row["id"], row["since"]) for row in rows]


async def _set(
    grant: Grant, database: Database, resource_type: str, resource_id: str, *, hidden: bool
) -> int:
    patients = _own(grant)
    async with database.writing(grant) as connection:
        # The same lock as a writer's, so that a version written meanwhile is hidden as well.
        await connection.execute(LOCK, [f"{resource_type}/{resource_id}"])
        rows = await connection.fetch(_REACH, resource_type, resource_id, patients)
        if (resource_type, resource_id) not in {(row["type"], row["id"]) for row in rows}:
            raise NotFound(f"Your record holds no {resource_type}/{resource_id}.")
        if not hidden:
            rows = await _not_asked(connection, patients, rows)
        keys = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(LOCK, [f"{row['type']}/{row['id']}" for row in rows])
        await connection.execute(_HIDE, *keys[:3], hidden)
        if hidden:
            await connection.execute(_ADD, *keys, grant.opened_at)
        else:
            await connection.execute(_REMOVE, *keys[:3])
            await follow(connection, [(row["compartment"], row["type"], row["id"]) for row in rows])
        await _write_down(grant, connection, f"{resource_type}/{resource_id}", rows[0][0], hidden, len(rows))
    return len(rows)


async def _not_asked(connection: Connection, patients: list[str], rows: list[Any]) -> list[Any]:
    """Return the rows without those that refer to the others and are restricted for themselves."""
    caused = [row for row in rows if row["cause"]]
    names = [row["type"] for row in caused], [row["id"] for row in caused]
    asked = {tuple(row) for row in await connection.fetch(_ASKED, *names, patients)}
    return [row for row in rows if not row["cause"] or (row["type"], row["id"]) not in asked]


async def _write_down(
    grant: Grant, connection: Connection, name: str, patient: str, hidden: bool, count: int
) -> None:
    what = f"{name} {'restricted' if hidden else 'shown again'}"
    leaf = ledger.leaf_of(grant, patient, what=what, resources=count, outcome=Outcome.SERVED)
    await ledger.append(connection, [leaf])


def _own(grant: Grant) -> list[str]:
    if not grant.patients or grant.caller.role is not Role.CITIZEN:
        raise AccessRefused("Only the citizen restricts their own record.")
    return sorted(grant.patients)
