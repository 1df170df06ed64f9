"""Addresses of resources inside a document (R4 Bundle.entry.fullUrl), and references brought to them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from salus.primary.references import local_reference

NAMESPACE = uuid.UUID("4a3d3b52-8f5e-5f0c-9a53-6b1d0c8f2e11")
"""Of the names that this node gives to documents and to what is in them (RFC 9562, version 5)."""


def urn_of(name: str) -> str:
    """Return the `urn:uuid:` of a name, the same each time."""
    return f"urn:uuid:{uuid.uuid5(NAMESPACE, name)}"


def address_of(key: str, patient: str) -> str:
    """Return the address of "Type/id" in any document about the patient of that id."""
    return urn_of(f"{patient} {key}")


def references_in(value: object) -> Iterator[str]:
    """Yield the literal references anywhere in a resource, as written."""
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value["reference"]
        for member in value.values():
            yield from references_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from references_in(member)


def inside(value: Any, addresses: Mapping[str, str]) -> Any:  # any part of a resource
    """Return a copy whose references stay inside the document; one that cannot keeps display and type."""
    if isinstance(value, list):
        return [inside(each, addresses) for each in value]
    if not isinstance(value, dict):
        return value
    copy = {name: inside(member, addresses) for name, member in value.items()}
    reference = value.get("reference")
    if isinstance(reference, str) and not reference.startswith("#"):
        address = addresses.get(local_reference(reference))
        if address:
            copy["reference"] = address
        else:
            del copy["reference"]
            kind = local_reference(reference).split("/")[0]
            copy.setdefault("display", f"{kind} (not part of this document)")
            if kind.isalpha():
                copy.setdefault("type", kind)
    return copy
