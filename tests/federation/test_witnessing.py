"""Three nodes vouch for each other's audit; a log of two histories is found; who is alone keeps all."""

from contextlib import AsyncExitStack
from datetime import timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import ECKey
from tests.federation.conftest import (
    Federation,
    as_member,
    local_caller,
    local_token,
    put,
    running,
    utc_now,
)

from salus.core.access import Action, Purpose, Role
from salus.core.errors import AccessRefused
from salus.federation.comparing import compare_logs
from salus.federation.entity import LedgerKeys
from salus.federation.membership_list import MembershipList
from salus.federation.witnessing import OTHER_KEYS, ask_witnesses, require_witnessed, state_of
from salus.primary.cross_border import find_patients
from salus.primary.desk import leave
from salus.standards.merkle.checkpoint import open_checkpoint, sign_checkpoint
from salus.standards.merkle.note import log_key, parse_key, witness_key
from salus.standards.openid_federation.statement import read_statement
from salus.store.ledger import leaf_in
from salus.store.sequencer import Progress, sequence
from salus.store.witness import peer_logs, unpin
from salus.web.abroad import desk_of
from salus.web.ledger import signer_of


@pytest.fixture
async def three(tmp_path, databases):
    """A federation of pt-1, ee-1 and fr-1, which know each other's keys."""
    async with AsyncExitStack() as stack:
        names = ("pt-1", "ee-1", "fr-1")
        nodes = {
            name: await stack.enter_async_context(running(tmp_path / name, await databases(), name))
            for name in names
        }
        now = utc_now().replace(microsecond=0)
        found = Federation(ECKey.generate_key("P-384"), MembershipList("test", 0, now, now, ()), nodes)
        found.publish(*(as_member(node, node.name[:2].upper()) for node in nodes.values()))
        for node in nodes.values():
            await compare_logs(node.services.witnesses)
        yield found


async def grow(node, name="ana"):
    """Store something, and sign the leaves."""
    await put(node, {"resourceType": "Patient", "id": name})
    await signed(node)


async def signed(node):
    services, progress = node.services, Progress()
    signer = signer_of(services.base_url, services.keys)
    while (progress := await sequence(services.database, signer, services.clock(), progress)).sequenced:
        pass


async def ask(node, path, **more):
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(more.pop("method", "GET"), f"{node.url}{path}", **more)


async def text(node, path):
    answer = await ask(node, path)
    assert answer.status_code == 200, answer.text
    return answer.text


def witnesses(node):
    return node.services.witnesses


async def test_the_others_sign_a_checkpoint_and_each_next_one_that_grew(three):
    pt, ee, fr = three.nodes.values()
    keys = [parse_key((await text(node, "/ledger/witness-key")).strip()) for node in (ee, fr)]
    log = parse_key((await text(pt, "/ledger/key")).strip())
    sizes = []
    for name in ("ana", "rui"):
        await grow(pt, name)
        assert sorted(await ask_witnesses(witnesses(pt))) == ["ee-1", "fr-1"]
        opened = open_checkpoint(await text(pt, "/ledger/checkpoint"), log, keys)
        assert {each.name for each in opened.cosignatures} == {key.name for key in keys}
        sizes.append(opened.size)
    assert sizes[0] < sizes[1]
    status = (await ask(pt, "/ledger/status")).json()
    assert (status["witnessed"], status["members"], status["quorum"]) == ("yes", 2, 1)
    assert (status["size"], status["evidence"], status["kept_years"]) == (sizes[1], [], 3)
    assert (await ask(pt, "/healthz")).json()["audit_witnessed"] == "yes"


async def test_a_citizens_report_is_witnessed_as_of_now(three):
    pt = three.nodes["pt-1"]
    await grow(pt)
    await ask_witnesses(witnesses(pt))
    await grow(pt, "rui")
    token = local_token(pt, Role.CITIZEN, "ana", patient="ana")
    report = (await ask(pt, "/ledger/report", headers={"authorization": f"Bearer {token}"})).json()
    assert report["checkpoint"].count("/witness ") == 2
    assert int(report["checkpoint"].split("\n")[1]) > 1


