"""What was sent abroad and is corrected, parted, hidden or erased at home: the node there is told."""

from datetime import datetime, timedelta, timezone

import httpx
import msgspec
import pytest
from tests.federation.conftest import get, local_token, put
from tests.federation.test_crossing import condition, desk, found, person  # noqa: F401  fixture
from tests.federation.test_handed_over import given  # noqa: F401  fixture

from salus.cli.operator import operator_of
from salus.core.access import Action, Role
from salus.federation import notifying
from salus.federation.notifying import Kind, Notice, read_receipt, sign_notice
from salus.primary.cross_border import fetch_summary, list_resources, present, what_home_says
from salus.store import persons
from salus.store.merged import forget
from salus.trust.gate import enter
from salus.trust.jurisdictions.law import jurisdiction_of
from salus.trust.policy import AccessRequest
from salus.web.peer_notices import receive_about, work_once
from salus.web.rights import erasures, rectifications, told_abroad


@pytest.fixture
async def crossed(federation, desk):  # noqa: F811
    """The clinician at ee-1 read Ana's summary and conditions."""
    patient = present(await found(desk))
    await fetch_summary(desk, patient)
    await list_resources(desk, patient, "Condition")
    return patient


async def ask(node, method, path, role=Role.CITIZEN, *, patient="ana", **more):
    token = local_token(node, role, patient, patient=patient if role is Role.CITIZEN else None)
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(
            method, node.url + path, headers={"authorization": f"Bearer {token}"}, **more
        )


async def told(node, patient="ana"):
    answer = await ask(node, "GET", "/rights/told-abroad", patient=patient)
    assert answer.status_code == 200, answer.text
    return answer.json()["told"]


async def join(federation, change):
    """Merge Annie's record with Ana's at home, or part the two."""
    services = federation.nodes["pt-1"].services
    asked = AccessRequest(Action.UPDATE, "Patient", "persons")
    async with enter(services.gatehouse, operator_of(services), asked) as access:
        await change(access.grant, services.database, "ana", "annie", key=services.keys.search)
    forget(services.database)


async def correct(home):
    asked = await ask(
        home, "POST", "/rights/rectifications", json={"entry": "Condition/c1", "said": "I never had this."}
    )
    await put(home, condition("c1", "ana") | {"note": [{"text": "corrected"}]})
    said = rectifications.Answer("accepted", "You are right, it was a mistake.", version=2)
    await rectifications.answer(home.services, operator_of(home.services), asked.json()["id"], said)


@pytest.mark.clause("GDPR 19")
async def test_a_correction_is_told_where_the_entry_went_and_signed_for(federation, desk, crossed):  # noqa: F811
    home = federation.nodes["pt-1"]
    await correct(home)
    assert await work_once(home.services) == 1
    (one,) = await told(home)
    assert (one["node"], one["kind"], one["names"]) == ("ee-1", "rectified", ["Condition/c1"])
    assert (one["state"], one["outcome"]) == ("told", "none")
    receipt = read_receipt(one["receipt"], federation.member("ee-1"), "pt-1", one["id"])
    assert receipt.outcome is notifying.Outcome.NONE
    assert await work_once(home.services) == 0

    again = await list_resources(desk, crossed, "Condition")
    assert [(each.kind, each.names) for each in again.home_says] == [("rectified", ("Condition/c1",))]

    await put(home, person("annie", "Silva", "Annie"), condition("c3", "annie"))
    await join(federation, persons.merge)
    await fetch_summary(desk, crossed)
    await join(federation, persons.unmerge)
    assert await work_once(home.services) == 2
    parted = [each for each in await told(home) if each["kind"] == "unmerged"]
    assert [(each["node"], each["whom"], each["state"]) for each in parted] == [
        ("ee-1", ["ana", "annie"], "told")
    ]
    assert [each["state"] for each in await told(home, "annie")] == ["told"]
    (newest, _) = await what_home_says(desk, crossed)
    assert newest.kind == "unmerged"
    assert newest.since is not None


async def restrict(home, entry, *, hidden=True):
    method = "PUT" if hidden else "DELETE"
    answer = await ask(home, method, f"/restrictions/{entry}")
    assert answer.status_code in (200, 204), answer.text


async def own_records(node, home):
    """Return the hand-overs to Ana that professionals of a node see in its own store."""
    answer = await get(node, f"MedicationDispense?patient={home.url}/fhir/Patient/ana", Role.CLINICIAN)
    assert answer.status_code == 200, answer.text
    return [each["resource"]["id"] for each in answer.json().get("entry", [])]


