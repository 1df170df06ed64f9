"""The one application: where a request goes, what is added to every answer, what a failure looks like."""

import asyncio
import json

import httpx
import pytest

from salus.core.errors import NotFound
from salus.core.limits import Limits
from salus.web.application import assemble
from salus.web.connections import Stage
from salus.web.services import Face


def answering(text, headers=()):
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": list(headers)})
        await send({"type": "http.response.body", "body": f"{text} {scope['path']}".encode()})

    return application


async def reading(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body += message["body"]
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(body)).encode()})


async def refusing(scope, receive, send):
    raise NotFound("There is no Patient/1.")


async def failing(scope, receive, send):
    raise ZeroDivisionError("the secret diagnosis of Ana")


POLICY = (b"content-security-policy", b"script-src 'self'")
FACES = (
    Face(prefixes=("/fhir",), application=answering("fhir")),
    Face(prefixes=("/fhir/$special", "/token"), application=answering("special")),
    Face(
        prefixes=("/page",),
        application=answering("page", [POLICY]),
    ),
    Face(prefixes=("/read",), application=reading),
    Face(prefixes=("/refuse",), application=refusing),
    Face(prefixes=("/fail",), application=failing),
)


@pytest.fixture
async def client():
    transport = httpx.ASGITransport(assemble(FACES, limits=Limits(body_bytes_max=100), secure=False))
    async with httpx.AsyncClient(transport=transport, base_url="http://node.test") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/fhir", "fhir /fhir"),
        ("/fhir/", "fhir /fhir/"),
        ("/fhir/Patient/1", "fhir /fhir/Patient/1"),
        ("/fhir/$special/x", "special /fhir/$special/x"),
        ("/token", "special /token"),
    ],
)
async def test_the_longest_prefix_answers(client, path, answer):
    assert (await client.get(path)).text == answer


@pytest.mark.parametrize("path", ["/", "/fhirs", "/tokens", "/nowhere/fhir"])
async def test_what_no_face_claims_is_not_found(client, path):
    answer = await client.get(path)
    assert answer.status_code == 404
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_every_answer_carries_security_headers_and_a_request_id(client):
    for path in ("/fhir", "/refuse", "/fail", "/nothing"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        policy = headers["content-security-policy"].split("; ")
        assert {f"{name} 'none'" for name in ("default-src", "base-uri", "frame-ancestors")} <= set(policy)
        assert "strict-transport-security" not in headers
        assert len(headers["x-request-id"]) == 20


async def test_browsers_must_insist_on_https_when_the_node_is_reached_by_it():
    transport = httpx.ASGITransport(assemble(FACES, limits=Limits(body_bytes_max=100), secure=True))
    async with httpx.AsyncClient(transport=transport, base_url="https://node.test") as client:
        assert "max-age" in (await client.get("/fhir")).headers["strict-transport-security"]


async def test_a_face_may_state_its_own_content_policy(client):
    headers = (await client.get("/page")).headers
    assert headers.get_list("content-security-policy") == ["script-src 'self'"]


async def test_a_body_over_the_limit_is_refused_by_its_announced_length(client):
    answer = await client.post("/fhir", content=b"x" * 101)
    assert answer.status_code == 413
    assert answer.json()["issue"][0]["code"] == "too-long"
    assert (await client.post("/read", content=b"x" * 100)).text == "100"


async def test_a_body_over_the_limit_is_refused_while_it_arrives(client):
    async def parts():
        for _ in range(11):
            yield b"x" * 10

    assert (await client.post("/read", content=parts())).status_code == 413


async def test_an_expected_failure_is_an_operation_outcome(client):
    answer = await client.get("/refuse")
    assert answer.status_code == 404
    assert answer.json()["issue"][0]["details"]["text"] == "There is no Patient/1."


async def test_an_unexpected_failure_shows_and_logs_the_request_but_not_the_error(client, caplog):
    answer = await client.get("/fail")
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] in json.dumps(answer.json())
    assert "diagnosis" not in answer.text
    assert answer.headers["x-request-id"] in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert "diagnosis" not in caplog.text


async def test_a_path_of_many_segments_is_looked_up_at_once(client):
    assert (await client.get("/fhir" + "/x" * 20_000)).text.startswith("fhir ")
    assert (await client.get("/x" * 20_000)).status_code == 404


TOKEN = (b"authorization", b"Bearer x")
DAY_MS = 24 * 3600 * 1000


@pytest.mark.parametrize(
    ("headers", "graces"),
    [
        ([], {"transfer_grace_anonymous_ms": 10, "transfer_grace_ms": DAY_MS}),
        ([TOKEN], {"transfer_grace_anonymous_ms": DAY_MS, "transfer_grace_ms": 10}),
    ],
)
async def test_a_body_that_stops_coming_is_refused(headers, graces):
    application = assemble(
        FACES, limits=Limits(transfer_bytes_per_second_min=1_000_000, **graces), secure=False
    )
    parts = [{"type": "http.request", "body": b"a", "more_body": True}]
    sent = []

    async def receive():
        return parts.pop() if parts else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/read", "headers": headers, "client": ("192.0.2.1", "1")
    }  # fmt: skip
    await application(scope, receive, send)
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["issue"][0]["code"] == "timeout"


@pytest.mark.parametrize(
    ("method", "headers", "stages"),
    [
        ("GET", [], []),
        ("POST", [(b"content-length", b"2")], [Stage.BODY_ANONYMOUS, Stage.BODY_ANONYMOUS]),
        ("POST", [(b"content-length", b"2"), TOKEN], [Stage.BODY, Stage.BODY]),
        ("POST", [(b"transfer-encoding", b"chunked"), TOKEN], [Stage.BODY, Stage.BODY]),
        ("DELETE", [(b"content-length", b"0")], [Stage.ANSWERED, Stage.ANSWERED]),
    ],
)
async def test_a_request_is_whole_when_its_body_has_arrived(method, headers, stages):
    client = ("192.0.2.1", "1")
    underway, seen = {}, []
    parts = [b"b", b"a"] if stages else []

    async def receive():
        seen.append(underway[client])
        part = parts.pop()
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(_message):
        seen.append(underway[client])

    path = "/read" if stages else "/fhir"
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "client": client}
    await assemble(FACES, limits=Limits(), secure=False, underway=underway)(scope, receive, send)
    assert seen == [*stages, Stage.ANSWERED, Stage.ANSWERED]


@pytest.mark.parametrize("path", ["/fhir", "/refuse", "/fail"])
async def test_a_connection_is_busy_from_its_request_to_its_answer(path):
    underway = {}
    seen = []

    async def send(_message):
        seen.append(set(underway))

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "client": ("192.0.2.1", "1")}
    await assemble(FACES, limits=Limits(), secure=False, underway=underway)(scope, None, send)
    assert seen[0] == {("192.0.2.1", "1")}
    assert underway == {}
