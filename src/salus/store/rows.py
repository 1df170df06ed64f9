"""What one resource is in the database: its bytes and the values it is found by."""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from salus.standards.fhir.search.index_row import IndexRow
from salus.store.directory import SHARED_TYPES


class Row(msgspec.Struct, frozen=True):
    """One resource, ready to be written; version and time are given when it is.

    Args:
        compartment: logical id of the patient it is about, "Type/id" when it is about none.
        others: further patients it is about or names; their access log shows its use.
        type, id: resource type and logical id.
        source, source_id: the system it came from (meta.source) and its id or fullUrl there.
        digest: SHA-256 of `content`.
        content: the bytes as received.
        index: the values it is found by.
        sent_at: when its source changed it last (meta.lastUpdated as sent), "" where it does not say.
        sent_version: its version there (meta.versionId as sent), "" where it does not say.
    """

    compartment: str
    others: tuple[str, ...]
    type: str
    id: str
    source: str
    source_id: str
    digest: bytes
    content: bytes
    index: IndexRow
    sent_at: str = ""
    sent_version: str = ""


class StoredResource(msgspec.Struct, frozen=True):
    """One version of a resource as the store holds it.

    Args:
        patients: logical ids of the patients it is about, for the audit; () when it is about none.
        content: the bytes as received, b"" when deleted; id and meta are spliced in by the web face.
    """

    type: str
    id: str
    version: int
    updated: datetime
    deleted: bool
    source: str
    source_id: str
    patients: tuple[str, ...]
    content: bytes


def make_row(
    resource_type: str,
    resource_id: str,
    content: bytes,
    *,
    index: IndexRow,
    source: str = "",
    source_id: str = "",
    sent_at: str = "",
    sent_version: str = "",
) -> Row:
    """Return the row of a resource. A Patient is in its own compartment, whatever it links to.

    What is in the shared directory is about nobody, whomever it names.
    """
    compartments = () if resource_type in SHARED_TYPES else index.compartments
    if resource_type == "Patient":
        compartments = (resource_id, *(other for other in compartments if other != resource_id))
    others = tuple(dict.fromkeys((*compartments, *index.named)))
    if compartments:
        others = others[1:]
    return Row(
        compartment=compartments[0] if compartments else f"{resource_type}/{resource_id}",
        others=others,
        type=resource_type,
        id=resource_id,
        source=source,
        source_id=source_id,
        digest=hashlib.sha256(content).digest(),
        content=content,
        index=index,
        sent_at=sent_at,
        sent_version=sent_version,
    )


def first_version(row: Row, at: datetime) -> StoredResource:
    """Return the resource of a row as it is when it is stored for the first time."""
    patients = patients_of(row.compartment, row.others)
    return StoredResource(row.type, row.id, 1, at, False, row.source, row.source_id, patients, row.content)


def original_id(source_id: str) -> str:
    """Return the bare id in what a source calls a resource ("Type/id", a URL or urn:uuid), "" for none."""
    return source_id.rpartition("/")[2].removeprefix("urn:uuid:")


def patients_of(compartment: str, others: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    """Return the patients a row is about; a compartment "Type/id" is no patient."""
    return tuple(others) if "/" in compartment else (compartment, *others)
