"""Versioned resources: read, vread, create, update, delete (http://hl7.org/fhir/R4/http.html).

Every change is written with its audit leaves in one transaction. Two writers of one resource queue on an
advisory lock of its type and id, so that (type, id) is one resource whatever patient it is about.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import asyncpg
import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import AccessRefused, Conflict, Gone, NotFound
from salus.standards.fhir.search.patients import binaries_named
from salus.standards.fhir.search.references import links_in
from salus.store import ledger
from salus.store.asker import asker_of, sees_hidden
from salus.store.changes import Change, Operation, Written, plan
from salus.store.directory import SHARED_TYPES
from salus.store.narrowed import narrowing_of, shows
from salus.store.postgres import Connection, Database
from salus.store.record_seal import record_seal_of
from salus.store.referring import (
    await_restrictions,
    follow,
    name_identified,
    note_attachments,
    patients_outside,
)
from salus.store.rows import Row, StoredResource, patients_of

T = TypeVar("T")

_COLUMNS = "compartment, type, id, version, updated, deleted, others, source, source_id, content"
_VREAD = f"""
SELECT {_COLUMNS} FROM resource
WHERE type = $1 AND id = $2 AND version = $3 AND (NOT hidden OR salus_shows(type, id, $4::jsonb))
UNION ALL
SELECT {_COLUMNS} FROM resource_version
WHERE type = $1 AND id = $2 AND version = $3 AND (NOT hidden OR salus_shows(type, id, $4::jsonb))
"""  # noqa: S608  (constants only)

# Locks in the order of their hash, so that two transactions over the same resources do not deadlock.
LOCK = """
SELECT pg_advisory_xact_lock(hash)
FROM (SELECT DISTINCT hashtextextended(key, 0) AS hash FROM unnest($1::text[]) AS key ORDER BY hash) AS wanted
"""
_CURRENT = """
SELECT compartment, type, id, version, updated, deleted, hidden, others, source, source_id, digest, content,
    hidden AND NOT salus_shows(type, id, $3::jsonb) AS veiled
FROM resource WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""
# Moves current versions to the history and forgets their search values; used by `store.bulk` too.
SUPERSEDE = """
WITH old AS (
    DELETE FROM resource USING unnest($1::text[], $2::text[], $3::text[]) AS gone (compartment, type, id)
    WHERE (resource.compartment, resource.type, resource.id) = (gone.compartment, gone.type, gone.id)
    RETURNING resource.*
), ranges AS (
    DELETE FROM resource_range WHERE (compartment, type, id) IN (SELECT compartment, type, id FROM old)
)
INSERT INTO resource_version
    (compartment, type, id, version, updated, deleted, hidden, others, source, source_id, digest, links,
     links_stated, content)
SELECT compartment, type, id, version, updated, deleted, hidden, others, source, source_id, digest, links,
    links_stated, content
FROM old
"""
# Arrays of arrays cannot be ragged in PostgreSQL, so the inner ones travel as their text form.
_INSERT = """
INSERT INTO resource (compartment, type, id, version, updated, deleted, hidden, others, source, source_id,
                      digest, date, tokens, links, links_stated, content, received)
SELECT compartment, type, id, version, updated, deleted, hidden, others::text[], source, source_id,
       digest, date, tokens::bigint[], links::text[], links_stated, content, received
FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::timestamptz[], $6::boolean[],
            $7::boolean[], $8::text[], $9::text[], $10::text[], $11::bytea[], $12::timestamptz[],
            $13::text[], $14::text[], $15::integer[], $16::bytea[], $17::boolean[])
    AS new (compartment, type, id, version, updated, deleted, hidden, others, source, source_id,
            digest, date, tokens, links, links_stated, content, received)
"""
_INSERT_RANGES = """
INSERT INTO resource_range (compartment, type, id, key, low, high)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::float8[], $6::float8[])
"""
_MISSING = """
SELECT wanted.type || '/' || wanted.id FROM unnest($1::text[], $2::text[]) AS wanted (type, id)
WHERE NOT EXISTS (
    SELECT FROM resource
    WHERE resource.type = wanted.type AND resource.id = wanted.id AND NOT deleted
        AND (NOT hidden OR salus_shows(resource.type, resource.id, $3::jsonb))
)
"""
_NOTE_AUTHOR = "SELECT note_written($1, $2, $3, $4, $5)"
_ATTEMPTS_MAX = 4


