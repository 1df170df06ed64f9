"""Chains and _has, made from a seed over resources that refer to each other: SQL finds what memory finds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.property.search_instances import Maker, queries_of, row_of, seen, store, value_set

from salus.core.limits import Limits
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.hashing import compile_hasher
from salus.standards.fhir.search.match import matches
from salus.standards.fhir.search.parameters import parameters_of, reference_targets
from salus.store.postgres import Database
from salus.store.search_plan import Finder

KEY = b"key of the property test"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
LIMITS = Limits()
TYPES = (
    "Patient",
    "Observation",
    "Encounter",
    "Practitioner",
    "Organization",
    "Group",
    "Provenance",
    "Condition",
)
PER_TYPE = 6
SEARCHES = 400


def chained(maker: Maker) -> tuple[str, str, str]:
    """Return a type with a chain or _has over one or two references."""
    kind = maker.pick(*TYPES)
    name, value = plain(maker, kind)
    for _ in range(maker.pick(1, 1, 2)):
        links = [
            (source, parameter.code)
            for source in TYPES
            for parameter in parameters_of(source).values()
            if parameter.type == "reference"
            and not parameter.refused
            and kind in reference_targets(parameter)
        ]
        source, code = maker.pick(*links)
        if maker.pick(True, False):
            name, kind = f"{code}:{kind}.{name}", source
            continue
        back = [
            (parameter.code, target)
            for parameter in parameters_of(kind).values()
            if parameter.type == "reference" and not parameter.refused
            for target in TYPES
            if target in reference_targets(parameter)
        ]
        if back:
            code, target = maker.pick(*back)
            name, kind = f"_has:{kind}:{code}:{name}", target
    return kind, name, value


def plain(maker: Maker, kind: str) -> tuple[str, str]:
    known = [one for one in parameters_of(kind).values() if not one.refused and not one.code.startswith("_")]
    return maker.pick(*queries_of(maker, maker.pick(*known)))


@pytest.mark.parametrize("seed", [1, 2])
async def test_chains_find_what_memory_finds(
    database: Database, database_url: str, grant: Any, seed: int
) -> None:
    maker = Maker(seed)
    rows = []
    for kind in TYPES:
        index = compile_indexer(kind, KEY)
        made = [maker.containing(maker.resource(kind, f"r{number}"), TYPES) for number in range(PER_TYPE)]
        rows.extend(row_of(one, index) for one in made)
    await store(database_url, rows, NOW)
    corpus = {f"{row.type}/{row.id}": seen(row, NOW) for row in rows}
    finder = Finder(grant(), compile_hasher(KEY), LIMITS, None)
    found_some = 0
    async with database.reading(grant()) as connection:
        for _ in range(SEARCHES):
            kind, name, value = chained(maker)
            query = parse_query(kind, [(name, value)], LIMITS, expand=value_set, now=NOW)
            expected = sorted(one["id"] for one in corpus.values() if matches(query, one, corpus))
            chosen = await finder.selection(connection, kind, query.criteria)
            actual = sorted(row["id"] for row in await finder.candidates(connection, chosen))
            found_some += bool(expected)
            assert actual == expected, (kind, name, value)
    assert found_some > SEARCHES / 20
