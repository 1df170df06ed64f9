"""Identity: proposed, merged, unmerged; two candidates are never one."""

from __future__ import annotations

import json

import msgspec
import pytest

from salus.core.access import Action
from salus.core.errors import Conflict, InvalidSearch, NotFound
from salus.standards.fhir.search.extract import compile_indexer
from salus.store import persons, resources
from salus.store.changes import Operation
from salus.store.matching import THRESHOLD, likeness, traits_of
from salus.store.rows import make_row

KEY = b"0123456789abcdef"
ESTONIAN = "https://fhir.ee/sid/pid/est/ni"
NUMBER, OTHER_NUMBER = "37605030299", "33309240064"  # published examples of the rule


def patient(family="Tamm", given="Mari", born="1976-05-03", number=None, **more):
    found = {
        "resourceType": "Patient",
        "name": [{"family": family, "given": [given]}],
        "birthDate": born,
        "gender": "female",
        **more,
    }
    if number:
        found["identifier"] = [{"system": ESTONIAN, "value": number}]
    return found


@pytest.fixture
def store(database, grant):
    async def run(**patients):
        allowed = grant(action=Action.CREATE)
        rows = [
            make_row("Patient", own_id, msgspec.json.encode(one), index=compile_indexer("Patient", KEY)(one))
            for own_id, one in patients.items()
        ]
        async with database.writing(allowed) as connection:
            await resources.apply(
                allowed, connection, [Operation("create", row.type, row.id, row) for row in rows]
            )

    return run


@pytest.fixture
def read(database, grant):
    async def run(own_id):
        return json.loads((await resources.read(grant(), database, "Patient", own_id)).content)

    return run


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        (patient(number=NUMBER), patient("Sepp", "Anne", "1999-01-01", NUMBER), True),
        (patient(number=NUMBER), patient(number=OTHER_NUMBER), False),
        (patient(), patient("TÄMM", "mari"), True),
        (patient(), patient(given="Anne"), False),
        (patient(), patient(born="1980-01-01"), False),
        (patient(born=""), patient(born=""), False),
    ],
)
def test_persons_are_alike_by_number_or_by_name_and_birth_date(one, other, alike):
    score, reason = likeness(traits_of(one), traits_of(other))
    assert (score >= THRESHOLD) == alike
    assert reason


def test_a_number_that_breaks_its_rule_proves_nothing():
    assert traits_of(patient(number="37605030298")).identifiers == frozenset()


@pytest.mark.parametrize(
    ("one_source", "born", "alike"),
    [(True, "1976-05-03", True), (True, "1990-01-01", True), (False, "1990-01-01", False)],
)
def test_an_identifier_of_any_system_says_who_is_meant_within_one_source(one_source, born, alike):
    mine = {"identifier": [{"system": "urn:hospital:mrn", "value": "7"}]}
    one, other = traits_of(patient(**mine)), traits_of(patient("Sepp", "Anne", born, **mine))
    score, _ = likeness(one, other, one_source=one_source)
    assert (score >= THRESHOLD) == alike


async def test_those_of_one_source_that_share_an_identifier_are_proposed(database, grant):
    mine = {"identifier": [{"system": "urn:hospital:mrn", "value": "7"}]}
    one, other = patient(**mine), patient("Sepp", "Anne", "1990-01-01", **mine)
    rows = [
        make_row("Patient", name, msgspec.json.encode(each), index=compile_indexer("Patient", KEY)(each),
                 source=source)
        for name, each, source in (("a", one, "urn:x"), ("b", other, "urn:x"), ("c", other, "urn:y"))
    ]  # fmt: skip
    allowed = grant(action=Action.CREATE)
    async with database.writing(allowed) as connection:
        await resources.apply(
            allowed, connection, [Operation("create", row.type, row.id, row) for row in rows]
        )
    await persons.propose(grant(), database)
    found = [(one.patient, one.other) for one in await persons.proposals(grant(), database)]
    assert found == [("b", "c"), ("a", "b")]  # b and c by name and birth date


async def test_alike_patients_are_proposed_once_and_a_refusal_is_remembered(store, database, grant):
    await store(a=patient(), b=patient(), c=patient("Sepp"))
    assert await persons.propose(grant(), database) == 1
    assert [(one.patient, one.other) for one in await persons.proposals(grant(), database)] == [("a", "b")]
    await persons.refuse(grant(), database, "b", "a")
    await persons.propose(grant(), database)
    assert await persons.proposals(grant(), database) == []


async def test_a_merge_links_both_and_is_undone_without_a_trace(store, read, database, grant):
    await store(a=patient(active=True), b=patient(active=True))
    before = [await read("a"), await read("b")]
    await persons.merge(grant(), database, "a", "b", key=KEY)
    assert (await read("a"))["link"] == [{"other": {"reference": "Patient/b"}, "type": "replaces"}]
    gone = await read("b")
    assert gone["link"] == [{"other": {"reference": "Patient/a"}, "type": "replaced-by"}]
    assert gone["active"] is False
    await persons.unmerge(grant(), database, "b", "a", key=KEY)
    assert [await read("a"), await read("b")] == before


async def test_a_merge_of_the_same_or_of_one_merged_already_is_refused(store, database, grant):
    await store(a=patient(), b=patient(), c=patient())
    await persons.merge(grant(), database, "a", "b", key=KEY)
    with pytest.raises(Conflict):
        await persons.merge(grant(), database, "a", "a", key=KEY)
    with pytest.raises(Conflict):
        await persons.merge(grant(), database, "c", "b", key=KEY)
    with pytest.raises(NotFound):
        await persons.unmerge(grant(), database, "a", "c", key=KEY)


async def test_a_lookup_with_two_candidates_picks_none_and_a_merge_makes_them_one(store, database, grant):
    await store(a=patient(number=NUMBER), b=patient(number=NUMBER), c=patient(number=OTHER_NUMBER))

    async def look():
        found = await persons.find_patients(grant(), database, key=KEY, identifiers=((ESTONIAN, NUMBER),))
        return [(one.resource.id, one.ambiguous) for one in found]

    assert await look() == [("a", True), ("b", True)]
    await persons.merge(grant(), database, "b", "a", key=KEY)
    assert await look() == [("b", False)]


async def test_a_lookup_by_demographics_scores_every_candidate(store, database, grant):
    await store(a=patient(), b=patient(given="Anne"))
    found = await persons.find_patients(grant(), database, key=KEY, demographics=patient())
    assert [(one.resource.id, one.ambiguous) for one in found] == [("a", True), ("b", True)]
    assert found[0].score > found[1].score
    with pytest.raises(InvalidSearch):
        await persons.find_patients(grant(), database, key=KEY, demographics={"name": [{"family": "Tamm"}]})


async def test_a_merge_survives_that_its_source_sends_the_patient_again(store, read, database, grant):
    await store(a=patient(), b=patient())
    await persons.merge(grant(), database, "a", "b", key=KEY)
    anew = patient(active=True, telecom=[{"system": "phone", "value": "1"}])
    row = make_row("Patient", "b", msgspec.json.encode(anew), index=compile_indexer("Patient", KEY)(anew))
    await resources.update(grant(), database, row)
    async with database.loading(grant(action=Action.LOAD)) as connection:
        assert await persons.restore_merges(grant(), connection, database, key=KEY) == 1
    assert (await read("b"))["link"][0]["type"] == "replaced-by"