async def read(grant: Grant, database: Database, resource_type: str, resource_id: str) -> StoredResource:
    """Return the current version, in one round trip with those of other requests.

    Raises:
        NotFound: there is none, or the grant may not know of it.
        Gone: it was deleted.
    """
    row = await database.read(grant, resource_type, resource_id)
    if row is None or (grant.narrowed and not shows(grant, {**row, "id": resource_id}, resource_type)):
        raise _absent(resource_type, resource_id)
    _, compartment, version, updated, deleted, others, source, source_id, content = row
    if deleted:
        raise Gone(f"{resource_type}/{resource_id} was deleted; its history is kept.")
    patients = patients_of(compartment, others)
    return StoredResource(
        resource_type, resource_id, version, updated, False, source, source_id, patients, content
    )


async def vread(
    grant: Grant, database: Database, resource_type: str, resource_id: str, version: int
) -> StoredResource:
    """Return one version. Raises NotFound or Gone (the version is a deletion)."""
    if narrowing_of(grant, resource_type):  # what the scopes no longer show has no earlier versions either
        await read(grant, database, resource_type, resource_id)
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_VREAD, resource_type, resource_id, version, asker_of(grant))
    if row is None or not shows(grant, row):
        raise _absent(resource_type, f"{resource_id}/_history/{version}")
    if row["deleted"]:
        raise Gone(f"Version {version} of {resource_type}/{resource_id} is its deletion.")
    return stored(row)


def stored(row: Any) -> StoredResource:  # Any: an asyncpg record of this module's columns
    """Return the resource of a database row with the columns of `resource_version`."""
    return StoredResource(
        type=row["type"],
        id=row["id"],
        version=row["version"],
        updated=row["updated"],
        deleted=row["deleted"],
        source=row["source"],
        source_id=row["source_id"],
        patients=patients_of(row["compartment"], row["others"]),
        content=row["content"],
    )


async def create(grant: Grant, database: Database, row: Row) -> Written:
    """Store a resource under the fresh id of its row (`core.identifiers.new_id`)."""
    return await _one(grant, database, Operation("create", row.type, row.id, row))


async def update(
    grant: Grant, database: Database, row: Row, *, if_match: int | None = None, may_create: bool = False
) -> Written:
    """Store a new version; the same bytes again change nothing.

    `if_match` is the version the caller believes current. With `may_create` it is stored when there is none
    yet (update as create), but never for a patient-bound grant: its answer would tell whether the id is
    taken in another patient's record.

    Raises:
        NotFound, VersionConflict, AccessRefused.
    """
    return await _one(grant, database, Operation("update", row.type, row.id, row, if_match, may_create))


async def delete(
    grant: Grant, database: Database, resource_type: str, resource_id: str, *, if_match: int | None = None
) -> Written:
    """Mark the resource deleted; deleting it again changes nothing. Raises NotFound, VersionConflict."""
    return await _one(grant, database, Operation("delete", resource_type, resource_id, None, if_match))


async def _one(grant: Grant, database: Database, operation: Operation) -> Written:
    async def work(connection: Connection) -> Written:
        return (await apply(grant, connection, [operation]))[0]

    return await transact(grant, database, work)


