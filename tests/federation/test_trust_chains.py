"""Nodes trust each other on chains to the anchor that they pinned (OpenID Federation 1.0), and no longer."""

import json
from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import msgspec
import pytest
from joserfc.jwk import ECKey
from tests.federation.conftest import Federation, as_member, get, put, running
from tests.federation.test_tokens import MARI, SCOPE, ask, held_by, shown

from salus.core.access import Purpose
from salus.core.clock import utc_now
from salus.core.errors import AccessRefused, Conflict, NotAuthenticated, PeerUnavailable, SettingsInvalid
from salus.federation import anchor
from salus.federation.authority import Authority
from salus.federation.authority import configuration as anchor_configuration
from salus.federation.chains import EMERGENCY_SECONDS, POLL_SECONDS, Contact, Vouched
from salus.federation.entity import member_mark
from salus.federation.membership import install_list, read_anchor, read_membership
from salus.federation.membership_list import key_id, sign_list
from salus.federation.reconciling import ask_abroad
from salus.node import tend_chains
from salus.standards.jose.compact import unverified
from salus.standards.openid_federation.chain import LIFE_SECONDS_MAX, verify_chain
from salus.standards.openid_federation.responses import read_status
from salus.store.federation import LIST_FILE, read_file
from salus.store.ledger import leaf_in

RESCUE = msgspec.structs.replace(MARI, purpose=Purpose.EMERGENCY, relationship="emergency")


@pytest.fixture
async def anchored(tmp_path, databases):
    """Yield two running nodes, of which pt-1 answers for the anchor; they know each other by what it says."""
    async with AsyncExitStack() as stack:
        nodes = {
            name: await stack.enter_async_context(running(tmp_path / name, await databases(), name))
            for name in ("pt-1", "ee-1")
        }
        home, now = nodes["pt-1"], utc_now()
        anchor.make_federation(home.folder, "test", now=now, address=home.url)
        for node in nodes.values():
            anchor.admit(home.folder, as_member(node, node.name[:2].upper()), now=now)
        join(nodes["ee-1"], home)
        yield Federation(ECKey.generate_key("P-384"), read_membership(home.folder), nodes)


def join(node, home):
    """Take the anchor's list and key by hand, as from another machine."""
    install_list(node.folder, read_file(home.folder, LIST_FILE), anchor=read_anchor(home.folder))


async def fetched(address, **parameters):
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(address, params=parameters or None)


async def test_members_that_never_met_trust_each_other_by_the_anchors_word(anchored):
    answer = await ask(anchored)
    assert answer.status_code == 200, answer.text
    assert held_by(anchored, answer.json()["access_token"]).node == "ee-1"
    held = anchored.nodes["pt-1"].services.chains.held("ee-1")
    home = anchored.nodes["pt-1"]
    assert held.chain.superiors == (f"{home.url}/federation/anchor",)
    assert held.chain.expires_at - held.fetched_at <= LIFE_SECONDS_MAX


async def test_the_anchor_answers_as_the_standard_says(anchored):
    home, other = anchored.nodes["pt-1"], anchored.nodes["ee-1"]
    entity = f"{home.url}/federation/anchor"
    own = await fetched(f"{other.url}/.well-known/openid-federation")
    assert own.headers["content-type"] == "application/entity-statement+jwt"
    top = await fetched(f"{entity}/.well-known/openid-federation")
    about = await fetched(f"{entity}/fetch", sub=other.url)
    pins, now = {entity: [read_anchor(other.folder)]}, other.clock().timestamp()
    chain = verify_chain([own.text, about.text, top.text], anchors=pins, now=now, fetched_at=now)
    ledger = anchored.ledger_of("ee-1")
    about_node = {"node": "ee-1", "country": "EE", "fhir_base": f"{other.url}/fhir"}
    about_node |= {"ledger_key": ledger.log, "ledger_witness_key": ledger.witness}
    assert chain.metadata["health_node"] == about_node
    assert "federation_entity" in chain.metadata
    assert (await fetched(f"{entity}/list")).json() == [other.url, home.url]
    assert (await fetched(f"{entity}/list", entity_type="openid_provider")).json() == []
    resolved = await fetched(f"{entity}/resolve", sub=other.url, trust_anchor=entity)
    assert resolved.headers["content-type"] == "application/resolve-response+jwt"
    assert unverified(resolved.text, size_max=100_000).claims["metadata"] == chain.metadata
    for path in (
        f"fetch?sub={home.url}/x",
        f"trust_mark?trust_mark_type=x&sub={home.url}",
        "resolve?sub=x&trust_anchor=y",
    ):
        missing = await fetched(f"{entity}/{path}")
        assert (missing.status_code, missing.json()["error"]) == (404, "not_found"), path
    assert (await fetched(f"{entity}/fetch")).json()["error"] == "invalid_request"
    assert (await fetched(f"{other.url}/federation/anchor/list")).status_code == 404


