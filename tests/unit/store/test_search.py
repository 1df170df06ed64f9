"""What the store promises of a search: what it finds, in which order, for whom, and what it refuses."""

import json
from base64 import urlsafe_b64decode
from datetime import UTC, datetime

import msgspec
import pytest

from salus.core.access import Role
from salus.core.errors import InvalidSearch, NotSupported, TooCostly
from salus.core.limits import Limits
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.hashing import compile_hasher
from salus.standards.fhir.search.parameters import offered_parameters
from salus.store import resources, restrictions, search_sort
from salus.store.postgres import open_database
from salus.store.rows import make_row
from salus.store.search import find_ids, search

KEY = b"key of the search test"
LIMITS = Limits()


def patient(identity, family, given, **more):
    return {"resourceType": "Patient", "id": identity, "name": [{"family": family, "given": [given]}], **more}


def observation(identity, subject, code, date, value=None, **more):
    made = {
        "resourceType": "Observation",
        "id": identity,
        "status": "final",
        "subject": {"reference": f"Patient/{subject}"},
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "effectiveDateTime": date,
        **more,
    }
    if value is not None:
        made["valueQuantity"] = {
            "value": value,
            "unit": "kg",
            "system": "http://unitsofmeasure.org",
            "code": "kg",
        }
    return made


PEOPLE = [
    patient(
        "ana", "Sóusa", "Ana", birthDate="1980-02-03", managingOrganization={"reference": "Organization/o1"}
    ),
    patient("jaan", "Tamm", "Jaan", birthDate="1975-01-01", active=True),
    patient("zoe", "Ångström", "Zoë", birthDate="1990-12-31"),
]
RECORD = [
    {
        "resourceType": "Organization",
        "id": "o1",
        "name": "Hospital",
        "partOf": {"reference": "Organization/o2"},
    },
    {"resourceType": "Organization", "id": "o2", "name": "Region"},
    {"resourceType": "Practitioner", "id": "p1", "name": [{"family": "Meri"}]},
    observation("w1", "ana", "29463-7", "2020-01-01", 60.5, performer=[{"reference": "Practitioner/p1"}]),
    observation("w2", "ana", "29463-7", "2021-01-01T10:00:00Z", 61),
    observation("w3", "ana", "29463-7", "2022-06", 62),
    observation("h1", "ana", "8302-2", "2021-01-01", 170),
    observation("w4", "jaan", "29463-7", "2021-05-05", 90, hasMember=[{"reference": "Observation/w5"}]),
    observation("w5", "jaan", "29463-7", "2021-05-05", 91),
    {"resourceType": "Provenance", "id": "v1", "target": [{"reference": "Observation/w1"}]},
]


@pytest.fixture
async def filled(database, grant):
    for one in (*PEOPLE, *RECORD):
        index = compile_indexer(one["resourceType"], KEY)(one)
        row = make_row(one["resourceType"], one["id"], json.dumps(one).encode(), index=index)
        await resources.create(grant(), database, row)
    return database


def asked(type_name, text, limits=LIMITS, **more):
    pairs = [tuple(pair.partition("=")[::2]) for pair in text.split("&") if pair]
    return parse_query(type_name, pairs, limits, strict=True, now=datetime(2026, 11, 24, tzinfo=UTC), **more)


async def ids(database, grant, type_name, text):
    page = await search(grant, database, asked(type_name, text), key=KEY)
    return [one.id for one in page.resources]


