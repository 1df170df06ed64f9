"""Subscriptions: what may be watched, who is told, and what happens when nobody listens."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from salus.core.errors import InvalidResource
from salus.store.sequencer import Signer, sequence
from salus.web.fhir import notify
from salus.web.fhir.subscribing import ACCESS_TOPIC, CONTENT, check_target

HOOK = "https://app.example/hook"
PATIENT = {"resourceType": "Patient", "name": [{"family": "Tamm"}]}


class Clock:
    def __init__(self):
        self.now = datetime.now(UTC)

    def __call__(self):
        self.now += timedelta(milliseconds=10)
        return self.now


class Endpoint:
    """Stands for the subscriber's server: keeps what it gets, answers what it is told to."""

    def __init__(self):
        self.got = []
        self.status = 200

    def __call__(self, request):
        self.got.append(request)
        return httpx.Response(self.status, headers={"location": "http://127.0.0.1/other"})


@pytest.fixture
async def listening(open_door):
    clock, endpoint = Clock(), Endpoint()
    async with httpx.AsyncClient(transport=httpx.MockTransport(endpoint)) as client:
        door = open_door(client=client, clock=clock, subscription_targets=(HOOK,))
        yield door, endpoint, clock


def subscription(criteria="Observation?code=8867-4", content=None, **channel):
    built = {"type": "rest-hook", "endpoint": HOOK, **channel}
    if content is not None:
        built |= {
            "payload": "application/fhir+json",
            "_payload": {"extension": [{"url": CONTENT, "valueCode": content}]},
        }
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "test",
        "criteria": criteria,
        "channel": built,
    }


def observation(code="8867-4", patient="1"):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
    }


async def turn(door, clock, seconds=2):
    clock.now += timedelta(seconds=seconds)
    return await notify.work_once(door.services)


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
async def test_a_change_is_told_once_with_as_much_as_was_asked_for(listening, leaves, content):
    door, endpoint, clock = listening
    made = await door.operator("POST", "/Subscription", subscription(content=content))
    assert (made.status_code, made.json()["status"]) == (201, "active")
    note = (await door("POST", "/Observation", observation())).json()["id"]
    await door("POST", "/Observation", observation("other"))
    await turn(door, clock)
    await turn(door, clock)
    assert len(endpoint.got) == 1
    sent = json.loads(endpoint.got[0].content)
    assert (sent["resourceType"], sent["type"]) == ("Bundle", "history")
    text = json.dumps(sent)
    assert (f"Observation/{note}" in text) == (content != "empty")
    assert ("8867-4" in text) == (content == "full-resource")
    told = [leaf for leaf in await leaves() if leaf[2].startswith("Subscription/") and leaf[3]]
    assert ("1", "search", f"Subscription/{made.json()['id']}", 1, "served") in told


async def test_an_endpoint_that_fails_is_tried_again_and_given_up(listening):
    door, endpoint, clock = listening
    made = await door.operator("POST", "/Subscription", subscription())
    await door("POST", "/Observation", observation())
    endpoint.status = 302
    for _ in range(notify.FAILURES_MAX):
        await turn(door, clock, seconds=3600)
    assert len(endpoint.got) == notify.FAILURES_MAX
    assert {str(request.url) for request in endpoint.got} == {HOOK}
    stored = (await door.operator("GET", f"/Subscription/{made.json()['id']}")).json()
    assert stored["status"] == "error"
    assert stored["error"]
    assert not await turn(door, clock)
    endpoint.status = 200
    again = {**stored, "status": "requested"}
    assert (await door.operator("PUT", f"/Subscription/{stored['id']}", again)).json()["status"] == "active"


async def test_what_was_not_taken_is_told_later(listening):
    door, endpoint, clock = listening
    await door.operator("POST", "/Subscription", subscription(content="id-only"))
    note = (await door("POST", "/Observation", observation())).json()["id"]
    endpoint.status = 503
    await turn(door, clock)
    endpoint.status = 200
    await turn(door, clock, seconds=60)
    assert f"Observation/{note}" in endpoint.got[-1].content.decode()
    assert len(endpoint.got) == 2