async def test_the_status_of_a_mark_follows_its_bearer(anchored):
    home, other = anchored.nodes["pt-1"], anchored.nodes["ee-1"]
    entity = f"{home.url}/federation/anchor"
    mark = await fetched(f"{entity}/trust_mark", trust_mark_type=member_mark(entity), sub=other.url)
    keys, now = [read_anchor(other.folder)], other.clock().timestamp()

    async def status():
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{entity}/trust_mark_status", data={"trust_mark": mark.text})
        assert answer.headers["content-type"] == "application/trust-mark-status-response+jwt"
        return read_status(answer.text, keys, mark=mark.text, issuer=entity, now=now, seconds=60)

    assert await status() == "active"
    anchor.revoke(home.folder, "ee-1", now=utc_now())
    assert await status() == "revoked"
    async with httpx.AsyncClient(trust_env=False) as client:
        unknown = await client.post(f"{entity}/trust_mark_status", data={"trust_mark": "x.y.z"})
    assert unknown.status_code == 404


async def test_a_revocation_is_in_force_in_a_minute_at_whoever_reaches_the_anchor(anchored):
    home, other = anchored.nodes["pt-1"], anchored.nodes["ee-1"]
    await other.services.chains.tend()
    token = (await ask(anchored, to="ee-1", sender="pt-1")).json()["access_token"]
    assert held_by(anchored, token, at="ee-1", sender="pt-1").node == "pt-1"
    anchor.revoke(home.folder, "pt-1", now=utc_now())
    refused_after = None
    for seconds in range(0, 61, int(POLL_SECONDS)):
        other.clock.ahead = timedelta(seconds=seconds)
        if seconds:
            await other.services.chains.tend()
        standing = other.services.chains.standing("pt-1", other.clock().timestamp())
        if refused_after is None and standing is Vouched.NONE:
            refused_after = seconds
    assert refused_after is not None
    assert 0 < refused_after <= 60
    with pytest.raises(NotAuthenticated):
        held_by(anchored, token, at="ee-1", sender="pt-1")
    again = await ask(anchored, to="ee-1", sender="pt-1", jti="j2")
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")


async def test_whom_the_anchor_does_not_list_is_gone_though_the_register_says_nothing(anchored):
    home, other = anchored.nodes["pt-1"], anchored.nodes["ee-1"]
    assert (await ask(anchored, to="ee-1", sender="pt-1")).status_code == 200
    other.services.chains._listed = frozenset({other.url})
    other.clock.ahead = timedelta(seconds=6)
    assert (await ask(anchored, to="ee-1", sender="pt-1", jti="j2")).status_code == 200  # the anchor is asked
    anchor.revoke(home.folder, "pt-1", now=utc_now())
    other.clock.ahead = timedelta(seconds=12)
    other.services.chains._listed = frozenset({other.url})
    refused = await ask(anchored, to="ee-1", sender="pt-1", jti="j3")
    assert refused.status_code == 401
    assert "trust chain" in refused.json()["error_description"]


async def test_what_changes_in_trust_is_a_leaf(anchored):
    home, other = anchored.nodes["pt-1"], anchored.nodes["ee-1"]
    await tend_chains(other.services)
    anchor.revoke(home.folder, "pt-1", now=utc_now())
    await tend_chains(other.services)
    async with other.services.database.system() as connection:
        count = await connection.fetchval("SELECT count(*) FROM leaf")
    await tend_chains(other.services)
    async with other.services.database.system() as connection:
        assert await connection.fetchval("SELECT count(*) FROM leaf") == count
    assert count == 3  # two are vouched for, one is struck off


