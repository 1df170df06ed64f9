"""Received documents, byte for byte (MHD ITI-105 in, ITI-68 out)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Grant
from salus.core.errors import NotFound
from salus.store.asker import asker_of
from salus.store.postgres import Connection, Database
from salus.store.record_seal import record_seal_of, whose_of
from salus.store.referring import follow
from salus.store.shares import beside

_INSERT = """
INSERT INTO document (patient, id, reference, media_type, digest, received_at, source, extracted, content)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (patient, id) DO NOTHING
"""
_COLUMNS = "patient, id, reference, media_type, digest, received_at, source, extracted"
# A document is there with its DocumentReference, in the record it was received for: when that is deleted its
# bytes stay, like every version, and nobody gets them. What the citizen hides is there for those only from
# whom its DocumentReference is not hidden ($2: who asks).
_GET = f"""
SELECT {_COLUMNS}, content FROM document
WHERE id = $1 AND NOT salus_hides('DocumentReference', reference, $2::jsonb) AND EXISTS (
    SELECT FROM resource d WHERE d.compartment = document.patient AND d.type = 'DocumentReference'
        AND d.id = document.reference AND NOT d.deleted
)
"""  # noqa: S608  (constants only)
_DESCRIBED_BY = f"""
SELECT {_COLUMNS} FROM document
WHERE reference = ANY($1) AND ($2::text[] IS NULL OR patient = ANY($2))
"""  # noqa: S608  (constants only)
_NOTE = """
UPDATE document SET extracted = ARRAY(SELECT DISTINCT unnest(extracted || $3::text[]) ORDER BY 1)
WHERE (patient, id) = ($1, $2)
"""
_OF_PATIENT = f"SELECT {_COLUMNS} FROM document WHERE patient = $1 ORDER BY received_at"  # noqa: S608


class Document(msgspec.Struct, frozen=True):
    """A document as received.

    Args:
        patient: logical id of its patient.
        id: also in the attachment's url, `Binary/{id}`.
        reference: id of its DocumentReference.
        media_type: as declared by its sender.
        digest: SHA-256 of `content`; of one that was kept, as the database keeps it (`RecordSeal.digest`).
        received_at: when it was first received.
        source: the system it came from.
        extracted: "Type/id" of the resources made from it.
        content: the bytes; b"" where only the description was asked for.
    """

    patient: str
    id: str
    reference: str
    media_type: str
    digest: bytes
    received_at: datetime
    source: str
    extracted: tuple[str, ...] = ()
    content: bytes = b""


async def keep(grant: Grant, connection: Connection, document: Document) -> None:
    """Keep a document in the caller's transaction; the same id again changes nothing.

    The caller writes the audit leaf with the DocumentReference (`resources.apply`).
    """
    assert grant.patients is None or document.patient in grant.patients
    seal, size = record_seal_of(connection), len(document.content)
    content = await beside(size, seal.close, whose_of("Binary", document.patient, ()), document.content)
    await seal.settle()
    await connection.execute(
        _INSERT, document.patient, document.id, document.reference, document.media_type,
        seal.digest(document.digest), document.received_at, document.source, list(document.extracted),
        content,
    )  # fmt: skip
    if document.extracted:  # the document is hidden with what of it is
        described = (document.patient, "DocumentReference", document.reference)
        await follow(connection, [described], grant.opened_at)


async def note_extracted(
    grant: Grant, connection: Connection, document: Document, extracted: tuple[str, ...]
) -> None:
    """Note what was made of a kept document, beside what was made of it before, in the caller's transaction.

    The caller writes the audit leaf with the resources (`resources.apply`).
    """
    assert grant.patients is None or document.patient in grant.patients
    await connection.execute(_NOTE, document.patient, document.id, list(extracted))
    described = (document.patient, "DocumentReference", document.reference)
    await follow(connection, [described], grant.opened_at)  # the document is hidden with what of it is


async def retrieve(grant: Grant, database: Database, document_id: str) -> Document:
    """Return a document byte for byte; the gate writes the read's leaf for `Document.patient`.

    `document_id` is the one in the attachment's url, without `Binary/`.

    Raises:
        NotFound: there is none, or the grant may not know of it.
    """
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_GET, document_id, asker_of(grant))
    if row is None:
        raise NotFound(f"There is no document Binary/{document_id} that this access may see.")
    return _document(row)


async def of_patient(grant: Grant, connection: Connection, patient: str) -> list[Document]:
    """Return the descriptions, without contents, of a patient's documents, oldest first."""
    assert grant.patients is None or patient in grant.patients
    return [_document(row) for row in await connection.fetch(_OF_PATIENT, patient)]


async def described_by(
    grant: Grant, connection: Connection, references: Sequence[str]
) -> dict[str, Document]:
    """Return the documents, without contents, that DocumentReferences describe, by the ids of these.

    Of a grant for named patients only theirs.
    """
    if not references:
        return {}
    patients = None if grant.patients is None else sorted(grant.patients)
    rows = await connection.fetch(_DESCRIBED_BY, list(references), patients)
    return {row["reference"]: _document(row) for row in rows}


def _document(row: Any) -> Document:  # Any: an asyncpg record of this module's columns
    named = dict(row)
    return Document(**{**named, "extracted": tuple(named["extracted"])})
