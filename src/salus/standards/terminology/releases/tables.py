"""Delimited tables of releases: comma or tab separated, with a header line."""

from __future__ import annotations

import csv
import fnmatch
from collections.abc import Iterator, Sequence

from salus.core.errors import MalformedContent
from salus.standards.terminology.releases.release import Files

_FIELD_CHARACTERS_MAX = 1_000_000


def find(files: Files, pattern: str) -> list[str]:
    """Return the files whose path fits a pattern, without regard to case."""
    return [one for one in files.names() if fnmatch.fnmatch(one.lower(), pattern.lower())]


def one_of(files: Files, pattern: str, what: str) -> str:
    """Return the one file that fits a pattern.

    Raises:
        MalformedContent: there is none.
    """
    found = find(files, pattern)
    if not found:
        raise MalformedContent(f"The release lacks {what} ({pattern}); load the whole release as published.")
    return found[0]


def rows(files: Files, name: str, *columns: str, delimiter: str = ",") -> Iterator[Sequence[str]]:
    """Yield the values of columns, in their order, "" where a row is short.

    Raises:
        MalformedContent: a column is missing.
    """
    csv.field_size_limit(_FIELD_CHARACTERS_MAX)
    reader = csv.reader(files.lines(name), delimiter=delimiter)
    header = [one.strip().lower() for one in next(reader, [])]
    places = []
    for column in columns:
        found = next((header.index(one.lower()) for one in column.split("|") if one.lower() in header), None)
        if found is None:
            raise MalformedContent(f"{name} lacks the column {column}; load the release as published.")
        places.append(found)
    for row in reader:
        yield [row[place].strip() if place < len(row) else "" for place in places]


def has_columns(files: Files, name: str, *columns: str, delimiter: str = ",") -> bool:
    """Return whether a table begins with a header that has columns."""
    line = next(files.lines(name), "")
    header = {one.strip().lower() for one in next(csv.reader([line], delimiter=delimiter), [])}
    return all(any(one.lower() in header for one in column.split("|")) for column in columns)
