"""Whose records a request touched without showing anything of them: for the leaves of empty answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from salus.core.access import Grant
from salus.standards.fhir.search.hashing import compile_hasher
from salus.standards.fhir.search.named import Named
from salus.standards.fhir.search.query import Condition
from salus.store.asker import asker_of
from salus.store.postgres import Connection, Database
from salus.store.rows import patients_of
from salus.store.search import stored
from salus.store.search_plan import Finder

LOOKED_UP_MAX = 20
"""Most resources of one identifier whose patients are named."""
_PATIENTS = """
SELECT compartment, others FROM resource
WHERE (type, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    AND (NOT hidden OR salus_shows(type, id, $3::jsonb))
"""


class Touched:
    """What a request named or came upon on its way: patients, other resources, identifiers to look up."""

    __slots__ = ("lookups", "patients", "resources")

    def __init__(self) -> None:
        self.patients: set[str] = set()
        self.resources: set[tuple[str, str]] = set()
        self.lookups: list[tuple[str, Condition]] = []

    def add(self, named: Named) -> None:
        """Add what a search names."""
        self.patients |= named.patients
        self.resources |= named.resources
        self.lookups.extend(named.lookups)

    def add_resource(self, kind: str, identity: str) -> None:
        """Add a resource by its type and id."""
        if kind == "Patient":
            self.patients.add(identity)
        else:
            self.resources.add((kind, identity))

    @property
    def needs_looking_up(self) -> bool:
        """Return whether the database has to say whose the resources are."""
        return bool(self.resources or self.lookups)


async def concerned(grant: Grant, database: Database, touched: Touched, *, key: bytes) -> frozenset[str]:
    """Return the patients of what was touched, as far as the grant sees it; `key` is that of search hashes.

    A grant over named patients has their leaves anyhow, and is not told of others.
    """
    if grant.patients is not None:
        return frozenset()
    if not touched.needs_looking_up:
        return frozenset(touched.patients)
    found = set(touched.patients)
    async with database.reading(grant) as connection:
        found |= await _owners(grant, connection, touched.resources)
        finder = Finder(
            msgspec.structs.replace(grant, types=None, narrowed=()),
            compile_hasher(key),
            database.limits,
            None,
        )
        for kind, condition in touched.lookups:
            found |= await _holders(finder, connection, kind, condition)
    return frozenset(found)


async def _owners(grant: Grant, connection: Connection, keys: Iterable[tuple[str, str]]) -> set[str]:
    wanted: Sequence[tuple[str, str]] = sorted(keys)
    if not wanted:
        return set()
    rows = await connection.fetch(
        _PATIENTS, [kind for kind, _ in wanted], [identity for _, identity in wanted], asker_of(grant)
    )
    return {patient for row in rows for patient in patients_of(row["compartment"], row["others"])}


async def _holders(finder: Finder, connection: Connection, kind: str, condition: Condition) -> set[str]:
    chosen = await finder.selection(connection, kind, (condition,))
    rows = await finder.candidates(
        connection, chosen, count_max=LOOKED_UP_MAX, content=True, refuse_more=False
    )
    return {patient for row in rows for patient in stored(row).patients}
