"""The search values of one resource, in the shape the store keeps them (docs/decisions/0001)."""

from __future__ import annotations

from datetime import datetime

import msgspec


class IndexRow(msgspec.Struct, frozen=True):
    """What can be searched of one resource.

    Args:
        compartments: logical ids of the patients it is about (`search.patients`), the subject first, without
            repeats; empty for a resource about no patient, or about several of which none is its subject.
        date: start of the type's clinical date (UTC), None when there is none.
        tokens: keyed 64-bit hashes, sorted, without repeats (signed, as PostgreSQL's bigint).
        ranges: (key, low, high) of dates (seconds since 1970 UTC), numbers and quantities, [low, high).
        references: literal references as written ("Type/id", "urn:uuid:...", absolute), for integrity.
        named: logical ids of all patients it names anywhere, those of `compartments` included.
        binaries: ids of the Binary resources that it names, as its attachments.
        identities: tokens that a Patient has whom it names by an identifier alone.
        links: "Type/id" of what it names that may lie in a record, first what it states (`search.links`).
        links_stated: how many of the links it states or shows.
    """

    compartments: tuple[str, ...]
    date: datetime | None
    tokens: list[int]
    ranges: list[tuple[int, float, float]]
    references: list[str]
    named: tuple[str, ...] = ()
    binaries: tuple[str, ...] = ()
    identities: tuple[int, ...] = ()
    links: tuple[str, ...] = ()
    links_stated: int = 0