@pytest.mark.parametrize(
    ("type_name", "text", "expected"),
    [
        ("Patient", "name=sousa", "ana"),
        ("Patient", "family=ANG", "zoe"),
        ("Patient", "given:exact=Zoe", ""),
        ("Patient", "given:exact=Zoë", "zoe"),
        ("Patient", "name:contains=ngstr", "zoe"),
        ("Patient", "_id=ana,zoe", "ana zoe"),
        ("Patient", "_id:not=ana", "jaan zoe"),
        ("Patient", "active:missing=true", "ana zoe"),
        ("Patient", "active:not=true", "ana zoe"),
        ("Patient", "organization=o1", "ana"),
        ("Patient", "organization.name=hosp", "ana"),
        ("Patient", "organization.partof.name=region", "ana"),
        ("Patient", "_has:Observation:patient:code=8302-2", "ana"),
        ("Patient", "_has:Observation:subject:value-quantity=gt80", "ana jaan"),
        ("Patient", "_has:Observation:patient:_has:Provenance:target:_id=v1", "ana"),
        ("Observation", "patient=ana&code=http://loinc.org|29463-7", "w1 w2 w3"),
        ("Observation", "subject=Patient/ana&value-quantity=61", "w1 w2"),
        ("Observation", "subject=Patient/ana&value-quantity=61.0|http://unitsofmeasure.org|kg", "w2"),
        ("Observation", "value-quantity=61000|http://unitsofmeasure.org|g", "w2"),
        ("Observation", "value-quantity=6.1e4|http://unitsofmeasure.org|g", "w1 w2"),
        ("Observation", "value-quantity=ge90000000|http://unitsofmeasure.org|mg", "h1 w4 w5"),
        ("Observation", "value-quantity=61000||g", ""),
        ("Observation", "value-quantity=61|http://unitsofmeasure.org|cm", ""),
        ("Observation", "code-value-quantity=29463-7$61000|http://unitsofmeasure.org|g", "w2"),
        (
            "Patient",
            "_has:Observation:patient:value-quantity=gt90500|http://unitsofmeasure.org|g",
            "ana jaan",
        ),
        ("Observation", "subject:Patient=jaan", "w4 w5"),
        ("Observation", "patient.name=tamm&code=29463-7", "w4 w5"),
        ("Observation", "subject:Patient.birthdate=lt1976", "w4 w5"),
        ("Observation", "performer:Practitioner.family=meri", "w1"),
        ("Observation", "performer.family=meri", "w1"),
        ("Observation", "has-member.code=29463-7", "w4"),
        ("Observation", "code-value-quantity=29463-7$gt80", "w4 w5"),
        ("Observation", "date=ge2020&date=le2019", ""),
        ("Observation", "date=2021-01", "h1 w2"),
        ("Observation", "date=sa2021-12-31", "w3"),
        ("Observation", "_lastUpdated=gt2000-01-01&patient=jaan", "w4 w5"),
        ("Observation", "_lastUpdated=lt2000-01-01", ""),
        ("Observation", "code=29463-7' OR 1=1--", ""),
    ],
)
async def test_a_search_finds(filled, grant, type_name, text, expected):
    assert await ids(filled, grant(), type_name, text) == expected.split()


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("", "h1 w1 w2 w3 w4 w5"),
        ("-_id", "w5 w4 w3 w2 w1 h1"),
        ("-date", "w3 w4 w5 w2 h1 w1"),
        ("date", "w1 h1 w2 w5 w4 w3"),
        ("value-quantity", "w1 w2 w3 w4 w5 h1"),
        ("-value-quantity", "h1 w5 w4 w3 w2 w1"),
        ("code,-date", "w3 w4 w5 w2 w1 h1"),
        ("patient,-value-quantity", "h1 w3 w2 w1 w5 w4"),
    ],
)
@pytest.mark.parametrize("count", [2, 50])
async def test_pages_are_in_order_and_complete(filled, grant, sort, expected, count):
    text = f"_count={count}" + (f"&_sort={sort}" if sort else "")
    found, cursor = [], ""
    for _ in range(5):
        page = await search(grant(), filled, asked("Observation", f"{text}&_cursor={cursor}"), key=KEY)
        found += [one.id for one in page.resources]
        cursor = page.next_cursor
        if not cursor:
            break
    assert found == expected.split()


@pytest.mark.parametrize("more", ["", ",_id", ",code", ",-_lastUpdated"])
@pytest.mark.parametrize("count", [1, 50])
async def test_the_newest_is_the_one_that_began_last_whatever_keys_follow(filled, grant, more, count):
    dates = {"day": "2026-11-29", "month": "2026-11", "year": "2026", "late": "2026-11-29T01:00:00+02:00"}
    entries = [observation(name, "zoe", "29463-7", date) for name, date in dates.items()]
    period = observation("period", "zoe", "29463-7", "")
    del period["effectiveDateTime"]
    entries.append(period | {"effectivePeriod": {"start": "2026-11-10", "end": "2026-12-20"}})
    for one in entries:
        index = compile_indexer("Observation", KEY)(one)
        row = make_row("Observation", one["id"], json.dumps(one).encode(), index=index)
        await resources.create(grant(), filled, row)
    newest = ["day", "late", "period", "month", "year"]
    for sort, expected in ((f"-date{more}", newest), (f"date{more}", newest[::-1])):
        found, cursor = [], ""
        for _ in range(6):
            text = f"patient=zoe&_sort={sort}&_count={count}&_cursor={cursor}"
            page = await search(grant(), filled, asked("Observation", text), key=KEY)
            found += [one.id for one in page.resources]
            cursor = page.next_cursor
            if not cursor:
                break
        assert found == expected