async def test_a_witness_answers_by_the_protocol(three):
    pt, ee = three.nodes["pt-1"], three.nodes["ee-1"]
    await grow(pt)
    await ask_witnesses(witnesses(pt))
    note = (await text(pt, "/ledger/checkpoint")).split("\n\n")[0] + "\n"
    size = note.split("\n")[1]
    signer = signer_of(pt.url, pt.services.keys)
    genuine = sign_checkpoint(signer.origin, int(size), b"x" * 32, signer.key)
    for body, status in (
        (f"old 0\n\n{genuine.replace(signer.origin, 'nobody.test/ledger')}", 404),
        (f"old {size}\n\n{genuine.replace('eHh4', 'eXh4')}", 403),
        (f"old 9999\n\n{sign_checkpoint(signer.origin, 9998, bytes(32), signer.key)}", 400),
        (f"old 0\n\n{sign_checkpoint(signer.origin, 9998, bytes(32), signer.key)}", 409),
        (f"old {size}\n\n{sign_checkpoint(signer.origin, 9998, bytes(32), signer.key)}", 422),
        ("old", 400),
    ):
        answer = await ask(ee, "/ledger/add-checkpoint", method="POST", content=body.encode())
        assert answer.status_code == status, answer.text
        if status == 409:
            assert (answer.text, answer.headers["content-type"].split(";")[0]) == (
                f"{size}\n",
                "text/x.tlog.size",
            )
    assert (await ask(ee, "/ledger/status")).json()["evidence"] == []


async def test_a_node_names_the_keys_of_its_log_in_its_entity_statement(three):
    pt, ee = three.nodes["pt-1"], three.nodes["ee-1"]
    statement = read_statement(await text(pt, "/.well-known/openid-federation"))
    about = statement.claims["metadata"]["health_node"]
    assert about["ledger_key"] == (await text(pt, "/ledger/key")).strip()
    assert about["ledger_witness_key"] == (await text(pt, "/ledger/witness-key")).strip()
    pinned = (await peer_logs(ee.services.database))["pt-1"]
    assert (pinned.log_key, pinned.witness_key) == (about["ledger_key"], about["ledger_witness_key"])


async def test_what_an_address_shows_is_not_pinned_but_what_the_chain_names(three):
    _, ee, fr = three.nodes.values()
    assert await unpin(ee.services.database, "pt-1")
    for named in (None, LedgerKeys("x", "y"), other_keys(fr), other_keys(ee)):
        three.name_keys("pt-1", named)
        await compare_logs(witnesses(ee))
        assert "pt-1" not in await peer_logs(ee.services.database)
    await grow(ee)
    assert await ask_witnesses(witnesses(ee)) == ["fr-1"]
    three.name_keys("pt-1", three.ledger_of("pt-1"))
    assert sorted(await ask_witnesses(witnesses(ee))) == ["fr-1", "pt-1"]


async def test_without_a_live_chain_no_keys_are_pinned(three):
    ee = three.nodes["ee-1"]
    await unpin(ee.services.database, "pt-1")
    ee.clock.ahead = timedelta(hours=1)
    await compare_logs(witnesses(ee))
    assert "pt-1" not in await peer_logs(ee.services.database)


@pytest.mark.parametrize("changed", ["log", "witness"])
async def test_a_chain_that_names_other_keys_is_held_against_the_member_and_changes_no_pin(three, changed):
    pt, ee, _ = three.nodes.values()
    await grow(pt)
    assert sorted(await ask_witnesses(witnesses(pt))) == ["ee-1", "fr-1"]
    own, fresh = three.ledger_of("pt-1"), new_keys(pt)
    named = LedgerKeys(fresh.log, own.witness) if changed == "log" else LedgerKeys(own.log, fresh.witness)
    three.name_keys("pt-1", named)
    before = await peer_logs(ee.services.database)
    await grow(ee, "rui")
    assert await ask_witnesses(witnesses(ee)) == ["fr-1"]
    await grow(pt, "rui")
    assert await ask_witnesses(witnesses(pt)) == []  # neither of the two vouches for it any more
    assert await peer_logs(ee.services.database) == before
    for _ in range(2):
        await compare_logs(witnesses(ee))
    (found,) = (await ask(ee, "/ledger/status")).json()["evidence"]
    assert (found["node"], "names other keys" in found["what"]) == ("pt-1", True)
    assert found["notes"] == [f"{own.log}\n{own.witness}\n", f"{named.log}\n{named.witness}\n"]
    async with ee.services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf ORDER BY arrival")
        said = [leaf_in(connection, row["entry"]) for row in rows]
    assert [leaf.node for leaf in said if leaf.what == OTHER_KEYS] == ["pt-1"]
    assert await unpin(ee.services.database, "pt-1")  # an operator, who has asked
    await compare_logs(witnesses(ee))
    pinned = (await peer_logs(ee.services.database))["pt-1"]
    assert (pinned.log_key, pinned.witness_key) == (named.log, named.witness)


def other_keys(node):
    return LedgerKeys(witnesses(node).log.text, witnesses(node).witness_key.text)


def new_keys(node):
    """Return keys of the node's own names that it does not have."""
    key = Ed25519PrivateKey.generate()
    log, witness = log_key(witnesses(node).log.name, key), witness_key(witnesses(node).name, key)
    return LedgerKeys(log.text, witness.text)


async def fork(pt, size):
    """Return a checkpoint that pt-1 signed over another log of that size."""
    signer = signer_of(pt.url, pt.services.keys)
    return sign_checkpoint(signer.origin, size, b"f" * 32, signer.key)