async def test_a_chain_is_renewed_before_it_ends(anchored):
    home = anchored.nodes["pt-1"]
    await home.services.chains.tend()
    first = home.services.chains.held("ee-1").fetched_at
    home.clock.ahead = timedelta(minutes=5)
    await home.services.chains.tend()
    assert home.services.chains.held("ee-1").fetched_at == first
    home.clock.ahead = timedelta(minutes=8)
    await home.services.chains.tend()
    assert home.services.chains.held("ee-1").fetched_at > first + 7 * 60
    assert home.services.chains.contact() is Contact.IN_TOUCH


async def test_the_anchor_changes_its_key_by_its_own_word(anchored):
    home, other = anchored.nodes["pt-1"], anchored.nodes["ee-1"]
    old = read_anchor(other.folder)
    anchor.rotate(home.folder, now=utc_now())
    await other.services.chains.tend()
    assert (await ask(anchored, to="ee-1", sender="pt-1")).status_code == 200
    new = read_anchor(other.folder)
    assert new != old
    assert read_membership(other.folder).version == read_membership(home.folder).version
    anchor.rotate(home.folder, now=utc_now(), finish=True)
    await other.services.chains.tend()
    await other.services.chains.tend()
    assert read_anchor(other.folder) == new
    assert "keys" not in read_file(other.folder, "anchor.json")
    home.clock.ahead = other.clock.ahead = timedelta(minutes=8)
    await other.services.chains.tend()
    assert (await ask(anchored, to="ee-1", sender="pt-1", jti="j2")).status_code == 200


async def test_a_stolen_key_of_the_anchor_is_locked_out_by_the_offline_one(tmp_path, databases):
    async with running(tmp_path / "pt-1", await databases(), "pt-1") as home:
        safe, now = tmp_path / "safe.jwk", utc_now()
        anchor.make_federation(home.folder, "test", now=now, address=home.url, offline_key=safe)
        anchor.admit(home.folder, as_member(home, "PT"), now=now)
        superior, chains = home.services.chains.superior, home.services.chains
        await chains.tend()
        assert chains.standing("pt-1", home.clock().timestamp()) is Vouched.LIVE
        stolen, replaced = anchor.anchor_keys(home.folder)[0], await superior.configuration()
        known = read_membership(home.folder)
        with pytest.raises(Conflict, match="offline"):
            anchor.rotate(home.folder, now=utc_now())
        anchor.replace_key(home.folder, safe, now=home.clock() + timedelta(seconds=5))
        home.clock.ahead = timedelta(seconds=10)
        await chains.tend()
        assert key_id(stolen.as_dict(private=False)) not in str(read_file(home.folder, "anchor.json"))
        theirs = msgspec.structs.replace(known, version=99, members=())
        with pytest.raises(NotAuthenticated):
            chains.membership.install(sign_list(theirs, stolen))
        forged = anchor_configuration(Authority(theirs, (stolen,)), now=home.clock())
        for shown in (forged, replaced[0]):
            (home.folder / "federation" / "anchor-statement.jws").write_text(shown)
            with pytest.raises(NotAuthenticated):
                await superior.configuration()
        other = tmp_path / "other.jwk"
        other.write_text(json.dumps(ECKey.generate_key("P-384").as_dict(private=True)))
        with pytest.raises(SettingsInvalid, match="not the offline key"):
            anchor.replace_key(home.folder, other, now=utc_now())


async def test_a_token_does_not_outlive_the_chain(federation):
    home = federation.nodes["pt-1"]
    for node in federation.nodes.values():
        node.clock.ahead = timedelta(seconds=LIFE_SECONDS_MAX - 100)
    answer = await ask(federation, asker=RESCUE)  # the audit's witnesses are silent too
    assert answer.status_code == 200, answer.text
    assert answer.json()["expires_in"] <= 100
    token = answer.json()["access_token"]
    held_by(federation, token)
    home.clock.ahead = timedelta(seconds=LIFE_SECONDS_MAX)
    with pytest.raises(NotAuthenticated):
        held_by(federation, token)


@pytest.fixture
def cut_off(federation):
    """Return the federation sixteen minutes after anybody heard of its anchor."""
    for node in federation.nodes.values():
        node.clock.ahead = timedelta(minutes=16)
    return federation


