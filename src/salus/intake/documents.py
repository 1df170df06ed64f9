"""Receiving documents: kept byte for byte beside what was extracted (MHD ITI-105, and files).

A document that another one succeeds (`intake.succession`) becomes `superseded`, and what was extracted only
from it is deleted (its history stays), so that neither is shown as current again: not when the same bytes
arrive again, and not when it arrives after its successor.

Under a grant for one patient (a citizen, a member node) the document is kept and described, and nothing is
extracted: what it says stays its author's word, inside the document. It replaces documents of its own source
only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import Conflict, InvalidResource, UnsupportedMedia
from salus.core.limits import Limits
from salus.intake.admission import Admission
from salus.intake.check import refusals
from salus.intake.description import complete
from salus.intake.formats.format import Unit
from salus.intake.formats.registry import translating
from salus.intake.keeping import Received, describe
from salus.intake.linking import Known
from salus.intake.prepare import Prepared, prepare_rows
from salus.intake.publication import published_ids
from salus.intake.replacement import links_of, rows_elsewhere
from salus.intake.setting import Setting
from salus.intake.succession import STAY, Arrival, arrive, outdated_row
from salus.store import documents, ledger, resources
from salus.store.changes import Operation
from salus.store.documents import Document
from salus.store.postgres import Connection, Database
from salus.store.received import Incoming, Rule, judge, not_theirs
from salus.store.record_seal import record_seal_of
from salus.store.rows import Row, patients_of
from salus.store.shares import beside
from salus.store.tombstones import erased_among
from salus.trust.consent.hanging import hang

LARGE_BYTES = 256 * 1024
"""A document of more bytes is read in a thread."""

_THERE = "SELECT EXISTS (SELECT FROM resource WHERE type = $1 AND id = $2)"


class ReceivedDocument(msgspec.Struct, frozen=True):
    """A document that was taken.

    Args:
        document: id of its bytes, for `store.documents.retrieve` and `Binary/{document}`.
        reference: id of its DocumentReference.
        patient: logical id of its patient, "" when it is about nobody known.
        created: False when the same bytes were there already.
        extracted: "Type/id" of the resources made from it.
        replaced: ids of the DocumentReferences that it superseded.
        described: the row of its DocumentReference as it came.
        left_out: types of its entries that stay in it only (`intake.admission`).
    """

    document: str
    reference: str
    patient: str
    created: bool
    extracted: tuple[str, ...]
    replaced: tuple[str, ...]
    described: Row
    left_out: tuple[str, ...] = ()


async def receive_document(
    grant: Grant,
    database: Database,
    body: bytes,
    media_type: str,
    *,
    source: str,
    key: bytes,
    limits: Limits,
    admission: Admission,
    described: dict[str, Any] | None = None,  # Any: FHIR JSON
    subject: str = "",
    extracts: bool = True,
    default_denies: bool = False,
) -> ReceivedDocument:
    """Keep a document byte for byte, extract what it says, and describe it by a DocumentReference.

    Args:
        grant: to create; over the whole node, or for the patient who is the subject.
        database: the node's.
        body: the bytes as received.
        media_type: as declared; FHIR JSON and XML documents and CDA are read, all else is only kept.
        source: URI of the system it comes from.
        key: the node's secret for search hashes.
        limits: the node's.
        admission: what its sender may have taken out of it.
        described: the sender's DocumentReference; needed for what is no FHIR document. Its references must
            be the node's own ("Patient/id").
        subject: logical id of the patient here, when it is known; the document's Patient is then not stored.
        extracts: whether what a FHIR document says is stored as the patient's own data too.
        default_denies: the law of the node's country opens nothing that no Consent permits.

    Raises:
        InvalidResource: the document or its DocumentReference is not valid; `issues` says why.
        AccessRefused: a grant for one patient does not reach the subject, or the document to be replaced.
        Conflict: it contradicts what was published before, or replaces a document of another person.
        UnsupportedMedia: it is no FHIR document and is not described.
    """
    async with database.system() as connection:
        await database.parameters.refresh(connection)
    added = database.parameters.added
    setting = Setting(source, "", key, grant.opened_at, limits, added=added, admission=admission)
    reads = extracts and grant.patients is None
    prepared = await _read(body, media_type, setting, subject) if reads else None
    if described is not None:
        kept, rows = _described(described, body, media_type, setting, subject, prepared)
    elif prepared is not None:
        kept, rows = prepared.received[0], prepared.rows
    else:
        raise UnsupportedMedia(f"{media_type[:80]} is no FHIR document: describe it by a DocumentReference.")
    is_published = described is not None

    def again(known: Known) -> tuple[Received, tuple[Row, ...]]:
        """Prepare it once more, with its entries that are here under another name."""
        told = msgspec.structs.replace(setting, known=known)
        read = _fhir_document(body, media_type, told, subject)
        assert read is not None  # it was read before
        if described is None:
            return read.received[0], read.rows
        return _described(described, body, media_type, told, subject, read)

    async def store(connection: Connection) -> ReceivedDocument:
        await database.parameters.hold(connection)
        if database.parameters.added != added:
            raise Conflict("The node's search parameters have just changed; send the document again.")
        elsewhere = None
        if is_published:
            wanted, record = links_of(kept.described), kept.document.patient
            elsewhere = await rows_elsewhere(grant, database, connection, wanted, record)
        arrival = await arrive(grant, connection, kept, is_published=is_published, elsewhere=elsewhere)
        document, made = kept, rows
        if arrival.known.same:
            document, made = await beside(len(body), again, arrival.known)
        return await _store(
            grant, connection, document, made, arrival, admission,
            is_published=is_published, default_denies=default_denies,
        )  # fmt: skip

    answer = await resources.transact(grant, database, store)
    return msgspec.structs.replace(answer, left_out=() if prepared is None else prepared.left_out)


def _described(
    described: dict[str, Any],  # Any: FHIR JSON
    body: bytes,
    media_type: str,
    setting: Setting,
    subject: str,
    prepared: Prepared | None,
) -> tuple[Received, tuple[Row, ...]]:
    """Return a document as its sender describes it, and the rows to store, its DocumentReference last."""
    link = f"Patient/{subject}" if subject else ""
    own = {"subject": {"reference": link}} if link else {}
    ids = published_ids(setting.source, body, {**described, **own})
    completed = complete(described, body, media_type, ids, link)
    _refuse_invalid(refusals(completed))
    extracted: tuple[Row, ...] = ()
    if prepared is not None:
        completed = _as_the_document_says(completed, prepared.received[0].described)
        extracted = prepared.rows[: -prepared.received[0].own]
    kept, made = describe(completed, body, media_type, ids, setting, extracted)
    return kept, (*extracted, *made)


async def _read(body: bytes, media_type: str, setting: Setting, subject: str) -> Prepared | None:
    """Read a FHIR document; a large one in a thread, so that other requests go on meanwhile."""
    if len(body) <= LARGE_BYTES:
        return _fhir_document(body, media_type, setting, subject)
    return await asyncio.to_thread(_fhir_document, body, media_type, setting, subject)


def _fhir_document(body: bytes, media_type: str, setting: Setting, subject: str) -> Prepared | None:
    """Return a FHIR document prepared, None when it is none."""
    essence = media_type.partition(";")[0].strip().lower()
    media = "json" if essence.endswith("json") else "xml" if essence.endswith("xml") else ""
    if media and (other := translating(body)) is not None:
        media = other.media
    elif not media or b"document" not in body or b"Bundle" not in body:
        return None
    prepared = prepare_rows(Unit(0, 1, body, media=media), setting)
    if not prepared.rejections and subject and prepared.received:
        # Once more with the document's own Patient standing for the one here.
        names = _names_of(prepared, prepared.received[0].document.patient, setting.source)
        if names:
            known = msgspec.structs.replace(setting, links=dict.fromkeys(names, f"Patient/{subject}"))
            prepared = prepare_rows(Unit(0, 1, body, media=media), known)
    if prepared.rejections:
        outcome = msgspec.json.decode(prepared.rejections[0].outcome)
        _refuse_invalid(outcome["issue"])
    return prepared if prepared.received else None


def _names_of(prepared: Prepared, patient: str, source: str) -> list[str]:
    """Return the fullUrl and references by which the document names its patient."""
    for row in prepared.rows:
        if row.type == "Patient" and row.id == patient:
            bare = row.source_id.removeprefix("Patient/")
            if bare == row.source_id:
                return [bare]
            return [row.source_id, f"urn:uuid:{bare}", f"{source.rstrip('/')}/{row.source_id}"]
    return []


def _as_the_document_says(described: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:  # Any: FHIR JSON
    """Return the sender's DocumentReference with what orders versions, where only the document says it."""
    completed = {**described}
    for key in ("identifier", "docStatus", "date"):
        if key in own:
            completed.setdefault(key, own[key])
    if own["status"] == "entered-in-error":
        completed["status"] = "entered-in-error"
    first, *rest = completed["content"]
    creation = own["content"][0]["attachment"].get("creation")
    if creation and "creation" not in first["attachment"]:
        first = {**first, "attachment": {**first["attachment"], "creation": creation}}
    return {**completed, "content": [first, *rest]}


