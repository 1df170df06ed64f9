"""Restricting for somebody else (EHDS 8 with 4(2) and 4(4)): by a proxy, and by staff at a desk."""

from __future__ import annotations

import pytest
from tests.flow.assisting import assist
from tests.flow.test_portal_standing import visit
from tests.flow.test_standing import (
    ACTS,
    PARTICIPATION,
    SCOPES,
    ana,
    ask,
    clock,
    country,
    folder,
    leaves,
    node,
)

from salus.core.access import Purpose, Role
from salus.web.portal.words import LANGUAGES

__all__ = ["ana", "ask", "clock", "country", "folder", "node", "visit"]


def hidden_from_proxies(identity):
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": SCOPES, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "policyRule": {"coding": [{"system": ACTS, "code": "OPTIN"}]},
        "patient": {"reference": "Patient/ana"},
        "dateTime": "2026-11-20",
        "provision": {
            "type": "deny",
            "actor": [
                {
                    "role": {"coding": [{"system": PARTICIPATION, "code": "IRCP"}]},
                    "reference": {"identifier": {"system": "urn:salus:audience", "value": "proxies"}},
                }
            ],
            "data": [{"meaning": "instance", "reference": {"reference": f"Condition/{identity}"}}],
        },
    }


@pytest.mark.clause("EHDS 4(4) and 8")
async def test_somebody_without_an_eid_restricts_at_a_desk_which_is_marked(node, ask, ana):
    path = "/restrictions/Condition/c1?patient=ana"
    await assist(ask, "ana", "rui")
    told = (await ask("GET", path, Role.DESK)).json()
    assert told["hides"] == {"Condition": 1}
    assert "Professionals who treat you" in told["risk"]
    done = await ask("PUT", path, Role.DESK)
    assert (done.status_code, done.json()["resources"]) == (200, 1)
    assert (await ask("GET", "/fhir/Condition/c1")).status_code == 404
    assert (await ask("GET", "/fhir/Condition/c1?patient=ana", Role.DESK)).status_code in (403, 404)
    listed = (await ask("GET", "/restrictions?patient=ana", Role.DESK)).json()["restrictions"]
    assert [(each["type"], each["id"], each["with"]) for each in listed] == [("Condition", "c1", "")]
    assert (await ask("PUT", "/restrictions/Condition/c9?patient=ana", Role.DESK)).status_code == 404
    assert (await ask("PUT", "/restrictions/Condition/c2?patient=rui", Role.DESK)).status_code == 404
    assert (await ask("DELETE", "/restrictions/Condition/c2?patient=ana", Role.DESK)).status_code == 404
    again = (await ask("DELETE", path, Role.DESK)).json()
    assert (again["restricted"], again["resources"], "limited" in again) == (False, 1, False)
    assert (await ask("GET", "/fhir/Condition/c1")).status_code == 200
    steps = [leaf for leaf in await leaves(node) if leaf.what.startswith("Condition/c1 ")]
    assert [(leaf.what, leaf.patient, leaf.role, leaf.marks) for leaf in steps] == [
        ("Condition/c1 restricted", "ana", "desk", ("assisted",)),
        ("Condition/c1 shown again", "ana", "desk", ("assisted",)),
    ]
    assert {leaf.rule for leaf in steps} == {"desk-assists-with-a-restriction"}
    for role in (Role.CLINICIAN, Role.AUDITOR, Role.OPERATOR):
        assert (await ask("PUT", path, role)).status_code == 403
    assert (await ask("PUT", "/restrictions/Condition/c1", Role.DESK)).status_code == 403


async def appointed(ask, **more):
    code = (await ask("POST", "/rights/presence-code", Role.CITIZEN, subject="eva", patient="eva")).json()[
        "code"
    ]
    body = {"code": code, "name": "Eva", "kind": "carer", **more}
    made = await ask("POST", "/proxies", Role.CITIZEN, body)
    assert made.status_code == 201, made.text
    return made.json()["id"]


@pytest.mark.clause("EHDS 4(2) and 8")
async def test_a_proxy_restricts_for_whom_they_act_within_their_power(node, ask, ana):
    path = "/restrictions/Condition/c1"
    assert (await ask("PUT", path, Role.PROXY)).status_code == 404
    power = await appointed(ask)
    assert (await ask("GET", path, Role.PROXY)).json()["hides"] == {"Condition": 1}
    assert (await ask("PUT", path, Role.PROXY)).json()["resources"] == 1
    assert (await ask("GET", "/fhir/Condition/c1")).status_code == 404
    assert (await ask("GET", "/fhir/Condition/c1", Role.PROXY)).status_code == 200
    listed = (await ask("GET", "/restrictions", Role.PROXY)).json()["restrictions"]
    assert [each["id"] for each in listed] == ["c1"]
    assert not (await ask("DELETE", path, Role.PROXY)).json()["restricted"]
    assert (await ask("GET", "/fhir/Condition/c1")).status_code == 200
    leaf = next(each for each in await leaves(node) if each.what == "Condition/c1 restricted")
    assert (leaf.patient, leaf.subject, leaf.rule) == ("ana", "eva", "proxy-restricts-the-record")
    await ask("DELETE", f"/proxies/{power}", Role.CITIZEN)
    for method in ("GET", "PUT", "DELETE"):
        assert (await ask(method, path, Role.PROXY)).status_code == 404
    assert (await ask("GET", "/restrictions", Role.PROXY)).json() == {"restrictions": []}