async def test_resources_without_a_date_come_last_in_either_direction(filled, grant):
    undated = observation("u1", "ana", "29463-7", "2020")
    del undated["effectiveDateTime"]
    row = make_row(
        "Observation", "u1", json.dumps(undated).encode(), index=compile_indexer("Observation", KEY)(undated)
    )
    await resources.create(grant(), filled, row)
    for sort in ("date", "-date", "value-quantity", "-value-quantity"):
        found, cursor = [], ""
        for _ in range(9):
            page = await search(
                grant(),
                filled,
                asked("Observation", f"patient=ana&_sort={sort}&_count=1&_cursor={cursor}"),
                key=KEY,
            )
            found += [one.id for one in page.resources]
            cursor = page.next_cursor
            if not cursor:
                break
        assert found[-1] == "u1"
        assert len(found) == 5


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("family", "zoe two ana jaan nameless"),
        ("-family", "jaan two ana zoe nameless"),
        ("birthdate", "jaan ana zoe nameless two"),
        ("-birthdate", "zoe ana jaan nameless two"),
        ("name", "ana zoe two jaan nameless"),
    ],
)
@pytest.mark.parametrize("count", [1, 2, 50])
async def test_sorting_follows_the_least_or_greatest_value_of_each(filled, grant, sort, expected, count):
    """R4 3.1.1.5.1: of several values the one that comes first in the order counts."""
    more = [
        {"resourceType": "Patient", "id": "nameless"},
        {
            "resourceType": "Patient",
            "id": "two",
            "name": [{"family": "Bask"}, {"family": "Tall"}, {"family": "Bask"}],
        },
    ]
    for one in more:
        index = compile_indexer("Patient", KEY)(one)
        await resources.create(
            grant(), filled, make_row("Patient", one["id"], json.dumps(one).encode(), index=index)
        )
    found, cursor = [], ""
    for _ in range(6):
        text = f"_sort={sort}&_count={count}&_cursor={cursor}"
        page = await search(grant(), filled, asked("Patient", text), key=KEY)
        found += [one.id for one in page.resources]
        cursor = page.next_cursor
        if not cursor:
            break
    assert found == expected.split()


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("status", "h1 w1 w2 w3 w4 w5 u1"),
        ("-code,value-quantity", "h1 u1 w1 w2 w3 w4 w5"),
        ("date,-value-quantity", "w1 h1 w2 w5 w4 w3 u1"),
        ("-date,code", "w3 w4 w5 w2 h1 w1 u1"),
        ("subject,-_id", "w3 w2 w1 u1 h1 w5 w4"),
    ],
)
@pytest.mark.parametrize("count", [1, 3, 50])
async def test_a_sort_without_index_passes_through_any_number_of_rows(
    filled, database_url, grant, monkeypatch, sort, expected, count
):
    """Batches of two and a small limit of candidates: neither bounds what is sorted."""
    monkeypatch.setattr(search_sort, "BATCH", 2)
    bare = {"resourceType": "Observation", "id": "u1", "subject": {"reference": "Patient/ana"}}
    bare["code"] = {"coding": [{"code": "4"}]}
    index = compile_indexer("Observation", KEY)(bare)
    row = make_row("Observation", "u1", json.dumps(bare).encode(), index=index)
    await resources.create(grant(), filled, row)
    found, cursor = [], ""
    limits = Limits(search_candidates_max=1)
    async with open_database(database_url, limits=limits, migrated=False, contents=filled.contents) as narrow:
        for _ in range(9):
            query = asked("Observation", f"_sort={sort}&_count={count}&_cursor={cursor}")
            page = await search(grant(), narrow, query, key=KEY)
            found += [one.id for one in page.resources]
            cursor = page.next_cursor
            if not cursor:
                break
    assert found == expected.split()


async def test_a_sort_that_takes_too_long_says_which_filter_is_missing(filled, grant, monkeypatch):
    monkeypatch.setattr(search_sort, "BATCH", 2)
    query = asked("Observation", "_sort=-status,date")
    monkeypatch.setattr(filled, "limits", Limits(statement_timeout_ms=0))
    with pytest.raises(
        TooCostly, match=r"_sort=-status,date .* 2 Observation .* add a filter on Observation"
    ):
        await search(grant(), filled, query, key=KEY)


async def test_a_page_is_stable_when_others_write(filled, grant):
    first = await search(grant(), filled, asked("Observation", "_sort=-date&_count=2"), key=KEY)
    newer = observation("n1", "ana", "29463-7", "2026-01-01")
    row = make_row(
        "Observation", "n1", json.dumps(newer).encode(), index=compile_indexer("Observation", KEY)(newer)
    )
    await resources.create(grant(), filled, row)
    query = asked("Observation", f"_sort=-date&_count=2&_cursor={first.next_cursor}")
    second = await search(grant(), filled, query, key=KEY)
    assert [one.id for one in (*first.resources, *second.resources)] == ["w3", "w4", "w5", "w2"]