async def test_a_citizen_is_told_of_accesses_by_others_to_the_own_data(listening):
    door, endpoint, clock = listening
    await door("PUT", "/Patient/1", {**PATIENT, "id": "1"})
    await door("PUT", "/Patient/2", {**PATIENT, "id": "2"})
    made = await door.citizen("POST", "/Subscription", subscription(ACCESS_TOPIC), patient="1")
    assert made.status_code == 201, made.text
    signer = Signer("salus.test", Ed25519PrivateKey.generate())
    await sequence(door.services.database, signer, clock())
    await turn(door, clock)
    told_before = len(endpoint.got)
    await door.citizen("GET", "/Patient/1", patient="1")
    await door("GET", "/Patient/2")
    await sequence(door.services.database, signer, clock())
    await turn(door, clock)
    assert len(endpoint.got) == told_before
    await door("GET", "/Patient/1")
    await sequence(door.services.database, signer, clock())
    await turn(door, clock)
    assert len(endpoint.got) == told_before + 1
    assert "notification-event" in endpoint.got[-1].content.decode()


async def test_a_subscription_ends_when_it_is_deleted_or_over(listening):
    door, endpoint, clock = listening
    one = (await door.operator("POST", "/Subscription", subscription())).json()["id"]
    await door.operator("DELETE", f"/Subscription/{one}")
    ends = (clock() + timedelta(seconds=1)).isoformat().replace("+00:00", "Z")
    two = (await door.operator("POST", "/Subscription", {**subscription(), "end": ends})).json()["id"]
    await door("POST", "/Observation", observation())
    await turn(door, clock)
    assert endpoint.got == []
    assert (await door.operator("GET", f"/Subscription/{two}")).json()["status"] == "off"


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "http://127.0.0.1:5432/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://169.254.169.254/latest/meta-data/",
        "gopher://127.0.0.1:6379/_x",
        "file:///etc/passwd",
        "https://app.example/hooked",
        "https://app.example.evil.example/hook",
        "https://app.example:444/hook",
        "http://app.example/hook",
        "https://app.example@evil.example/hook",
        "https://evil.example\\@app.example/hook",
        "https://app.example/hook/../other",
        "https://app.example/hook/%2e%2e/other",
        "https://app.example/hook#x",
        "https://app.example:99999/hook",
        "https://\u0430pp.example/hook",
    ],
)
def test_an_address_that_is_not_listed_is_refused(endpoint):
    with pytest.raises(InvalidResource):
        check_target(endpoint, (HOOK,))


async def test_what_the_node_would_not_call_is_refused(listening):
    door, endpoint, _ = listening
    channels = (
        {"endpoint": "http://127.0.0.1:5432/"},
        {"type": "email"},
        {"header": ["Host: evil.example"]},
        {"header": ["X: a\r\nY: b"]},
        {"header": ["Content-Length: 0"]},
        {"payload": "text/plain"},
    )
    criteria = (
        "",
        "Observation?nonsense=1",
        "Nonsense?x=1",
        "AuditEvent?",
        "urn:other",
        "Observation?_sort=date",
    )
    sent = [subscription(**channel) for channel in channels] + [subscription(one) for one in criteria]
    for one in sent:
        answer = await door.operator("POST", "/Subscription", one)
        assert 400 <= answer.status_code < 500, one
    assert endpoint.got == []


@pytest.mark.parametrize("endpoint", [HOOK, HOOK + "/deeper?x=1", "https://APP.example:443/hook"])
def test_an_address_below_a_listed_one_is_allowed(endpoint):
    check_target(endpoint, (HOOK,))


def test_nothing_is_allowed_where_nothing_is_listed():
    with pytest.raises(InvalidResource):
        check_target(HOOK, ())
