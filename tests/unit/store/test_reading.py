"""Reads by id go to the database many at once, and stay each its own."""

import asyncio

import asyncpg
import pytest

from salus.core.errors import NotFound
from salus.core.identifiers import new_id
from salus.standards.fhir.search.index_row import IndexRow
from salus.store import resources
from salus.store.rows import make_row


async def stored(database, grant, patient: str) -> str:
    index = IndexRow((patient,), None, [], [], [])
    row = make_row("Observation", new_id(), b'{"resourceType":"Observation"}', index=index)
    await resources.create(grant(), database, row)
    return row.id


async def test_reads_made_at_once_see_each_what_its_own_grant_opens(database, grant):
    ana, rui = [await stored(database, grant, patient) for patient in ("ana", "rui")]
    wishes = [
        (grant("ana"), ana, True),
        (grant("rui"), ana, False),
        (grant("rui"), rui, True),
        (grant("ana"), rui, False),
        (grant(), ana, True),
    ] * 20  # more than one trip takes
    answers = await asyncio.gather(
        *(resources.read(opened, database, "Observation", identity) for opened, identity, _ in wishes),
        return_exceptions=True,
    )
    for (_, identity, seen), answer in zip(wishes, answers, strict=True):
        if seen:
            assert answer.id == identity
        else:
            assert isinstance(answer, NotFound)


async def test_a_read_that_postgresql_refuses_takes_no_other_with_it(database, grant):
    ana = await stored(database, grant, "ana")
    identities = [ana, "no text holds \0", ana]
    first, refused, last = await asyncio.gather(
        *(resources.read(grant("ana"), database, "Observation", identity) for identity in identities),
        return_exceptions=True,
    )
    assert (first.id, last.id) == (ana, ana)
    assert isinstance(refused, asyncpg.PostgresError)


async def test_a_read_given_up_leaves_the_others_alone(database, grant):
    ana = await stored(database, grant, "ana")
    tasks = [
        asyncio.create_task(resources.read(grant("ana"), database, "Observation", ana)) for _ in range(10)
    ]
    await asyncio.sleep(0)
    tasks[0].cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert [one.id for one in found[1:]] == [ana] * 9


async def test_reads_one_after_another_are_each_answered(database, grant):
    ana = await stored(database, grant, "ana")
    for _ in range(50):
        pair = (resources.read(grant("ana"), database, "Observation", ana) for _ in range(3))
        assert [one.id for one in await asyncio.gather(*pair)] == [ana] * 3
    with pytest.raises(NotFound):
        await resources.read(grant("rui"), database, "Observation", ana)
