"""A loaded release as a code system: look-ups, subsumption and text search in its SQLite file, read only."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from salus.core.errors import MalformedContent
from salus.standards.terminology.codesystem import About
from salus.standards.terminology.concepts import Concept, Designation, Property
from salus.standards.terminology.search import stem, words_of
from salus.store.terminology_filters import select
from salus.store.terminology_writer import LAYOUT

REMEMBERED_MAX = 20_000
FOUND_MAX = 10_000
"""Most codes that a text search finds."""
MAPPED_BYTES_MAX = 1 << 30
_CONCEPT = "SELECT code, display, definition, status, inactive, abstract FROM concept WHERE id = ?"
_PARENTS = "SELECT c.code FROM edge e JOIN concept c ON c.id = e.parent WHERE e.child = ? ORDER BY c.id"
_CHILDREN = "SELECT c.code FROM edge e JOIN concept c ON c.id = e.child WHERE e.parent = ? ORDER BY c.id"
_ROOTS = "SELECT code FROM concept WHERE NOT EXISTS (SELECT 1 FROM edge WHERE child = id) ORDER BY id"
_NAMES = "SELECT kind, display, value FROM name WHERE concept = ? ORDER BY position"
_RUN_AT = "SELECT high FROM run WHERE concept = ? AND low <= ? ORDER BY low DESC LIMIT 1"
_FOUND = """
SELECT code FROM concept WHERE id IN (SELECT rowid FROM words WHERE words MATCH ? LIMIT ?)
ORDER BY inactive, length(display), id
"""


class LoadedRelease:
    """A code system in a file.

    Raises:
        MalformedContent: the file is none that this version reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        try:
            rows: dict[str, str] = dict(self.query("SELECT name, value FROM about"))
        except sqlite3.DatabaseError as error:
            raise MalformedContent(f"{path.name} is no loaded release; remove it.") from error
        if rows.get("layout") != str(LAYOUT):
            raise MalformedContent(
                f"{path.name} was loaded by another version of Salus; load the release again."
            )
        self.rows = rows
        self.about = About(
            url=rows["url"],
            version=rows["version"],
            name=rows["title"],
            title=rows["title"],
            language=rows["language"],
            is_case_sensitive=rows["case_sensitive"] == "1",
            properties=msgspec.json.decode(rows["properties"], type=dict[str, str]),
            status="active",
        )
        kinds = self.query("SELECT id, language, usage FROM kind")
        self._kinds: dict[int, tuple[str, str]] = {one: (language, use) for one, language, use in kinds}
        self._remembered = lru_cache(REMEMBERED_MAX)(self._read)
        self._remembered_ids = lru_cache(REMEMBERED_MAX)(self._read_id)

    def query(self, statement: str, *values: object) -> Iterator[Any]:
        """Yield the rows of a query; each thread has a connection of its own."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            uri = f"{self.path.resolve().as_uri()}?mode=ro&immutable=1"
            connection = sqlite3.connect(uri, uri=True)
            connection.execute(f"PRAGMA mmap_size={MAPPED_BYTES_MAX}")
            self._local.connection = connection
        return iter(connection.execute(statement, values))

    def id_of(self, code: str) -> int | None:
        """Return the id of a code, None where there is none."""
        return self._remembered_ids(code)

    def _read_id(self, code: str) -> int | None:
        row = next(self.query("SELECT id FROM concept WHERE code = ?", code), None)
        if row is None and not self.about.is_case_sensitive:
            row = next(self.query("SELECT id FROM concept WHERE code = ? COLLATE NOCASE", code), None)
        return None if row is None else int(row[0])

    def find(self, code: str) -> Concept | None:
        """Return the concept of a code."""
        return self._remembered(code)

    def _read(self, code: str) -> Concept | None:
        found = self.id_of(code)
        if found is None:
            return None
        own, display, definition, status, inactive, abstract = next(self.query(_CONCEPT, found))
        facts = self.query("SELECT name, value, kind FROM fact WHERE concept = ?", found)
        return Concept(
            code=own,
            display=display,
            definition=definition,
            designations=tuple(self._names(found, display)),
            properties=tuple(
                _property(name, value, kind, self.about.properties) for name, value, kind in facts
            ),
            parents=tuple(row[0] for row in self.query(_PARENTS, found)),
            is_inactive=bool(inactive),
            is_abstract=bool(abstract),
            is_deprecated=status.lower() == "deprecated",
            status=status,
        )

    def _names(self, found: int, display: str) -> Iterator[Designation]:
        """Yield the names, the display first."""
        rows = list(self.query(_NAMES, found))
        if display and not any(shown and value == display for _, shown, value in rows):
            yield Designation(display, self.about.language, is_display=True)
        for kind, shown, value in sorted(rows, key=lambda one: one[2] != display):
            language, use = self._kinds[kind]
            system, _, code = use.partition("|")
            coding = {"system": system, "code": code} if use else None
            yield Designation(value, language, coding, is_display=bool(shown))

    def roots(self) -> Sequence[str]:
        """Return the codes without a parent."""
        return [row[0] for row in self.query(_ROOTS)]

    def children(self, code: str) -> Sequence[str]:
        """Return the codes right below one."""
        return [row[0] for row in self.query(_CHILDREN, self.id_of(code))]

    def codes(self) -> Iterator[str]:
        """Yield every code, a parent before what lies beneath it."""
        return (row[0] for row in self.query("SELECT code FROM concept ORDER BY id"))

    def count(self) -> int | None:
        """Return how many codes there are."""
        return int(self.rows["concepts"])

    def is_below(self, code: str, ancestor: str) -> bool:
        """Return whether a code is beneath another."""
        below, above = self.id_of(code), self.id_of(ancestor)
        if below is None or above is None or below == above:
            return False
        row = next(self.query(_RUN_AT, above, below), None)
        return row is not None and bool(row[0] >= below)

    def search(self, text: str) -> Collection[str]:
        """Return the codes that a text finds: every word begins a word of a name; shorter names first."""
        words = [stem(one) for one in words_of(text)]
        if not words:
            return {}
        match = " AND ".join(f'"{one}"*' for one in words)
        return dict.fromkeys(row[0] for row in self.query(_FOUND, match, FOUND_MAX))

    def select(self, name: str, operator: str, value: str) -> Collection[str] | None:
        """Return the codes that a filter keeps."""
        return select(self, name, operator, value)


def _property(name: str, value: str, kind: str, uris: Mapping[str, str]) -> Property:
    if kind == "boolean":
        return Property(name, "valueBoolean", value == "true", uris.get(name, ""))
    return Property(name, "valueCode" if kind == "code" else "valueString", value, uris.get(name, ""))
