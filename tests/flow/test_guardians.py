"""What the represented may do about a power over them (EHDS 4(2)): of a court, and of their own giving."""

from __future__ import annotations

import pytest
from tests.flow.assisting import empower
from tests.flow.test_portal_standing import citizen, visit
from tests.flow.test_standing import ana, ask, clock, country, folder, leaves, node

from salus.cli.operator import operator_of
from salus.core.access import Purpose, Role
from salus.store.notices import Telling, tell
from salus.web.letters import print_letters
from salus.web.portal.words import LANGUAGES

__all__ = ["ana", "ask", "citizen", "clock", "country", "folder", "node", "visit"]


@pytest.fixture
async def guardian(ask, ana):
    asked = {"patient": "ana", "holder": "eva", "name": "Eva", "kind": "guardian", "proof": "court order"}
    return (await empower(ask, asked))["id"]


async def is_acting(ask):
    return (await ask("GET", "/fhir/Condition/c1", Role.PROXY)).status_code == 200


@pytest.mark.clause("EHDS 4(2)")
async def test_the_represented_disputes_a_guardian_who_acts_until_staff_settle_it(node, ask, guardian):
    refused = await ask("DELETE", f"/proxies/{guardian}", Role.CITIZEN)
    assert (refused.status_code, "dispute it" in refused.text) == (403, True)
    assert (await ask("GET", "/proxies", Role.DESK)).json() == {"proxies": []}
    said = await ask("POST", f"/proxies/{guardian}/dispute", Role.CITIZEN)
    assert (said.status_code, said.json()["state"]) == (200, "contested")
    assert await is_acting(ask)
    assert (await ask("POST", f"/proxies/{guardian}/dispute", Role.CITIZEN)).status_code == 409
    assert (await ask("DELETE", f"/proxies/{guardian}", Role.CITIZEN)).status_code == 403
    for role in (Role.DESK, Role.OPERATOR):
        (waits,) = (await ask("GET", "/proxies", role)).json()["proxies"]
        assert (waits["id"], waits["state"]) == (guardian, "in-force")
        assert waits["contested_at"]
    for role in (Role.CLINICIAN, Role.AUDITOR):
        assert (await ask("GET", "/proxies", role)).status_code == 403
    assert f"proxy/{guardian} contested" in {
        leaf.what for leaf in await leaves(node) if leaf.patient == "ana"
    }
    settle = f"/proxies/{guardian}/settle"
    assert (await ask("POST", settle, Role.DESK, {"stands": True})).status_code == 200
    assert await is_acting(ask)
    await ask("POST", f"/proxies/{guardian}/dispute", Role.CITIZEN)
    assert (await ask("POST", settle, Role.DESK, {"stands": False})).status_code == 200
    assert not await is_acting(ask)
    assert (await ask("GET", "/proxies", Role.DESK)).json() == {"proxies": []}


@pytest.mark.clause("EHDS 4(2)")
async def test_staff_suspend_a_guardian_at_once_and_the_guardian_gives_it_up(ask, guardian):
    assert (await ask("POST", f"/proxies/{guardian}/dispute", Role.DESK)).json()["state"] == "disputed"
    assert not await is_acting(ask)
    await ask("POST", f"/proxies/{guardian}/settle", Role.DESK, {"stands": True})
    eva = {"subject": "eva", "patient": "eva", "name": "Eva"}
    assert (await ask("DELETE", f"/proxies/{guardian}", Role.CITIZEN, **eva)).status_code == 200
    assert not await is_acting(ask)


@pytest.mark.clause("EHDS 4(2)")
async def test_who_was_appointed_in_life_is_ended_by_the_person(ask, ana):
    eva = {"subject": "eva", "patient": "eva", "name": "Eva"}
    code = (await ask("POST", "/rights/presence-code", Role.CITIZEN, **eva)).json()["code"]
    made = await ask("POST", "/proxies", Role.CITIZEN, {"code": code, "name": "Eva", "kind": "carer"})
    assert await is_acting(ask)
    assert (await ask("DELETE", f"/proxies/{made.json()['id']}", Role.CITIZEN)).status_code == 200
    assert not await is_acting(ask)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_pages_offer_a_dispute_and_tell_staff(ask, guardian, citizen, visit, language):
    page = await citizen("ana").get(f"/acting?language={language}")
    assert f"/acting/{guardian}/dispute" in page.text
    assert f"/acting/{guardian}/end" not in page.text
    await ask("POST", f"/proxies/{guardian}/dispute", Role.CITIZEN)
    page = await citizen("ana").get(f"/acting?language={language}")
    assert (page.status_code, f"/acting/{guardian}/dispute" in page.text) == (200, False)
    desk = visit(Role.DESK, subject="desk", name="Kim Clerk", purpose=Purpose.PATIENT_REQUEST)
    waiting = await desk.get(f"/desk/proxies?language={language}")
    assert (waiting.status_code, guardian in waiting.text, "court order" in waiting.text) == (200, True, True)


@pytest.mark.clause("EHDS 4(2)")
async def test_who_acts_gets_letters_at_their_own_address_and_none_once_they_may_not(node, ask, guardian):
    eva = {
        "resourceType": "Patient", "id": "eva", "name": [{"text": "Eva"}],
        "address": [{"text": "Other street 2"}],
    }  # fmt: skip
    assert (await ask("PUT", "/fhir/Patient/eva", Role.OPERATOR, eva)).is_success
    chosen = await ask("PUT", "/notices/way", Role.PROXY, {"channel": "letter"})
    assert chosen.json()["way"]["channel"] == "letter"
    assert (await ask("GET", "/notices/way", Role.CITIZEN)).json()["way"] is None
    kept = []

    async def keep(letter):
        kept.append(letter)

    async def printed(key):
        told = Telling("ana", node.services.clock(), "emergency", key, "s", "Dr", "House", "r")
        async with node.services.database.system() as connection:
            await tell(connection, [told])
        caller = operator_of(node.services)
        return await print_letters(node.services, caller, keep)

    assert await printed("one") == 1
    assert kept[0].lines == ["Eva", "Other street 2"]
    await ask("POST", f"/proxies/{guardian}/dispute", Role.DESK)
    assert await printed("two") == 0
