"""Whoever gets a new way to a record, its person is told (EHDS 16)."""

from __future__ import annotations

import pytest
from tests.flow.assisting import assist, empower
from tests.flow.test_portal_standing import citizen, visit
from tests.flow.test_standing import ana, ask, clock, country, folder, leaves, node

from salus.core.access import Action, Purpose, Role
from salus.core.errors import InvalidSearch
from salus.store import accounts
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.login.records import give_code
from salus.web.portal.words import LANGUAGES

__all__ = ["ana", "ask", "citizen", "clock", "country", "folder", "node", "visit"]


@pytest.fixture
def clerk(caller):
    return caller(
        Role.DESK, subject="desk", name="Kim Clerk", organisation="City", purpose=Purpose.PATIENT_REQUEST
    )


async def told(ask, patient="ana"):
    answer = await ask("GET", "/notices", Role.CITIZEN, subject=patient, patient=patient)
    return [(each["kind"], each["who"], each["place"]) for each in answer.json()["notices"]]


async def bound(node, caller):
    someone = caller(Role.CITIZEN, subject="ana", name="Ana", patient="ana", purpose=Purpose.PATIENT_REQUEST)
    asked = AccessRequest(Action.CREATE, "account", "account", frozenset({"ana"}))
    async with enter(node.services.gatehouse, someone, asked) as access:
        await accounts.bind(
            access.grant, node.services.database, issuer="https://id.test", subject="s-1", source="State eID",
            how="code",
        )  # fmt: skip


@pytest.mark.clause("EHDS 16")
async def test_a_new_account_is_told_of_to_whose_record_it_opens(node, ask, ana, caller):
    await bound(node, caller)
    assert await told(ask) == [("account-bound", "Ana", "State eID")]
    assert await told(ask, "rui") == []


@pytest.mark.clause("EHDS 4(4) and 16")
async def test_a_code_that_a_desk_makes_is_told_of_each_time(node, ask, ana, clerk):
    for _ in range(2):
        await give_code(node.services, clerk, "ana", proof="passport", number="AB 12345")
    assert await told(ask) == [("account-code", "Kim Clerk", "City")] * 2


@pytest.mark.clause("EHDS 16")
async def test_a_code_names_the_document_that_was_seen_by_a_hash_and_not_its_number(node, ask, ana, clerk):
    for number in ("AB-12345", "ab 12345", "AB-12346"):
        await give_code(node.services, clerk, "ana", proof="passport", number=number)
    for proof, number in (("", "AB-12345"), ("library-card", "AB-12345"), ("passport", "A-1")):
        with pytest.raises(InvalidSearch):
            await give_code(node.services, clerk, "ana", proof=proof, number=number)
    said = [leaf.what for leaf in await leaves(node) if leaf.what.startswith("code to bind")]
    assert len(said) == 3
    assert said[0] == said[1] != said[2]
    assert all("passport" in each and "12345" not in each for each in said[:2])


@pytest.mark.clause("EHDS 4(4)")
async def test_a_session_at_a_desk_is_told_of_once_a_day(ask, ana, visit):
    desk = visit(
        Role.DESK, subject="desk", name="Kim Clerk", organisation="City", purpose=Purpose.PATIENT_REQUEST
    )
    await desk.get("/desk?language=en")
    await desk.post("/desk", patient="ana", proof="passport", number="AB 12345")
    await desk.get("/record?language=en")
    assert await told(ask) == [("assisted", "Kim Clerk", "City")]
    assert await told(ask, "rui") == []


@pytest.mark.clause("EHDS 4(4)")
async def test_a_session_by_the_interface_is_told_too_and_a_look_at_a_name_is_not(node, ask, ana):
    assert (await ask("GET", "/fhir/Patient/ana", Role.DESK)).status_code == 200
    assert await told(ask) == []
    assert (await ask("PUT", "/restrictions/Condition/c9?patient=ana", Role.DESK)).status_code == 403
    assert await told(ask) == []
    await assist(ask, "ana")
    assert [kind for kind, _, _ in await told(ask)] == ["assisted"]
    assert (await ask("PUT", "/restrictions/Condition/c9?patient=ana", Role.DESK)).status_code == 404
    assert (await ask("GET", "/rights/recipients?patient=ana", Role.DESK)).status_code == 200
    assert [kind for kind, _, _ in await told(ask)] == ["assisted"]
    assert any("assisted" in leaf.marks for leaf in await leaves(node))


@pytest.mark.clause("EHDS 4(2)")
async def test_a_power_that_staff_confirm_is_told_of_to_the_represented(ask, ana):
    asked = {"patient": "ana", "holder": "eva", "name": "Eva", "kind": "guardian", "proof": "court order"}
    await empower(ask, asked)
    assert [kind for kind, _, _ in await told(ask)] == ["proxy-confirmed", "assisted"]
    assert await told(ask, "eva") == []


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_page_says_each_in_the_readers_language_and_leads_to_where_it_is_undone(
    node, ask, ana, caller, clerk, citizen, language
):
    await bound(node, caller)
    await give_code(node.services, clerk, "ana", proof="passport", number="AB 12345")
    asked = {"patient": "ana", "holder": "eva", "name": "Eva", "kind": "guardian", "proof": "court order"}
    await empower(ask, asked)
    await ask("GET", "/rights/recipients?patient=ana", Role.DESK)
    page = await citizen("ana").get(f"/told?language={language}")
    assert page.status_code == 200
    assert page.text.count('<section class="card"') == 4
    assert "notice-a" not in page.text
    assert "notice-p" not in page.text
    for way in ("/login/accounts", "/acting"):
        assert f'<p><a href="{way}?' in page.text
