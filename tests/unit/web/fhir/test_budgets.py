"""No caller takes the node from the others: conditions, searches at once and batches are bounded."""

import asyncio
import threading

import pytest

from salus.core.errors import Throttled
from salus.core.limits import Limits
from salus.store.shares import LARGE_BYTES
from salus.store.turns import Turns
from salus.web.fhir import patching, writing


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


ONE = {"resourceType": "Observation", "status": "final", "code": {"text": "a"}}
REPLACE = {
    "resourceType": "Parameters",
    "parameter": [
        {
            "name": "operation",
            "part": [
                {"name": "type", "valueCode": "replace"},
                {"name": "path", "valueString": "Observation.code.text"},
                {"name": "value", "valueString": "b"},
            ],
        }
    ],
}


def transaction(*entries):
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"request": {"method": method, "url": url}, **({"resource": resource} if resource else {})}
            for method, url, resource in entries
        ],
    }


@pytest.fixture
def counted(monkeypatch):
    """Return a list that grows with every patch that is worked out: in which thread."""
    threads = []
    whole = patching.apply_patch

    def apply_patch(resource, entry):
        threads.append(threading.get_ident())
        return whole(resource, entry)

    monkeypatch.setattr(patching, "apply_patch", apply_patch)
    writing._rules.cache_clear()
    yield threads
    writing._rules.cache_clear()


async def test_a_transaction_that_takes_too_long_changes_nothing(open_door):
    slow = open_door(limits=Limits(transaction_ms_max=0))
    answer = await slow("POST", "", transaction(*[("POST", "Observation", ONE)] * 2))
    assert answer.status_code == 503, answer.text
    assert answer.json()["issue"][0]["code"] == "too-costly"
    assert (await open_door()("GET", "/Observation?_summary=count")).json()["total"] == 0


async def test_two_writes_of_one_resource_are_refused_before_any_is_worked_out(door, counted):
    made = (await door("POST", "/Observation", ONE)).json()["id"]
    patches = [("PATCH", f"Observation?_id={made}&status=final,x{n}", REPLACE) for n in range(20)]
    answer = await door("POST", "", transaction(*patches))
    assert answer.status_code == 422, answer.text
    assert "the same Observation" in answer.text
    assert counted == []


async def test_the_reads_of_a_transaction_have_the_budget_of_a_batch(open_door):
    door = open_door(limits=Limits(batch_bytes_max=1))
    bundle = transaction(("POST", "Observation", ONE), *[("GET", "Observation?_summary=count", None)] * 2)
    answer = await door("POST", "", bundle)
    found = [entry["response"]["status"][:3] for entry in answer.json()["entry"]]
    assert found == ["201", "200", "503"]


async def test_a_large_resource_is_patched_and_turned_into_xml_in_a_thread_and_so_often(open_door, counted):
    door = open_door()
    large = {**ONE, "note": [{"text": "a" * 100} for _ in range(4_000)]}
    made = await door("POST", "/Observation", large)
    address = f"/Observation/{made.json()['id']}"
    assert len(made.content) > LARGE_BYTES
    for headers in ({"accept": "application/fhir+xml"}, {}):
        assert (await door("GET", f"{address}?_elements=status", headers=headers)).status_code == 200
        assert (await door("GET", address, headers=headers)).status_code == 200
    assert (await door("PATCH", address, REPLACE)).status_code == 200
    assert counted
    assert threading.get_ident() not in counted
    door.services.database.shares.add(("https://node.test", "s-1"), 1_000)
    requests = [
        ("GET", f"{address}?_elements=status", None, {}),
        ("GET", address, None, {"accept": "application/fhir+xml"}),
        ("GET", "/Observation?_elements=status", None, {}),
        ("GET", f"{address}/_history", None, {}),
        ("PATCH", address, REPLACE, {}),
    ]
    for method, path, body, headers in requests:
        answer = await door(method, path, body, headers=headers)
        assert answer.status_code == 429, (method, path)
    assert (await door("GET", address)).status_code == 200
    assert (await door("GET", f"{address}?_elements=status", subject="s-2")).status_code == 200