async def test_a_cursor_holds_nothing_readable_and_is_good_for_its_search_and_caller_only(filled, grant):
    page = await search(grant(), filled, asked("Observation", "_sort=-date&_count=2"), key=KEY)
    repeated = await search(grant(), filled, asked("Observation", "_sort=-date&_count=2"), key=KEY)
    assert repeated.next_cursor != page.next_cursor
    sealed = urlsafe_b64decode(page.next_cursor + "==")
    assert b"2022" not in sealed
    assert b"date" not in sealed
    for text in ("_sort=date", "_sort=-date&code=1", ""):
        with pytest.raises(InvalidSearch, match="cursor"):
            await search(grant(), filled, asked("Observation", f"{text}&_cursor={page.next_cursor}"), key=KEY)
    again = asked("Observation", f"_sort=-date&_count=2&_cursor={page.next_cursor}")
    with pytest.raises(InvalidSearch, match="cursor"):
        await search(grant("ana"), filled, again, key=KEY)
    with pytest.raises(InvalidSearch, match="cursor"):
        await search(grant(), filled, asked("Observation", "_cursor=AAAA"), key=KEY)


async def test_a_grant_for_one_patient_finds_only_that_record_and_what_is_shared(filled, grant):
    mine = grant("ana", role=Role.CITIZEN)
    assert await ids(filled, mine, "Observation", "code=29463-7") == ["w1", "w2", "w3"]
    assert await ids(filled, mine, "Patient", "") == ["ana"]
    assert await ids(filled, mine, "Practitioner", "family=meri") == ["p1"]
    assert await ids(filled, mine, "Observation", "patient=jaan") == []
    page = await search(mine, filled, asked("Observation", "_total=accurate&_count=1"), key=KEY)
    assert page.total == 4


async def test_what_is_restricted_is_found_by_its_citizen_only(filled, grant):
    await restrictions.restrict(grant("ana", role=Role.CITIZEN), filled, "Observation", "h1")
    clinician = grant(role=Role.CLINICIAN)
    assert await ids(filled, clinician, "Observation", "code=8302-2") == []
    assert await ids(filled, clinician, "Patient", "_has:Observation:patient:code=8302-2") == []
    page = await search(
        clinician, filled, asked("Patient", "_id=ana&_revinclude=Observation:subject"), key=KEY
    )
    assert sorted(one.id for one in page.included) == ["w1", "w2", "w3"]
    assert await ids(filled, grant("ana", role=Role.CITIZEN), "Observation", "code=8302-2") == ["h1"]


async def test_what_was_deleted_is_not_found(filled, grant):
    await resources.delete(grant(), filled, "Observation", "w2")
    assert await ids(filled, grant(), "Observation", "patient=ana") == ["h1", "w1", "w3"]


@pytest.mark.parametrize(
    ("type_name", "text", "expected"),
    [
        ("Observation", "_id=w1&_include=Observation:subject", "Patient/ana"),
        ("Observation", "_id=w1&_include=Observation:subject:Group", ""),
        ("Observation", "_id=w1&_include=*", "Patient/ana Practitioner/p1"),
        ("Observation", "_id=w1&_include=Observation:*", "Patient/ana Practitioner/p1"),
        ("Observation", "_id=w4&_include=Observation:has-member", "Observation/w5"),
        ("Patient", "_id=ana&_include=Patient:organization", "Organization/o1"),
        (
            "Patient",
            "_id=ana&_include=Patient:organization&_include:iterate=Organization:partof",
            "Organization/o1 Organization/o2",
        ),
        ("Patient", "_id=jaan&_revinclude=Observation:subject", "Observation/w4 Observation/w5"),
        (
            "Patient",
            "_id=ana&_revinclude=Observation:patient&_revinclude:iterate=Provenance:target",
            "Observation/h1 Observation/w1 Observation/w2 Observation/w3 Provenance/v1",
        ),
        (
            "Observation",
            "_id=w1&_revinclude:iterate=Provenance:target&_include:iterate=*",
            "Organization/o1 Organization/o2 Patient/ana Practitioner/p1 Provenance/v1",
        ),
    ],
)
async def test_includes(filled, grant, type_name, text, expected):
    page = await search(grant(), filled, asked(type_name, text), key=KEY)
    assert sorted(f"{one.type}/{one.id}" for one in page.included) == expected.split()


