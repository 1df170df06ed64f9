"""A search in one record, newest first, finds what the same search finds in the general way."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from salus.core.access import Role
from salus.core.limits import Limits
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.hashing import compile_hasher
from salus.store import resources, restrictions
from salus.store.rows import make_row
from salus.store.search import search
from salus.store.search_record import record_search

KEY = b"key of the record test"
LOINC = "http://loinc.org"
NEWEST = "&_sort=-date"
GENERAL = "&_total=accurate"  # asks for more than a record's first page, and changes nothing else


def observation(identity, patient, code, date, **more):
    made = {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "subject": {"reference": f"Patient/{patient}"},
        "code": {"coding": [{"system": LOINC, "code": code}]},
        **more,
    }
    return made | ({"effectiveDateTime": date} if date else {})


RECORDS = [
    observation("a1", "ana", "weight", "2020-01-01"),
    observation("a2", "ana", "weight", "2022-03-01T10:00:00Z"),
    observation("a3", "ana", "height", "2021"),
    observation("a4", "ana", "weight", ""),
    observation("a5", "ana", "weight", "2021-06-30", status="amended"),
    observation("a6", "ana", "weight", "2021-06-30", performer=[{"reference": "Patient/rui"}]),
    observation("r1", "rui", "weight", "2021-01-01"),
    observation("r2", "rui", "height", "2021-01-02"),
    {**observation("n1", "", "weight", "2021"), "subject": {"display": "?"}},
]


def row_of(resource, indexed=None):
    index = compile_indexer("Observation", KEY)(indexed or resource)
    return make_row("Observation", resource["id"], json.dumps(resource).encode(), index=index)


@pytest.fixture
async def filled(database, grant):
    for one in RECORDS:
        await resources.create(grant(), database, row_of(one))
    return database


def asked(text, **more):
    pairs = [tuple(pair.partition("=")[::2]) for pair in text.split("&") if pair]
    return parse_query(
        "Observation", pairs, Limits(), strict=True, now=datetime(2026, 1, 1, tzinfo=UTC), **more
    )


def is_record_search(grant, text):
    return record_search(grant, asked(text), compile_hasher(KEY)) is not None


async def found(database, grant, text):
    page = await search(grant, database, asked(text), key=KEY)
    return [one.id for one in page.resources], page.total


SEARCHES = [
    ("patient=ana", "a2 a5 a6 a3 a1 a4"),
    (f"patient=ana&code={LOINC}|weight", "a2 a5 a6 a1 a4"),
    ("subject=Patient/ana&code=weight&status=final", "a2 a6 a1 a4"),
    ("subject:Patient=ana&code=height", "a3"),
    ("patient=ana&performer=Patient/rui", "a6"),
    (f"patient=rui&code={LOINC}|weight", "r1"),
    ("patient=rui&patient=ana", ""),
    ("patient=nobody&code=weight", ""),
    ("patient=ana&code=http://other|weight", ""),
]


@pytest.mark.parametrize(("text", "expected"), SEARCHES)
@pytest.mark.parametrize("patients", [(), ("ana",), ("ana", "rui")])
async def test_both_ways_find_the_same(filled, grant, text, expected, patients):
    opened = grant(*patients)
    in_reach = [
        one for one in expected.split() if not patients or {"a": "ana", "r": "rui"}[one[0]] in patients
    ]
    assert await found(filled, opened, text + NEWEST) == (in_reach, len(in_reach))
    assert await found(filled, opened, text + NEWEST + GENERAL) == (in_reach, len(in_reach))


@pytest.mark.parametrize(("text", "_"), SEARCHES)
def test_these_go_to_the_database_together(grant, text, _):
    assert is_record_search(grant(), text + NEWEST)


@pytest.mark.parametrize(
    "text",
    [
        "code=weight&_sort=-date",
        "patient=ana&code=weight",
        "patient=ana&_sort=date",
        "patient=ana&code=weight,height&_sort=-date",
        "patient=ana,rui&_sort=-date",
        "patient=ana&code:not=weight&_sort=-date",
        "patient=ana&code:text=weight&_sort=-date",
        "patient=ana&date=2020&_sort=-date",
        "patient=ana&_id=a1&_sort=-date",
        "patient=ana&_sort=-date&_count=0",
        "patient=ana&_sort=-date&_include=Observation:subject",
        "patient=ana&_sort=-date&_cursor=x",
        "patient=ana&_sort=-date&_total=estimate",
        "patient.name=ana&_sort=-date",
        "performer=Patient/rui&_sort=-date",
    ],
)
def test_whatever_asks_for_more_goes_the_general_way(grant, text):
    assert not is_record_search(grant(), text)


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_further_pages_follow_in_the_general_way(filled, grant, count):
    met, cursor = [], ""
    for _ in range(7):
        page = await search(
            grant(), filled, asked(f"patient=ana&_sort=-date&_count={count}&_cursor={cursor}"), key=KEY
        )
        met += [one.id for one in page.resources]
        cursor = page.next_cursor
        if not cursor:
            break
    assert met == ["a2", "a5", "a6", "a3", "a1", "a4"]


async def test_searches_made_at_once_see_each_what_its_own_grant_opens(filled, grant):
    ana, rui = SEARCHES[1], SEARCHES[5]
    wishes = [
        (grant("ana"), *ana),
        (grant("rui"), *ana[:1], ""),
        (grant("rui"), *rui),
        (grant(), *rui),
        (grant("ana", "rui"), *ana),
    ] * 8
    answers = await asyncio.gather(*(found(filled, opened, text + NEWEST) for opened, text, _ in wishes))
    assert [answer[0] for answer in answers] == [expected.split() for *_, expected in wishes]


async def test_the_database_itself_confines_a_bound_search(filled, grant):
    hash_of = compile_hasher(KEY)
    wanted = record_search(grant(), asked("patient=ana&_sort=-date"), hash_of)
    seen = [
        await filled.search_record(opened, wanted.patient, "Observation", wanted.tokens, 50)
        for opened in (grant("ana"), grant("rui"))
    ]
    assert [len(rows) for rows in seen] == [6, 0]


async def test_what_the_citizen_restricts_is_seen_by_nobody_else(filled, grant):
    await restrictions.restrict(grant("ana", role=Role.CITIZEN), filled, "Observation", "a2")
    text = "patient=ana&code=weight" + NEWEST
    for opened in (grant(role=Role.CLINICIAN), grant("ana", role=Role.CLINICIAN)):
        assert (await found(filled, opened, text))[0] == ["a5", "a6", "a1", "a4"]
    assert (await found(filled, grant("ana", role=Role.CITIZEN), text))[0] == ["a2", "a5", "a6", "a1", "a4"]


@pytest.mark.parametrize("count", [1, 2, 50])
async def test_a_collision_neither_shows_a_wrong_row_nor_loses_a_right_one(filled, grant, count):
    """Two rows of another code have the token of this one, as if their hashes were the same."""
    for number, date in enumerate(["2023", "2021-01-01"]):
        other = observation(f"c{number}", "ana", "pulse", date)
        await resources.create(
            grant(), filled, row_of(other, {**other, **observation("", "ana", "weight", date)})
        )
    met, cursor = [], ""
    for _ in range(7):
        page = await search(
            grant(),
            filled,
            asked(f"patient=ana&code=weight&_sort=-date&_count={count}&_cursor={cursor}"),
            key=KEY,
        )
        met += [one.id for one in page.resources]
        cursor = page.next_cursor
        if not cursor:
            break
    assert met == ["a2", "a5", "a6", "a1", "a4"]
