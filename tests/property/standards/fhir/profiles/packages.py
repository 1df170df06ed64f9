"""The packages of ../shared, read once for all tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from salus.standards.fhir.packages.archive import members
from salus.standards.fhir.packages.definitions import Library, definition_of_json
from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.categories import detect
from salus.standards.fhir.profiles.tables import TableShelf, read_tables, tables_of
from salus.standards.fhir.profiles.validator import check_resource
from salus.standards.fhir.validation.issue import Issue

SHARED = Path(__file__).resolve().parents[6] / "shared" / "fhir-packages"


@cache
def packages() -> tuple[Library, Book]:
    """Return the definitions of all shared packages, and the book over their table."""
    if not SHARED.is_dir():
        pytest.skip("needs ../shared (real data and public suites), which is not here")
    library = Library()
    for path in sorted(SHARED.glob("*.tgz")):
        with path.open("rb") as archive:
            for member in members(archive):
                found = definition_of_json(member.body, path.stem) if "/example/" not in member.path else None
                if found is not None:
                    library.add(found)
    # Through the written form, as an installation reads it.
    return library, Book(TableShelf(read_tables(msgspec.json.encode(tables_of(library)))))


def check(document: dict[str, Any], book: Book) -> list[Issue]:
    """Return what `salus check` finds in a resource."""
    detected = detect(document)
    return check_resource(document, book, detected.profiles, detected.inner)
