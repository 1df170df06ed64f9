"""Identity: which Patients are one person. Proposed, then merged and unmerged by Patient.link (R4 Patient).

A merge changes two Patients and nothing else: the one that stays `replaces` the other, the other is
`replaced-by` it and no longer active. Undoing it takes both links away again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from salus.core.access import Grant
from salus.core.errors import Conflict, InvalidSearch, NotFound
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.labels import is_asserted, is_label
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.nationalid.identifiers import normalise
from salus.store import resources, veils
from salus.store.changes import Operation
from salus.store.matching import THRESHOLD, Traits, likeness, traits_of
from salus.store.parted import discard_copies
from salus.store.peer_notices import Act, note_act
from salus.store.postgres import Connection, Database
from salus.store.rows import StoredResource, make_row
from salus.store.search import search
from salus.store.search_check import resource_of

PROPOSED_MAX = 10_000
CANDIDATES_MAX = 20
_BLOCK_MAX = 50
"""A block with more Patients than this says nothing (a placeholder birth date)."""

_PATIENTS = "SELECT id, source, content FROM resource WHERE type = 'Patient' AND NOT deleted"
_PROPOSE = """
INSERT INTO duplicate (patient, other, reason, score, state, proposed_at)
SELECT *, 'proposed', $5 FROM unnest($1::text[], $2::text[], $3::text[], $4::real[])
ON CONFLICT (patient, other) DO NOTHING
"""
_LIST = """
SELECT patient, other, reason, score, state, survivor FROM duplicate
WHERE state = $1 ORDER BY score DESC, patient, other LIMIT $2
"""
_DECIDE = """
INSERT INTO duplicate
    (patient, other, reason, score, state, proposed_at, decided_at, decided_by, survivor, active)
VALUES ($1, $2, 'decided by hand', 1, $3, $4, $4, $5, $6, $7)
ON CONFLICT (patient, other) DO UPDATE SET
    state = excluded.state, decided_at = excluded.decided_at, decided_by = excluded.decided_by,
    survivor = excluded.survivor, active = excluded.active
"""
_FORGET_DIGESTS = """
WITH old AS (
         SELECT id, digest, received FROM resource WHERE type = 'Patient' AND id = ANY($1::text[]) FOR UPDATE
     ),
     forgotten AS (UPDATE resource SET digest = '' FROM old WHERE type = 'Patient' AND resource.id = old.id)
