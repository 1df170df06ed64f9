"""The plans of hot searches: an index leads."""

import json

import asyncpg
import msgspec
import pytest

from salus.core.limits import Limits
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.hashing import compile_hasher
from salus.store.rows import make_row
from salus.store.search_intervals import rare_ids
from salus.store.search_order import orders
from salus.store.search_plan import Finder
from salus.store.search_selection import COLUMNS
from salus.store.search_statement import Statement

KEY = b"key of the plan test"
PATIENTS, EACH, CODES = 60, 60, 12


def observation(number):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": f"c{number % CODES}"}]},
        "subject": {"reference": f"Patient/p{number // EACH}"},
        "effectiveDateTime": f"20{number % 20:02}-01-{number % 28 + 1:02}",
        "valueQuantity": {"value": number % 90, "code": "kg", "system": "http://unitsofmeasure.org"},
    }


def person(number):
    return {
        "resourceType": "Patient",
        "name": [{"family": f"Fam{number:04}{number % 977:03}x", "given": [f"Ann{number % 9}"]}],
    }


def rows_of(kind, resources):
    index = compile_indexer(kind, KEY)
    return [
        make_row(kind, f"{kind[0].lower()}{number}", json.dumps(one).encode(), index=index(one))
        for number, one in enumerate(resources)
    ]


@pytest.fixture
async def many(database, database_url, grant):
    """A database with many Patients and their Observations, analysed as some time after a bulk load."""
    rows = rows_of("Observation", [observation(number) for number in range(PATIENTS * EACH)])
    rows += rows_of("Patient", [person(number) for number in range(PATIENTS * EACH)])
    owner = await asyncpg.connect(database_url)
    await owner.copy_records_to_table(
        "resource",
        columns=("compartment", "type", "id", "version", "updated", "digest", "date", "tokens", "content"),
        records=[
            (
                r.compartment,
                r.type,
                r.id,
                1,
                grant().opened_at,
                r.digest,
                r.index.date,
                r.index.tokens,
                r.content,
            )
            for r in rows
        ],
    )
    ranges = [(r.compartment, r.type, r.id, *one) for r in rows for one in r.index.ranges]
    await owner.copy_records_to_table("resource_range", records=ranges)
    await owner.execute("VACUUM ANALYZE")
    await owner.close()
    return database


def scans(plan):
    """Yield (kind of scan, table or index) of a plan."""
    if "Scan" in plan["Node Type"]:
        yield plan["Node Type"], plan.get("Index Name") or plan.get("Relation Name")
    for inner in plan.get("Plans", ()):
        yield from scans(inner)


async def planned(database, grant, text):
    pairs = [tuple(pair.split("=")) for pair in text.split("&")]
    query = parse_query("Observation", pairs, Limits(), strict=True)
    finder = Finder(grant, compile_hasher(KEY), Limits(), None)
    async with database.reading(grant) as connection:
        chosen = await finder.selection(connection, "Observation", query.criteria)
        order = orders(query, narrow=chosen.narrow)[0]
        statement, where = chosen.render()
        tests = [where, *order.tests(statement, None)]
        text = statement.select(COLUMNS, " AND ".join(tests), order=order.keys(), limit=51)
        found = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {text}", *statement.arguments)
    return list(scans(msgspec.json.decode(found)[0]["Plan"]))


@pytest.mark.parametrize(
    "text",
    [
        "patient=p3&code=http://loinc.org|c1&_sort=-date",
        "patient=p3&_sort=-date",
        "patient=p3",
        "patient=p3&date=ge2010",
        "code=c1&date=2010-01-11",
        "value-quantity=gt88",
        "_id=o7",
    ],
)
async def test_an_index_leads(many, grant, text):
    assert "Seq Scan" not in [kind for kind, _ in await planned(many, grant(), text)]


async def test_a_bound_grant_is_led_to_its_compartment(many, grant):
    found = await planned(many, grant("p3"), "code=c1&_sort=-date")
    assert "Seq Scan" not in [kind for kind, _ in found]
    assert {"resource_compartment_date", "resource_pkey"} & {name for _, name in found}


@pytest.mark.parametrize(
    "text",
    [
        "family=fam0012",
        "family=fam0012012x",
        "name=fam0012",
        "name:contains=0012012",
        "family:exact=Fam0012012x",
    ],
)
async def test_the_index_of_tokens_leads_to_a_name(many, grant, text):
    pair = tuple(text.split("="))
    (condition,) = parse_query("Patient", [pair], Limits(), strict=True).criteria
    statement = Statement(compile_hasher(KEY))
    asked = rare_ids(statement, condition, count_max=1_001)
    async with many.reading(grant()) as connection:
        assert [row["id"] for row in await connection.fetch(asked, *statement.arguments)] == ["p12"]
        found = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {asked}", *statement.arguments)
    plan = list(scans(msgspec.json.decode(found)[0]["Plan"]))
    assert ("Bitmap Index Scan", "resource_tokens") in plan
    assert "Seq Scan" not in [kind for kind, _ in plan]
