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
from salus.store.search_order import orders
from salus.store.search_plan import Finder
from salus.store.search_selection import COLUMNS

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


@pytest.fixture
async def many(database, database_url, grant):
    """A database with the Observations of many patients, analysed as after a bulk load."""
    index = compile_indexer("Observation", KEY)
    rows = []
    for number in range(PATIENTS * EACH):
        one = observation(number)
        rows.append(make_row("Observation", f"o{number}", json.dumps(one).encode(), index=index(one)))
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
    await owner.execute("ANALYZE")
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
