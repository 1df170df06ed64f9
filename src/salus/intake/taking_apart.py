"""A kept document is taken over into the record by a professional: entry by entry, with Provenance.

Documents that a citizen or another node sends are kept and described (docs/decisions/0008). Taken apart,
each entry is stored as what the document's source sent; what cannot be filed is named with the reason, and
the rest is taken. The document stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from salus.core.access import Grant
from salus.core.errors import Conflict, InvalidResource, SalusError, UnsupportedMedia
from salus.core.limits import Limits
from salus.intake.admission import Admission
from salus.intake.description import Ids
from salus.intake.formats.format import Unit
from salus.intake.keeping import Received, describe
from salus.intake.prepare import Prepared, prepare_rows
from salus.intake.setting import Setting
from salus.intake.succession import known_beside
from salus.intake.whose import Match, compare, stated_patient
from salus.standards.fhir.codec.json import write_json_like
from salus.standards.fhir.codec.xml import parse_xml
from salus.store import documents, resources
from salus.store.changes import Operation
from salus.store.documents import Document
from salus.store.postgres import Connection, Database
from salus.store.received import Incoming, judge
from salus.store.record_seal import record_seal_of
from salus.store.rows import Row, patients_of
from salus.store.shares import beside
from salus.trust.consent.hanging import hang

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
REFUSED_MAX = 200


class Refused(msgspec.Struct, frozen=True):
    """An entry that was not taken: where it stands, its type, and why, in words safe to show."""

    place: int
    type: str
    why: str


class TakenApart(msgspec.Struct, frozen=True):
    """What became of the entries of a document, by "Type/id" here.

    Args:
        taken: stored, or the next version of what its source sent before.
        there: here already, with the same content.
        kept: edited or deleted here since; that stays.
        refused: not taken.
        provenance: id of the Provenance, "" where nothing was made of it.
    """

    taken: tuple[str, ...]
    there: tuple[str, ...]
    kept: tuple[str, ...]
    refused: tuple[Refused, ...]
    provenance: str


async def take_apart(
    grant: Grant,
    database: Database,
    document: Document,
    described: Resource,
    person: Resource,
    *,
    verifier: str,
    key: bytes,
    limits: Limits,
    admission: Admission,
    default_denies: bool = False,
) -> TakenApart:
    """Store what a kept document says as the person's data.

    Args:
        grant: to create, over the whole node.
        database: the node's.
        document: with its content.
        described: its DocumentReference, as it stands.
        person: the Patient in whose record it lies.
        verifier: name of the professional who takes it over.
        key: the node's secret for search hashes.
        limits: the node's.
        admission: what the professional may record by themselves.
        default_denies: the law of the node's country opens nothing that no Consent permits.

    Raises:
        Conflict: it is no longer current.
        InvalidResource: it is about another person, or nothing says that it is about this one.
        UnsupportedMedia: it is no FHIR document.
    """
    if described.get("status") != "current":
        raise Conflict("The document is superseded or entered in error; take apart the one that stands.")
    _check_person(person, document, limits)
    body = _as_json(document, limits)
    async with database.system() as connection:
        await database.parameters.refresh(connection)
    setting = Setting(
        document.source, "", key, grant.opened_at, limits, lenient=True,
        added=database.parameters.added, verifier=verifier, admission=admission,
    )  # fmt: skip
    found = await beside(len(body), _read, document, described, body, setting)

    async def store(connection: Connection) -> tuple[_Read, _Fates]:
        await database.parameters.hold(connection)
        if database.parameters.added != setting.added:
            raise Conflict("The node's search parameters have just changed; take the document apart again.")
        await connection.execute(resources.LOCK, [f"documents of {document.patient}"])
        known = await known_beside(grant, connection, found.kept)
        told = msgspec.structs.replace(setting, known=known)
        read = await beside(len(body), _read, document, described, body, told) if known.same else found
        return read, await _store(grant, connection, document, read, default_denies=default_denies)

    read, (taken, there, stayed) = await resources.transact(grant, database, store)
    return TakenApart(
        tuple(taken),
        (*there, *read.there),
        tuple(stayed),
        read.refused,
        read.own[0].id if read.rows else "",
    )


class _Read(msgspec.Struct, frozen=True):
    """A document read: what may be filed, what the node makes of it, what is here under another name."""

    kept: Received
    rows: tuple[Row, ...]
    own: tuple[Row, ...]
    refused: tuple[Refused, ...]
    there: tuple[str, ...]


_Fates = tuple[list[str], list[str], list[str]]
"""What was stored, what was there, and what was kept as it is here."""


def _read(document: Document, described: Resource, body: bytes, setting: Setting) -> _Read:
    rows, refused = _fitting(_prepared(body, setting, document.patient), document.patient, setting)
    kept, own = describe(
        dict(described) | {"id": document.reference}, document.content, document.media_type,
        Ids(document.id, document.reference), setting, rows,
    )  # fmt: skip
    there = tuple(sorted({setting.known.same[name] for name in setting.known.stays}))
    return _Read(kept, tuple(rows), own, tuple(refused), there)


async def _store(
    grant: Grant,
    connection: Connection,
    document: Document,
    read: _Read,
    *,
    default_denies: bool,
) -> _Fates:
    """Store what may be filed, and its Provenance, which stays the last."""
    rows = (*read.rows, *read.own[:-1])
    await connection.execute(resources.LOCK, [f"{row.type}/{row.id}" for row in rows])
    seal = record_seal_of(connection)
    incoming = [
        Incoming(
            row.type, row.id, seal.digest(row.digest), "document",
            compartment=row.compartment, patients=patients_of(row.compartment, row.others),
        )
        for row in rows
    ]  # fmt: skip
    fates = [fate for fate, _ in await judge(connection, incoming)]
    operations = [
        Operation("update", row.type, row.id, row, may_create=True, received=True)
        for row, fate in zip(rows, fates, strict=True)
        if fate == "stored"
    ]
    if [one for one in operations if one.row is not rows[-1]]:  # the last is the Provenance of the others
        written = await resources.apply(grant, connection, operations, what="DocumentReference/$take-apart")
        await documents.note_extracted(grant, connection, document, read.kept.document.extracted)
        await hang(grant, connection, written, default_denies=default_denies)
    found: dict[str, list[str]] = {"stored": [], "unchanged": [], "kept": []}
    for row, fate in zip(rows[:-1], fates[:-1], strict=True):
        found[fate].append(f"{row.type}/{row.id}")
    return found["stored"], found["unchanged"], found["kept"]


def _check_person(person: Resource, document: Document, limits: Limits) -> None:
    stated = stated_patient(document.content, document.media_type, limits)
    match = Match.UNKNOWN if stated is None else compare(person, stated)
    if match is not Match.SAME:
        raise InvalidResource(
            "The document is about another person than the one in whose record it lies."
            if match is Match.CONTRADICTED
            else "Nothing in the document (identifier, birth date) shows that it is about this person: it "
            "can be read, and is not taken over."
        )


def _as_json(document: Document, limits: Limits) -> bytes:
    """Return a FHIR document as JSON."""
    essence = document.media_type.partition(";")[0].strip().lower()
    if essence.endswith("json"):
        return document.content
    whole = msgspec.structs.replace(limits, body_bytes_max=limits.document_bytes_max)
    try:
        return write_json_like(parse_xml(document.content, whole), document.content)
    except SalusError as error:
        raise UnsupportedMedia("The document is no FHIR document: it can be read, not taken over.") from error


def _prepared(body: bytes, setting: Setting, patient: str) -> Prepared:
    """Return the entries as rows, the document's own Patient standing for the person here."""
    unit = Unit(0, 1, body, media="json")
    first = prepare_rows(unit, setting)
    names: dict[str, str | None] = {}
    for row in first.rows:
        if row.type == "Patient":
            bare = row.source_id.removeprefix("Patient/")
            root = f"{setting.source.rstrip('/')}/{row.source_id}"
            every = [bare] if bare == row.source_id else [row.source_id, f"urn:uuid:{bare}", root]
            names |= dict.fromkeys(every, f"Patient/{patient}")
    return prepare_rows(unit, msgspec.structs.replace(setting, links=names)) if names else first


def _fitting(prepared: Prepared, patient: str, setting: Setting) -> tuple[list[Row], list[Refused]]:
    """Return the rows that may be filed in the person's record, and why others may not."""
    refused = [
        Refused(one.entry, one.type, _first_issue(one.outcome)) for one in prepared.rejections[:REFUSED_MAX]
    ]
    rows: list[Row] = []
    for row in prepared.rows:
        if row.type == "Patient" or row.source_id in setting.known.stays:
            continue  # here already
        if setting.admission is not None and (why := setting.admission.why_not(row.type)):
            refused.append(Refused(-1, row.type, why))
        elif row.compartment != patient and "/" not in row.compartment:
            refused.append(Refused(-1, row.type, "it is about another person than the document"))
        else:
            rows.append(row)
    return rows, refused


def _first_issue(outcome: bytes) -> str:
    found: Iterable[Resource] = msgspec.json.decode(outcome).get("issue", ())
    return next((str(one.get("diagnostics", "")) for one in found), "") or "it is not valid FHIR R4"
