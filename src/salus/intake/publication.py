"""When a published document is the same as an earlier one (IHE MHD ITI-105, DocumentReference in R4).

Two reports may say the same words, "No abnormal findings.", and be two: what a document is, its bytes and its
description say together. So the ids derive from both, and only the same publication again has the same ids.
A `masterIdentifier` is "specific to this version of the document"
(http://hl7.org/fhir/R4/documentreference-definitions.html), so that two documents may not share one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from salus.core.errors import Conflict
from salus.core.identifiers import derived_id
from salus.intake.description import Ids
from salus.store.documents import Document

Described = dict[str, Any]  # a DocumentReference; its members are of many types, hence Any

_OF_THE_NODE = frozenset({"versionId", "lastUpdated", "source"})
_OF_THE_BYTES = frozenset({"data", "url", "size", "hash"})
_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


def published_ids(source: str, body: bytes, described: Described) -> Ids:
    """Return the ids of a document that its sender describes (its patient by their id here)."""
    digest = hashlib.sha256(hashlib.sha256(body).digest() + _encode(essence(described))).hexdigest()
    return Ids(derived_id(source, f"Binary/{digest}"), derived_id(source, f"DocumentReference/{digest}"))


def essence(described: Described) -> Described:
    """Return what a DocumentReference says of its document, without what the node or the bytes decide."""
    said = {key: value for key, value in described.items() if key not in ("id", "meta")}
    meta = {key: value for key, value in described.get("meta", {}).items() if key not in _OF_THE_NODE}
    if meta:
        said["meta"] = meta
    said["content"] = [_without_bytes(one) for one in described.get("content", ())]
    return said


def _without_bytes(content: Described) -> Described:
    attachment = content.get("attachment", {})
    return {**content, "attachment": {key: attachment[key] for key in attachment.keys() - _OF_THE_BYTES}}


def differences(kept: Described, sent: Described) -> list[str]:
    """Return the elements in which two descriptions differ, sorted; the state alone is no difference."""
    one, other = essence(kept), essence(sent)
    names = (one.keys() | other.keys()) - {"status"}
    return sorted(name for name in names if _encode(one.get(name)) != _encode(other.get(name)))


def published_before(
    earlier: Sequence[tuple[Document, Described]], document: Document, described: Described
) -> Document | None:
    """Return which of the earlier documents this one repeats; None when it is a new one.

    Args:
        earlier: those of its source and patient that the publisher may know of, as they stand now.
        document: the one published.
        described: its DocumentReference.

    Raises:
        Conflict: what it repeats is withdrawn, or another document has its masterIdentifier.
    """
    for one, standing in earlier:
        if one.id != document.id:
            continue
        if _is_withdrawn(standing) and not _is_withdrawn(described):
            raise Conflict(
                f"The same document is marked entered-in-error here, as DocumentReference/{one.reference}: "
                "put its status to current, or publish what is right instead of it."
            )
        return one
    for one, standing in earlier:
        if _is_withdrawn(standing) or not _share_master(standing, described):
            continue
        others_bytes = ["the bytes"] if one.digest != document.digest else []
        found = others_bytes + differences(standing, described)
        if not found:
            return one
        raise Conflict(
            f"DocumentReference/{one.reference} has the same masterIdentifier and differs in "
            f"{', '.join(found)}: give this document one of its own (with relatesTo, if it replaces the "
            "other), or change the description there by PUT."
        )
    return None


def _is_withdrawn(described: Described) -> bool:
    return bool(described.get("status") == "entered-in-error")


def _share_master(one: Described, other: Described) -> bool:
    pair = [each.get("masterIdentifier", {}) for each in (one, other)]
    keys = [(each.get("system"), each.get("value")) for each in pair]
    return keys[0] == keys[1] and keys[0][1] is not None
