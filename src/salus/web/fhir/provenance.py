"""Whose a write is: `meta.source` of what a citizen or another node writes is who they are."""

from __future__ import annotations

import msgspec

from salus.core.access import Caller, Purpose
from salus.core.errors import AccessRefused
from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.codec.splice import replace_meta
from salus.store.rows import StoredResource


def is_lay(caller: Caller) -> bool:
    """Return whether the patient writes, or an app or a person that acts for them, and no professional."""
    return caller.purpose is Purpose.PATIENT_REQUEST and caller.patient is not None


OURS = ("urn:salus:node:", "urn:salus:citizen:")
"""How a `meta.source` begins that the node itself gives to what another node or a citizen writes."""


def refuse_borrowed(resource: Resource, before: StoredResource | None) -> None:
    """Refuse a professional's write in the name of another node or of a citizen that was not so before.

    Raises:
        AccessRefused: `meta.source` is one of theirs.
    """
    source = source_of(resource, "")
    if not source.startswith(OURS):
        return
    if before is None or source_of(msgspec.json.decode(before.content or b"{}"), before.source) != source:
        raise AccessRefused("A meta.source of this form says which node or citizen wrote: leave it out.")


def own_source(caller: Caller) -> str:
    """Return the one system that what the caller writes comes from, "" for those who may name one."""
    if caller.node is not None:
        return f"urn:salus:node:{caller.node}"
    if is_lay(caller):
        return f"urn:salus:citizen:{caller.patient}"
    return ""


def source_of(resource: Resource, kept: str) -> str:
    """Return where a resource comes from: the source `kept` beside it, else the one that it names."""
    return kept or str(resource.get("meta", {}).get("source", ""))


def with_source(resource: Resource, content: bytes, source: str) -> tuple[Resource, bytes]:
    """Return a resource, and its bytes, that names this source."""
    meta = resource.get("meta", {})
    if meta.get("source") == source:
        return resource, content
    meta = {**meta, "source": source}
    return {**resource, "meta": meta}, replace_meta(content, meta)


def mark_node(
    caller: Caller, resource: Resource, content: bytes, _before: StoredResource | None
) -> tuple[Resource, bytes]:
    """Return what a professional of another node writes, and its bytes, as coming from that node."""
    return with_source(resource, content, own_source(caller))
