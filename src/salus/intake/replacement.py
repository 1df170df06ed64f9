"""What it does to documents that a DocumentReference is written, by whatever door, other than by publication.

A received document stays with the person it was received for, and its description with its bytes. Withdrawn,
superseded or deleted, it takes along what only it says. A DocumentReference that `replaces` another makes
that one superseded, as a published one does (`intake.succession`, whose rules these are).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from salus.core.access import Grant
from salus.core.errors import AccessRefused, Conflict
from salus.core.limits import Limits
from salus.intake.description import replaced_by
from salus.intake.succession import (
    DESCRIBED,
    Standing,
    only_said_by,
    retractions,
    standings,
    succeeds,
    superseded,
)
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.labels import is_asserted
from salus.standards.fhir.search.extract import Indexer
from salus.store import documents, resources
from salus.store.asker import asker_of
from salus.store.changes import Operation
from salus.store.conditions import Here, current_of
from salus.store.documents import Document
from salus.store.merged import merges
from salus.store.postgres import Connection, Database
from salus.store.rows import Row, StoredResource

KIND = "DocumentReference"
SUCCEEDED = frozenset({"superseded", "entered-in-error"})

_LAST = """
SELECT DISTINCT ON (id) id, content FROM resource_version
WHERE type = 'DocumentReference' AND id = ANY($1) AND NOT deleted ORDER BY id, version DESC
"""
_NAMED = """
SELECT compartment, type, id, content, source, source_id, updated, true AS shown FROM resource
WHERE type = 'DocumentReference' AND id = ANY($1) AND NOT deleted AND compartment <> $3
    AND (NOT hidden OR salus_shows(type, id, $2::jsonb))
"""
_DOCUMENTS = """
SELECT compartment, content FROM resource WHERE compartment = ANY($1) AND type = 'DocumentReference'
    AND NOT deleted
"""
Described = dict[str, Any]  # a DocumentReference; its members are of many types, hence Any


async def obey_documents(here: Here, operations: list[Operation]) -> list[Operation]:
    """Return the writes with what the DocumentReferences among them do to other documents, at the end.

    Raises:
        AccessRefused: a grant for one patient replaces a document of another source.
        Conflict: a document is moved to another person, loses its bytes, becomes current again, or replaces
            one of another person.
    """
    written = {one.id: one for one in operations if one.type == KIND}
    if not written:
        return operations
    records = sorted({one.row.compartment for one in written.values() if one.row is not None})
    await here.connection.execute(resources.LOCK, [f"documents of {record}" for record in records])
    named = [identity for identity, one in written.items() if one.kind != "create"]
    found = await current_of(here, [(KIND, identity) for identity in named])
    befores = {identity: before for (_, identity), before in found.items()}
    received = await documents.described_by(here.grant, here.connection, list(befores))
    last = await _last(here.connection, [name for name, one in befores.items() if one.deleted])
    for identity, before in befores.items():
        row = written[identity].row
        if row is not None:
            stood = last.get(identity, {}) if before.deleted else _read(before.content)
            _check_kept(row, before, stood, received.get(identity))
    withdrawn = [
        document
        for identity, document in received.items()
        if not befores[identity].deleted and _is_withdrawn(written[identity], befores[identity])
    ]
    return await _followed(here, operations, written, withdrawn)


async def follow_loaded(
    grant: Grant, connection: Connection, stored: Mapping[str, set[str]], index: Indexer
) -> list[Operation]:
    """Return what DocumentReferences that were just loaded, by record and id, make no longer current.

    Those within received documents are followed when these arrive (`intake.succession`).
    """
    related: set[str] = set()
    if stored:
        async for row in connection.cursor(_DOCUMENTS, sorted(stored)):
            if b'"replaces"' in row["content"]:
                related.add(row["compartment"])
    changes: list[Operation] = []
    for record in sorted(related):
        await connection.execute(resources.LOCK, [f"documents of {record}"])
        found = await connection.fetch(DESCRIBED, record, asker_of(grant))
        rows = {row["id"]: row for row in found}
        received = await documents.described_by(grant, connection, list(rows))
        settled = settle(grant, standings(list(received.values()), rows), stored[record])
        changes += [superseded(rows[one.reference], one, index) for one in settled.over]
        gone = only_said_by(settled.over, settled.said)
        changes += await retractions(connection, gone, spares_edited=True)
    return changes


async def _last(connection: Connection, references: Sequence[str]) -> dict[str, Described]:
    """Return the last descriptions of deleted documents."""
    rows = await connection.fetch(_LAST, list(references)) if references else []
    return {row["id"]: _read(row["content"]) for row in rows}


def _check_kept(row: Row, before: StoredResource, stood: Described, document: Document | None) -> None:
    """Refuse a write that takes a description from its document.

    `stood` is the last description; `document` what was received with it, None for nothing.
    """
    new = _read(row.content)
    name = f"{KIND}/{row.id}"
    if stood.get("status") in SUCCEEDED and new.get("status") == "current":
        raise Conflict(
            f"{name} was replaced or withdrawn and does not become current by an update: publish the "
            "document that is right (POST DocumentReference)."
        )
    if document is None:
        return
    if row.compartment not in (document.patient, *before.patients[:1]):
        raise Conflict(
            f"{name} describes a document that was received for another person and stays theirs: put its "
            "status to entered-in-error, and publish it for the right person (POST DocumentReference)."
        )
    address = f"Binary/{document.id}"
    if address in _addresses(stood) and address not in _addresses(new):
        raise Conflict(
            f"{name} describes the document {address}: leave that in content.attachment.url, without data. "
            "Publish a changed document as a new one whose relatesTo replaces this."
        )


def _addresses(described: Described) -> set[str]:
    """Return the addresses of a DocumentReference's attachments that are not inside it."""
    attachments = [one.get("attachment", {}) for one in described.get("content", ())]
    return {
        "/".join(str(one["url"]).rsplit("/", 2)[-2:])
        for one in attachments
        if "url" in one and "data" not in one
    }