async def transact(grant: Grant, database: Database, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Run `work` in one transaction, again when PostgreSQL breaks a deadlock or a serialization conflict."""
    for attempt in range(1, _ATTEMPTS_MAX + 1):
        try:
            async with database.writing(grant) as connection:
                return await work(connection)
        except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError) as error:
            if attempt == _ATTEMPTS_MAX:
                raise Conflict(
                    "Other writers kept changing the same resources; send the request again."
                ) from error
    raise AssertionError("unreachable")


async def apply(
    grant: Grant, connection: Connection, operations: Sequence[Operation], *, what: str | None = None
) -> list[Written]:
    """Do the operations in order of the list, in the caller's transaction, with their audit leaves.

    Call it once per request, so that each patient gets one leaf. A resource may occur once. `what` is what
    the leaves say was done; by default the only resource's "Type/id".
    """
    written = await change(grant, connection, operations)
    if what is None:
        what = f"{operations[0].type}/{operations[0].id}" if len(operations) == 1 else "Bundle"
    counts: dict[str, int] = {}
    for one in written:
        for patient in one.patients or ("",):
            counts[patient] = counts.get(patient, 0) + 1
    await ledger.append(
        connection,
        [
            ledger.leaf_of(grant, patient, what=what, resources=count, outcome=Outcome.SERVED)
            for patient, count in counts.items()
        ],
    )
    return written


async def change(grant: Grant, connection: Connection, operations: Sequence[Operation]) -> list[Written]:
    """Do the operations without leaves: only for a caller that appends them in the same transaction."""
    known = await _lock_and_read(grant, connection, operations)
    digest = record_seal_of(connection).digest
    changes = [plan(grant, one, known.get((one.type, one.id)), digest=digest) for one in operations]
    _confine(grant, changes)
    changed = [one for one in changes if one.written.outcome != "unchanged"]
    await _store(connection, changed)
    await _note_author(grant, connection, changed)
    found, veiled = await _settle(
        grant, connection, [one.row for one in changed if one.row is not None], known
    )
    written = [_concerning(one.written, found) if found else one.written for one in changes]
    if not veiled:
        return written
    return [
        msgspec.structs.replace(done, veiled=one.compartment in veiled)
        for done, one in zip(written, changes, strict=True)
    ]


async def _settle(
    grant: Grant,
    connection: Connection,
    rows: Sequence[Row],
    befores: Mapping[tuple[str, str], asyncpg.Record],
) -> tuple[dict[tuple[str, str], tuple[str, ...]], frozenset[str]]:
    """Do what the rows just written mean for others. `befores`: the versions they replace, by type and id.

    Returns:
        The patients of those in no record, and of those that name one by an identifier; and over whose
        records veils hang.
    """
    keys = [(row.compartment, row.type, row.id) for row in rows]
    identified = await name_identified(connection, [(row.type, row.id, row.index.identities) for row in rows])
    veiled = await follow(connection, keys, grant.opened_at)
    found = identified | await patients_outside(connection, keys)
    if grant.patients is not None:  # naming a Binary makes it readable to its patient, so who names it counts
        return found, veiled
    await note_attachments(
        connection,
        [pair for row in rows for pair in _attached(row, found, befores.get((row.type, row.id)))],
    )
    return found, veiled


def _attached(
    row: Row, found: Mapping[tuple[str, str], tuple[str, ...]], before: asyncpg.Record | None
) -> set[tuple[str, str]]:
    """Return which Binaries a write makes whose attachments, (id, patient).

    What the version before named for the same patient counted then, if it counts: who changes an entry of a
    citizen's says nothing of whose the attachments are that the citizen named in it.
    """
    patients = found.get((row.type, row.id)) or patients_of(row.compartment, row.others)
    named = {(binary, patient) for binary in row.index.binaries for patient in patients}
    if not named or before is None or not before["content"]:
        return named
    links, addresses, _ = links_in(msgspec.json.decode(before["content"]))
    was = patients_of(before["compartment"], before["others"])
    return named - {(binary, patient) for binary in binaries_named((*links, *addresses)) for patient in was}


def _concerning(written: Written, found: dict[tuple[str, str], tuple[str, ...]]) -> Written:
    resource = written.resource
    patients = found.get((resource.type, resource.id))
    if patients is None:
        return written
    return msgspec.structs.replace(
        written,
        resource=msgspec.structs.replace(resource, patients=patients),
        patients=tuple(dict.fromkeys((*written.patients, *patients))),
    )


async def _lock_and_read(
    grant: Grant, connection: Connection, operations: Sequence[Operation]
) -> dict[tuple[str, str], asyncpg.Record]:
    """Lock what may exist already and return its current versions; a fresh id needs neither.

    What lies in no record a grant over patients may read (schema 0055), and not change.
    """
    named = [operation for operation in operations if operation.kind != "create"]
    if not named:
        return {}
    await connection.execute(LOCK, [f"{one.type}/{one.id}" for one in named])
    kinds, ids = [one.type for one in named], [one.id for one in named]
    rows = await connection.fetch(_CURRENT, kinds, ids, asker_of(grant))
    return {
        (row["type"], row["id"]): row
        for row in rows
        if grant.patients is None or row["type"] in SHARED_TYPES or "/" not in row["compartment"]
    }


def _confine(grant: Grant, changes: list[Change]) -> None:
    if grant.patients is None:
        return
    if any(one.row is not None and one.row.compartment not in grant.patients for one in changes):
        raise AccessRefused(
            "This access is for one patient's record; what it writes must be about that patient."
        )


async def _note_author(grant: Grant, connection: Connection, changes: Sequence[Change]) -> None:
    """Note whose the new versions are, of a caller from whom a citizen may hide them (schema 0163).

    A new version of what was hidden already shows nobody what they did not see: a document in its place.
    """
    if not changes or sees_hidden(grant):
        return
    new = [(one.written.resource, one.hidden) for one in changes]
    columns = zip(*((one.type, one.id, one.updated, hidden) for one, hidden in new), strict=True)
    await connection.execute(_NOTE_AUTHOR, *(list(column) for column in columns), grant.caller.subject)


async def _store(connection: Connection, changes: list[Change]) -> None:
    superseded = [one.superseded for one in changes if one.superseded is not None]
    if superseded:
        whose = [compartment for compartment, _, _ in superseded]
        outside = [other for one in changes if "/" in one.compartment for other in one.others]
        await await_restrictions(connection, [*whose, *outside])
        await connection.execute(SUPERSEDE, *([list(column) for column in zip(*superseded, strict=True)]))
    if not changes:
        return
    seal = record_seal_of(connection)
    columns = list(zip(*(one.columns(seal) for one in changes), strict=True))
    await seal.settle()
    await connection.execute(_INSERT, *[list(column) for column in columns])
    rows = [one.row for one in changes if one.row is not None]
    ranges = [(r.compartment, r.type, r.id, *entry) for r in rows for entry in r.index.ranges]
    if ranges:
        await connection.execute(_INSERT_RANGES, *[list(column) for column in zip(*ranges, strict=True)])


async def missing_references(grant: Grant, connection: Connection, references: Sequence[str]) -> list[str]:
    """Return those of the literal references "Type/id" that lead to no current resource the grant reaches.

    `connection` is one lent under this grant: row-level security hides what it may not know of. What a
    citizen restricts is missing to those who do not see it.
    """
    pairs = [reference.split("/") for reference in references if reference.count("/") == 1]
    pairs = [pair for pair in pairs if not pair[0].startswith(("urn:", "#"))]
    if not pairs:
        return []
    kinds, ids = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    rows = await connection.fetch(_MISSING, kinds, ids, asker_of(grant))
    return [row[0] for row in rows]


def _absent(resource_type: str, rest: str) -> NotFound:
    return NotFound(f"There is no {resource_type}/{rest} that this access may see.")
