"""What is counted of one check: category, profile, kinds of fault, and who made the system (0047)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.categories import Detected

FAULTS_MAX = 50
"""Most kinds of fault that are counted of one file."""

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


class Brief(msgspec.Struct, frozen=True):
    """One check in few words; nothing in it is of a person.

    Args:
        category: priority category, "" for none.
        profile: canonical|version of the first profile that judged it, "" for none.
        faults: ids of the rules that it breaks, each once.
        vendor: who made the system, as the file says, "" where it does not.
    """

    category: str
    profile: str
    faults: tuple[str, ...]
    vendor: str


def brief_of(resource: Resource, detected: Detected, rules: Iterable[str], book: Book) -> Brief:
    """Return what is counted of a check; `rules` are the ids of those that the resource breaks."""
    profiles = detected.profiles or tuple(sorted(set(detected.inner.values())))
    faults = sorted(set(rules))
    return Brief(
        detected.category,
        _versioned(profiles[0], book) if profiles else "",
        tuple(faults[:FAULTS_MAX]),
        vendor_of(resource),
    )


def _versioned(canonical: str, book: Book) -> str:
    found = book.find(canonical)
    if found is None:
        return canonical
    version = found.version or found.package.partition("#")[2]
    return f"{canonical.partition('|')[0]}|{version}"


def vendor_of(resource: Resource) -> str:
    """Return the manufacturer of the Device among a Bundle's authors, else of the first Device that names
    one; "" where none does.
    """
    entries = [entry for entry in _listed(resource.get("entry")) if isinstance(entry.get("resource"), dict)]
    devices = [entry for entry in entries if entry["resource"].get("resourceType") == "Device"]
    authors = set(_authors(entries))
    ordered = sorted(devices, key=lambda entry: not _is_named(entry, authors))
    makers = (entry["resource"].get("manufacturer") for entry in ordered)
    return next((maker for maker in makers if isinstance(maker, str) and maker), "")


def _authors(entries: Iterable[Resource]) -> Iterator[str]:
    for entry in entries:
        if entry["resource"].get("resourceType") == "Composition":
            for author in _listed(entry["resource"].get("author")):
                if isinstance(author.get("reference"), str):
                    yield author["reference"]


def _is_named(entry: Resource, authors: set[str]) -> bool:
    return entry.get("fullUrl") in authors or f"Device/{entry['resource'].get('id')}" in authors


def _listed(found: Any) -> list[dict[str, Any]]:  # Any: whatever was sent
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def identifiers_of(resource: Resource) -> list[str]:
    """Return the business identifiers of a document or resource, as system|value."""
    held = resource.get("identifier")
    listed = held if isinstance(held, list) else [held]
    return [
        f"{one.get('system', '')}|{one['value']}"
        for one in listed
        if isinstance(one, dict) and isinstance(one.get("value"), str)
    ]
