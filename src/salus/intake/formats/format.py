"""What a format is, and the units it yields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import msgspec

from salus.core.limits import Limits
from salus.core.quality import Quality
from salus.intake.identity import EntryTypes

Pages = tuple[tuple[str, str], ...]
"""Relation and address of a Bundle's links to other pages of what it is a page of."""


def pages_of(links: object) -> Pages:
    """Return the links of a Bundle.link as parsed, of those relations that name pages."""
    found = links if isinstance(links, list) else ()
    named = [(each.get("relation"), each.get("url")) for each in found if isinstance(each, dict)]
    return tuple((str(relation), str(url)) for relation, url in named if relation in ("self", "next") and url)


class Unit(msgspec.Struct, frozen=True):
    """One piece of a file that stands or falls by itself.

    Args:
        number: its position in the file, from 0; a load that goes on skips by it.
        line: where it begins, from 1.
        entry: its position in a Bundle that is read entry by entry, else -1.
        content: the bytes as they stand in the file.
        is_entry: `content` is one Bundle.entry (with fullUrl, resource, request), not a resource.
        media: "json", "xml" (FHIR), or what a format that is translated calls its own.
        problem: why the bytes cannot even be cut out; "" when they can.
        group: "" or the kind of Bundle ("transaction", "document") that this entry stands or falls with.
        types: for `is_entry`, the types of the Bundle's entries by fullUrl.
        pages: for the first of a Bundle's entries, its Bundle.link.
    """

    number: int
    line: int
    content: bytes
    entry: int = -1
    is_entry: bool = False
    media: str = "json"
    problem: str = ""
    group: str = ""
    types: EntryTypes | None = None
    pages: Pages = ()


class Translated(msgspec.Struct, frozen=True):
    """A unit of another standard in FHIR.

    Args:
        bundle: the Bundle of its resources.
        header: a Composition that describes the whole, its references the Bundle's fullUrls.
        quality: what became of what it says.
    """

    bundle: dict[str, Any]  # Any: FHIR JSON
    header: dict[str, Any]  # Any: FHIR JSON
    quality: Quality


class Format(msgspec.Struct, frozen=True):
    """A format of files.

    Args:
        name: for messages.
        suffixes: endings of file names, lower case, without ".gz".
        recognises: whether the first bytes of a file of unknown name look like it.
        read: yields the units of an open file, with bounded memory.
        media: `Unit.media` of its units.
        media_type: of what is kept as it came, for a format that is translated.
        translate: brings a unit's bytes into FHIR; None for what is FHIR. Raises a SalusError that says why
            the bytes cannot be read.
    """

    name: str
    suffixes: tuple[str, ...]
    recognises: Callable[[bytes], bool]
    read: Callable[[BinaryIO, Limits], Iterator[Unit]]
    media: str = "json"
    media_type: str = "application/fhir+json"
    translate: Callable[[bytes, Limits], Translated] | None = None
