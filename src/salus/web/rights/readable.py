"""A person's record as one page to read and print: no script, nothing fetched from anywhere.

What sources wrote is shown as text, never as markup.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from salus.core.errors import MalformedContent
from salus.primary.reading.document import read_document
from salus.primary.reading.entry import read_entry
from salus.primary.reading.html import page
from salus.primary.reading.model import Entry, Reading
from salus.primary.reading.pdf import PDF, print_pdf
from salus.primary.reading.received import document_in
from salus.primary.selection import NO_ENTRY
from salus.store import compartment
from salus.store.compartment import Position
from salus.store.readable import is_readable
from salus.store.shares import LARGE_BYTES, beside
from salus.trust.gate import Access
from salus.web.portal.lookup import person_of, read
from salus.web.portal.referred import named_products
from salus.web.portal.rendering import environment
from salus.web.portal.words import Category, phrase, words
from salus.web.services import Services
from salus.web.surprises import FAILURES, SURPRISES, told_of

HTML, PAGE = "text/html", "record.html"
PAGE_COUNT = 200
ENTRY_BYTES = 1_024
"""What a row counts for when it is decided whether to write a part of the page beside the event loop."""
ENTRIES_MAX = 20_000
"""Entries of a category on the page, the newest of them; the FHIR files hold all."""


async def readable_pages(
    services: Services,
    access: Access,
    records: Sequence[str],
    types: Sequence[str],
    language: str,
    left_out: list[dict[str, str]],
) -> AsyncIterator[str]:
    """Yield the page piece by piece: its head, a section a category, its end.

    `left_out` gets a row for each entry and each category that cannot be shown.
    """
    keys = [("Patient", one) for one in records] if is_readable(access.grant, "Patient") else []
    known = await compartment.named(access.grant, services.database, keys) if keys else []
    persons = [person_of(read(services, one)) for one in known]
    said: dict[str, Any] = {
        "language": language,
        "say": lambda name, /, **parts: phrase(name, language, **parts),
        "node": services,
        "persons": persons,
        "made_at": services.clock(),
    }
    yield _block("beginning", said)
    for category in words().category:
        chosen = _types_of(category, types)
        entries, more = await _entries(services, access, records, chosen, language, left_out)
        shown = {"title": category.title(language), "key": category.key, "entries": entries, "more": more}
        try:
            written = await beside(len(entries) * ENTRY_BYTES, _block, "category", said | shown)
        except SURPRISES as error:
            left_out.append({"path": f"{PAGE}#{category.key}", "why": told_of(error, "a category")})
            continue
        yield written
    yield _block("end", said)


async def readable_files(
    services: Services,
    content: bytes,
    media_type: str,
    path: str,
    language: str,
    left_out: list[dict[str, str]],
) -> AsyncIterator[tuple[str, str, bytes]]:
    """Yield a FHIR document as a page and as a PDF: name, media type, bytes; nothing of another format.

    Args:
        services: the node.
        content: the document.
        media_type: of it.
        path: its own name in the archive.
        language: of the reader.
        left_out: gets a row for what cannot be read or printed, with the reason.
    """
    stem = path.rpartition(".")[0]
    try:
        reading = await beside(len(content), _readable, services, content, media_type, language)
        if reading is None:
            return
        shown = await beside(len(content), page, reading)
    except FAILURES as error:
        left_out.append({"path": f"{stem}.html", "why": told_of(error, "a page to read")})
        return
    yield f"{stem}.html", HTML, shown.encode()
    try:
        printed = await beside(LARGE_BYTES + 1, print_pdf, reading, services.clock(), services.limits)
    except FAILURES as error:
        left_out.append({"path": f"{stem}.pdf", "why": told_of(error, "a PDF")})
        return
    yield f"{stem}.pdf", PDF, printed


def _readable(services: Services, content: bytes, media_type: str, language: str) -> Reading | None:
    """Return a FHIR document as it is read, None for content of another format."""
    try:
        document = document_in(content, media_type, services.limits)
        return read_document(document, language, services.clock())
    except MalformedContent:
        return None


def _block(name: str, said: dict[str, Any]) -> str:  # values of several types, as the template names them
    template = environment().get_template("readable.html")
    return "".join(template.blocks[name](template.new_context(said)))


def _types_of(category: Category, types: Sequence[str]) -> tuple[str, ...]:
    named = frozenset(kind for each in words().category for kind in each.types)
    chosen = frozenset(category.types) if category.types else frozenset(types) - named - {"Patient"}
    return tuple(kind for kind in types if kind in chosen and kind not in NO_ENTRY)


async def _entries(
    services: Services,
    access: Access,
    records: Sequence[str],
    types: Sequence[str],
    language: str,
    left_out: list[dict[str, str]],
) -> tuple[list[Entry], int]:
    """Return the entries of these types, the newest first, and how many older ones are left out."""
    found: list[Entry] = []
    after: Position | None = None
    while types:
        found_page = await compartment.page(
            access.grant, services.database, records, types, since=None, after=after, count=PAGE_COUNT
        )
        resources = [read(services, one) for one in found_page]
        # Not recorded again: they were let out with the FHIR files.
        known = await named_products(services, access, resources)
        others = known.products | {f"{each['resourceType']}/{each['id']}": each for each in known.resources}
        size = sum(len(one.content) for one in found_page)
        shown, failed = await beside(size, _read, known.resources, others, language, services.clock())
        found += shown
        left_out += failed
        if len(found_page) < PAGE_COUNT:
            break
        after = Position(found_page[-1].type, found_page[-1].id)
    found.sort(key=lambda entry: entry.sorted_by, reverse=True)
    return found[:ENTRIES_MAX], max(0, len(found) - ENTRIES_MAX)


def _read(
    resources: Sequence[dict[str, Any]],  # FHIR content is open JSON, hence Any
    others: Mapping[str, dict[str, Any]],
    language: str,
    now: datetime,
) -> tuple[list[Entry], list[dict[str, str]]]:
    """Return the entries in words, and a row for each that cannot be shown: the FHIR files hold it."""
    found, left_out = [], []
    for each in resources:
        try:
            found.append(read_entry(each, others, language, now))
        except FAILURES as error:
            path = f"{PAGE}#{each['resourceType']}/{each['id']}"
            left_out.append({"path": path, "why": told_of(error, str(each["resourceType"]))})
    return found, left_out
