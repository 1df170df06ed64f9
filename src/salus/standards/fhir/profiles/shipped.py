"""The book of the rules that Salus ships with, one for a process."""

from __future__ import annotations

from functools import cache

from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.tables import shipped_shelf


@cache
def shipped_book() -> Book:
    """Return the profiles of the six priority categories, compiled one by one as they are asked for."""
    return Book(shipped_shelf())
