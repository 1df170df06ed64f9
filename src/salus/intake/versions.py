"""Which entries of a history Bundle are loaded: of each resource the newest version, of a deleted one none.

A history is sorted newest first (http://hl7.org/fhir/R4/http.html#history); where entries say when they were
made, that decides. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from salus.core.identifiers import derived_id
from salus.intake.identity import named, original_name
from salus.standards.fhir.search.values import date_interval
from salus.store.source_deletions import Deletion


class _Meta(msgspec.Struct):
    lastUpdated: str = ""


class _Head(msgspec.Struct):
    resourceType: str = ""
    id: str = ""
    meta: _Meta = msgspec.field(default_factory=_Meta)


class Version(msgspec.Struct, frozen=True):
    """What an entry says of itself.

    Args:
        name: which resource it is a version of: its fullUrl, or "Type/id".
        made_at: response.lastModified, or else meta.lastUpdated; "" for neither.
        deletes: whether it says that the resource was deleted.
    """

    name: str
    made_at: str
    deletes: bool


class Newest(msgspec.Struct, frozen=True):
    """Places of entries: those to load, those that are older versions, and deletions that came last."""

    loaded: list[int]
    older: list[int]
    deleted: list[int]


def version_of(
    full_url: str, resource: bytes, request: Mapping[str, Any], response: Mapping[str, Any]
) -> Version:  # Any: FHIR JSON
    """Return what an entry says of itself; its parts were found to be sound."""
    head = msgspec.json.decode(resource, type=_Head) if resource else _Head()
    name = f"{head.resourceType}/{head.id}" if head.id else str(request.get("url", ""))
    made_at = str(response.get("lastModified") or head.meta.lastUpdated)
    return Version(full_url or name, made_at, request.get("method") == "DELETE")


def deletion_of(
    source: str, full_url: str, request: Mapping[str, Any], response: Mapping[str, Any]
) -> Deletion | None:  # Any: FHIR JSON
    """Return what an entry says was deleted, by the id it has here; None where it names no resource."""
    name = named(str(request.get("url", ""))) or named(full_url)
    if name is None:
        return None
    original = original_name(source, full_url, *name)
    return Deletion(name[0], derived_id(source, original), str(response.get("lastModified", "")))


def newest(versions: Sequence[Version]) -> Newest:
    """Return what is to become of each entry; a deletion that something followed is an older version."""
    last: dict[str, int] = {}
    for place, version in enumerate(versions):
        known = last.get(version.name) if version.name else None
        if known is None or _is_later(version.made_at, versions[known].made_at):
            last[version.name or f"#{place}"] = place
    chosen = set(last.values())
    return Newest(
        [place for place in sorted(chosen) if not versions[place].deletes],
        [place for place in range(len(versions)) if place not in chosen],
        [place for place in sorted(chosen) if versions[place].deletes],
    )


def _is_later(one: str, other: str) -> bool:
    first, second = date_interval(one), date_interval(other)
    return first is not None and second is not None and first[0] > second[0]
