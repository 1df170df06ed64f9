"""What a citizen restricts: hidden from every professional, never from the citizen (EHDS article 8).

A proxy restricts what they may see of the record, staff at a desk what the person with them asks for; neither
is told of what they may not see. Staff see nothing that is hidden, and lift what the list names.

A restricted DocumentReference takes along the document it describes and what was extracted from it. Every
hidden resource takes along those that state or show it, or did so in an earlier version, step by step: a
report with its result, a list with the report, a document with the list. What names it as context goes along
only with what was asked for by name: all that was done at a visit (docs/decisions/0010).

A reach is worked out over a whole record: a caller has one restriction or preview at a time.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import msgspec

from salus.core.access import Grant, Outcome, Role
from salus.core.errors import AccessRefused, NotFound
from salus.store import ledger
from salus.store.compartment import named
from salus.store.postgres import Connection, Database
from salus.store.readable import is_open
from salus.store.resources import transact

_SET = "SELECT set_restriction($1, $2, $3, $4)"
_PREVIEW = "SELECT type, resources FROM preview_restriction($1, $2)"
_NAMES = "SELECT type, id FROM restriction_names($1, $2)"
_LIST = """
SELECT patient, type, id, since, cause FROM restriction
WHERE patient = ANY ($1) AND veil = '' ORDER BY since, cause <> '', type, id
"""
ASSISTED = "assisted"
ANOTHER_ENTRY = "another entry"
"""Named as the cause where who restricts for somebody may not see what something is hidden with."""
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
        AccessRefused: the grant is neither the citizen's own nor that of who may restrict for them.
        NotFound: their record holds no such resource, or none that the caller may see.
        Throttled: another restriction or preview of theirs has not ended in time.
    """
    if _is_own(grant):
        return await _set(grant, database, resource_type, resource_id, hidden=True)
    seen = await _reached(grant, database, resource_type, resource_id)
    return min(len(seen), await _set(grant, database, resource_type, resource_id, hidden=True))


async def lift(grant: Grant, database: Database, resource_type: str, resource_id: str) -> int:
    """Take the restriction back; return how many resources professionals see again. Raises as `restrict`.

    What another restriction reaches stays hidden.
    """
    if _is_own(grant):
        return await _set(grant, database, resource_type, resource_id, hidden=False)
    asked = {(each.type, each.id) for each in await restrictions(grant, database)}
    if (resource_type, resource_id) not in asked:
        raise _not_theirs(resource_type, resource_id)
    changed = await _set(grant, database, resource_type, resource_id, hidden=False)
    return min(changed, len(await _reached(grant, database, resource_type, resource_id, is_named=False)))


async def preview(grant: Grant, database: Database, resource_type: str, resource_id: str) -> dict[str, int]:
    """Return how many resources, by type, a restriction hides. Raises as `restrict` does."""
    if not _is_own(grant):
        seen = await _reached(grant, database, resource_type, resource_id)
        return dict(sorted(Counter(kind for kind, _ in seen).items()))
    patients = _restricted_for(grant)
    async with database.restricting.taken(grant.caller), database.reading(grant) as connection:
        rows = await connection.fetch(_PREVIEW, patients, f"{resource_type}/{resource_id}")
    if not rows:
        raise _not_theirs(resource_type, resource_id)
    return {row["type"]: row["resources"] for row in rows}


async def restrictions(grant: Grant, database: Database) -> list[Restriction]:
    """Return what the citizen of the grant restricts, oldest first.

    A proxy is told of what they may see; staff at a desk of ids alone, and not with what each is hidden.
    """
    patients = _restricted_for(grant)
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_LIST, patients)
    found = [Restriction(**dict(row)) for row in rows]
    if _is_own(grant):
        return found
    if grant.caller.role is Role.DESK:
        named_alone = [each for each in found if is_open(grant, each.type)]
        return [
            msgspec.structs.replace(each, cause=ANOTHER_ENTRY) if each.cause else each for each in named_alone
        ]
    seen = await _seen(grant, database, {(each.type, each.id) for each in found})
    shown = [each for each in found if (each.type, each.id) in seen]
    names = {f"{kind}/{identity}" for kind, identity in seen} | {""}
    return [
        each if each.cause in names else msgspec.structs.replace(each, cause=ANOTHER_ENTRY) for each in shown
    ]


async def limited(grant: Grant, database: Database) -> frozenset[tuple[str, str]]:
    """Return what of their record, (type, id), the citizen hides from some by a Consent (`store.veils`).

    Raises:
        AccessRefused: the grant is not the citizen's own.
    """
    if not _is_own(grant):
        raise AccessRefused("From whom something is hidden by a Consent is the citizen's own to see.")
    patients = _restricted_for(grant)
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_LIMITED, patients)
    return frozenset((row["type"], row["id"]) for row in rows)


async def _set(
    grant: Grant, database: Database, resource_type: str, resource_id: str, *, hidden: bool
) -> int:
    patients = _restricted_for(grant)
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


async def _reached(
    grant: Grant, database: Database, resource_type: str, resource_id: str, *, is_named: bool = True
) -> frozenset[tuple[str, str]]:
    """Return what a restriction reaches, (type, id), of what the caller may see.

    Raises:
        NotFound: with `is_named`, the caller may not see the resource itself.
    """
    patients = _restricted_for(grant)
    async with database.restricting.taken(grant.caller), database.reading(grant) as connection:
        rows = await connection.fetch(_NAMES, patients, f"{resource_type}/{resource_id}")
    seen = await _seen(grant, database, {(row["type"], row["id"]) for row in rows})
    if is_named and (resource_type, resource_id) not in seen:
        raise _not_theirs(resource_type, resource_id)
    return seen


async def _seen(grant: Grant, database: Database, keys: set[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    stored = await named(grant, database, sorted(key for key in keys if is_open(grant, key[0])))
    return frozenset((each.type, each.id) for each in stored)


def _is_own(grant: Grant) -> bool:
    return grant.caller.role is Role.CITIZEN


def _restricted_for(grant: Grant) -> list[str]:
    """Return whose record the grant lets restrict; nobody's where it opens nobody, as if absent."""
    role = grant.caller.role
    assists = role is Role.DESK and (ASSISTED in grant.marks or not grant.patients)
    if grant.patients is None or not (assists or role in (Role.CITIZEN, Role.PROXY)):
        raise AccessRefused("The citizen restricts their record, or who acts for them, or a desk with them.")
    return sorted(grant.patients)


def _not_theirs(resource_type: str, resource_id: str) -> NotFound:
    return NotFound(f"Your record holds no {resource_type}/{resource_id}.")
