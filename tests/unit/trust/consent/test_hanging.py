"""Veils hang over what a person's Consents speak of, in all of the records that are theirs."""

import asyncio
import json
from functools import partial

import pytest

from salus.core.access import Action, Role
from salus.core.errors import NotFound, OverBudget
from salus.standards.fhir.search.extract import compile_indexer
from salus.store import persons, resources
from salus.store.changes import Operation
from salus.store.rows import make_row
from salus.trust.consent import hanging

KEY = b"key of the hanging test"
WAITING = """
SELECT true FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1
"""


def row(resource):
    kind = resource["resourceType"]
    index = compile_indexer(kind, KEY)(resource)
    return make_row(kind, resource["id"], json.dumps(resource).encode(), index=index)


def observation(identity, patient, **more):
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Observation", "id": identity, "subject": subject, "status": "final"} | more


def consent(identity, patient, **provision):
    return {
        "resourceType": "Consent",
        "id": identity,
        "status": "active",
        "patient": {"reference": f"Patient/{patient}"},
        "provision": {"type": "deny", **provision},
    }


@pytest.fixture
def write(database, grant):
    """Write resources as a door does, with what it means for veils."""

    async def run(*stored):
        allowed = grant(action=Action.UPDATE)

        async def work(connection):
            operations = [
                Operation("update", one.type, one.id, one, may_create=True) for one in map(row, stored)
            ]
            written = await resources.apply(allowed, connection, operations, what="Bundle")
            await hanging.hang(allowed, connection, written, default_denies=False)

        await resources.transact(allowed, database, work)

    return run


@pytest.fixture
def sees(database, grant):
    async def run(*names):
        clinician = grant(role=Role.CLINICIAN)
        found = set()
        for name in names:
            try:
                await resources.read(clinician, database, *name.split("/"))
            except NotFound:
                continue
            found.add(name)
        return found

    return run


async def test_records_that_are_put_together_are_judged_together_and_apart_again(
    database, grant, write, sees
):
    await write(
        {"resourceType": "Patient", "id": "a"}, {"resourceType": "Patient", "id": "b"},
        observation("of-a", "a"), observation("of-b", "b"),
        consent("c", "a", **{"class": [{"code": "Observation"}]}),
    )  # fmt: skip
    both = ("Observation/of-a", "Observation/of-b")
    assert await sees(*both) == {"Observation/of-b"}
    allowed = grant(action=Action.UPDATE)
    after = partial(hanging.renew_persons, allowed, default_denies=False)
    await persons.merge(allowed, database, "a", "b", key=KEY, after=after)
    assert await sees(*both) == set()
    await persons.unmerge(allowed, database, "a", "b", key=KEY, after=after)
    assert await sees(*both) == {"Observation/of-b"}


async def test_what_refers_to_data_that_are_related_is_judged_with_what_it_refers_to(write, sees):
    related = [{"meaning": "related", "reference": {"reference": "Observation/first"}}]
    await write(observation("first", "a"), observation("other", "a"), consent("c", "a", data=related))
    await write(observation("later", "a", hasMember=[{"reference": "Observation/first"}]))
    names = ("Observation/first", "Observation/other", "Observation/later")
    assert await sees(*names) == {"Observation/other"}


async def test_an_earlier_version_that_is_denied_hides_the_later_ones(write, sees):
    asthma = {"coding": [{"system": "s", "code": "asthma"}]}
    await write(observation("o", "a", code=asthma))
    await write(observation("o", "a", code={"text": "corrected"}))
    await write(consent("c", "a", code=[asthma]))
    assert await sees("Observation/o") == set()


async def test_a_person_who_says_too_much_is_told_so(monkeypatch, write):
    monkeypatch.setattr(hanging, "ACTIVE_MAX", 1)
    await write(consent("c1", "a"), consent("c0", "a") | {"status": "inactive"})
    with pytest.raises(OverBudget, match="at most 1 active"):
        await write(consent("c2", "a"))


async def test_what_is_written_while_a_consent_is_being_judged_waits_and_is_judged_by_it(
    database, grant, write, sees
):
    allowed = grant(action=Action.UPDATE)
    said = consent("c", "a", **{"class": [{"code": "Observation"}]})
    async with database.writing(allowed) as connection:
        one = row(said)
        written = await resources.apply(
            allowed, connection, [Operation("create", one.type, one.id, one)], what="Consent"
        )
        await hanging.hang(allowed, connection, written, default_denies=False)
        later = asyncio.create_task(write(observation("later", "a")))
        async with database.system() as watching:
            while not await watching.fetchval(WAITING):  # noqa: ASYNC110  (the database tells nobody)
                await asyncio.sleep(0.01)
    await later
    assert await sees("Observation/later") == set()
