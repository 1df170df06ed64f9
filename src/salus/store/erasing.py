"""Erasing a record or an entry for good (GDPR, Art. 17; schema 0120), and erasing it again after a restore.

One transaction for each person: all their records in every table, the tombstones and the leaves, or nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import Conflict
from salus.standards.fhir.labels import is_asserted
from salus.store import ledger
from salus.store.exports import forget_keys
from salus.store.keys_erased import destroy_revived, destroy_what_is_due, due, refused_about, seal_anew
from salus.store.peer_notices import NAMES_MAX, Act, erase_notices, firsts, note_act
from salus.store.postgres import Connection, Database
from salus.store.record_seal import record_seal_of
from salus.store.tombstones import Tombstone, digests_of, keep_tombstones

NEEDLE_LENGTH_MIN = 6
"""Shorter identifiers say too little to find input about somebody by them."""
_ENTRIES = """
SELECT r.type, r.id, CASE WHEN r.received THEN coalesce(r.date, r.updated) ELSE r.updated END AS at,
    CASE WHEN r.deleted THEN coalesce((
        SELECT v.content FROM resource_version v
        WHERE (v.compartment, v.type, v.id) = (r.compartment, r.type, r.id) AND NOT v.deleted
        ORDER BY v.version DESC LIMIT 1
    ), '') ELSE r.content END AS content
FROM resource r WHERE r.compartment = ANY ($1) AND r.type <> 'Patient'
"""
_LOOKS = """
SELECT (SELECT count(*) FROM emergency WHERE patient = ANY ($1) AND reviewed_at IS NULL)
    + (SELECT count(*) FROM incident WHERE patients && $1::text[] AND closed_at IS NULL)
"""
_DOCUMENT = (
    "SELECT EXISTS (SELECT FROM document WHERE patient = ANY ($1) AND 'DocumentReference/' || reference = $2)"
)
_OWNER = "SELECT compartment FROM resource WHERE compartment = ANY ($1) AND type || '/' || id = $2"
# As they lie there: whose key is destroyed is not opened, and breaks nothing.
_PATIENTS = """
SELECT CAST(content AS text) FROM resource WHERE compartment = ANY ($1) AND type = 'Patient'
UNION ALL SELECT CAST(content AS text) FROM resource_version WHERE compartment = ANY ($1) AND type = 'Patient'
"""
_OUTSIDE = """
SELECT type || '/' || id FROM resource
WHERE salus_is_outside(compartment, type) AND others <> '{}' AND others <@ $1::text[]
"""
_SHARED = """
SELECT type || '/' || id FROM resource
WHERE others && $1::text[] AND compartment <> ALL ($1)
    AND NOT (salus_is_outside(compartment, type) AND others <@ $1::text[])
    OR type = 'Group' AND compartment = ANY ($1) AND NOT others <@ $1::text[]
ORDER BY 1
"""
_LEAVE_GROUPS = "SELECT leave_groups($1)"
_ERASE_PERSON = "SELECT erase_person($1, '{}', $2)"
_ERASE_COMPLAINTS = "SELECT erase_complaints($1)"
_ERASE_TOLD = "SELECT erase_told($1)"
_ERASE_ENTRY = "SELECT erase_entry($1, $2, $3)"
_TABLES = (
    "resource",
    "resource_version",
    "resource_range",
    "document",
    "quarantine",
    "notice",
)
"""What the planner keeps samples of, and pages that hold what was deleted until they are swept."""
# Whose record a restored backup brought back; who was registered anew by hand since is another matter.
_BACK = """
SELECT DISTINCT found.patient, e.erasure FROM (
    SELECT compartment AS patient FROM resource UNION SELECT compartment FROM resource_version
    UNION SELECT patient FROM document UNION SELECT patient FROM quarantine UNION SELECT patient FROM account
    UNION SELECT patient FROM notice UNION SELECT patient FROM opt_out UNION SELECT patient FROM health_link
    UNION SELECT patient FROM proxy UNION SELECT holder FROM proxy UNION SELECT patient FROM rectification
    UNION SELECT patient FROM erasure UNION SELECT patient FROM complaint
    UNION SELECT patient FROM incident_person UNION SELECT patient FROM notice_way
    UNION SELECT holder FROM notice_way WHERE holder <> ''
) AS found (patient)
JOIN erased e ON e.whole AND e.digest =
    sha256((SELECT salt FROM erased_salt) || convert_to('Patient/' || found.patient, 'UTF8'))
