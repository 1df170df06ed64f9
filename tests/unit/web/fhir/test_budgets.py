"""No caller takes the node from the others: conditions, searches at once and batches are bounded."""

import asyncio

import pytest

from salus.core.errors import Throttled
from salus.core.limits import Limits
from salus.store.turns import Turns


@pytest.mark.parametrize(
    "query",
    [
        "&".join(["name:contains=a"] * 5),
        "&".join(["birthdate:missing=true"] * 5),
        "&".join(["gender:not=male"] * 5),
        "&".join(["name=abc"] * 33),
        "&".join(["_has:Observation:patient:code=x"] * 33),
    ],
)
async def test_a_search_has_so_many_conditions(door, query):
    answer = await door("GET", f"/Patient?{query}")
    assert answer.status_code == 400, answer.text
    assert "at most" in answer.text


async def test_so_many_searches_of_one_caller_run_at_once_and_others_are_not_kept_waiting(caller):
    turns = Turns(2, 0.05)
    one, other = caller(), caller(subject="s-2")
    async with turns.taken(one), turns.taken(one):
        with pytest.raises(Throttled):
            async with turns.taken(one):
                pass
        async with turns.taken(other):
            pass
        waiting = asyncio.create_task(turns.taken(one).__aenter__())
        await asyncio.sleep(0)
    await waiting


async def test_entries_past_the_budget_of_a_batch_are_refused_one_by_one(open_door):
    entry = [{"request": {"method": "GET", "url": "Patient/p"}}] * 3
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entry}
    for limits in (Limits(batch_bytes_max=1), Limits(batch_ms_max=0)):
        door = open_door(limits=limits)
        answer = await door("POST", "", bundle)
        last = answer.json()["entry"][-1]["response"]
        assert last["status"] == "503"
        assert last["outcome"]["issue"][0]["code"] == "too-costly"
    door = open_door(limits=Limits(batch_bytes_max=1))
    assert (await door("POST", "", bundle)).json()["entry"][0]["response"]["status"] == "404"
