"""The token endpoint between two running nodes: who gets one, and what it opens."""

import asyncio
from datetime import timedelta

import httpx
import msgspec
import pytest
from joserfc import jws
from joserfc.jwk import RSAKey
from tests.federation.conftest import DAY, put

from salus.core.access import Assurance, Purpose, Role
from salus.core.errors import AccessRefused, NotAuthenticated
from salus.core.identifiers import new_id
from salus.federation.anchor import refresh, spread
from salus.federation.clients import subject_of
from salus.federation.membership import install_list
from salus.federation.membership_list import Member, sign_list, without_member
from salus.node import write_refusals
from salus.standards.smart.asker import Asker
from salus.standards.smart.assertion import ASSERTION_TYPE, claims_for
from salus.store.federation import Client, register_client, switch_off_client
from salus.store.ledger import leaf_in
from salus.trust.refusals import FAILURES_MAX

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
SCOPE = "system/*.rs"


async def ask(
    federation,
    *,
    asker=MARI,
    scope=SCOPE,
    to="pt-1",
    aud=None,
    jti="j1",
    sender="ee-1",
    form=None,
    headers=None,
):
    node, asking = federation.nodes[to], federation.nodes[sender]
    endpoint = aud or f"{node.url}/oauth/token"
    now = asking.clock().timestamp()
    claims = claims_for(sender, endpoint, jti=jti, now=now, asker=asker)
    fields = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": asking.services.peers._sign(claims),
    } | (form or {})
    if headers is None:
        headers = {"dpop": asking.services.peers.prove("POST", f"{node.url}/oauth/token")}
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"{node.url}/oauth/token", data=fields, headers=headers)


def shown(federation, method, address, token, *, sender="ee-1"):
    """Return the headers by which its holder sends a token."""
    proof = federation.nodes[sender].services.peers.prove(method, address, token)
    return {"authorization": f"DPoP {token}", "dpop": proof}


def held_by(federation, token, *, at="pt-1", sender="ee-1"):
    """Return whom the token speaks for when its holder sends it."""
    proven = federation.nodes[sender].services.peers.key
    return federation.nodes[at].services.doorkeeper.identify(token, proven)


async def test_a_member_gets_a_short_token_bound_to_person_purpose_and_patient(federation):
    answer = await ask(federation)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["token_type"] == "DPoP"
    assert body["expires_in"] == federation.nodes["pt-1"].services.limits.token_seconds
    caller = held_by(federation, body["access_token"])
    assert (caller.node, caller.patient, caller.purpose) == ("ee-1", "ana", Purpose.TREATMENT)
    assert (caller.name, caller.organisation) == ("Dr Mari Tamm", "Tartu Hospital")
    assert caller.scopes == ("patient/*.rs",)


async def test_a_token_of_one_node_opens_nothing_at_another(federation):
    token = (await ask(federation)).json()["access_token"]
    with pytest.raises(NotAuthenticated):
        held_by(federation, token, at="ee-1")


