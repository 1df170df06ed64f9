"""Subscriptions: what may be watched, who is told, and what happens when nobody listens."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from salus.core.access import Purpose, Role
from salus.core.errors import InvalidResource
from salus.federation.clients import subject_of
from salus.store.federation import Client, register_client, switch_off_client
from salus.store.sequencer import Signer, sequence
from salus.web.fhir import notify
from salus.web.fhir.subscribing import ACCESS_TOPIC, CONTENT, HEARTBEAT, check_target

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


def parameters_of(request):
    """Return the values of the status that a notification begins with."""
    bundle = json.loads(request.content)
    listed = bundle["entry"][0]["resource"]["parameter"]
    return {one["name"]: next((v for k, v in one.items() if k.startswith("value")), None) for one in listed}


def kind_and_status(request):
    found = parameters_of(request)
    return found["type"], found["status"]


async def turn(door, clock, seconds=2):
    clock.now += timedelta(seconds=seconds)
    return await notify.work_once(door.services)


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
async def test_a_change_is_told_once_with_as_much_as_was_asked_for(listening, leaves, content):
    door, endpoint, clock = listening
    made = await door.operator("POST", "/Subscription", subscription(content=content))
    assert (made.status_code, made.json()["status"]) == (201, "requested")
    await turn(door, clock)
    (greeting,) = endpoint.got
    assert kind_and_status(greeting) == ("handshake", "requested")
    made = await door.operator("GET", f"/Subscription/{made.json()['id']}")
    assert made.json()["status"] == "active"
    endpoint.got.clear()
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
    assert {request.headers["host"] for request in endpoint.got} == {"app.example"}
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
    await turn(door, clock)
    endpoint.got.clear()
    note = (await door("POST", "/Observation", observation())).json()["id"]
    endpoint.status = 503
    await turn(door, clock)
    endpoint.status = 200
    await turn(door, clock, seconds=60)
    assert f"Observation/{note}" in endpoint.got[-1].content.decode()
    assert len(endpoint.got) == 2


async def test_a_citizen_is_told_of_accesses_by_others_to_the_own_data(listening):
    door, endpoint, clock = listening
    await door.operator("PUT", "/Patient/1", {**PATIENT, "id": "1"})
    await door.operator("PUT", "/Patient/2", {**PATIENT, "id": "2"})
    made = await door.citizen("POST", "/Subscription", subscription(ACCESS_TOPIC), patient="1")
    assert made.status_code == 201, made.text
    signer = Signer("salus.test", Ed25519PrivateKey.generate(), b"p" * 32)
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


async def test_plain_r4_without_payload_is_an_empty_post(listening):
    door, endpoint, clock = listening
    made = await door.operator("POST", "/Subscription", subscription(header=["Authorization: Bearer x"]))
    assert made.json()["status"] == "active"
    await door("POST", "/Observation", observation())
    await turn(door, clock)
    (told,) = endpoint.got
    assert (told.method, told.content, told.headers["authorization"]) == ("POST", b"", "Bearer x")
    assert (told.url.path, told.headers["host"]) == ("/hook", "app.example")


@pytest.mark.parametrize("media", ["application/fhir+json", "application/fhir+xml"])
async def test_plain_r4_with_payload_puts_the_resource_below_the_endpoint(listening, media):
    door, endpoint, clock = listening
    await door.operator("POST", "/Subscription", subscription(payload=media, endpoint=HOOK + "/fhir?key=1"))
    note = (await door("POST", "/Observation", observation())).json()["id"]
    await turn(door, clock)
    (told,) = endpoint.got
    assert (told.method, told.url.path) == ("PUT", f"/hook/fhir/Observation/{note}")
    assert told.url.query == b"key=1"
    assert told.headers["content-type"] == media
    if media.endswith("json"):
        assert (json.loads(told.content)["id"], json.loads(told.content)["status"]) == (note, "final")
    else:
        assert b"<Observation" in told.content
    await door.operator("DELETE", f"/Observation/{note}")
    await turn(door, clock)
    assert len(endpoint.got) == 1


async def test_a_heartbeat_is_sent_after_the_period_without_news(listening):
    door, endpoint, clock = listening
    period = {"url": HEARTBEAT, "valueUnsignedInt": 60}
    await door.operator("POST", "/Subscription", subscription(content="empty", extension=[period]))
    await turn(door, clock)
    await turn(door, clock, seconds=30)
    await turn(door, clock, seconds=31)
    await turn(door, clock, seconds=31)
    assert [kind_and_status(one)[0] for one in endpoint.got] == ["handshake", "heartbeat"]


async def test_status_says_how_a_subscription_stands(listening):
    door, _, clock = listening
    made = (await door.operator("POST", "/Subscription", subscription(content="empty"))).json()["id"]
    await turn(door, clock)
    await door("POST", "/Observation", observation())
    await turn(door, clock)
    answer = (await door.operator("GET", f"/Subscription/{made}/$status")).json()
    assert answer["type"] == "searchset"
    listed = {one["name"]: one for one in answer["entry"][0]["resource"]["parameter"]}
    assert listed["status"]["valueCode"] == "active"
    assert listed["type"]["valueCode"] == "query-status"
    assert listed["events-since-subscription-start"]["valueString"] == "1"
    assert (await door.citizen("GET", f"/Subscription/{made}/$status", patient="1")).status_code == 404


async def test_the_delivery_begins_in_the_transaction_that_stores_the_subscription(listening):
    door, _, _ = listening
    bad = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": subscription(), "request": {"method": "POST", "url": "Subscription"}},
        {"resource": observation(), "request": {"method": "PUT", "url": "Observation/x", "ifMatch": 'W/"9"'}},
    ]}  # fmt: skip
    bad["entry"][1]["resource"]["id"] = "x"
    assert (await door.operator("POST", "", bad)).status_code == 412
    async with door.services.database.system() as connection:
        assert await connection.fetchval("SELECT count(*) FROM subscription WHERE NOT stopped") == 0
    made = (await door.operator("POST", "/Subscription", subscription())).json()["id"]
    moved = [{"op": "replace", "path": "/channel/endpoint", "value": "https://evil.example/"}]
    headers = {"content-type": "application/json-patch+json"}
    answer = await door.operator("PATCH", f"/Subscription/{made}", json.dumps(moved), headers=headers)
    assert answer.status_code == 422
    stored = (await door.operator("GET", f"/Subscription/{made}")).json()
    assert stored["channel"]["endpoint"] == HOOK


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.7", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "::1", "fe80::1", "fc00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
        "::127.0.0.1",
    ],
)  # fmt: skip
async def test_a_name_that_leads_into_a_private_network_is_not_called(open_door, address):
    clock, endpoint = Clock(), Endpoint()

    async def resolve(_host, _port):
        return ["93.184.215.14", address]

    async with httpx.AsyncClient(transport=httpx.MockTransport(endpoint)) as client:
        door = open_door(client=client, clock=clock, subscription_targets=(HOOK,), resolve=resolve)
        made = (await door.operator("POST", "/Subscription", subscription())).json()["id"]
        await door("POST", "/Observation", observation())
        await turn(door, clock)
        assert endpoint.got == []
        stored = (await door.operator("GET", f"/Subscription/{made}")).json()
        assert stored["status"] == "error"
        assert "private network" in stored["error"]


@pytest.mark.parametrize("allowed", ["app.example", "10.0.0.7"])
async def test_the_operator_may_allow_a_private_address_by_host_or_address(open_door, allowed):
    clock, endpoint = Clock(), Endpoint()

    async def resolve(_host, _port):
        return ["10.0.0.7"]

    async with httpx.AsyncClient(transport=httpx.MockTransport(endpoint)) as client:
        terms = {"subscription_targets": (HOOK,), "private_hosts": (allowed,), "resolve": resolve}
        door = open_door(client=client, clock=clock, **terms)
        await door.operator("POST", "/Subscription", subscription())
        await door("POST", "/Observation", observation())
        await turn(door, clock)
        (told,) = endpoint.got
        assert (told.url.host, told.headers["host"]) == ("10.0.0.7", "app.example")
        assert told.extensions["sni_hostname"] == "app.example"


def app(*scopes):
    return {"role": Role.APP, "purpose": Purpose.OPERATIONS, "scopes": ("system/Subscription.crus", *scopes)}


async def test_what_the_subscriber_may_not_read_is_refused_when_it_is_made_or_changed(listening, leaves):
    door, _, _ = listening
    reads_conditions = app("system/Condition.rs")
    answer = await door("POST", "/Subscription", subscription(), **reads_conditions)
    assert answer.status_code == 403
    (told,) = answer.json()["issue"]
    assert (told["code"], "Observation" in told["details"]["text"]) == ("forbidden", True)
    answer = await door("POST", "/Subscription", subscription(ACCESS_TOPIC, "id-only"), **reads_conditions)
    assert answer.status_code == 403
    made = await door("POST", "/Subscription", subscription("Condition?code=x"), **reads_conditions)
    assert made.status_code == 201
    path = f"/Subscription/{made.json()['id']}"
    changed = made.json() | {"criteria": "Observation?code=8867-4"}
    assert (await door("PUT", path, changed, **reads_conditions)).status_code == 403
    assert (await door("GET", path, **reads_conditions)).json()["criteria"] == "Condition?code=x"
    assert [each[4] for each in await leaves()].count("refused") == 3


async def test_one_whose_subscriber_lost_the_right_ends_with_the_reason_though_nothing_changed(
    listening, database
):
    door, endpoint, clock = listening
    made = await door("POST", "/Subscription", subscription(), **app("system/Observation.rs"))
    assert made.status_code == 201
    await register_client(database, Client("s-1", "App", [], ("system/Condition.rs",)), now=clock())
    while await notify.work_once(door.services):
        pass
    stored = (await door.operator("GET", f"/Subscription/{made.json()['id']}")).json()
    assert stored["status"] == "error"
    assert "no longer" in stored["error"]
    assert "not registered for it any more" in stored["error"]
    assert endpoint.got == []
    async with door.services.database.system() as connection:
        assert await connection.fetchval("SELECT count(*) FROM subscription WHERE NOT stopped") == 0


async def test_it_stays_its_makers_whoever_starts_it_again(listening):
    door, endpoint, clock = listening
    for name in ("1", "2"):
        await door.operator("PUT", f"/Patient/{name}", {"resourceType": "Patient", "id": name})
    wanted = subscription("Observation?status=final", payload="application/fhir+json")
    made = (await door.citizen("POST", "/Subscription", wanted, patient="1")).json()
    path = f"/Subscription/{made['id']}"
    for status in ("off", "requested"):
        stored = (await door.operator("GET", path)).json()
        assert (await door.operator("PUT", path, {**stored, "status": status})).status_code == 200
    await door("POST", "/Observation", observation(patient="2"))
    await door("POST", "/Observation", observation(patient="1"))
    await turn(door, clock)
    await turn(door, clock)
    told = b"".join(one.content for one in endpoint.got)
    assert b"Patient/1" in told
    assert b"Patient/2" not in told


@pytest.mark.parametrize(
    "change", [{"endpoint": f"{HOOK}/mine"}, {"payload": ""}, {"header": ["X-Key: mine"]}]
)
async def test_another_than_its_maker_does_not_change_where_it_tells(listening, change):
    door, _, _ = listening
    await door.operator("PUT", "/Patient/1", {"resourceType": "Patient", "id": "1"})
    wanted = subscription("Observation?status=final", payload="application/fhir+json")
    made = (await door.citizen("POST", "/Subscription", wanted, patient="1")).json()
    channel = {name: value for name, value in (made["channel"] | change).items() if value}
    answer = await door.operator("PUT", f"/Subscription/{made['id']}", {**made, "channel": channel})
    assert answer.status_code == 403
    assert "Make a Subscription of your own" in answer.text


async def test_the_values_of_its_headers_are_told_to_nobody_and_kept(listening):
    door, endpoint, clock = listening
    await door.operator("PUT", "/Patient/1", {"resourceType": "Patient", "id": "1"})
    wanted = subscription(
        "Observation?status=final", payload="application/fhir+json", header=["X-Key: s3cret"]
    )
    made = await door.citizen("POST", "/Subscription", wanted, patient="1")
    shown = await door.operator("GET", "/Subscription")
    assert "X-Key" in shown.text
    assert "s3cret" not in made.text + shown.text
    again = await door.citizen("PUT", f"/Subscription/{made.json()['id']}", made.json(), patient="1")
    assert again.status_code == 200, again.text
    await door("POST", "/Observation", observation(patient="1"))
    await turn(door, clock)
    await turn(door, clock)
    assert endpoint.got[-1].headers["x-key"] == "s3cret"


async def test_a_client_that_was_switched_off_is_told_nothing_more(listening, database):
    door, endpoint, clock = listening
    lab = Client("https://lab.example/a", "Lab", [], ("system/*.rs", "system/Subscription.cud"))
    await register_client(database, lab, now=clock())
    who = {
        "role": Role.APP,
        "purpose": Purpose.OPERATIONS,
        "subject": subject_of(lab.id),
        "scopes": lab.scopes,
    }
    made = await door("POST", "/Subscription", subscription(payload="application/fhir+json"), **who)
    assert made.status_code == 201, made.text
    await door("POST", "/Observation", observation())
    await turn(door, clock)
    await turn(door, clock)
    assert len(endpoint.got) == 1
    await switch_off_client(database, lab.id, until=clock.now)
    await door("POST", "/Observation", observation())
    await turn(door, clock)
    await turn(door, clock)
    assert len(endpoint.got) == 1
    stored = (await door.operator("GET", f"/Subscription/{made.json()['id']}")).json()
    assert (stored["status"], "switched off" in stored["error"]) == ("error", True)


async def test_a_patch_by_an_operator_copies_no_kept_header_out(listening):
    door, *_ = listening
    await door.operator("PUT", "/Patient/a", {"resourceType": "Patient", "id": "a"})
    sent = subscription(payload="application/fhir+json", header=["Authorization: Bearer SECRET"])
    made = await door.citizen("POST", "/Subscription", sent, patient="a")
    path = f"/Subscription/{made.json()['id']}"
    copy = [{"op": "copy", "from": "/channel/header/0", "path": "/reason"}]
    headers = {"content-type": "application/json-patch+json"}
    told = await door.operator("PATCH", path, copy, headers=headers)
    assert told.status_code == 200, told.text
    assert told.json()["reason"] == "Authorization: (kept by the node)"
    history = await door.operator("GET", f"{path}/_history")
    assert "SECRET" not in told.text + history.text