def _refuse_invalid(issues: Sequence[dict[str, Any]]) -> None:
    if issues:
        first = str(issues[0].get("diagnostics", ""))
        raise InvalidResource(f"The document is not valid: {first}", issues=tuple(issues))


async def _store(
    grant: Grant,
    connection: Connection,
    received: Received,
    rows: Sequence[Row],
    arrival: Arrival,
    admission: Admission,
    *,
    is_published: bool,
    default_denies: bool,
) -> ReceivedDocument:
    document = received.document
    await _refuse_erased(connection, document)
    if arrival.kept is not None:
        what = f"DocumentReference/{arrival.kept.reference}"
        patient = "" if "/" in document.patient else document.patient
        leaf = ledger.leaf_of(grant, patient, what=what, resources=1, outcome=Outcome.SERVED)
        await ledger.append(connection, [leaf])
        return _answer(arrival.kept, rows[-1], created=False)
    rule: Rule = "document"
    if arrival.outdated:
        rule = "absent"
        rows = [*(row for row in rows[:-1] if row.type in STAY), outdated_row(received)]
        document = without_extracted(document)
    operations = [Operation("update", row.type, row.id, row, may_create=True, received=True) for row in rows]
    if grant.patients is not None:
        operations = [await _placed(grant, connection, operation) for operation in operations]
    else:
        await connection.execute(resources.LOCK, [f"{row.type}/{row.id}" for row in rows])
        incoming = [
            Incoming(
                row.type,
                row.id,
                record_seal_of(connection).digest(row.digest),
                "absent" if _stays(row, admission) else rule,
                compartment=row.compartment,
                patients=patients_of(row.compartment, row.others),
            )
            for row in rows
        ]
        if is_published:  # its author says it anew, also when it was deleted here
            incoming[-1] = msgspec.structs.replace(incoming[-1], rule="overwrite")
        judged = await judge(connection, incoming)
        untouched = await not_theirs(grant, connection, [(row.type, row.id, row.source) for row in rows[:-1]])
        operations = [
            one
            for one, (fate, _) in zip(operations, judged, strict=True)
            if fate == "stored" and (one.type, one.id) not in untouched
        ]
    written = await resources.apply(grant, connection, [*operations, *arrival.changes])
    await documents.keep(grant, connection, document)
    await hang(grant, connection, written, default_denies=default_denies)
    return _answer(document, rows[-1], created=True, replaced=arrival.replaced)