SELECT id, digest, received FROM old
"""
_SET_DIGEST = "UPDATE resource SET digest = $2, received = $3 WHERE type = 'Patient' AND id = $1"
_MERGED = """
SELECT survivor, active, decided_at FROM duplicate WHERE patient = $1 AND other = $2 AND state = 'merged'
"""
_ALL_MERGED = "SELECT patient, other, survivor FROM duplicate WHERE state = 'merged'"

Resource = dict[str, Any]  # Any: FHIR JSON
After = Callable[[Connection, Sequence[str]], Awaitable[None]]
"""What else it means for the records of these patients that they were put together or apart."""


class Proposal(msgspec.Struct, frozen=True):
    """Two Patients that may be one person; `survivor` is the one that stays, once merged."""

    patient: str
    other: str
    reason: str
    score: float
    state: str
    survivor: str


class Candidate(msgspec.Struct, frozen=True):
    """A Patient that a lookup found. `ambiguous`: another one fits too, and nobody has picked."""

    resource: StoredResource
    score: float
    reason: str
    ambiguous: bool


async def find_patients(
    grant: Grant,
    database: Database,
    *,
    key: bytes,
    identifiers: tuple[tuple[str, str], ...] = (),
    demographics: Resource | None = None,
) -> list[Candidate]:
    """Return every Patient that fits, the best first; of several none is picked, all are marked ambiguous.

    Merged Patients are answered by the one that stays.

    Args:
        grant: to search.
        database: the node's.
        key: the node's secret for search hashes.
        identifiers: (system, value); one that fits is enough. Separators in the value do not count.
        demographics: a Patient with at least family name and birth date, asked when no identifier is given.

    Raises:
        InvalidSearch: neither identifiers nor enough demographics.
    """
    asked = demographics or {}
    wanted = traits_of(asked)
    if identifiers:
        spellings = [
            f"{system}|{text}" for system, value in identifiers for text in {value, normalise(value)}
        ]
        pairs = [("identifier", ",".join(spellings))]
    elif wanted.families and wanted.born:
        families = [str(name["family"]) for name in asked.get("name", ()) if "family" in name]
        pairs = [("family", ",".join(families)), ("birthdate", wanted.born)]
    else:
        raise InvalidSearch("Give an identifier, or family name and birth date.")
    found: dict[str, StoredResource] = {}
    query = parse_query("Patient", [*pairs, ("_count", str(CANDIDATES_MAX))], database.limits, strict=True)
    for resource in (await search(grant, database, query, key=key)).resources:
        stays = await _survivor(grant, database, resource)
        found[stays.id] = stays
    scored = []
    for resource in found.values():
        score, reason = (1.0, "same identifier") if identifiers else likeness(wanted, _traits(resource))
        scored.append((score, reason, resource))
    scored.sort(key=lambda one: (-one[0], one[2].id))
    return [Candidate(resource, score, reason, len(scored) > 1) for score, reason, resource in scored]


def _traits(resource: StoredResource) -> Traits:
    return traits_of(parse_json(resource.content, Limits()))


async def _survivor(grant: Grant, database: Database, resource: StoredResource) -> StoredResource:
    """Follow replaced-by, at most a few steps."""
    for _ in range(8):
        links = parse_json(resource.content, Limits()).get("link", ())
        target = next((one["other"]["reference"] for one in links if one.get("type") == "replaced-by"), "")
        if not target.startswith("Patient/"):
            break
        try:
            resource = await resources.read(grant, database, "Patient", target.removeprefix("Patient/"))
        except NotFound:
            break  # outside this grant: what was found stands for itself
    return resource


async def propose(grant: Grant, database: Database) -> int:
    """Compare all Patients and propose those that are alike; return how many pairs are alike.

    What was decided before stays decided. Only Patients that share a national number, or family name and
    birth date, or any identifier and their source, are compared.
    """
    blocks: dict[str, list[str]] = {}
    traits: dict[str, Traits] = {}
    sources: dict[str, str] = {}
    async with database.reading(grant) as connection, connection.transaction():
        async for row in connection.cursor(_PATIENTS, prefetch=500):
            one = traits_of(parse_json(row["content"], Limits()))
            traits[row["id"]], sources[row["id"]] = one, row["source"]
            for block in one.blocks(row["source"]):
                blocks.setdefault(block, []).append(row["id"])
    pairs = {
        (min(one, other), max(one, other))
        for ids in blocks.values()
        if len(ids) <= _BLOCK_MAX
        for at, one in enumerate(ids)
        for other in ids[at + 1 :]
    }
    alike = [
        (one, other, *likeness(traits[one], traits[other], one_source=sources[one] == sources[other] != ""))
        for one, other in sorted(pairs)
    ]
    alike = [pair for pair in alike if pair[2] >= THRESHOLD][:PROPOSED_MAX]
    async with database.writing(grant) as connection:
        await connection.execute(
            _PROPOSE,
            [pair[0] for pair in alike],
            [pair[1] for pair in alike],
            [pair[3] for pair in alike],
            [pair[2] for pair in alike],
            grant.opened_at,
        )
    return len(alike)


async def proposals(grant: Grant, database: Database, state: str = "proposed") -> list[Proposal]:
    """Return the pairs in a state ("proposed", "merged", "refused"), the surest first."""
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_LIST, state, PROPOSED_MAX)
    return [Proposal(*row) for row in rows]


async def merge(
    grant: Grant, database: Database, stays: str, goes: str, *, key: bytes, after: After | None = None
) -> None:
    """Say that Patient `goes` is the person of Patient `stays`.

    `after` is done in the same transaction, for both.

    Raises:
        NotFound, Gone: one of them does not exist.
        Conflict: they are the same, or one is merged already.
    """
    if stays == goes:
        raise Conflict("A Patient cannot be merged with itself.")

    async def work(connection: Connection) -> None:
        keep, gone = await _both(grant, database, stays, goes)
        if _linked(keep, "replaced-by") or _linked(gone, "replaced-by"):
            raise Conflict(
                "One of the two is merged already; unmerge it first, or merge with what it became."
            )
        await _write(grant, connection, database, _merged(keep, gone, stays, goes), key=key)
        await _decide(grant, connection, stays, goes, "merged", survivor=stays, active=gone.get("active"))
        if after is not None:
            await after(connection, (stays, goes))

    await resources.transact(grant, database, work)


async def unmerge(
    grant: Grant, database: Database, one: str, other: str, *, key: bytes, after: After | None = None
) -> None:
    """Undo a merge; `after` as in `merge`. Raises NotFound when the two were not merged.

    Links and exports that were made of both records together are ended and discarded; nodes that got
    something meanwhile are told.
    """

    async def work(connection: Connection) -> None:
        await veils.hold(grant, connection, (one, other))
        row = await connection.fetchrow(_MERGED, *sorted((one, other)))
        if row is None:
            raise NotFound("These two Patients are not merged.")
        stays = row["survivor"]
        goes = other if stays == one else one
        keep, gone = await _both(grant, database, stays, goes)
        restored = _unlink(gone, stays)
        restored.pop("active", None)
        if row["active"] is not None:
            restored["active"] = row["active"]
        changed = {stays: _unlink(keep, goes), goes: restored}
        await _write(grant, connection, database, changed, key=key)
        await _decide(grant, connection, one, other, "refused")
        await discard_copies(grant, connection, one, other, merged_at=row["decided_at"])
        for record in (stays, goes):
            parted = Act("unmerged", record, (stays, goes), (), grant.opened_at, since=row["decided_at"])
            await note_act(grant, connection, parted)
        if after is not None:
            await after(connection, (one, other))

    await resources.transact(grant, database, work)


async def confirm(grant: Grant, database: Database, patient: str, *, key: bytes) -> None:
    """Say that a person whom a citizen registered, or a document brought, is who the Patient says.

    Look-ups find them from now on.

    Raises:
        NotFound, Gone: there is no such Patient.
        Conflict: it is no such Patient, or is confirmed already.
    """

    async def work(connection: Connection) -> None:
        current = parse_json((await resources.read(grant, database, "Patient", patient)).content, Limits())
        if not is_asserted(current):
            raise Conflict("Nobody needs to confirm this Patient: it is, or always was, as staff know it.")
        meta = current["meta"]
        labels = [label for label in meta["security"] if not is_label(label)]
        rest = {name: value for name, value in meta.items() if name != "security"}
        changed = {**current, "meta": rest | ({"security": labels} if labels else {})}
        await _write(grant, connection, database, {patient: changed}, key=key)

    await resources.transact(grant, database, work)


async def refuse(grant: Grant, database: Database, one: str, other: str) -> None:
    """Say that the two are two persons; they are not proposed again."""
    async with database.writing(grant) as connection:
        await _decide(grant, connection, one, other, "refused")


async def restore_merges(grant: Grant, connection: Connection, database: Database, *, key: bytes) -> int:
    """Link merged Patients again whose source has sent them anew without links; return how many pairs."""
    restored = 0
    for row in await connection.fetch(_ALL_MERGED):
        stays = row["survivor"]
        goes = row["other"] if stays == row["patient"] else row["patient"]
        try:
            keep, gone = await _both(grant, database, stays, goes)
        except NotFound:
            continue  # deleted since: there is nothing to link
        if not (_linked(keep, "replaces") and _linked(gone, "replaced-by")):
            async with connection.transaction():
                await _write(grant, connection, database, _merged(keep, gone, stays, goes), key=key)
            restored += 1
    return restored


async def _both(grant: Grant, database: Database, one: str, other: str) -> tuple[Resource, Resource]:
    found = [await resources.read(grant, database, "Patient", own_id) for own_id in (one, other)]
    first, second = [parse_json(one.content, Limits()) for one in found]
    return first, second


def _linked(patient: Resource, kind: str) -> bool:
    return any(link.get("type") == kind for link in patient.get("link", ()))


def _merged(keep: Resource, gone: Resource, stays: str, goes: str) -> dict[str, Resource]:
    inactive = {**_link(gone, stays, "replaced-by"), "active": False}
    return {stays: _link(keep, goes, "replaces"), goes: inactive}


def _link(patient: Resource, other: str, kind: str) -> Resource:
    kept = _unlink(patient, other)
    return {
        **kept,
        "link": [*kept.get("link", ()), {"other": {"reference": f"Patient/{other}"}, "type": kind}],
    }


def _unlink(patient: Resource, other: str) -> Resource:
    links = [
        link
        for link in patient.get("link", ())
        if link.get("other", {}).get("reference") != f"Patient/{other}"
        or link.get("type") not in ("replaces", "replaced-by")
    ]
    rest = {name: value for name, value in patient.items() if name != "link"}
    return {**rest, "link": links} if links else rest


async def _write(
    grant: Grant, connection: Connection, database: Database, patients: dict[str, Resource], *, key: bytes
) -> None:
    """Store changed Patients, by id.

    Their digests stay those of the source's bytes, and they count as received: the same file loaded again
    changes and undoes nothing, and a new content of the source becomes the next version (`restore_merges`).
    """
    await database.parameters.hold(connection)
    index = database.parameters.indexer("Patient", key)
    operations = []
    for own_id, patient in patients.items():
        current = await resources.read(grant, database, "Patient", own_id)
        content = write_json(patient)
        read = resource_of({**msgspec.structs.asdict(current), "content": content})
        row = make_row(
            "Patient", own_id, content, index=index(read), source=current.source, source_id=current.source_id
        )
        operations.append(Operation("update", "Patient", own_id, row))
    kept = await connection.fetch(_FORGET_DIGESTS, list(patients))
    await resources.apply(grant, connection, operations, what="Patient.link")
    await connection.executemany(_SET_DIGEST, [(row["id"], row["digest"], row["received"]) for row in kept])


async def _decide(
    grant: Grant,
    connection: Connection,
    one: str,
    other: str,
    state: str,
    *,
    survivor: str = "",
    active: bool | None = None,
) -> None:
    first, second = sorted((one, other))
    await connection.execute(
        _DECIDE, first, second, state, grant.opened_at, grant.caller.subject, survivor, active
    )
