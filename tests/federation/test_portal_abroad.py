"""The portal at one node about a patient of another: what is not known is said to be not known."""

import re

import httpx
import msgspec
import pytest
from tests.federation.conftest import free_port, local_token, put

from salus.core.access import Role
from salus.core.limits import Limits
from salus.web.application import assemble
from salus.web.login import face as login
from salus.web.portal import face as portal
from salus.web.portal.personas import personas
from salus.web.provider import face as provider

NUMBER = "123456789"
ANA = {
    "resourceType": "Patient",
    "id": "ana",
    "identifier": [{"system": "urn:example:card", "value": NUMBER}],
    "name": [{"family": "Silva", "given": ["Ana"]}],
    "birthDate": "1970-01-01",
}


def form_token(page):
    return re.search(r'name="csrf" value="([0-9a-f]+)"', page.text).group(1)


@pytest.fixture
async def browser(federation):
    """A clinician is logged in at the portal of ee-1."""
    await put(federation.nodes["pt-1"], ANA)
    services = msgspec.structs.replace(federation.nodes["ee-1"].services, demo=True)
    doors = [portal.face(services), login.face(services), provider.face(services)]
    application = assemble(doors, limits=Limits(body_bytes_max=100_000), secure=False)
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(
        transport=transport, base_url=services.base_url, follow_redirects=True
    ) as client:
        page = await client.get("/login")
        await client.post("/login", data={"csrf": form_token(page), "persona": "clinician"})
        yield client


async def look_up(client, *, present):
    page = await client.get("/patient")
    form = {"csrf": form_token(page), "country": "pt-1", "identifier": f"urn:example:card|{NUMBER}"}
    return await client.post(
        "/patient", data=form | {"purpose": "TREAT"} | ({"present": "yes"} if present else {})
    )


def at_nobodys_address(federation):
    """Make pt-1 a member at an address where nothing listens."""
    gone = msgspec.structs.replace(federation.member("pt-1"), base_url=f"http://127.0.0.1:{free_port()}")
    federation.publish(gone, federation.member("ee-1"))


async def test_prescriptions_that_were_refused_are_not_known_and_not_none(browser):
    page = await look_up(browser, present=False)
    assert page.status_code == 403
    assert "No prescriptions" not in page.text
    assert ">Not known:</span>" in page.text
    assert "tick the box" in page.text


async def test_prescriptions_of_a_node_that_is_down_are_not_known_and_not_none(federation, browser):
    page = await look_up(browser, present=True)
    assert page.status_code == 200
    assert "No active prescription to show" in page.text
    at_nobodys_address(federation)
    page = await browser.get("/patient/pt-1/ana")
    assert page.status_code == 502
    assert "No prescriptions" not in page.text
    assert "No active prescription to show" not in page.text
    assert '>Not known:</span> <span lang="en">node pt-1 cannot be reached' in page.text


async def test_a_patient_whose_node_is_down_is_not_said_to_be_unknown(federation, browser):
    at_nobodys_address(federation)
    page = await look_up(browser, present=True)
    assert page.status_code == 502
    assert "No patient has this identifier" not in page.text
    assert "not known" in page.text
    assert "pt-1 (node pt-1 cannot be reached)" in page.text


async def test_that_something_was_handed_over_is_shown_to_its_pharmacy_also_when_home_is_down(
    federation, browser
):
    node = federation.nodes["ee-1"]
    now = node.clock()
    message = msgspec.json.encode(
        {"resourceType": "MedicationDispense", "medicationCodeableConcept": {"text": "Enalapril"}}
    )
    async with node.services.database.system() as connection:
        await connection.execute(
            "INSERT INTO dispensed_abroad"
            " (patient, system, value, prescription, message, begun, settled, state, pharmacy)"
            " VALUES ('pt-1:ana', 'urn:x', 'd', 'rx', $1, $2, $2, 'recorded', $3)",
            message,
            now,
            personas(node.services.country)["pharmacist"].organisation,
        )
        await connection.execute(
            "INSERT INTO peer_notice_received"
            " (patient, node, id, kind, names, at, received_at, outcome, copies, law, digest) VALUES"
            " ('pt-1:ana', 'pt-1', 'n1', 'rectified', '{Condition/c1}', $1, $1, 'none', 0, '', ''),"
            " ('pt-1:ana', 'pt-1', 'n2', 'restricted', '{Condition/unseen}', $1, $1, 'hidden', 1, '', '')",
            now,
        )
    await look_up(browser, present=True)
    for path in ("/patient/pt-1/ana", "/patient/pt-1/ana/summary"):
        page = await browser.get(path)
        assert "What was read before is out of date: Condition/c1" in page.text
        assert "unseen" not in page.text  # nobody is told of a restriction
    page = await browser.get("/patient/pt-1/ana")
    assert "Hand-overs, tried and done" not in page.text  # a clinician is told nothing of it
    page = await browser.get("/login")
    await browser.post("/login", data={"csrf": form_token(page), "persona": "pharmacist"})
    await look_up(browser, present=True)
    at_nobodys_address(federation)
    page = await browser.get("/patient/pt-1/ana")
    assert "Hand-overs, tried and done" in page.text
    assert "home does not show" in page.text
    assert "Enalapril" not in page.text


def form_with(page, text):
    """Return the fields of the form that holds the text."""
    forms = (each.partition("</form>")[0] for each in page.text.split("<form")[1:])
    form = next(each for each in forms if text in each)
    return dict(re.findall(r'name="(\w+)"[^>]* value="([^"]*)"', form))


async def test_a_pharmacist_abroad_gives_a_part_and_takes_it_back(federation, browser):
    quantity = {"value": 30, "unit": "tablet", "system": "http://unitsofmeasure.org", "code": "{tablet}"}
    order = {
        "resourceType": "MedicationRequest",
        "id": "rx",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/ana"},
        "authoredOn": federation.nodes["pt-1"].clock().date().isoformat(),
        "medicationReference": {"reference": "Medication/m"},
        "dispenseRequest": {"quantity": quantity},
    }
    product = {"resourceType": "Medication", "id": "m", "code": {"text": "Amoxicillin 500 mg"}}
    await put(federation.nodes["pt-1"], product, order)
    page = await browser.get("/login")
    await browser.post("/login", data={"csrf": form_token(page), "persona": "pharmacist"})
    page = await look_up(browser, present=True)
    assert "Amoxicillin 500 mg" in page.text
    fields = form_with(page, 'name="prescription"')
    page = await browser.post("/patient/pt-1/ana/dispense", data=fields | {"quantity": "10"})
    assert "20 tablets left" in page.text
    assert page.text.count("Amoxicillin 500 mg") == 2  # prescribed, and handed over
    page = await browser.post("/patient/pt-1/ana/take-back", data=form_with(page, "Take back"))
    assert "30 tablets left" in page.text
    assert "taken back" in page.text


async def test_what_this_node_did_about_a_patient_abroad_is_in_its_own_audit(federation, browser):
    await look_up(browser, present=True)
    node = federation.nodes["ee-1"]
    headers = {"authorization": f"Bearer {local_token(node, Role.AUDITOR, 'Auditor')}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        answer = await client.get(f"{node.url}/fhir/AuditEvent?patient=pt-1:ana")
    entries = answer.json()["entry"]
    assert {entry["resource"]["entity"][0]["what"]["identifier"]["value"] for entry in entries} == {
        "pt-1:ana"
    }