async def test_an_assertion_is_good_once_whoever_presents_it_and_however_fast(federation):
    answers = await asyncio.gather(*(ask(federation) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]
    assert (await ask(federation)).json()["error"] == "invalid_client"
    assert (await ask(federation, jti="j2")).status_code == 200


async def test_an_assertion_for_another_node_is_refused(federation):
    answer = await ask(federation, aud=f"{federation.nodes['ee-1'].url}/oauth/token")
    assert answer.status_code == 401
    assert "aud" in answer.json()["error_description"]


async def test_the_clocks_of_two_nodes_may_differ_by_a_minute(federation):
    statuses = {}
    for minutes in (-3, -0.5, 0.5, 7):
        federation.nodes["ee-1"].clock.ahead = timedelta(minutes=minutes)
        statuses[minutes] = (await ask(federation, jti=str(minutes))).status_code
    assert statuses == {-3: 401, -0.5: 200, 0.5: 200, 7: 401}


PERMITTING_NOTHING = [
    (None, SCOPE),
    (msgspec.structs.replace(MARI, relationship="none"), SCOPE),
    (msgspec.structs.replace(MARI, purpose=Purpose.RESEARCH), SCOPE),
    (msgspec.structs.replace(MARI, role=Role.CITIZEN), SCOPE),
    (MARI, "system/Patient.d openid"),
    (MARI, ""),
]


async def test_a_statement_that_permits_nothing_is_refused_and_written_down(federation):
    for number, (asker, scope) in enumerate(PERMITTING_NOTHING):
        answer = await ask(federation, asker=asker, scope=scope, jti=f"n{number}")
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope"), (asker, scope)
    async with federation.nodes["pt-1"].services.database.system() as connection:
        entries = await connection.fetchval("SELECT count(*) FROM leaf WHERE patient = 'ana'")
    assert entries == len(PERMITTING_NOTHING) - 1


async def test_a_scope_that_narrows_by_a_query_is_refused_rather_than_widened(federation):
    scope = "system/Patient.rs system/Observation.rs?category=laboratory"
    answer = await ask(federation, scope=scope)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
    assert "without the query" in answer.json()["error_description"]


async def test_before_the_patient_is_known_a_token_only_looks_one_up(federation):
    answer = await ask(federation, asker=msgspec.structs.replace(MARI, patient="", relationship="none"))
    assert answer.json()["scope"] == "system/Patient.s"
    caller = held_by(federation, answer.json()["access_token"])
    assert caller.scopes == ("lookup",)
    assert caller.patient is None


async def test_a_lookup_token_opens_no_other_door(federation):
    home = federation.nodes["pt-1"]
    await put(home, {"resourceType": "Patient", "id": "ana", "name": [{"family": "Silva"}]})
    asker = msgspec.structs.replace(MARI, patient="", relationship="none")
    token = (await ask(federation, asker=asker)).json()["access_token"]

    async def sign(request):
        request.headers.update(shown(federation, request.method, str(request.url), token))

    async with httpx.AsyncClient(trust_env=False, event_hooks={"request": [sign]}) as client:
        for path in (
            "Patient?family=Silva",
            "Patient/ana",
            "Patient",
            "Condition",
            "Patient/ana/$everything",
        ):
            assert (await client.get(f"{home.url}/fhir/{path}")).status_code == 403, path
        answer = await client.get(f"{home.url}/fhir/Patient/_search?family=Silva")
        assert answer.status_code in (404, 405)
        answer = await client.post(f"{home.url}/fhir/Patient/_search?family=Silva", data={"a": "b"})
        assert answer.status_code == 400


async def test_a_revoked_member_gets_nothing_and_its_tokens_are_dead(federation):
    pt, ee = federation.member("pt-1"), federation.member("ee-1")
    token = (await ask(federation)).json()["access_token"]
    federation.publish(pt, msgspec.structs.replace(ee, status="revoked"))
    assert (await ask(federation, jti="j2")).status_code == 401
    with pytest.raises(NotAuthenticated):
        held_by(federation, token)


async def test_an_expired_list_admits_nobody(federation):
    federation.publish(*federation.current.members, expires_in=timedelta(seconds=-1))
    answer = await ask(federation)
    assert answer.status_code == 401
    assert "expired" in answer.json()["error_description"]
    with pytest.raises(AccessRefused):
        federation.nodes["ee-1"].services.membership.admitted("pt-1", federation.nodes["ee-1"].clock())


MALFORMED = [
    ({"grant_type": "password"}, "unsupported_grant_type"),
    ({"client_assertion_type": "x"}, "invalid_client"),
    ({"client_assertion": "x.y.z"}, "invalid_client"),
    ({"client_assertion": ""}, "invalid_client"),
    ({"client_id": "pt-1"}, "invalid_client"),
    ({"padding": "x" * 40_000}, "invalid_request"),
]


async def test_a_malformed_request_gets_the_error_of_rfc_6749(federation):
    found = [(await ask(federation, form=form, jti=f"m{place}")) for place, (form, _) in enumerate(MALFORMED)]
    assert [answer.json()["error"] for answer in found] == [error for _, error in MALFORMED]


async def test_parameters_in_the_query_are_refused(federation):
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{federation.nodes['pt-1'].url}/oauth/token?scope=x", data={"a": "b"})
    assert answer.json()["error"] == "invalid_request"


class LocalSystem:
    """A registered system of a node's own country: it signs with its key and calls the node."""

    def __init__(self, home, client):
        self.home, self.client = home, client
        self.key = RSAKey.generate_key(2048, {"kid": "r1"})

    async def register(self, *purposes):
        keys = [self.key.as_dict(private=False)]
        registered = Client(self.client, "Laboratory", keys, ("system/Observation.rs",), purposes=purposes)
        await register_client(self.home.services.database, registered, now=self.home.clock())

    async def post(self, path, headers=None, **fields):
        endpoint = f"{self.home.url}{path}"
        claims = claims_for(
            self.client, endpoint, jti=new_id(), now=self.home.clock().timestamp(), asker=None
        )
        header = {"alg": "RS384", "kid": "r1", "typ": "JWT"}
        assertion = jws.serialize_compact(header, msgspec.json.encode(claims), self.key, algorithms=["RS384"])
        fields |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        async with httpx.AsyncClient(trust_env=False) as http:
            return await http.post(endpoint, data=fields, headers=headers)

    async def ask(self, scope="system/Observation.rs", headers=None):
        answer = await self.post("/oauth/token", headers, grant_type="client_credentials", scope=scope)
        return answer.json()

    async def is_active(self, token):
        return (await self.post("/oauth/introspect", token=token)).json()["active"]


async def reads_with(home, token):
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as http:
        return (await http.get(f"{home.url}/fhir/Observation")).status_code


async def test_a_system_registered_for_public_health_asks_for_that_purpose(federation):
    home = federation.nodes["pt-1"]
    for client, purposes, read in (("body", (Purpose.PUBLIC_HEALTH,), 403), ("lab", (), 200)):
        system = LocalSystem(home, client)
        await system.register(*purposes)
        token = (await system.ask())["access_token"]
        assert home.services.doorkeeper.identify(token).purpose is (purposes or (Purpose.OPERATIONS,))[0]
        assert await reads_with(home, token) == read


async def test_a_registered_local_system_is_given_its_scopes_and_no_more(federation):
    lab = LocalSystem(federation.nodes["pt-1"], "lab")
    await lab.register()
    assert (await lab.ask("system/Observation.rs system/Patient.rs"))["scope"] == "system/Observation.rs"
    assert (await lab.ask("system/Patient.rs"))["error"] == "invalid_scope"


@pytest.mark.parametrize("client", ["lab", "https://lab.example/1"])
async def test_a_client_gives_back_its_token_whatever_its_id(federation, client):
    home = federation.nodes["pt-1"]
    lab = LocalSystem(home, client)
    await lab.register()
    token = (await lab.ask())["access_token"]
    assert await lab.is_active(token)
    assert await reads_with(home, token) == 200
    assert (await lab.post("/oauth/revoke", token=token)).status_code == 200
    assert not await lab.is_active(token)
    while await reads_with(home, token) != 401:
        pass


async def test_a_client_whose_id_begins_like_anothers_knows_nothing_of_its_tokens(federation):
    home = federation.nodes["pt-1"]
    lab, other = LocalSystem(home, "lab"), LocalSystem(home, "lab/sub")
    await lab.register()
    await other.register()
    token = (await other.ask())["access_token"]
    assert not await lab.is_active(token)
    assert (await lab.post("/oauth/revoke", token=token)).status_code == 200
    assert await other.is_active(token)
    assert subject_of("lab/sub") != subject_of("lab", "sub")


async def test_the_tokens_of_a_client_end_when_it_is_switched_off(federation):
    home = federation.nodes["pt-1"]
    lab, other = LocalSystem(home, "lab"), LocalSystem(home, "other")
    await lab.register()
    await other.register()
    token, others = (await lab.ask())["access_token"], (await other.ask())["access_token"]
    assert await reads_with(home, token) == 200
    until = home.clock() + timedelta(seconds=home.services.terms.seconds)
    assert await switch_off_client(home.services.database, "lab", until=until)
    while await reads_with(home, token) != 401:
        pass
    assert await reads_with(home, others) == 200


async def test_discovery_says_what_the_node_does(federation):
    home = federation.nodes["pt-1"]
    async with httpx.AsyncClient(trust_env=False) as client:
        for path in ("/.well-known/smart-configuration", "/fhir/.well-known/smart-configuration"):
            found = (await client.get(home.url + path)).json()
            assert found["token_endpoint"] == f"{home.url}/oauth/token"
            assert found["token_endpoint_auth_signing_alg_values_supported"] == ["ES384", "RS384"]
        keys = (await client.get(found["jwks_uri"])).json()["keys"]
    assert not any("d" in key for key in keys)


async def test_a_client_can_look_at_and_give_back_its_own_token(federation):
    home, abroad = federation.nodes["pt-1"], federation.nodes["ee-1"]
    token = (await ask(federation)).json()["access_token"]

    async def about(path, jti):
        now = abroad.clock().timestamp()
        claims = claims_for("ee-1", f"{home.url}{path}", jti=jti, now=now, asker=None)
        fields = {
            "token": token,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": abroad.services.peers._sign(claims),
        }
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.post(f"{home.url}{path}", data=fields)

    assert (await about("/oauth/introspect", "a")).json()["active"] is True
    assert (await about("/oauth/revoke", "b")).status_code == 200
    async with home.services.database.system() as connection:
        assert await connection.fetchval("SELECT count(*) FROM revoked_token") == 1


async def test_a_newer_list_is_taken_from_anyone_and_an_older_one_from_nobody(federation):
    home = federation.nodes["pt-1"]
    path = home.folder / "federation" / "members.jws"
    old = path.read_text()
    federation.publish(federation.member("pt-1"))
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{home.url}/federation/members")).text == path.read_text()
        refused = await client.post(f"{home.url}/federation/members", content=old)
        assert refused.status_code == 409
        forged = await client.post(f"{home.url}/federation/members", content=old[:-20] + "A" * 20)
        assert forged.status_code == 401


async def test_a_node_that_missed_a_revocation_hears_of_it_from_another_member(federation):
    home, abroad = federation.nodes["pt-1"], federation.nodes["ee-1"]
    now = home.clock().replace(microsecond=0)
    gone = Member("fr-1", "FR", "France", "http://127.0.0.1:1", federation.member("pt-1").keys, now + DAY)
    federation.publish(*federation.current.members, gone)
    renewed = without_member(federation.current, "fr-1", now=now, expires_at=now + DAY)
    install_list(abroad.folder, sign_list(renewed, federation.anchor))
    members = [federation.member("ee-1")]
    async with httpx.AsyncClient(trust_env=False) as client:
        assert await spread(sign_list(federation.current, federation.anchor), members, client) == {
            "ee-1": "answered 409"
        }
        for _ in range(60):  # it asks any member, fr-1 too, who is not there
            await refresh(home.services.membership, client, "pt-1", home.clock())
    assert home.services.membership.current.state("fr-1", home.clock()) == "revoked"


async def test_refused_assertions_and_tokens_are_counted_into_the_audit(federation):
    home = federation.nodes["pt-1"]
    async with httpx.AsyncClient(trust_env=False) as client:
        for _ in range(3):
            await client.get(f"{home.url}/fhir/Patient/ana", headers={"authorization": "Bearer nonsense"})
    await ask(federation, form={"client_assertion": "x.y.z"})
    await write_refusals(home.services)
    async with home.services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf WHERE patient = ''")
    leaves = [leaf_in(connection, row["entry"]) for row in rows]
    counted = {leaf.what: leaf.resources for leaf in leaves if leaf.rule == "not-authenticated"}
    assert counted == {"bearer token": 3, "client assertion": 1}


async def test_an_address_that_fails_too_often_is_held_up_but_no_member_is(federation):
    home = federation.nodes["pt-1"]
    endpoint = f"{home.url}/oauth/token"
    key = RSAKey.generate_key(2048, {"kid": "r1"})

    async def stranger(http):
        claims = claims_for("stranger", endpoint, jti="1", now=home.clock().timestamp(), asker=None)
        header = {"alg": "RS384", "kid": "r1", "typ": "JWT"}
        assertion = jws.serialize_compact(header, msgspec.json.encode(claims), key, algorithms=["RS384"])
        fields = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
        return await http.post(endpoint, data=fields)

    async with httpx.AsyncClient(trust_env=False) as http:
        answers = [await stranger(http) for _ in range(2 * FAILURES_MAX + 2)]
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {401, 429}
    held_up = next(answer for answer in answers if answer.status_code == 429)
    assert held_up.json()["error"] == "temporarily_unavailable"
    assert 0 < int(held_up.headers["retry-after"]) <= 60
    assert (await ask(federation)).status_code == 200


@pytest.mark.clause("EHDS 12 and 16")
@pytest.mark.parametrize(
    ("level", "problem"),
    [
        (None, "state how surely the professional logged in (extensions, salus.acr): substantial or more"),
        (Assurance.LOW, "substantial or more; stated is low"),
        (Assurance.SUBSTANTIAL, ""),
    ],
)
async def test_a_node_says_how_surely_its_professional_logged_in(federation, level, problem):
    answer = await ask(federation, asker=msgspec.structs.replace(MARI, assurance=level))
    assert answer.status_code == (400 if problem else 200)
    assert problem in answer.json().get("error_description", "")
    lookup = await ask(federation, asker=msgspec.structs.replace(MARI, patient="", assurance=level), jti="j2")
    assert lookup.status_code == answer.status_code