@pytest.mark.clause("EHDS 8, GDPR 17 and 19")
async def test_what_is_hidden_or_erased_at_home_is_hidden_and_erased_in_the_copies_abroad(federation, given):  # noqa: F811
    """Hidden without a word to professionals; shown again when it is; tried until the node answers."""
    desk_abroad, patient, _ = given
    home, abroad = federation.nodes["pt-1"], federation.nodes["ee-1"]
    await work_once(home.services)
    (record,) = await own_records(abroad, home)

    home.clock.ahead = timedelta(minutes=5)
    await restrict(home, "MedicationRequest/rx")
    assert await work_once(home.services) == 0
    (one,) = [each for each in await told(home) if each["kind"] == "restricted"]
    assert (one["state"], one["tries"], one["settled_at"]) == ("not-reached", 1, None)
    assert await own_records(abroad, home) == [record]
    assert await work_once(home.services) == 0, "it waits before it tries again"
    home.clock.ahead = timedelta()
    async with home.services.database.system() as connection:
        await connection.execute("UPDATE peer_notice SET next_at = '2000-01-01' WHERE settled_at IS NULL")
    assert await work_once(home.services) >= 1
    (one,) = [each for each in await told(home) if each["kind"] == "restricted"]
    assert (one["state"], one["outcome"], one["node"]) == ("told", "hidden", "ee-1")
    assert "MedicationRequest/rx" in one["names"]
    assert await own_records(abroad, home) == []
    assert await what_home_says(desk_abroad, patient) == (), "a professional is not told of a restriction"

    await restrict(home, "MedicationRequest/rx", hidden=False)
    await work_once(home.services)
    assert await own_records(abroad, home) == [record]

    asked = await ask(
        home, "POST", "/rights/erasures",
        json={"entry": "record", "ground": "mistake", "said": "This record is a mistake."},
    )  # fmt: skip
    said = erasures.Answer("accepted", "It was made by mistake.")
    await erasures.answer(home.services, operator_of(home.services), asked.json()["id"], said)
    assert await work_once(home.services) == 1
    operator = operator_of(home.services)
    (one,) = [
        each
        for each in await told_abroad.sent(home.services, operator, settled=True)
        if each.kind == "erased"
    ]
    assert (one.outcome, one.patient, one.whom) == ("erased", "", ()), "nothing names the person any more"
    assert await own_records(abroad, home) == []
    async with abroad.services.database.system() as connection:
        assert await connection.fetchval("SELECT count(*) FROM dispensed_abroad") == 0
        assert await connection.fetchval("SELECT count(*) FROM resource WHERE compartment = 'pt-1:ana'") == 0
    recipients = await erasures.recipients(home.services, operator, told=True)
    assert {(each.node, each.told_by) for each in recipients} == {("ee-1", f"notice {one.id}")}
    last = (await told_abroad.received(abroad.services, operator_of(abroad.services)))[0]
    assert (last.kind, last.outcome, last.copies) == ("erased", "erased", 1)


def notice_to(node, federation, **members):
    """Return a notice about Ana, signed by her home for a node."""
    home = federation.nodes["pt-1"]
    notice = Notice(**{"id": "n1", "kind": Kind.RESTRICTED, "whom": ("ana",), "at": home.clock()} | members)
    key, member = home.services.keys.federation, federation.member(node)
    return sign_notice(key, member, "pt-1", notice, now=home.clock())


async def send(node, token):
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(f"{node.url}/peer-notices", content=token)


async def test_what_no_home_node_may_say_is_refused_and_changes_nothing(federation, given, monkeypatch):  # noqa: F811
    """Replayed, of another sender or for another node, about somebody unknown, with a used id, too many."""
    home, abroad = federation.nodes["pt-1"], federation.nodes["ee-1"]
    members = federation.current.members
    many = tuple(f"MedicationRequest/{number:064}" for number in range(200))
    token = notice_to("ee-1", federation, names=many)
    first = await send(abroad, token)
    assert first.status_code == 200
    receipt = read_receipt(first.text, federation.member("ee-1"), "pt-1", "n1")
    assert (receipt.outcome, receipt.copies) == (notifying.Outcome.NONE, 0)
    assert (await send(abroad, token)).status_code == 401, "replayed"
    assert (await send(home, token)).status_code in (401, 403), "for another node"
    other = notice_to("ee-1", federation, kind=Kind.ERASED)
    assert (await send(abroad, other)).status_code == 409, "the id told something else"
    stranger = await send(abroad, notice_to("ee-1", federation, id="n2", whom=("rui",)))
    assert stranger.status_code == 404
    assert read_receipt(stranger.text, federation.member("ee-1"), "pt-1", "n2").outcome == "unknown"

    pretending = sign_notice(
        abroad.services.keys.federation, federation.member("ee-1"), "pt-1",
        Notice("n3", Kind.ERASED, ("ana",), home.clock()), now=home.clock(),
    )  # fmt: skip
    assert (await send(abroad, pretending)).status_code == 401, "signed with another node's key"
    (record,) = await own_records(abroad, home)
    for text in ("", "x.y.z", "a" * 70_000):
        assert (await send(abroad, text)).status_code in (400, 401, 413)
    for wrong in (
        {"at": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))}, {"at": datetime(2026, 1, 1)},
        {"dispensed": ("a\0b",)}, {"names": ("Condition/c1/../x",)}, {"whom": ("ee-1:ana",)}, {"whom": ()},
        {"whom": ("ana",) * 11}, {"names": ("Condition/c1",) * 201},
    ):  # fmt: skip
        answer = await send(abroad, notice_to("ee-1", federation, **{"id": "n9"} | wrong))
        assert answer.status_code == 400, (wrong, answer.text)
    monkeypatch.setattr(notifying, "NOTICES_MAX", 3)
    assert (await send(abroad, notice_to("ee-1", federation, id="n4"))).status_code == 429
    monkeypatch.undo()
    federation.publish(*(each for each in members if each.node != "pt-1"))
    assert (await send(abroad, notice_to("ee-1", federation, id="n5"))).status_code == 403, "no member"
    federation.publish(*members)

    law = jurisdiction_of("FR")
    french = msgspec.structs.replace(
        abroad.services, gatehouse=msgspec.structs.replace(abroad.services.gatehouse, law=law)
    )
    kept = await receive_about(
        french, federation.member("pt-1"), Notice("n6", Kind.ERASED, ("ana",), home.clock()), "ana"
    )
    assert (kept.outcome, kept.law) == ("kept", law.copies_from_abroad.source)
    assert await own_records(abroad, home) == [record]