async def test_a_proxy_for_some_types_restricts_those_alone(ask, ana):
    body = {
        "resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "o1"},
        "subject": {"reference": "Patient/ana"},
    }  # fmt: skip
    assert (await ask("PUT", "/fhir/Observation/o1", Role.OPERATOR, body)).status_code == 201
    await appointed(ask, types=["Observation"])
    assert (await ask("PUT", "/restrictions/Condition/c1", Role.PROXY)).status_code == 404
    assert (await ask("GET", "/restrictions/Condition/c1", Role.PROXY)).status_code == 404
    assert (await ask("PUT", "/restrictions/Condition/c1", Role.CITIZEN)).status_code == 200
    assert (await ask("GET", "/restrictions", Role.PROXY)).json() == {"restrictions": []}
    assert (await ask("DELETE", "/restrictions/Condition/c1", Role.PROXY)).status_code == 404
    assert (await ask("PUT", "/restrictions/Observation/o1", Role.PROXY)).json()["resources"] == 1
    assert (await ask("GET", "/fhir/Observation/o1")).status_code == 404


async def test_what_is_hidden_from_a_proxy_is_absent_for_their_restrictions(ask, ana):
    await appointed(ask)
    assert (await ask("POST", "/fhir/Consent", Role.CITIZEN, hidden_from_proxies("c1"))).status_code == 201
    hidden = await ask("PUT", "/restrictions/Condition/c1", Role.PROXY)
    never = await ask("PUT", "/restrictions/Condition/c0", Role.PROXY)
    assert (hidden.status_code, never.status_code) == (404, 404)
    assert hidden.text.replace("c1", "?") == never.text.replace("c0", "?")
    assert (await ask("PUT", "/restrictions/Condition/c1", Role.CITIZEN)).status_code == 200
    assert (await ask("GET", "/restrictions", Role.PROXY)).json() == {"restrictions": []}
    assert (await ask("DELETE", "/restrictions/Condition/c1", Role.PROXY)).status_code == 404


@pytest.fixture
async def clerk(visit, ana):
    """Staff at a desk in the session of Ana, who is with them."""
    desk = visit(Role.DESK, subject="desk", name="Kim Clerk", purpose=Purpose.PATIENT_REQUEST)
    await desk.get("/desk?language=en")
    assert (
        await desk.post("/desk", patient="ana", proof="passport", number="AB 12345")
    ).url.path == "/my-rights"
    return desk


@pytest.mark.clause("EHDS 4(4) and 8")
async def test_the_desks_pages_restrict_after_the_risk_and_show_again_without_showing_what(clerk, ask):
    row = {"type": "Condition", "id": "c1", "category": "problems"}
    page = await clerk.get("/record/problems?language=en")
    assert 'action="/record/restrict"' in page.text
    asked = await clerk.post("/record/restrict", **row)
    assert "Professionals who treat you will not see this" in asked.text
    done = await clerk.post("/record/restrict", confirmed="yes", **row)
    assert ("condition c1" in done.text, "condition c2" in done.text) == (False, True)
    assert (await ask("GET", "/fhir/Condition/c1")).status_code == 404
    page = await clerk.get("/my-rights?language=en")
    assert ("Condition/c1" in page.text, "condition c1" in page.text) == (True, False)
    shown = await clerk.post("/record/unrestrict", **row)
    assert "condition c1" in shown.text
    assert (await ask("GET", "/fhir/Condition/c1")).status_code == 200


@pytest.mark.clause("EHDS 4(4), 10 and 71")
async def test_the_desks_pages_opt_out_and_show_who_looked_and_no_codes_or_notices(node, clerk, ask):
    page = await clerk.get("/choices?language=en")
    assert page.status_code == 200
    assert "/choices/code" not in page.text
    assert "/choices/channel" not in page.text
    risk = await clerk.post("/choices/opt-out/exchange", change="opt-out")
    assert "opt-out" in risk.text
    await clerk.post("/choices/opt-out/exchange", change="opt-out", confirmed="yes")
    assert (await ask("GET", "/rights/exchange-opt-out", Role.CITIZEN)).json()["opted_out"]
    assert (await clerk.get("/accesses?language=en")).status_code == 200
    assert (await clerk.post("/choices/code")).status_code == 403
    mine = [leaf for leaf in await leaves(node) if leaf.subject == "desk" and leaf.patient == "ana"]
    assert {leaf.marks for leaf in mine} == {("assisted",)}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_desks_pages_speak_the_languages(clerk, language):
    for path in ("/my-rights", "/choices", "/record/problems"):
        page = await clerk.get(f"{path}?language={language}")
        assert (page.status_code, f'<html lang="{language}">' in page.text) == (200, True)


async def test_a_proxy_restricts_on_the_pages(visit, ask, ana):
    await appointed(ask)
    eva = visit(Role.PROXY, subject="eva", name="Eva", patient="ana", purpose=Purpose.PATIENT_REQUEST)
    row = {"type": "Condition", "id": "c1", "category": "problems"}
    await eva.get("/record/problems?language=en")
    done = await eva.post("/record/restrict", confirmed="yes", **row)
    assert "Hidden by you" in done.text
    assert (await ask("GET", "/fhir/Condition/c1")).status_code == 404
