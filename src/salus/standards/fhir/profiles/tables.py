"""The facts of many packages in one table: written once, read lazily (`Tables` is the layout).

The same layout serves the shipped rules of the six categories and the cache of installed packages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Any, cast

import msgspec

from salus.core.errors import MalformedContent, SalusError
from salus.standards.fhir.packages.definitions import Definition, Json, Library
from salus.standards.fhir.packages.versions import newest
from salus.standards.fhir.profiles.derive import derive
from salus.standards.fhir.profiles.facts import Profile
from salus.standards.fhir.profiles.shelf import complete_beginnings, is_profile
from salus.standards.fhir.profiles.snapshot import Snapshots

LAYOUT = 5
"""Number of this layout; a cached table of another one is made anew."""

Rows = dict[str, dict[str, msgspec.Raw]]
"""A row by address and version."""


class Tables(msgspec.Struct, frozen=True):
    """Facts by address and version.

    Args:
        packages: name#version of the packages they are from.
        complete: beginnings of addresses of which every definition is here.
        unusable: profiles that could not be derived, with the reason.
    """

    layout: int
    packages: tuple[str, ...]
    profiles: Rows
    value_sets: Rows
    code_systems: Rows
    complete: tuple[str, ...] = ()
    unusable: dict[str, str] = {}


def tables_of(library: Library, packages: Iterable[str] = ()) -> Tables:
    """Return the facts of all that a library holds."""
    snapshots = Snapshots(library)
    profiles: Rows = {}
    unusable: dict[str, str] = {}
    for one in library.every("StructureDefinition"):
        content = one.content()
        if not is_profile(content):
            continue
        try:
            tree = snapshots.tree(f"{one.url}|{one.version}" if one.version else one.url)
            row = msgspec.json.encode(derive(content, tree, one.package))
        except (SalusError, LookupError, TypeError, ValueError, AttributeError) as error:
            unusable[one.url] = getattr(error, "message", repr(error))[:300]
            continue
        profiles.setdefault(one.url, {})[one.version] = msgspec.Raw(row)
    return Tables(
        layout=LAYOUT,
        packages=tuple(packages),
        profiles=profiles,
        value_sets=_rows(library.every("ValueSet")),
        code_systems=_rows(library.every("CodeSystem")),
        complete=tuple(sorted(set(complete_beginnings(library.every("StructureDefinition"))))),
        unusable=unusable,
    )


def _rows(definitions: Iterator[Definition]) -> Rows:
    rows: Rows = {}
    for one in definitions:
        rows.setdefault(one.url, {})[one.version] = msgspec.Raw(one.body)
    return rows


def read_tables(body: bytes) -> Tables:
    """Return tables as they were written.

    Raises:
        MalformedContent: they are not, or of another layout.
    """
    try:
        tables = msgspec.json.decode(body, type=Tables)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedContent(
            f"The table of profiles cannot be read: {error}. Have it made anew."
        ) from error
    if tables.layout != LAYOUT:
        raise MalformedContent("The table of profiles is of another layout. Have it made anew.")
    return tables


@cache
def shipped_shelf() -> TableShelf:
    """Return the rules of the six priority categories that Salus ships with (PROVENANCE.md)."""
    return TableShelf(read_tables(resources.files(__package__).joinpath("shipped.json").read_bytes()))


class TableShelf:
    """Tables as a shelf: a row is decoded when it is asked for."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._complete = frozenset(tables.complete)

    def versions(self, url: str) -> Iterable[str]:
        """Return the versions of a profile."""
        return self._tables.profiles.get(url, {})

    def profile(self, url: str, version: str) -> Profile:
        """Return the facts of a profile."""
        return msgspec.json.decode(self._tables.profiles[url][version], type=Profile)

    def value_sets(self) -> Iterable[str]:
        """Return the addresses of the value sets."""
        return self._tables.value_sets

    def value_set(self, canonical: str) -> Json | None:
        """Return the facts of a value set."""
        return _row(self._tables.value_sets, canonical)

    def code_system(self, canonical: str) -> Json | None:
        """Return the facts of a code system."""
        return _row(self._tables.code_systems, canonical)

    def editions(self, url: str) -> Iterable[Json]:
        """Return the facts of every version of a code system."""
        return [msgspec.json.decode(row) for row in self._tables.code_systems.get(url, {}).values()]

    def complete(self) -> frozenset[str]:
        """Return the beginnings of addresses of which every definition is at hand."""
        return self._complete


def _row(rows: Rows, canonical: str) -> Json | None:
    url, _, version = canonical.partition("|")
    versions: dict[str, Any] = rows.get(url, {})
    found = newest(versions, version) or newest(versions)
    return None if found is None else cast("Json", msgspec.json.decode(versions[found]))
