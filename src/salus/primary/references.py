"""References between resources as this node stores and compares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def local_reference(reference: str) -> str:
    """Return "Type/id" of a relative or absolute reference, without a version."""
    return "/".join(reference.split("/_history/")[0].rsplit("/", 2)[-2:])


def split_version(reference: str) -> tuple[str, str]:
    """Return a reference without its version, at the address it names, and the version, "" for none."""
    address, _, version = reference.partition("/_history/")
    return address, version


def resolve(reference: object, held: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what an R4 Reference names among resources by "Type/id" or fullUrl, {} when it is not there.

    A Medication of another version than the one named is not it: its strength may be another.
    """
    link = str(reference.get("reference", "")) if isinstance(reference, Mapping) else ""
    found = held.get(link) or held.get(local_reference(link)) or {}
    version, known = split_version(link)[1], found.get("meta", {}).get("versionId")
    is_other = found.get("resourceType") == "Medication" and version and known and version != known
    return {} if is_other else found
