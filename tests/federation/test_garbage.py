"""A member that answers garbage, or what was not asked for, is named; the answers of the others stand."""

import base64
import json

import httpx
import pytest
from tests.federation.conftest import as_member, free_port, local_token, put, serving

from salus.core.access import Role
from salus.federation.membership_list import Member

CARD = "urn:example:card"
ANA = {
    "resourceType": "Patient",
    "id": "ana",
    "identifier": [{"system": CARD, "value": "1"}],
    "name": [{"family": "Silva", "given": ["Ana"]}],
    "birthDate": "1980-05-06",
}
OTHER = {"resourceType": "Patient", "id": "x", "name": [{"family": "Other"}], "birthDate": "1900-01-01"}
ORDER = {
    "resourceType": "MedicationRequest",
    "id": "m",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": {"text": "x"},
    "subject": {"reference": "Patient/x"},
}
LETTER = {
    "resourceType": "DocumentReference",
    "id": "d",
    "status": "current",
    "subject": {"reference": "Patient/x"},
    "content": [{"attachment": {"url": "Binary/d"}}],
}
TOKEN = {"access_token": "x", "token_type": "DPoP", "expires_in": 300}


def searchset(*resources, **more):
    entries = [{"resource": each} for each in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries} | more


def document(patient):
    subject = {"reference": f"Patient/{patient['id']}"}
    composition = {
        "resourceType": "Composition", "id": "c", "status": "final", "title": "x", "date": "2026-01-01",
        "type": {"text": "x"}, "author": [{"display": "x"}], "subject": subject,
    }  # fmt: skip
    entries = [
        {"fullUrl": f"https://fr.example/{each['resourceType']}/{each['id']}", "resource": each}
        for each in (composition, patient)
    ]
    return {"resourceType": "Bundle", "type": "document", "entry": entries}


