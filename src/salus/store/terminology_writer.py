"""Writes a release of a code system into one read-only SQLite file: ranks, runs, an index of words."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec

from salus.core.errors import MalformedContent, StorageUnavailable
from salus.standards.terminology.releases.release import Release
from salus.store.terminology_order import pairs as run_pairs
from salus.store.terminology_order import ranks_and_runs

LAYOUT = 1
"""Version of the file's tables; a file of another version must be loaded anew."""
_AT_ONCE = 20_000
_T = TypeVar("_T")
_TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE concept (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, display TEXT NOT NULL, definition TEXT NOT NULL,
    status TEXT NOT NULL, inactive INTEGER NOT NULL, abstract INTEGER NOT NULL
);
CREATE TABLE run (
    concept INTEGER NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, PRIMARY KEY (concept, low)
) WITHOUT ROWID;
CREATE TABLE edge (
    child INTEGER NOT NULL, parent INTEGER NOT NULL, PRIMARY KEY (child, parent)
) WITHOUT ROWID;
CREATE TABLE kind (id INTEGER PRIMARY KEY, language TEXT NOT NULL, usage TEXT NOT NULL);
CREATE TABLE name (
    concept INTEGER NOT NULL, position INTEGER NOT NULL, kind INTEGER NOT NULL, display INTEGER NOT NULL,
    value TEXT NOT NULL, PRIMARY KEY (concept, position)
) WITHOUT ROWID;
CREATE TABLE fact (
    concept INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (concept, name, value)
) WITHOUT ROWID;
CREATE TABLE member (
    refset TEXT NOT NULL, concept INTEGER NOT NULL, PRIMARY KEY (refset, concept)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(
    names, content='', detail=none, columnsize=0, tokenize="unicode61 remove_diacritics 2"
);
"""
_INDEXES = """
CREATE INDEX edge_parent ON edge (parent, child);
CREATE INDEX fact_value ON fact (name, value, concept);
CREATE INDEX concept_folded ON concept (code COLLATE NOCASE);
"""


class Written(msgspec.Struct, frozen=True):
    """What was written; `left_out` counts rows that name codes which the release does not define."""

    path: Path
    url: str
    version: str
    concepts: int
    names: int
    edges: int
    left_out: int


def write_release(release: Release, path: Path, tell: Callable[[str], None]) -> Written:
    """Write a release to a file, whole or not at all.

    Args:
        release: what to write.
        path: the file; one that is there is replaced.
        tell: is told what is done next.

    Raises:
        MalformedContent: the release holds no concept.
        StorageUnavailable: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".loading-", dir=path.parent)
        os.close(handle)
        work = Path(name)
        try:
            with closing(sqlite3.connect(work)) as connection:
                written = _fill(connection, release, path, tell)
            work.chmod(0o440)
            work.replace(path)
        finally:
            work.unlink(missing_ok=True)
    except (OSError, sqlite3.OperationalError) as error:
        raise StorageUnavailable(f"The release cannot be written to {path.parent}: {error}.") from error
    return written


def _fill(
    connection: sqlite3.Connection, release: Release, path: Path, tell: Callable[[str], None]
) -> Written:
    connection.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA page_size=8192;")
    connection.executescript(_TABLES)
    tell("reading the concepts")
    concepts = list({one.code: one for one in release.concepts()}.values())
    if not concepts:
        raise MalformedContent("The release holds no concept; load it as published.")
    place = {one.code: position for position, one in enumerate(concepts)}
    tell("ordering the hierarchy")
    pairs, lost = _known_pairs(release.edges(), place)
    rank = _write_hierarchy(connection, len(concepts), pairs)
    connection.executemany(
        "INSERT INTO concept VALUES (?, ?, ?, ?, ?, ?, ?)",
        sorted(
            (
                rank[position],
                one.code,
                one.display,
                one.definition,
                one.status,
                one.is_inactive,
                one.is_abstract,
            )
            for position, one in enumerate(concepts)
        ),
    )
    ids = {code: rank[position] for code, position in place.items()}
    del concepts, place, rank
    tell("writing the names")
    names, lost_names = _write_names(connection, release, ids)
    tell("writing the properties")
    lost += lost_names + _write_facts(connection, release, ids)
    _write_members(connection, release, ids)
    tell("indexing")
    _index_words(connection)
    connection.executescript(_INDEXES)
    written = Written(path, release.url, release.version, len(ids), names, len(pairs), lost)
    _write_about(connection, release, written)
    connection.commit()
    connection.executescript("ANALYZE;")
    connection.commit()
    return written