async def test_a_node_cut_off_from_the_anchor_answers_emergencies_only(cut_off):
    home = cut_off.nodes["pt-1"]
    refused = await ask(cut_off)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    assert "emergencies only" in refused.json()["error_description"]
    given = await ask(cut_off, asker=RESCUE, jti="j2")
    assert given.status_code == 200, given.text
    assert given.json()["trust"] == "cut-off"
    await put(home, {"resourceType": "Patient", "id": "ana", "name": [{"family": "Silva"}]})
    token, address = given.json()["access_token"], f"{home.url}/fhir/Patient/ana"
    async with httpx.AsyncClient(trust_env=False) as client:
        read = await client.get(address, headers=shown(cut_off, "GET", address, token))
        assert read.status_code == 200, read.text
        assert read.headers["salus-trust"] == "cut-off"
        letters = f"{home.url}/fhir/DocumentReference"
        written = await client.post(
            letters,
            headers=shown(cut_off, "POST", letters, token),
            json={"resourceType": "DocumentReference"},
        )
        assert written.status_code in (403, 422)
        health = await client.get(f"{home.url}/healthz")
    assert health.json()["federation"] == "cut-off"
    async with home.services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf WHERE patient = 'ana'")
    entries = [leaf_in(connection, row["entry"]) for row in rows]
    (marks,) = [one.marks for one in entries if one.action == "read" and one.node == "ee-1"]
    assert "cut-off" in marks


async def test_nobody_is_let_in_a_week_after_the_chain_ended(federation):
    node = federation.nodes["pt-1"]
    later = node.clock().timestamp() + LIFE_SECONDS_MAX
    assert node.services.chains.standing("ee-1", later) is Vouched.CUT_OFF
    assert node.services.chains.standing("ee-1", later + EMERGENCY_SECONDS) is Vouched.NONE


async def test_a_node_that_is_cut_off_asks_in_emergencies_only(cut_off):
    peers, home = cut_off.nodes["ee-1"].services.peers, cut_off.member("pt-1")
    with pytest.raises(AccessRefused, match="emergencies only"):
        await peers.call(home, MARI, "POST", "/fhir/Patient/_search", scope=SCOPE, body=b"x=1")
    await put(cut_off.nodes["pt-1"], {"resourceType": "Patient", "id": "ana"})
    answer = await peers.call(home, RESCUE, "GET", "/fhir/Patient/ana", scope=SCOPE)
    assert answer.status == 200


async def test_a_node_that_starts_anew_knows_its_chains_still(federation):
    home = federation.nodes["pt-1"]
    fresh = type(home.services.chains)(
        home.folder, home.services.membership, home.services.client, home.clock, skew_seconds=60
    )
    assert fresh.standing("ee-1", home.clock().timestamp()) is Vouched.LIVE
    assert fresh.standing("ee-1", home.clock().timestamp() + 1_000) is Vouched.CUT_OFF
    assert fresh.standing("xx-1", home.clock().timestamp()) is Vouched.NONE


async def test_a_register_of_before_is_read_once(anchored):
    home = anchored.nodes["pt-1"]
    known = read_membership(home.folder)
    older = msgspec.structs.replace(known, version=known.version + 1, anchor="")
    install_list(home.folder, anchor.sign_list(older, anchor.anchor_keys(home.folder)[0]))
    assert read_membership(home.folder).anchor == ""
    anchor.settle(home.folder, home.url, now=utc_now())
    renewed = read_membership(home.folder)
    assert renewed.anchor == f"{home.url}/federation/anchor"
    assert renewed.members == known.members
    anchor.settle(home.folder, home.url, now=utc_now())
    assert read_membership(home.folder) == renewed


async def test_a_reader_at_home_is_not_asked_for_a_chain(cut_off):
    home = cut_off.nodes["pt-1"]
    await put(home, {"resourceType": "Patient", "id": "ana"})
    answer = await get(home, "Patient/ana")
    assert answer.status_code == 200
    assert "salus-trust" not in answer.headers


async def test_a_node_that_is_cut_off_tells_nobody_what_to_reconcile(cut_off):
    abroad = cut_off.nodes["ee-1"]
    with pytest.raises(PeerUnavailable, match="403"):
        await ask_abroad(
            abroad.services.client, cut_off.member("pt-1"), abroad.services.keys.federation, "ee-1", "ana",
            now=abroad.services.clock(),
        )  # fmt: skip
