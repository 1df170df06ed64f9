"""A token between nodes is bound to a key (RFC 9449): who stole it, or a proof, has nothing."""

import httpx
import pytest
from joserfc.jwk import ECKey
from tests.federation.conftest import put
from tests.federation.test_tokens import LocalSystem, ask, shown

from salus.standards.smart.dpop import make_proof

PATH = "/fhir/Patient/ana"


@pytest.fixture
async def stolen(federation):
    """Yield the home node, a client, and a token that ee-1 was given about Ana."""
    home = federation.nodes["pt-1"]
    await put(home, {"resourceType": "Patient", "id": "ana", "name": [{"family": "Silva"}]})
    token = (await ask(federation)).json()["access_token"]
    async with httpx.AsyncClient(trust_env=False, base_url=home.url) as client:
        yield home, client, token


async def test_only_its_holder_uses_it_and_each_proof_once(federation, stolen):
    home, client, token = stolen
    headers = shown(federation, "GET", home.url + PATH, token)
    assert (await client.get(PATH, headers=headers)).status_code == 200
    replayed = await client.get(PATH, headers=headers)
    assert replayed.status_code == 401
    assert "used already" in replayed.json()["issue"][0]["details"]["text"]
    assert 'DPoP realm="salus", error="invalid_dpop_proof"' in replayed.headers["www-authenticate"]
    again = shown(federation, "GET", home.url + PATH, token)
    assert (await client.get(PATH, headers=again)).status_code == 200


async def test_without_the_key_it_opens_nothing(federation, stolen):
    home, client, token = stolen
    thief = ECKey.generate_key("P-256")
    now = home.clock().timestamp()
    own = make_proof(thief, "GET", home.url + PATH, jti="t1", now=now, token=token)
    good = shown(federation, "GET", home.url + PATH, token)["dpop"]
    attempts = {
        "as bearer": {"authorization": f"Bearer {token}"},
        "as bearer, with a proof": {"authorization": f"Bearer {token}", "dpop": good},
        "without a proof": {"authorization": f"DPoP {token}"},
        "with a proof of the thief's key": {"authorization": f"DPoP {token}", "dpop": own},
        "with a proof for another method": shown(federation, "PUT", home.url + PATH, token),
        "with a proof for another address": shown(federation, "GET", f"{home.url}/fhir/Patient/rui", token),
        "with a proof for another node": shown(federation, "GET", f"http://127.0.0.1:1{PATH}", token),
        "with a proof for another token": {
            "authorization": f"DPoP {token}",
            "dpop": shown(federation, "GET", home.url + PATH, "x")["dpop"],
        },
    }
    found = {name: (await client.get(PATH, headers=each)).status_code for name, each in attempts.items()}
    assert found == dict.fromkeys(attempts, 401)


async def test_two_proofs_or_two_tokens_are_none(federation, stolen):
    home, client, token = stolen
    one, two = (shown(federation, "GET", home.url + PATH, token) for _ in range(2))
    twice = [("authorization", one["authorization"]), ("dpop", one["dpop"]), ("dpop", two["dpop"])]
    assert (await client.get(PATH, headers=twice)).status_code in (400, 401)


async def test_a_member_is_given_no_token_that_is_bound_to_no_key(federation):
    answer = await ask(federation, headers={})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    answer = await ask(federation, headers={"dpop": "x.y.z"}, jti="j2")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")
    for attempt in (3, 4):
        proof = federation.nodes["ee-1"].services.peers.prove("POST", f"{federation.nodes['pt-1'].url}/x")
        answer = await ask(federation, headers={"dpop": proof}, jti=f"j{attempt}")
        assert answer.json()["error"] == "invalid_dpop_proof"


async def test_a_local_system_may_bind_its_tokens(federation):
    home = federation.nodes["pt-1"]
    lab, key = LocalSystem(home, "lab"), ECKey.generate_key("P-256")
    await lab.register()
    bearer = await lab.ask()
    assert bearer["token_type"] == "bearer"
    address, now = f"{home.url}/fhir/Observation", home.clock().timestamp()
    proof = make_proof(key, "POST", f"{home.url}/oauth/token", jti="a", now=now)
    bound = await lab.ask(headers={"dpop": proof})
    assert bound["token_type"] == "DPoP"
    token = bound["access_token"]
    sent = make_proof(key, "GET", address, jti="b", now=now, token=token)
    async with httpx.AsyncClient(trust_env=False) as client:
        good = await client.get(address, headers={"authorization": f"DPoP {token}", "dpop": sent})
        assert good.status_code == 200
        stolen = await client.get(address, headers={"authorization": f"Bearer {token}"})
        assert stolen.status_code == 401
        mixed = make_proof(key, "GET", address, jti="c", now=now, token=bearer["access_token"])
        unbound = {"authorization": f"DPoP {bearer['access_token']}", "dpop": mixed}
        assert (await client.get(address, headers=unbound)).status_code == 401


async def test_discovery_says_by_which_keys_tokens_are_bound(federation):
    home = federation.nodes["pt-1"]
    async with httpx.AsyncClient(trust_env=False) as client:
        found = (await client.get(f"{home.url}/.well-known/smart-configuration")).json()
    assert found["dpop_signing_alg_values_supported"] == ["ES256", "ES384"]