async def against(node):
    return [(each["node"], each["what"]) for each in (await ask(node, "/ledger/status")).json()["evidence"]]


async def leaves(node):
    async with node.services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf ORDER BY arrival")
    return [leaf_in(connection, row["entry"]) for row in rows]


async def test_another_log_of_one_size_shown_to_a_witness_is_kept_as_evidence(three):
    pt, ee = three.nodes["pt-1"], three.nodes["ee-1"]
    await grow(pt)
    await ask_witnesses(witnesses(pt))
    size = int((await text(pt, "/ledger/checkpoint")).split("\n")[1])
    body = f"old {size}\n\n{await fork(pt, size)}".encode()
    for _ in range(2):
        assert (await ask(ee, "/ledger/add-checkpoint", method="POST", content=body)).status_code == 409
    assert await against(ee) == [("pt-1", f"It signed two logs of {size} entries.")]
    told = [leaf for leaf in await leaves(ee) if leaf.rule == "log-does-not-go-together"]
    assert [(leaf.node, leaf.patient) for leaf in told] == [("pt-1", "")]


async def test_two_histories_shown_to_two_witnesses_are_found_when_they_compare(three):
    """pt-1 shows ee-1 its log and fr-1 another one that is larger: each alone sees nothing wrong."""
    pt, ee, fr = three.nodes.values()
    await grow(pt)
    size = int((await text(pt, "/ledger/checkpoint")).split("\n")[1])
    one, other = await text(pt, "/ledger/checkpoint"), await fork(pt, size + 1)
    for node, note in ((ee, one), (fr, other)):
        answer = await ask(node, "/ledger/add-checkpoint", method="POST", content=f"old 0\n\n{note}".encode())
        assert answer.status_code == 200
    found = await compare_logs(witnesses(ee))
    assert [each.node for each in found] == ["pt-1"]
    assert (await against(ee))[0][1].startswith("It gave no proof that its log of")
    assert await compare_logs(witnesses(ee)) == []
    # The node itself learns that somebody vouches for more of its log than it has.
    found = await compare_logs(witnesses(pt))
    assert [each.node for each in found] == ["pt-1"]


async def test_logs_that_only_grow_say_nothing_against_anybody(three):
    for node in three.nodes.values():
        await grow(node)
        await ask_witnesses(witnesses(node))
    for node in three.nodes.values():
        assert await compare_logs(witnesses(node)) == []
        await grow(node, "rui")
        assert await compare_logs(witnesses(node)) == []


async def test_a_node_whose_audit_nobody_vouches_for_lets_only_emergencies_out(three):
    pt = three.nodes["pt-1"]
    await grow(pt)
    await ask_witnesses(witnesses(pt))
    mine = witnesses(pt)
    pt.clock.ahead = timedelta(seconds=mine.alone_seconds - 30)
    await require_witnessed(mine, Purpose.TREATMENT)
    pt.clock.ahead = timedelta(seconds=mine.alone_seconds + 30)
    assert (await state_of(mine)).alone
    assert (await ask(pt, "/healthz")).json()["audit_witnessed"] == "alone"
    assert (await ask(pt, "/ledger/status")).json()["witnessed"] == "alone"
    await require_witnessed(mine, Purpose.EMERGENCY)
    with pytest.raises(AccessRefused, match="/ledger/status"):
        await require_witnessed(mine, Purpose.TREATMENT)
    desk = desk_of(pt.services, local_caller(pt, Role.CLINICIAN, "Dr. Reis"))
    with pytest.raises(AccessRefused, match="vouched"):
        async with leave(desk, Action.READ, "Patient", "Patient at ee-1", node="ee-1", identity="x"):
            pass
    # Another node, which is not alone, gets no token here.
    ee, fr = three.nodes["ee-1"], three.nodes["fr-1"]
    for node in (ee, fr):
        node.clock.ahead = pt.clock.ahead
    await grow(ee)
    assert "fr-1" in await ask_witnesses(witnesses(ee))
    asking = desk_of(ee.services, local_caller(ee, Role.CLINICIAN, "Mari Tamm"))
    asked = {"family": "Silva", "given": "Ana", "birthdate": "1970-01-01"}
    answers, _ = await find_patients(asking, asked, countries=["PT"])
    assert answers.answers == {}
    assert [(node, "503" in reason) for node, reason in answers.silent] == [("pt-1", True)]
    # As soon as one of the others signs again, the node goes on.
    assert "fr-1" in await ask_witnesses(mine)
    answers, _ = await find_patients(asking, asked, countries=["PT"])
    assert answers.silent == []
    await require_witnessed(mine, Purpose.TREATMENT)
    assert log_key(mine.log.name, signer_of(pt.url, pt.services.keys).key) == mine.log
