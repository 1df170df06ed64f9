"""What a citizen restricts: hidden from every professional, never from the citizen (EHDS article 8).

A restricted DocumentReference takes along the document it describes and what was extracted from it. Every
hidden resource takes along those that state or show it, or did so in an earlier version, step by step: a
report with its result, a list with the report, a document with the list. What names it as context goes along
only with what was asked for by name: all that was done at a visit (docs/decisions/0010).

A reach is worked out over a whole record: a caller has one restriction or preview at a time.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from salus.core.access import Grant, Outcome, Role
from salus.core.errors import AccessRefused, NotFound
from salus.store import ledger
from salus.store.postgres import Connection, Database
from salus.store.resources import transact

_SET = "SELECT set_restriction($1, $2, $3, $4)"
_PREVIEW = "SELECT type, resources FROM preview_restriction($1, $2)"
_LIST = """
SELECT patient, type, id, since, cause FROM restriction
WHERE patient = ANY ($1) AND veil = '' ORDER BY since, cause <> '', type, id
"""
_LIMITED = "SELECT DISTINCT type, id FROM restriction WHERE patient = ANY ($1) AND veil <> ''"


class Restriction(msgspec.Struct, frozen=True):
    """One restricted resource of a patient, and since when.

    Args:
        cause: "Type/id" of what it is hidden with; "" when it was asked for.
    """

    patient: str
    type: str
    id: str
    since: datetime
    cause: str


async def restrict(grant: Grant, database: Database, resource_type: str, resource_id: str) -> int:
    """Hide the resource from professionals from now on; return how many more resources they see no longer.

    Raises:
        AccessRefused: the grant is not the citizen's own.
        NotFound: their record holds no such resource.
        Throttled: another restriction or preview of theirs has not ended in time.
    """
    return await _set(grant, database, resource_type, resource_id, hidden=True)


async def lift(grant: Grant, database: Database, resource_type: str, resource_id: str) -> int:
    """Take the restriction back; return how many resources professionals see again. Raises as `restrict`.

    What another restriction reaches stays hidden.
    """
    return await _set(grant, database, resource_type, resource_id, hidden=False)


async def preview(grant: Grant, database: Database, resource_type: str, resource_id: str) -> dict[str, int]:
    """Return how many resources, by type, a restriction hides. Raises as `restrict` does."""
    patients = _own(grant)
    async with database.restricting.taken(grant.caller), database.reading(grant) as connection:
        rows = await connection.fetch(_PREVIEW, patients, f"{resource_type}/{resource_id}")
    if not rows:
        raise _not_theirs(resource_type, resource_id)
    return {row["type"]: row["resources"] for row in rows}


async def restrictions(grant: Grant, database: Database) -> list[Restriction]:
    """Return what the citizen of the grant restricts, oldest first."""
    patients = _own(grant)
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_LIST, patients)
    return [Restriction(**dict(row)) for row in rows]


async def limited(grant: Grant, database: Database) -> frozenset[tuple[str, str]]:
    """Return what of their record, (type, id), the citizen hides from some by a Consent (`store.veils`)."""
    patients = _own(grant)
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_LIMITED, patients)
    return frozenset((row["type"], row["id"]) for row in rows)


async def _set(
    grant: Grant, database: Database, resource_type: str, resource_id: str, *, hidden: bool
) -> int:
    patients = _own(grant)
    name = f"{resource_type}/{resource_id}"
    what = f"{name} {'restricted' if hidden else 'shown again'}"

    async def work(connection: Connection) -> int:
        changed: int | None = await connection.fetchval(_SET, patients, name, hidden, grant.opened_at)
        if changed is None:
            raise _not_theirs(resource_type, resource_id)
        leaf = ledger.leaf_of(
            grant, grant.caller.patient or patients[0], what=what, resources=changed, outcome=Outcome.SERVED
        )
        await ledger.append(connection, [leaf])
        return changed

    async with database.restricting.taken(grant.caller):
        return await transact(grant, database, work)


def _own(grant: Grant) -> list[str]:
    if not grant.patients or grant.caller.role is not Role.CITIZEN:
        raise AccessRefused("Only the citizen restricts their own record.")
    return sorted(grant.patients)


def _not_theirs(resource_type: str, resource_id: str) -> NotFound:
    return NotFound(f"Your record holds no {resource_type}/{resource_id}.")