def _stays(row: Row, admission: Admission) -> bool:
    """Return whether what is here of a row stays as it is: its sender may add to the record only.

    Who a Patient is, as staff or the operator have it, no document of another's changes.
    """
    if row.type in ("Provenance", "DocumentReference"):
        return False  # the node's own words of the document
    return row.type not in admission.updates or (row.type == "Patient" and not admission.confirms)


async def is_erased(connection: Connection, document: Document) -> bool:
    """Return whether a document, or the record that it is for, was erased here."""
    names = (
        f"Patient/{document.patient}",
        f"DocumentReference/{document.reference}",
        f"Binary/{document.id}",
    )
    return bool(await erased_among(connection, names))


async def _refuse_erased(connection: Connection, document: Document) -> None:
    if await is_erased(connection, document):
        raise Conflict(
            "This document, or the record that it is for, was erased here (GDPR, article 17); it is not "
            "taken again. Register the person anew, or send another document."
        )


def _answer(
    document: Document, described: Row, *, created: bool, replaced: tuple[str, ...] = ()
) -> ReceivedDocument:
    return ReceivedDocument(
        document=document.id,
        reference=document.reference,
        patient="" if "/" in document.patient else document.patient,
        created=created,
        extracted=document.extracted,
        replaced=replaced,
        described=described,
    )


async def _placed(grant: Grant, connection: Connection, operation: Operation) -> Operation:
    """Return the write of a row under a grant for one patient, which may create nothing by an update.

    Its id is derived from source, patient and content, so that it is no other patient's.
    """
    assert grant.patients is not None
    await connection.execute(resources.LOCK, [f"{operation.type}/{operation.id}"])
    is_there = await connection.fetchval(_THERE, operation.type, operation.id)
    return msgspec.structs.replace(operation, kind="update" if is_there else "create", may_create=False)


async def keep_received(grant: Grant, connection: Connection, received: Received, arrival: Arrival) -> None:
    """Keep a loaded document in the caller's transaction, whose leaves speak of its patient already."""
    await resources.change(grant, connection, arrival.changes)
    document = received.document
    await documents.keep(grant, connection, without_extracted(document) if arrival.outdated else document)


def without_extracted(document: Document) -> Document:
    """Return a document of which nothing is shown but whom it names."""
    named = tuple(name for name in document.extracted if name.partition("/")[0] in STAY)
    return msgspec.structs.replace(document, extracted=named)
