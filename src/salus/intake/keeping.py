"""A document as it is kept: its bytes, its DocumentReference, and the Provenance of what was made of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from salus.core.identifiers import derived_id
from salus.intake.description import Ids
from salus.intake.provenance import provenance_of
from salus.intake.setting import Setting
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.search.extract import Indexer, compile_indexer
from salus.store.documents import Document
from salus.store.parameters_known import Added, registry_of
from salus.store.rows import Row, make_row

Resource = dict[str, Any]  # Any: FHIR JSON


class Received(msgspec.Struct, frozen=True):
    """A document to keep beside its rows.

    Args:
        document: its bytes and description.
        described: its DocumentReference.
        own: how many of its rows, the last ones, the node made: the DocumentReference, and before it the
            Provenance of the others, where there are any.
        key: the node's secret for search hashes.
        added: the search parameters of the node beside those of R4.
    """

    document: Document
    described: Resource
    key: bytes
    added: Added
    own: int = 1


@cache
def indexer_of(type_name: str, key: bytes, added: Added) -> Indexer:
    """Return the indexer of a type, by the node's secret and its own search parameters."""
    return compile_indexer(type_name, key, registry_of(added.rows))


def describe(
    described: Resource, body: bytes, media_type: str, ids: Ids, setting: Setting, rows: Sequence[Row] = ()
) -> tuple[Received, tuple[Row, ...]]:
    """Return a document to keep, and the Provenance of the `rows` that were made from it, if any, and its
    DocumentReference.
    """
    indexer = indexer_of("DocumentReference", setting.key, setting.added)
    index = indexer({**described, "meta": {"source": setting.source}})
    row = make_row(
        "DocumentReference", ids.reference, write_json(described), index=index, source=setting.source
    )
    told = _provenance_row(described, setting, rows)
    document = Document(
        patient=row.compartment,
        id=ids.document,
        reference=ids.reference,
        media_type=media_type,
        digest=hashlib.sha256(body).digest(),
        received_at=setting.updated,
        source=setting.source,
        extracted=(*(f"{one.type}/{one.id}" for one in (*rows, *told)), *setting.known.said),
        content=body,
    )
    own = (*told, row)
    return Received(document, described, setting.key, setting.added, len(own)), own


def _provenance_row(described: Resource, setting: Setting, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the row that says where the others came from, none where there are none."""
    if not rows:
        return ()
    own_id = derived_id(setting.source, f"Provenance/{described['id']}")
    targets = [*(f"{one.type}/{one.id}" for one in rows), *setting.known.said]
    resource = provenance_of(
        described, targets, own_id=own_id, source=setting.source, received=setting.updated,
        verifier=setting.verifier,
    )  # fmt: skip
    indexer = indexer_of("Provenance", setting.key, setting.added)
    index = indexer({**resource, "meta": {"source": setting.source}})
    return (make_row("Provenance", own_id, write_json(resource), index=index, source=setting.source),)


def document_ids(source: str, body: bytes) -> Ids:
    """Return the ids of a document: the same bytes from the same source have the same."""
    digest = hashlib.sha256(body).hexdigest()
    return Ids(derived_id(source, f"Binary/{digest}"), derived_id(source, f"DocumentReference/{digest}"))
