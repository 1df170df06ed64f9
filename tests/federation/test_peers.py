"""A peer that is slow, down, talks too much or nonsense is named; the rest of the answer stands."""

import asyncio
from contextlib import asynccontextmanager

import msgspec
import pytest
from joserfc.jwk import ECKey
from tests.federation.conftest import DAY, as_member, free_port, public_part, serving

from salus.core.access import Assurance, Purpose, Role
from salus.core.clock import utc_now
from salus.core.errors import AccessRefused, Conflict, PeerUnavailable
from salus.core.limits import Limits
from salus.federation.fanout import fan_out
from salus.federation.membership_list import Member
from salus.federation.peers import Peers, path_of, read_json
from salus.standards.smart.asker import Asker

MARI = Asker(
    "ee-d-17",
    "Dr Mari Tamm",
    Role.CLINICIAN,
    "Tartu Hospital",
    Purpose.TREATMENT,
    "ana",
    "present",
    assurance=Assurance.HIGH,
)
TOKEN = b'{"access_token": "t", "token_type": "DPoP", "expires_in": 300}'
BUNDLE = b'{"resourceType": "Bundle", "type": "searchset"}'


def rogue(answers, calls=None):
    """Give a token, then answer each path as told: (status, headers, body) or "hang"."""

    async def application(scope, receive, send):
        if scope["type"] != "http":
            return
        path = scope["path"]
        if calls is not None:
            calls.append(path)
        answer = (200, [], TOKEN) if path == "/oauth/token" and path not in answers else answers[path]
        if answer == "hang":
            await asyncio.Event().wait()
        status, headers, body = answer
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return application


def rogue_member(name, port, **changes):
    public = public_part(ECKey.generate_key("P-384"))
    until = (utc_now() + DAY).replace(microsecond=0)
    return Member(name, "XX", name, f"http://127.0.0.1:{port}", [public], until, **changes)


@asynccontextmanager
async def with_rogues(federation, **applications):
    """Run the applications as further members; yield the list of members and impatient peers of ee-1."""
    ports = {name: free_port() for name in applications}
    federation.publish(
        *federation.current.members, *(rogue_member(f"{name}-1", port) for name, port in ports.items())
    )
    services = federation.nodes["ee-1"].services
    peers = Peers(
        node="ee-1",
        chains=services.chains,
        client=services.client,
        sign=services.peers._sign,
        clock=services.clock,
        limits=Limits(peer_deadline_ms=600, body_bytes_max=10_000),
    )
    async with asyncio.TaskGroup() as group:
        stop = asyncio.Event()

        async def serve(name, application):
            async with serving(application, ports[name]):
                started[name].set()
                await stop.wait()

        started = {name: asyncio.Event() for name in applications}
        for name, application in applications.items():
            if application is not None:
                group.create_task(serve(name, application))
            else:
                started[name].set()
        for event in started.values():
            await event.wait()
        try:
            yield {name: federation.member(f"{name}-1") for name in applications}, peers
        finally:
            stop.set()


def search(peers, path="/fhir/Patient/_search"):
    async def question(member):
        answer = await peers.call(member, MARI, "POST", path, scope="system/*.rs", body=b"x=1")
        return read_json(member, answer, "Bundle", peers.limits)

    return question


async def test_silent_peers_are_named_with_their_reason_and_the_rest_stands(federation):
    path = "/fhir/Patient/_search"
    applications = {
        "good": rogue({path: (200, [], BUNDLE)}),
        "down": None,
        "slow": rogue({path: "hang"}),
        "dumb": rogue({path: (200, [], b"<html>")}),
        "other": rogue({path: (200, [], b'{"resourceType": "Patient"}')}),
        "huge": rogue({path: (200, [], b"x" * 10_001)}),
        "moved": rogue({path: (302, [(b"location", b"http://127.0.0.1:1/")], b"")}),
        "broken": rogue({path: (500, [], b"")}),
        "zipped": rogue({path: (200, [(b"content-encoding", b"gzip")], b"x")}),
        "deaf": rogue({"/oauth/token": "hang"}),
        "liar": rogue({"/oauth/token": (200, [], b'{"access_token": "a\\nb", "token_type": "DPoP"}')}),
    }
    async with with_rogues(federation, **applications) as (members, peers):
        found = await fan_out(list(members.values()), search(peers), deadline_ms=2_000)
    assert list(found.answers) == ["good-1"]
    reasons = dict(found.silent)
    expected = {
        "down-1": "cannot be reached",
        "slow-1": "did not answer within 600 ms",
        "dumb-1": "not FHIR JSON",
        "other-1": "other than a Bundle",
        "huge-1": "more than 10000 bytes",
        "moved-1": "redirect",
        "broken-1": "status 500",
        "zipped-1": "compressed",
        "deaf-1": "did not answer within 600 ms",
        "liar-1": "no readable token",
    }
    assert reasons.keys() == expected.keys()
    assert {node: words in reasons[node] for node, words in expected.items()} == dict.fromkeys(expected, True)


