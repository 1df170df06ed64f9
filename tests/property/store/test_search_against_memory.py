"""For every search parameter of R4 that has an expression: SQL finds what matching in memory finds."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.property.search_instances import Maker, queries_of, row_of, seen, store, value_set

from salus.core.limits import Limits
from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.expression import compile_expression
from salus.standards.fhir.model import resource_types, search_parameters
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.hashing import compile_hasher
from salus.standards.fhir.search.match import matches
from salus.standards.fhir.search.parameters import SearchParameter, parameters_of
from salus.standards.fhir.search.paths import typed_paths, union_terms, values_at
from salus.store.postgres import Database
from salus.store.rows import Row
from salus.store.search_plan import Finder

KEY = b"key of the property test"
NOW = datetime(2026, 11, 24, tzinfo=UTC)
PER_TYPE = 10
SEEDS = (1, 2)
LIMITS = Limits()


def covered() -> dict[str, list[SearchParameter]]:
    """Return the parameters to test by type: each definition for each of its bases."""
    found: dict[str, list[SearchParameter]] = {}
    for type_name in sorted(resource_types()):
        for parameter in parameters_of(type_name).values():
            shared = parameter.code.startswith("_")
            if not parameter.refused and (not shared or type_name in ("Patient", "Observation")):
                found.setdefault(type_name, []).append(parameter)
    return found


def instances(type_name: str, seed: int) -> list[dict[str, Any]]:
    maker = Maker(sum(type_name.encode()) + seed)
    return [maker.resource(type_name, f"r{number}") for number in range(PER_TYPE)]


@pytest.mark.parametrize("seed", SEEDS)
async def test_sql_finds_what_memory_finds(
    database: Database, database_url: str, grant: Any, seed: int
) -> None:
    wanted = covered()
    rows = []
    for type_name in wanted:
        indexer = compile_indexer(type_name, KEY)
        rows.extend(row_of(resource, indexer) for resource in instances(type_name, seed))
    await store(database_url, rows, NOW)
    by_type: dict[str, list[Row]] = {}
    for row in rows:
        by_type.setdefault(row.type, []).append(row)
    tested, found_some, wrong = 0, 0, []
    finder = Finder(grant(), compile_hasher(KEY), LIMITS, None)
    async with database.reading(grant()) as connection:
        for type_name, parameters in wanted.items():
            stored = [seen(row, NOW) for row in by_type[type_name]]
            for parameter in parameters:
                maker = Maker(sum(f"{type_name}{parameter.code}".encode()) + seed)
                for pair in queries_of(maker, parameter):
                    query = parse_query(type_name, [pair], LIMITS, expand=value_set, now=NOW)
                    expected = sorted(one["id"] for one in stored if matches(query, one))
                    selection = await finder.selection(connection, type_name, query.criteria)
                    hits = await finder.candidates(connection, selection)
                    actual = sorted(row["id"] for row in hits)
                    tested += 1
                    found_some += bool(expected)
                    if actual != expected:
                        wrong.append((type_name, pair, expected, actual))
    assert not wrong, f"{len(wrong)} of {tested}: {wrong[:12]}"
    assert found_some > tested / 3


def test_every_definition_with_an_expression_is_covered() -> None:
    tested = {one.url for parameters in covered().values() for one in parameters}
    missed = [row.url for row in search_parameters() if row.expression and row.url not in tested]
    examples = "http://hl7.org/fhir/SearchParameter/example"
    # What is refused by name: positions, and a Bundle's parts, which no reference leads to.
    assert [url for url in missed if not url.startswith(examples)] == [
        "http://hl7.org/fhir/SearchParameter/Bundle-composition",
        "http://hl7.org/fhir/SearchParameter/Bundle-message",
        "http://hl7.org/fhir/SearchParameter/Location-near",
    ]


@pytest.mark.parametrize("type_name", sorted(resource_types()))
def test_compiled_paths_find_what_fhirpath_finds(type_name: str) -> None:
    resources = instances(type_name, 0)[:4]
    for parameter in parameters_of(type_name).values():
        if parameter.refused or parameter.general or parameter.code == "part-agree":
            continue
        for term in union_terms(parameter.expression):
            paths = typed_paths(type_name, term)
            if not paths:
                continue
            expression = compile_expression(every(term), type_name)
            for resource in resources:
                ours = [
                    repr(value)
                    for path in paths
                    for value in values_at(path, resource)
                    if not path.target or leads_to(path.target, value)
                ]
                theirs = expression.typed(resource, Environment(reference_stubs=True))
                if ".extension(" in term:
                    theirs = [(None, one[key]) for _, one in theirs for key in one if key.startswith("value")]
                assert sorted(ours) == sorted(repr(value) for _, value in theirs), (parameter.code, term)


def every(term: str) -> str:
    """Return the term with `ofType` for `as`: R4 writes `as` where it means each item of a collection."""
    term = re.sub(r"^\((.+) as (\w+)\)", r"\1.ofType(\2)", term)
    return re.sub(r"\.as\(", ".ofType(", term)


def leads_to(target: str, reference: dict[str, Any]) -> bool:
    parts = reference.get("reference", "").split("/")
    return target in parts