def _known_pairs(
    edges: Iterable[tuple[str, str]], place: dict[str, int]
) -> tuple[list[tuple[int, int]], int]:
    lost = 0
    found: dict[tuple[int, int], None] = {}
    for child, parent in edges:
        below, above = place.get(child), place.get(parent)
        if below is None or above is None or below == above:
            lost += 1
        else:
            found[(below, above)] = None
    return list(found), lost


def _write_hierarchy(connection: sqlite3.Connection, count: int, pairs: list[tuple[int, int]]) -> list[int]:
    children: list[list[int]] = [[] for _ in range(count)]
    has_parent = bytearray(count)
    for child, parent in pairs:
        children[parent].append(child)
        has_parent[child] = 1
    rank, runs = ranks_and_runs(children, [one for one in range(count) if not has_parent[one]])
    connection.executemany(
        "INSERT INTO run VALUES (?, ?, ?)",
        (
            (rank[one], low, high)
            for one in sorted((one for one in range(count) if children[one]), key=rank.__getitem__)
            for low, high in run_pairs(runs[one])
        ),
    )
    connection.executemany(
        "INSERT INTO edge VALUES (?, ?)", sorted((rank[child], rank[parent]) for child, parent in pairs)
    )
    return rank


def _write_names(connection: sqlite3.Connection, release: Release, ids: dict[str, int]) -> tuple[int, int]:
    kinds: dict[tuple[str, str], int] = {}
    lost = 0

    def rows() -> Iterator[tuple[int, int, int, str]]:
        nonlocal lost
        for one in release.names():
            concept = ids.get(one.code)
            if concept is None:
                lost += 1
                continue
            yield concept, kinds.setdefault((one.language, one.use), len(kinds)), one.is_display, one.value

    connection.execute(
        "CREATE TEMP TABLE coming (concept INTEGER, kind INTEGER, display INTEGER, value TEXT)"
    )
    count = _insert(connection, "INSERT INTO coming VALUES (?, ?, ?, ?)", rows())
    connection.execute(
        "INSERT INTO name"
        " SELECT concept, row_number() OVER (PARTITION BY concept ORDER BY r), kind, display, value"
        " FROM (SELECT rowid AS r, * FROM coming) ORDER BY concept, r"
    )
    connection.execute("DROP TABLE coming")
    connection.executemany(
        "INSERT INTO kind VALUES (?, ?, ?)", ((place, *kind) for kind, place in kinds.items())
    )
    return count, lost


def _write_facts(connection: sqlite3.Connection, release: Release, ids: dict[str, int]) -> int:
    lost = 0

    def rows() -> Iterator[tuple[int, str, str, str]]:
        nonlocal lost
        for one in release.facts():
            concept = ids.get(one.code)
            if concept is None:
                lost += 1
            else:
                yield concept, one.name, one.value, one.kind

    _insert(connection, "INSERT OR IGNORE INTO fact VALUES (?, ?, ?, ?)", rows())
    return lost


def _write_members(connection: sqlite3.Connection, release: Release, ids: dict[str, int]) -> None:
    """Write the members of reference sets that are concepts."""
    rows = ((refset, ids[code]) for refset, code in release.members() if code in ids)
    _insert(connection, "INSERT OR IGNORE INTO member VALUES (?, ?)", rows)


def _insert(connection: sqlite3.Connection, statement: str, rows: Iterable[_T]) -> int:
    """Insert rows in parts; return how many there were."""
    count = 0
    remaining = iter(rows)
    while part := list(islice(remaining, _AT_ONCE)):
        connection.executemany(statement, part)  # type: ignore[arg-type]  # rows are tuples
        count += len(part)
    return count


def _index_words(connection: sqlite3.Connection) -> None:
    connection.execute(
        "INSERT INTO words (rowid, names) SELECT c.id, c.code || ' ' || c.display || ' ' ||"
        " coalesce((SELECT group_concat(n.value, ' ') FROM name n WHERE n.concept = c.id), '')"
        " FROM concept c ORDER BY c.id"
    )
    connection.execute("INSERT INTO words (words) VALUES ('optimize')")


def _write_about(connection: sqlite3.Connection, release: Release, written: Written) -> None:
    rows = {
        "layout": str(LAYOUT),
        "url": release.url,
        "version": release.version,
        "title": release.title,
        "publisher": release.publisher,
        "language": release.language,
        "case_sensitive": "1" if release.is_case_sensitive else "0",
        "properties": msgspec.json.encode(release.properties).decode(),
        "concepts": str(written.concepts),
        "names": str(written.names),
    }
    connection.executemany("INSERT INTO about VALUES (?, ?)", rows.items())
