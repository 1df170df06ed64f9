"""Staff at a desk open a record with what the person shows, and no other way (EHDS 4(4))."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from tests.flow.assisting import PASSPORT, assist
from tests.flow.test_standing import ana, ask, clock, country, folder, leaves, node

from salus.core.access import Role

__all__ = ["ana", "ask", "clock", "country", "folder", "node"]
OPENED = [
    ("GET", "/rights/archive?patient=ana", None),
    ("GET", "/rights/recipients?patient=ana", None),
    ("GET", "/rights/links?patient=ana", None),
    ("POST", "/rights/links?patient=ana", {"content": "record", "passcode": "abcdefgh"}),
    ("GET", "/rights/exchange-opt-out?patient=ana", None),
    ("PUT", "/rights/exchange-opt-out?patient=ana", {"risk_understood": True}),
    ("DELETE", "/rights/exchange-opt-out?patient=ana", None),
    ("GET", "/restrictions?patient=ana", None),
    ("PUT", "/restrictions/Condition/c1?patient=ana", None),
    ("DELETE", "/restrictions/Condition/c1?patient=ana", None),
    ("GET", "/notices/way?patient=ana", None),
    ("GET", "/proxies?patient=ana", None),
]


@pytest.mark.clause("EHDS 4(4)")
async def test_a_desk_opens_nothing_until_the_person_has_shown_something(ask, ana, clock):
    for method, path, body in OPENED:
        answer = await ask(method, path, Role.DESK, body)
        assert (answer.status_code, "/rights/assisted" in answer.text) == (403, True), path
    await assist(ask, "ana")
    for method, path, body in OPENED:
        assert (await ask(method, path, Role.DESK, body)).is_success, path
    other = await ask("GET", "/rights/archive?patient=ana", Role.DESK, subject="desk-2")
    assert other.status_code == 403
    assert (await ask("GET", "/rights/archive?patient=rui", Role.DESK)).status_code == 403
    assert (await ask("DELETE", "/rights/assisted?patient=ana", Role.DESK)).status_code == 200
    assert (await ask("GET", "/rights/archive?patient=ana", Role.DESK)).status_code == 403
    await assist(ask, "ana")
    clock.now += timedelta(minutes=31)
    assert (await ask("GET", "/rights/archive?patient=ana", Role.DESK)).status_code == 403


@pytest.mark.clause("EHDS 4(4)")
async def test_what_is_shown_is_a_code_or_a_document_and_is_in_the_leaf_without_its_number(node, ask, ana):
    for shown in ({}, {"document": "passport"}, {"document": "library-card", "number": "AB12345"}):
        answer = await ask("POST", "/rights/assisted", Role.DESK, {"patient": "ana"} | shown)
        assert answer.status_code == 400, shown
    wrong = await ask("POST", "/rights/assisted", Role.DESK, {"patient": "ana", "code": "ABCD2345"})
    assert wrong.status_code == 403
    code = (await ask("POST", "/rights/presence-code", Role.CITIZEN)).json()["code"]
    shown = {"patient": "ana", "code": code}
    assert (await ask("POST", "/rights/assisted", Role.DESK, shown)).status_code == 201
    assert (await ask("POST", "/rights/assisted", Role.DESK, shown)).status_code == 403
    for role in (Role.CITIZEN, Role.CLINICIAN, Role.OPERATOR):
        body = {"patient": "ana"} | PASSPORT
        assert (await ask("POST", "/rights/assisted", role, body)).status_code == 403
    nobody = {"patient": "nobody"} | PASSPORT
    assert (await ask("POST", "/rights/assisted", Role.DESK, nobody)).status_code == 404
    said = {leaf.what for leaf in await leaves(node) if leaf.patient == "ana"}
    assert "assistance begun, code" in said
    assert not any("12345" in each or code in each for each in said)


async def test_the_number_of_a_passport_is_compared_where_the_record_knows_one(ask, ana):
    passport = {"type": {"coding": [{"code": "PPN"}]}, "value": "CB1234567"}
    body = {"resourceType": "Patient", "id": "rui", "birthDate": "1980-02-02", "identifier": [passport]}
    assert (await ask("PUT", "/fhir/Patient/rui", Role.OPERATOR, body)).is_success
    shown = {"patient": "rui", "document": "passport"}
    for number, status in (("CB 7654321", 403), ("cb 1234567", 201)):
        answer = await ask("POST", "/rights/assisted", Role.DESK, shown | {"number": number})
        assert answer.status_code == status


async def test_so_many_people_a_day_and_each_staff_member(node, ask, ana):
    limits = msgspec.structs.replace(node.services.limits, assisted_people_per_day_max=2)
    msgspec.structs.force_setattr(node.services, "limits", limits)
    await assist(ask, "ana", "rui", "ana")
    body = {"patient": "eva"} | PASSPORT
    assert (await ask("POST", "/rights/assisted", Role.DESK, body)).status_code == 429
    await assist(ask, "eva", subject="desk-2")


@pytest.mark.clause("EHDS 4(2)")
async def test_a_power_that_a_desk_enters_waits_for_a_second_member_of_staff(ask, ana):
    asked = {"patient": "ana", "holder": "eva", "name": "Eva", "kind": "guardian", "proof": "court paper"}
    assert (await ask("POST", "/proxies", Role.DESK, asked)).status_code == 403
    await assist(ask, "ana")
    made = (await ask("POST", "/proxies", Role.DESK, asked)).json()
    assert (await ask("GET", "/fhir/Condition/c1", Role.PROXY)).status_code in (403, 404)
    second = {"subject": "desk-2"}
    (waits,) = (await ask("GET", "/proxies", Role.DESK, **second)).json()["proxies"]
    assert (waits["id"], waits["state"]) == (made["id"], "not-yet")
    path = f"/proxies/{made['id']}/confirm"
    for role, fields, status in (
        (Role.DESK, {}, 409), (Role.CITIZEN, {}, 403), (Role.DESK, second, 200), (Role.DESK, second, 409),
    ):  # fmt: skip
        assert (await ask("POST", path, role, **fields)).status_code == status
    assert (await ask("GET", "/fhir/Condition/c1", Role.PROXY)).status_code == 200