WHERE NOT EXISTS (
    SELECT FROM resource r WHERE r.type = 'Patient' AND r.id = found.patient
        AND least(r.updated, (SELECT min(v.updated) FROM resource_version v
                              WHERE (v.type, v.id) = ('Patient', found.patient))) > e.at
)
ORDER BY e.erasure, found.patient
"""
_BACK_ENTRIES = """
SELECT r.compartment, r.type || '/' || r.id AS name FROM resource r
JOIN erased e ON NOT e.whole AND e.digest =
    sha256((SELECT salt FROM erased_salt) || convert_to(r.type || '/' || r.id, 'UTF8'))
WHERE r.updated <= e.at ORDER BY 1, 2
"""
_BACK_REFUSED = """
DELETE FROM quarantine q USING erased e WHERE NOT e.whole AND e.digest =
    sha256((SELECT salt FROM erased_salt) || convert_to('quarantine/' || q.id, 'UTF8'))
"""


class Held(msgspec.Struct, frozen=True):
    """What is known of what is to be erased.

    Args:
        is_whole: the whole record, not one entry.
        is_document: a document as it was received (an entry that describes one).
        is_own: the person entered it themselves; of a whole record: nobody else entered anything.
        last_entry_at: the newest entry of the whole record by anybody else, None where there is none.
        looks_open: emergency accesses and incidents of the record that are still looked into.
    """

    is_whole: bool
    is_document: bool
    is_own: bool
    last_entry_at: datetime | None
    looks_open: int


class Order(msgspec.Struct, frozen=True):
    """What is to be erased.

    Args:
        erasure: id of the request.
        records: logical ids of all records of the person.
        name: "Type/id" of the entry, "" for the whole person.
        ground: of the law.
    """

    erasure: str
    records: tuple[str, ...]
    name: str
    ground: str


class Erased(msgspec.Struct, frozen=True):
    """How many resources went, and which ("Type/id") stay: they are about others too.

    The person is no longer among whom these are about; what they say of them is for their authors to change.
    """

    resources: int
    shared: tuple[str, ...] = ()


class _Meta(msgspec.Struct):
    security: list[dict[str, object]] = []


class _Head(msgspec.Struct):
    meta: _Meta = msgspec.field(default_factory=_Meta)


class _Identifier(msgspec.Struct):
    value: str = ""


class _Named(msgspec.Struct):
    identifier: list[_Identifier] = []


async def held(grant: Grant, connection: Connection, records: Sequence[str], name: str) -> Held:
    """Return what is known of an entry ("Type/id") of these records, or of all of them ("").

    It looks at all of the records, also at what is hidden from whom the grant is for: no entry leaves.
    """
    assert grant.patients is None or grant.patients & frozenset(records)
    is_own, last = True, None
    for row in await connection.fetch(_ENTRIES, list(records)):
        asserted = _is_asserted(row["content"])
        if not asserted:
            last = row["at"] if last is None else max(last, row["at"])
        if not asserted and name in ("", f"{row['type']}/{row['id']}"):
            is_own = False
    return Held(
        is_whole=not name,
        is_document=bool(name) and await connection.fetchval(_DOCUMENT, list(records), name),
        is_own=is_own,
        last_entry_at=last,
        looks_open=await connection.fetchval(_LOOKS, list(records)),
    )


async def erase(
    grant: Grant,
    database: Database,
    order: Order,
    *,
    check: Callable[[Held], None],
    told: Callable[[Connection], Awaitable[None]],
) -> Erased:
    """Erase an entry or a whole person, in one transaction with its tombstones and leaves.

    Args:
        grant: over the whole node.
        database: the node's.
        order: what is to be erased.
        check: raises where the law does not let it go; it sees the facts of this transaction.
        told: keeps the answer to the request, and whom to tell, in the same transaction.

    Raises:
        Conflict: the entry is not there any more.
    """
    assert grant.patients is None
    async with database.writing(grant) as connection:
        check(await held(grant, connection, order.records, order.name))
        await told(connection)
        erased = await _erase(grant, connection, order)
    await _destroy_keys(database)
    await sweep(database)
    return erased


async def _destroy_keys(database: Database) -> None:
    await destroy_what_is_due(database)
    await forget_keys(database)


async def erase_again(grant: Grant, database: Database) -> list[Erased]:
    """Erase once more what tombstones name and a restored backup brought back, person by person."""
    assert grant.patients is None
    async with database.reading(grant) as connection:
        back = await connection.fetch(_BACK)
        entries = await connection.fetch(_BACK_ENTRIES)
    persons: dict[str, list[str]] = {}
    for row in back:
        persons.setdefault(row["erasure"], []).append(row["patient"])
    orders = [Order(erasure, tuple(records), "", "") for erasure, records in persons.items()]
    gone = {patient for records in persons.values() for patient in records}
    orders += [
        Order("", (row["compartment"],), row["name"], "") for row in entries if row["compartment"] not in gone
    ]
    found = []
    for order in orders:
        async with database.writing(grant) as connection:
            if order.name and not await connection.fetchval(_OWNER, list(order.records), order.name):
                continue  # it went with another entry
            found.append(await _erase(grant, connection, order, again=True))
    async with database.writing(grant) as connection:
        await connection.execute(_BACK_REFUSED)
    await destroy_revived(database)
    await _destroy_keys(database)
    if found:
        await sweep(database)
    return found


async def _erase(grant: Grant, connection: Connection, order: Order, *, again: bool = False) -> Erased:
    records, at = list(order.records), grant.opened_at
    if order.name:
        owner = await connection.fetchval(_OWNER, records, order.name)
        if owner is None:
            raise Conflict("The entry is not there any more; nothing was erased.")
        (first,) = await firsts(grant, connection, [order.name], at)
        names: list[str] = await connection.fetchval(_ERASE_ENTRY, owner, order.name, at)
        await erase_notices(grant, connection, [owner], names)
        act = Act(
            "erased", owner, order.records, tuple(names[:NAMES_MAX]), at, first.since, first.exact,
            f"erasure/{order.erasure}",
        )  # fmt: skip
        stones, shared, whole = names, (), False
    else:
        refused = await refused_about(connection, await _needles(connection, records))
        outside = [row[0] for row in await connection.fetch(_OUTSIDE, records)]
        shared = tuple(row[0] for row in await connection.fetch(_SHARED, records))
        await connection.execute(_LEAVE_GROUPS, records)
        names = await connection.fetchval(_ERASE_PERSON, records, at)
        await connection.execute(_ERASE_COMPLAINTS, records)
        await erase_notices(grant, connection, records, ())
        act = Act("erased", records[0], order.records, (), at, reference=f"erasure/{order.erasure}")
        await connection.execute(_ERASE_TOLD, records)
        await seal_anew(connection, shared)
        outside += [f"quarantine/{one}" for one in refused]
        await due(connection, records)
        stones, whole = [f"Patient/{record}" for record in records], True
        if not again:
            await keep_tombstones(connection, await _stones(connection, outside, order, at, whole=False))
    if not again:
        await keep_tombstones(connection, await _stones(connection, stones, order, at, whole=whole))
    await note_act(grant, connection, act)
    what = f"erasure/{order.erasure} again" if again else f"erasure/{order.erasure} erased"
    leaves = [
        ledger.leaf_of(grant, record, what=what, resources=len(names), outcome=Outcome.SERVED)
        for record in records
        if "/" not in record
    ]
    await ledger.append(connection, leaves)
    return Erased(len(names), shared)


async def _stones(
    connection: Connection, names: Sequence[str], order: Order, at: datetime, *, whole: bool
) -> list[Tombstone]:
    digests = await digests_of(connection, names)
    return [Tombstone(digest, order.erasure, at, whole, order.ground) for digest in digests]


async def _needles(connection: Connection, records: Sequence[str]) -> list[bytes]:
    """Return the identifiers of the person as they stand in input that was refused."""
    found: set[str] = set()
    seal = record_seal_of(connection)
    for (text,) in await connection.fetch(_PATIENTS, list(records)):
        content = seal.open_if_possible(text)
        if content:
            named = msgspec.json.decode(content, type=_Named)
            found |= {one.value for one in named.identifier if len(one.value) >= NEEDLE_LENGTH_MIN}
    return [f'"{value}"'.encode() for value in sorted(found)]


async def sweep(database: Database) -> None:
    """Let the planner forget samples of what was erased, and the pages be used again."""
    async with database.sweeping() as connection:
        for table in _TABLES:
            await connection.execute(f"VACUUM (ANALYZE) {table}")


def _is_asserted(content: bytes) -> bool:
    if not content:
        return False
    try:
        head = msgspec.json.decode(content, type=_Head)
    except msgspec.DecodeError:
        return False
    return is_asserted({"meta": {"security": head.meta.security}})