class Liar:
    """A member node that answers everything with the same bytes."""

    def __init__(self):
        self.answer = b""
        self.content_type = b"application/fhir+json"

    def say(self, answer, content_type=b"application/fhir+json"):
        self.answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.content_type = content_type

    async def __call__(self, scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        is_token = scope["path"].endswith("/token")
        body = json.dumps(TOKEN).encode() if is_token else self.answer
        headers = [(b"content-type", b"application/json" if is_token else self.content_type)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def liar(federation):
    port, found = free_port(), Liar()
    home = federation.nodes["pt-1"]
    await put(home, ANA)
    members = [as_member(node, node.name[:2].upper()) for node in federation.nodes.values()]
    key = members[0].keys
    url = f"http://127.0.0.1:{port}"
    federation.publish(*members, Member("fr-1", "FR", "Liar", url, key, members[0].valid_until))
    async with serving(found, port):
        yield found


async def ask(federation, path, body, role=Role.CLINICIAN):
    node = federation.nodes["ee-1"]
    headers = {"authorization": f"Bearer {local_token(node, role, 'Mari Tamm')}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        return await client.post(f"{node.url}/abroad/{path}", json=body)


X = {"node": "fr-1", "id": "x", "relationship": "present"}
GARBAGE = [
    b"<html>oops",
    b"[]",
    b"7",
    {"resourceType": "Bundle", "type": "searchset", "entry": 7},
    {"resourceType": "Bundle", "type": "searchset", "entry": [7]},
    {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": []}]},
    {"resourceType": "Bundle", "type": "searchset", "entry": [{"search": {"mode": "match"}}]},
    {"resourceType": "Bundle", "type": "searchset", "link": [7], "entry": []},
    {"resourceType": "Bundle", "type": "searchset", "link": {"relation": "next"}},
    {"resourceType": "Bundle", "type": "batch-response", "entry": []},
    searchset({**OTHER, "name": 5, "identifier": "notalist", "birthDate": [1]}),
    searchset({**ORDER, "dispenseRequest": 5}),
    searchset({**LETTER, "content": {"attachment": 3}}),
    searchset({"resourceType": "Condition", "id": "x", "subject": {"reference": "Patient/x"}}),
    searchset(OTHER | {"id": "../x"}),
]


@pytest.mark.parametrize("answer", GARBAGE)
async def test_garbage_is_named_and_the_rest_stands(federation, liar, answer):
    liar.say(answer)
    found = await ask(federation, "patients", {"identifier": f"{CARD}|1"})
    assert found.status_code == 200, found.text
    assert [(each["node"], each["id"]) for each in found.json()["candidates"]] == [("pt-1", "ana")]
    assert [each["node"] for each in found.json()["silent"]] == ["fr-1"]
    assert "fr-1" in found.json()["silent"][0]["reason"]
    for path, role in (
        ("summary", Role.CLINICIAN),
        ("documents", Role.CLINICIAN),
        ("prescriptions", Role.PHARMACIST),
    ):
        refused = await ask(federation, path, X, role)
        assert (refused.status_code, "fr-1" in refused.text) == (502, True), (path, refused.text)


async def test_a_patient_who_has_not_what_was_asked_for_is_no_candidate(federation, liar):
    liar.say(searchset(OTHER))
    for asked in (
        {"identifier": f"{CARD}|1"},
        {"family": "Silva", "given": "Ana", "birthdate": "1980-05-06"},
    ):
        found = (await ask(federation, "patients", asked)).json()
        assert [each["node"] for each in found["candidates"]] == ["pt-1"]
        assert "not the one asked for" in found["silent"][0]["reason"]


NOT_ASKED = [
    ("summary", Role.CLINICIAN, searchset(OTHER)),
    ("summary", Role.CLINICIAN, document({**OTHER, "id": "y"})),
    ("documents", Role.CLINICIAN, searchset(OTHER)),
    ("documents", Role.CLINICIAN, searchset(ORDER)),
    ("documents", Role.CLINICIAN, searchset({**LETTER, "subject": {"reference": "Patient/y"}})),
    ("documents", Role.CLINICIAN, searchset({**LETTER, "status": "superseded"})),
    ("prescriptions", Role.PHARMACIST, searchset(OTHER)),
    ("prescriptions", Role.PHARMACIST, searchset({**ORDER, "subject": {"reference": "Patient/y"}})),
    ("prescriptions", Role.PHARMACIST, searchset({**ORDER, "status": "cancelled"})),
]


@pytest.mark.parametrize(("path", "role", "answer"), NOT_ASKED)
async def test_what_was_not_asked_for_is_not_taken(federation, liar, path, role, answer):
    liar.say(answer)
    refused = await ask(federation, path, X, role)
    assert (refused.status_code, "fr-1" in refused.text) == (502, True), refused.text


async def test_what_was_asked_for_is_taken(federation, liar):
    liar.say(searchset({**LETTER, "meta": {"source": "no uri, with blanks"}}))
    assert [each["id"] for each in (await ask(federation, "documents", X)).json()["documents"]] == ["d"]
    liar.say(document(OTHER))
    assert (await ask(federation, "summary", X)).json()["document"]["type"] == "document"


XML = b'<Bundle xmlns="http://hl7.org/fhir"><type value="nonsense"/></Bundle>'
CDA = b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>'
RETRIEVED = [
    (b"%PDF-1.7\n\x00\xff", b"application/pdf", None, {}),
    (CDA, b"application/xml", None, {}),
    (b'{ "a" : 1 }', b"application/json", None, {}),
    (b"{broken", b"application/fhir+json", False, {}),
    (XML, b"application/fhir+xml", False, {"resourceType": "Bundle", "type": "nonsense"}),
    (b'{ "resourceType" : "Patient" }', b"application/fhir+json", True, {"resourceType": "Patient"}),
]


@pytest.mark.parametrize(("body", "content_type", "valid", "resource"), RETRIEVED)
async def test_a_document_comes_byte_for_byte_and_is_valid_only_when_it_was_validated(
    federation, liar, body, content_type, valid, resource
):
    liar.say(body, content_type)
    answer = (await ask(federation, "document", X | {"reference": LETTER})).json()
    assert base64.b64decode(answer["data"]) == body
    assert (answer["contentType"], answer["valid"]) == (content_type.decode(), valid)
    assert answer["document"] == resource
    inside = {"contentType": content_type.decode(), "data": base64.b64encode(body).decode()}
    listed = {**LETTER, "content": [{"attachment": inside}]}
    answer = (await ask(federation, "document", X | {"reference": listed})).json()
    assert (base64.b64decode(answer["data"]), answer["valid"]) == (body, valid)


async def test_other_bytes_than_described_are_refused(federation, liar):
    liar.say(b"other", b"text/plain")
    for promise in ({"hash": "2jmj7l5rSw0yVb/vlWAYkK/YBwk="}, {"size": 4}):
        listed = {**LETTER, "content": [{"attachment": {"url": "Binary/d", **promise}}]}
        refused = await ask(federation, "document", X | {"reference": listed})
        assert (refused.status_code, "other bytes" in refused.text) == (502, True)