def _is_withdrawn(operation: Operation, before: StoredResource) -> bool:
    """Return whether a write takes the document back that it describes."""
    return operation.row is None or (
        _status(operation.row.content) in SUCCEEDED
        and _status(operation.row.content) != _status(before.content)
    )


def _status(content: bytes) -> str:
    return str(_read(content).get("status", ""))


def _read(content: bytes) -> Described:
    return dict(parse_json(content, Limits()))


async def _followed(
    here: Here,
    operations: list[Operation],
    written: Mapping[str, Operation],
    withdrawn: Sequence[Document],
) -> list[Operation]:
    """Return the writes with what they make superseded, and the deletions of what is no longer said."""
    index = here.database.parameters.indexer(KIND, here.rules.search_key)
    changed: dict[str, Operation] = {}
    gone: list[Operation] = []
    concerned = {one.row.compartment for one in written.values() if one.row is not None}
    for record in sorted(concerned.union(one.patient for one in withdrawn)):
        if here.grant.patients is not None and record not in here.grant.patients:
            continue  # refused when it is written
        rows = await _rows(here, record, written)
        received = await documents.described_by(here.grant, here.connection, list(rows))
        settled = settle(here.grant, standings(list(received.values()), rows), written)
        for one in settled.over:
            own = superseded(rows[one.reference], one, index)
            given = written.get(one.reference)
            changed[one.reference] = own if given is None else msgspec.structs.replace(given, row=own.row)
        taken = [one for one in withdrawn if one.patient == record]
        spared = [one for one in taken if _stays_right(written[one.reference])]
        for documents_gone, spares in (
            ([*map(_said, spared), *settled.over], True),
            ([_said(one) for one in taken if one not in spared], False),
        ):
            names = only_said_by(documents_gone, settled.said)
            gone += await retractions(here.connection, names, spares_edited=spares)
    kept = [changed.pop(one.id, one) if one.type == KIND else one for one in operations]
    known = {(one.type, one.id) for one in kept}
    deletions = {(one.type, one.id): one for one in gone if (one.type, one.id) not in known}
    return [*kept, *changed.values(), *deletions.values()]


def _stays_right(operation: Operation) -> bool:
    """Return whether what a document said was right in its time: it is superseded, not withdrawn."""
    return operation.row is not None and _status(operation.row.content) == "superseded"