async def test_the_question_itself_has_a_deadline(federation):
    async def forever(member):
        await asyncio.Event().wait()

    found = await fan_out(list(federation.current.members), forever, deadline_ms=50)
    assert [node for node, _ in found.silent] == ["pt-1", "ee-1"]


async def test_a_token_is_asked_for_once_for_a_person_and_patient_and_again_when_refused(federation):
    calls = []
    answers = {"/fhir/Patient/_search": (200, [], BUNDLE), "/fhir/x": (401, [], b"{}")}
    async with with_rogues(federation, good=rogue(answers, calls)) as (members, peers):
        for _ in range(3):
            await search(peers)(members["good"])
        assert calls.count("/oauth/token") == 1
        other = msgspec.structs.replace(MARI, patient="other")
        await peers.call(members["good"], other, "POST", "/fhir/Patient/_search", scope="system/*.rs")
        assert calls.count("/oauth/token") == 2
        with pytest.raises(Exception, match="refused"):
            await search(peers, "/fhir/x")(members["good"])
        assert calls.count("/fhir/x") == 2
        assert calls.count("/oauth/token") == 3


async def test_a_refusal_of_the_peer_reaches_the_asker_as_the_same_kind_of_error(federation):
    outcome = b'{"resourceType": "OperationOutcome", "issue": [{"details": {"text": "only 10 left"}}]}'
    answers = {"/fhir/a": (409, [], outcome), "/fhir/b": (403, [], b"nonsense"), "/fhir/c": (418, [], b"")}
    async with with_rogues(federation, good=rogue(answers)) as (members, peers):
        with pytest.raises(Conflict, match="only 10 left"):
            await search(peers, "/fhir/a")(members["good"])
        with pytest.raises(AccessRefused, match="no reason given"):
            await search(peers, "/fhir/b")(members["good"])
        with pytest.raises(PeerUnavailable, match="418"):
            await search(peers, "/fhir/c")(members["good"])


async def test_a_node_asks_nobody_who_is_no_active_member(federation):
    services = federation.nodes["ee-1"].services
    stranger = rogue_member("yy-1", free_port())
    with pytest.raises(AccessRefused, match="unknown"):
        await search(services.peers)(stranger)
    home = as_member(federation.nodes["pt-1"], "PT")
    federation.publish(federation.member("ee-1"), msgspec.structs.replace(home, status="revoked"))
    with pytest.raises(AccessRefused, match="revoked"):
        await search(services.peers)(home)


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("Binary/abc", "/fhir/Binary/abc"),
        ("https://pt.example/fhir/Binary/abc", "/fhir/Binary/abc"),
        ("https://pt.example.evil/fhir/Binary/abc", None),
        ("http://169.254.169.254/latest", None),
        ("../../etc/passwd", None),
        ("https://pt.example/fhir/../admin", None),
        ("//evil.example/x", None),
        ("Binary/a?x=1", None),
        ("file:///etc/passwd", None),
    ],
)
def test_a_link_from_a_peer_is_followed_only_below_its_own_address(link, path):
    member = msgspec.structs.replace(rogue_member("pt-1", 1), base_url="https://pt.example")
    if path is not None:
        assert path_of(member, link) == path
    else:
        with pytest.raises(PeerUnavailable):
            path_of(member, link)
