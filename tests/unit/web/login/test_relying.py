"""The node as a relying party: how it proves who it is, userinfo, and a provider that misbehaves."""

import base64
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
from tests.flow.provider import TestProvider, reply

from salus.core.errors import NotAuthenticated, PeerUnavailable, SettingsInvalid
from salus.core.limits import Limits
from salus.standards.openid.authorization import challenge_of
from salus.trust.login.provider import Provider
from salus.web.login.relying import RelyingParty, secret_of

PROVIDER = Provider(id="a", name="A", issuer="https://id.example", client_id="salus")


class World:
    def __init__(self, provider=PROVIDER, secret=""):
        self.now = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
        self.provider = TestProvider(lambda: self.now)
        self.provider.asked = {"code_challenge": challenge_of("v"), "nonce": "n-1"}
        self.party = RelyingParty(
            provider, self.provider.client_of, limits=Limits(), clock=lambda: self.now,
            sign=lambda claims: "signed", secret=secret,
        )  # fmt: skip

    async def exchange(self):
        return await self.party.exchange("c-1", verifier="v", redirect_uri="https://node/back", nonce="n-1")


async def test_a_client_with_a_secret_sends_it_in_the_header_and_nowhere_else():
    world = World(msgspec.structs.replace(PROVIDER, client_id="a:b"), secret="s/cret &")
    world.provider.client = "a:b"
    await world.exchange()
    ((form, headers),) = world.provider.forms
    scheme, _, pair = headers["authorization"].partition(" ")
    assert (scheme, base64.b64decode(pair).decode()) == ("Basic", "a%3Ab:s%2Fcret%20%26")
    assert not any("cret" in value for value in form.values())
    assert "client_assertion" not in form


async def test_userinfo_adds_claims_about_the_same_person_and_overrides_none():
    world = World(msgspec.structs.replace(PROVIDER, userinfo=True))
    world.provider.userinfo = {"sub": "s-1", "number": "1", "acr": "highest", "name": "Another"}
    found = await world.exchange()
    assert (found.claims["number"], found.claims["acr"], found.claims["name"]) == ("1", "high", "Ana Silva")
    world.provider.userinfo = {"sub": "s-2", "number": "2"}
    with pytest.raises(NotAuthenticated, match="sub"):
        await world.exchange()


async def test_a_provider_out_of_reach_is_let_alone_for_some_seconds():
    world = World()
    world.provider.is_down = True
    for _ in range(3):
        with pytest.raises(PeerUnavailable):
            await world.party.metadata()
    assert len(world.provider.fetched) == 1
    world.provider.is_down, world.now = False, world.now + timedelta(seconds=5)
    assert (await world.party.metadata()).issuer == "https://id.example"


async def test_metadata_are_read_anew_after_an_hour():
    world = World()
    for minutes in (0, 59, 2):
        world.now += timedelta(minutes=minutes)
        await world.party.metadata()
    assert world.provider.fetched.count("/.well-known/openid-configuration") == 2


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(302, headers={"location": "https://evil.example"}, stream=httpx.ByteStream(b"")),
        httpx.Response(500, stream=httpx.ByteStream(b"")),
        httpx.Response(200, headers={"content-encoding": "gzip"}, stream=httpx.ByteStream(b"x")),
        httpx.Response(200, stream=httpx.ByteStream(b" " * (1024 * 1024 + 1))),
    ],
    ids=["redirect", "failure", "compressed", "too much"],
)
async def test_an_answer_that_is_none_is_not_read(answer):
    client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _request: answer))
    party = RelyingParty(
        PROVIDER, client, limits=Limits(), clock=lambda: datetime(2026, 1, 1, tzinfo=UTC), sign=str
    )
    with pytest.raises(PeerUnavailable):
        await party.metadata()


async def test_a_provider_without_an_id_token_lets_nobody_in():
    world = World()
    world.provider.token = lambda request: reply(200, {"access_token": "a"})
    with pytest.raises(NotAuthenticated, match="no ID token"):
        await world.exchange()


def test_a_secret_is_for_the_node_alone(tmp_path):
    provider = msgspec.structs.replace(PROVIDER, secret_file="a.secret")
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        secret_of(provider, tmp_path)
    (tmp_path / "a.secret").write_text("s\n")
    (tmp_path / "a.secret").chmod(0o644)
    with pytest.raises(SettingsInvalid, match="chmod 600"):
        secret_of(provider, tmp_path)
    (tmp_path / "a.secret").chmod(0o600)
    assert secret_of(provider, tmp_path) == "s"
    assert secret_of(PROVIDER, tmp_path) == ""