def _said(document: Document) -> Standing:
    return Standing(document.reference, document.source, {}, True, document.extracted)


async def _rows(here: Here, record: str, written: Mapping[str, Operation]) -> dict[str, Any]:
    """Return the DocumentReferences of a record as they will stand, and others that those written replace."""
    found = await here.connection.fetch(DESCRIBED, record, asker_of(here.grant))
    rows: dict[str, Any] = {row["id"]: row for row in found if row["id"] not in written}
    wanted: set[str] = set()
    for one in written.values():
        if one.row is None or one.row.compartment != record:
            continue
        rows[one.id] = {
            "id": one.id, "type": KIND, "content": one.row.content, "source": one.row.source,
            "source_id": one.row.source_id, "updated": here.grant.opened_at,
        }  # fmt: skip
        wanted |= links_of(_read(one.row.content))
    wanted -= rows.keys() | written.keys()
    return rows | await rows_elsewhere(here.grant, here.database, here.connection, wanted, record)


async def rows_elsewhere(
    grant: Grant, database: Database, connection: Connection, wanted: Collection[str], record: str
) -> dict[str, Any]:  # Any: asyncpg records
    """Return the DocumentReferences outside a record, by id, that one in it may replace.

    What is hidden from the caller is like what is not there.

    Raises:
        Conflict: one is another person's.
    """
    named = await connection.fetch(_NAMED, sorted(wanted), asker_of(grant), record) if wanted else []
    if not named:
        return {}
    beside = (await merges(database, grant.opened_at)).beside([record])
    return {row["id"]: row for row in named if _is_theirs(row, record, beside)}


def links_of(described: Described) -> set[str]:
    """Return the ids of the DocumentReferences that one replaces by a reference."""
    if described.get("status") == "entered-in-error":
        return set()
    links = [str(target.get("reference", "")) for target in replaced_by(described)]
    pairs = [link.partition("/_history/")[0].partition("/") for link in links]
    return {identity for kind, _, identity in pairs if kind == KIND}


def _is_theirs(row: Any, record: str, beside: Collection[str]) -> bool:  # Any: an asyncpg record
    """Return whether a document may be replaced from this record: it is the same person's, or nobody's.

    Raises:
        Conflict: it is another person's.
    """
    if row["compartment"] in beside or "/" in row["compartment"] or "/" in record:
        return True
    raise Conflict(
        f"relatesTo replaces {KIND}/{row['id']}, which is about another person: send the document for the "
        "person that one is about, or without this link."
    )


class Settled(msgspec.Struct, frozen=True):
    """How the documents of a record stand after some were written.

    Args:
        over: those that are current no more, as they stood.
        said: "Type/id" of what the current ones say.
    """

    over: tuple[Standing, ...]
    said: set[str]


def settle(grant: Grant, found: Sequence[Standing], written: Collection[str]) -> Settled:
    """Return which documents of a record are succeeded because some of them (by id) were written.

    Raises:
        AccessRefused: a grant for one patient replaces a document of another source.
    """
    news = [one for one in found if one.reference in written]
    earlier = [one for one in found if one.reference not in written]
    over = {
        one.reference: one
        for one in found
        if one.status == "current"
        for new in news
        if new is not one and succeeds(new, one)
    }
    if grant.patients is not None:
        _check_sources(news, over.values())
    for new in news:  # its successor is here already
        known = (one for one in earlier if one.source and one.source == new.source)
        if new.status == "current" and any(succeeds(one, new, arrived=True) for one in known):
            over[new.reference] = new
    still = [one for one in found if one.status == "current" and one.reference not in over]
    return Settled(tuple(over.values()), {name for one in still for name in one.extracted})


def _is_of_one_hand(new: Standing, one: Standing) -> bool:
    """Return whether two documents are of one source, or both the patient's own word."""
    return (bool(one.source) and new.source == one.source) or (
        is_asserted(new.described) and is_asserted(one.described)
    )


def _check_sources(news: Sequence[Standing], over: Collection[Standing]) -> None:
    for one in over:
        if any(new is not one and not _is_of_one_hand(new, one) and succeeds(new, one) for new in news):
            raise AccessRefused(
                f"{KIND}/{one.reference} came from elsewhere: only its source may replace it."
            )