async def test_the_page_names_each_patient_it_shows(filled, grant):
    query = asked("Observation", "date=2021&_include=Observation:subject")
    page = await search(grant(), filled, query, key=KEY)
    assert page.patients == {"ana": 3, "jaan": 3}


@pytest.mark.parametrize(
    ("text", "total"), [("_total=accurate", 6), ("_summary=count", 6), ("_total=none", None)]
)
async def test_totals(filled, grant, text, total):
    page = await search(grant(), filled, asked("Observation", f"_count=1&{text}"), key=KEY)
    assert page.total == total


async def test_an_estimate_of_few_is_exact(filled, grant):
    page = await search(
        grant(), filled, asked("Observation", "_count=1&_total=estimate&code=29463-7"), key=KEY
    )
    assert (page.total, page.is_estimate) == (5, False)


async def test_a_last_page_tells_the_total_unasked(filled, grant):
    page = await search(grant(), filled, asked("Observation", "patient=ana"), key=KEY)
    assert page.total == 4


@pytest.mark.parametrize(
    ("type_name", "text", "step"),
    [
        ("Observation", "patient.active:missing=true", "patient"),
        ("Patient", "_has:Observation:subject:status=final", "Observation"),
    ],
)
async def test_a_step_through_too_many_is_refused_and_says_what_is_missing(
    filled, database_url, grant, type_name, text, step
):
    limits = Limits(search_candidates_max=1)
    async with open_database(database_url, limits=limits, migrated=False, contents=filled.contents) as narrow:
        with pytest.raises(TooCostly, match=rf"more than 1.*{step}.*add a filter"):
            await search(grant(), narrow, asked(type_name, text), key=KEY)


async def test_more_includes_than_the_limit_are_refused(filled, database_url, grant):
    async with open_database(
        database_url, limits=Limits(include_count_max=1), migrated=False, contents=filled.contents
    ) as narrow:
        with pytest.raises(TooCostly, match="_count"):
            await search(grant(), narrow, asked("Patient", "_revinclude=Observation:subject"), key=KEY)


async def test_find_ids_stops_at_its_bound(filled, grant):
    async with filled.writing(grant()) as connection:
        query = asked("Observation", "code=29463-7")
        found = await find_ids(grant(), connection, query, key=KEY, database=filled, count_max=2)
        assert len(found) == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [("code=29463-7", False), ("code:not=29463-7", False), ("code:not=8302-2", False), ("code=8302-2", True)],
)
async def test_a_hash_collision_shows_no_wrong_row_and_hides_it_from_one_negation(filled, grant, text, shown):
    """A height that by collision carries the hash of the weight code (docs/decisions/0005)."""
    forged = compile_hasher(KEY)("c", "Observation.code", "29463-7")
    other = observation("collided", "ana", "8302-2", "2021-01-01")
    index = compile_indexer("Observation", KEY)(other)
    index = msgspec.structs.replace(index, tokens=sorted({*index.tokens, forged}))
    row = make_row("Observation", "collided", json.dumps(other).encode(), index=index)
    await resources.create(grant(), filled, row)
    assert ("collided" in await ids(filled, grant(), "Observation", text)) is shown


async def test_source_and_original_id_are_searchable(filled, grant):
    loaded = observation("derived", "ana", "8302-2", "2021-01-01")
    row = make_row(
        "Observation",
        "derived",
        json.dumps(loaded).encode(),
        index=compile_indexer("Observation", KEY)(loaded),
        source="https://hospital.example",
        source_id="Observation/17",
    )
    await resources.create(grant(), filled, row)
    assert await ids(filled, grant(), "Observation", "_source=https://hospital.example") == ["derived"]
    assert await ids(filled, grant(), "Observation", "_tag=urn:salus:original-id|17") == ["derived"]


async def test_a_compartment_confines_a_search(filled, grant):
    query = msgspec.structs.replace(asked("Observation", "code=29463-7"), compartment="jaan")
    page = await search(grant(), filled, query, key=KEY)
    assert [one.id for one in page.resources] == ["w4", "w5"]


async def test_hot_search_reads_one_patients_index(filled, grant):
    page = await search(
        grant(), filled, asked("Observation", "patient=ana&code=29463-7&_sort=-date"), key=KEY
    )
    assert [one.id for one in page.resources] == ["w3", "w2", "w1"]
    assert offered_parameters("Observation")["code"].type == "token"


def test_what_has_no_expression_is_refused_by_name():
    for code in ("_text", "_content", "near"):
        kind = "Location" if code == "near" else "Patient"
        with pytest.raises(NotSupported, match=code):
            parse_query(kind, [(code, "x")], LIMITS)
        assert code not in offered_parameters(kind)
