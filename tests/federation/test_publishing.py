"""A letter goes home: Estonia publishes it in Portugal, where the citizen sees it; both write it down."""

import base64
import json

import httpx
import msgspec
import pytest
from tests.federation.conftest import get, local_caller, local_token, put
from tests.federation.test_dispensations import prescription

from salus.core.access import Role
from salus.core.errors import AccessRefused, Conflict, InvalidResource, NotFound
from salus.primary.cross_border import SCOPE, PatientAbroad, asker_of, present
from salus.primary.publishing_abroad import Letter, publish_document
from salus.store.ledger import leaf_in
from salus.web.abroad import desk_of

BODY = b"%PDF-1.7\n\x00\xff discharge letter\r\n"
LETTER = Letter(
    body=BODY,
    media_type="application/pdf",
    title="Discharge letter",
    kind=("18842-5", "Discharge summary"),
    identifier=("urn:tartu:letters", "1"),
)
NEXT = msgspec.structs.replace(
    LETTER, body=BODY + b"corrected", identifier=("urn:tartu:letters", "2"), replaces=LETTER.identifier
)
ANA = PatientAbroad("pt-1", "ana", {})


@pytest.fixture
async def desk(federation):
    home, abroad = federation.nodes["pt-1"], federation.nodes["ee-1"]
    await put(home, *({"resourceType": "Patient", "id": name} for name in ("ana", "rui")))
    mari = local_caller(abroad, Role.CLINICIAN, "Mari Tamm")
    return desk_of(abroad.services, mari)


async def leaves(node, patient):
    async with node.services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf ORDER BY arrival")
    found = (leaf_in(connection, bytes(row["entry"])) for row in rows)
    return [(leaf.name, leaf.node, leaf.action, leaf.outcome) for leaf in found if leaf.patient == patient]


async def documents_of_ana(home):
    answer = await get(home, "DocumentReference?patient=ana", Role.CITIZEN, patient="ana")
    return {one["resource"]["masterIdentifier"]["value"]: one["resource"] for one in answer.json()["entry"]}


async def test_the_citizen_sees_at_home_what_was_written_abroad_byte_for_byte(federation, desk):
    home, abroad = federation.nodes["pt-1"], federation.nodes["ee-1"]
    made = await publish_document(desk, present(ANA), LETTER)
    listed = (await documents_of_ana(home))["1"]
    assert (listed["id"], listed["status"], listed["meta"]["source"]) == (
        made["id"], "current", "urn:salus:node:ee-1",
    )  # fmt: skip
    attachment = listed["content"][0]["attachment"]
    assert "data" not in attachment
    kept = await get(home, attachment["url"], Role.CITIZEN, patient="ana")
    assert (kept.content, kept.headers["content-type"]) == (BODY, "application/pdf")
    assert ("Mari Tamm", "ee-1", "create", "served") in await leaves(home, "ana")
    assert ("Mari Tamm", "", "create", "served") in await leaves(abroad, "pt-1:ana")
    other = await get(home, attachment["url"], Role.CITIZEN, patient="rui")
    assert other.status_code == 404


async def test_a_repeated_call_changes_nothing(federation, desk):
    first = await publish_document(desk, present(ANA), LETTER)
    again = await publish_document(desk, present(ANA), LETTER)
    assert (again["id"], again["meta"]["versionId"]) == (first["id"], "1")
    assert len(await documents_of_ana(federation.nodes["pt-1"])) == 1


async def test_two_letters_of_the_same_words_are_two_and_one_number_stands_for_one(federation, desk):
    await publish_document(desk, present(ANA), LETTER)
    ankle = msgspec.structs.replace(LETTER, title="Ankle X-ray", identifier=("urn:tartu:letters", "9"))
    made = await publish_document(desk, present(ANA), ankle)
    assert made["masterIdentifier"]["value"] == "9"
    assert sorted(await documents_of_ana(federation.nodes["pt-1"])) == ["1", "9"]
    with pytest.raises(Conflict, match="same masterIdentifier and differs in content"):
        await publish_document(desk, present(ANA), msgspec.structs.replace(ankle, title="Wrist X-ray"))


async def test_the_next_version_replaces_the_first_across_the_border(federation, desk):
    await publish_document(desk, present(ANA), LETTER)
    await publish_document(desk, present(ANA), NEXT)
    listed = await documents_of_ana(federation.nodes["pt-1"])
    assert {value: one["status"] for value, one in listed.items()} == {"1": "superseded", "2": "current"}


async def test_a_document_of_the_home_is_not_replaced_from_abroad(federation, desk):
    home = federation.nodes["pt-1"]
    own = {
        "resourceType": "DocumentReference",
        "id": "own",
        "masterIdentifier": {"system": "urn:tartu:letters", "value": "1"},
        "status": "current",
        "subject": {"reference": "Patient/ana"},
        "content": [{"attachment": {"url": "Binary/x"}}],
    }
    await put(home, own)
    with pytest.raises(AccessRefused, match="only its source"):
        await publish_document(desk, present(ANA), NEXT)
    assert (await documents_of_ana(home))["1"]["status"] == "current"


async def test_nothing_is_published_without_a_treatment_relationship_or_about_another(federation, desk):
    with pytest.raises(AccessRefused):
        await publish_document(desk, ANA, LETTER)
    with pytest.raises(NotFound):
        await publish_document(desk, present(PatientAbroad("pt-1", "nobody", {})), LETTER)
    pharmacist = local_caller(federation.nodes["ee-1"], Role.PHARMACIST, "Jaan")
    with pytest.raises(AccessRefused):
        await publish_document(msgspec.structs.replace(desk, caller=pharmacist), present(ANA), LETTER)


async def test_a_local_system_publishes_abroad_by_the_nodes_own_door(federation, desk):
    abroad = federation.nodes["ee-1"]
    headers = {"authorization": f"Bearer {local_token(abroad, Role.CLINICIAN, 'Mari Tamm')}"}
    asked = {
        "node": "pt-1", "id": "ana", "relationship": "present", "title": "Letter", "type": ["18842-5", "x"],
        "data": base64.b64encode(BODY).decode(), "media_type": "text/plain", "identifier": ["urn:x", "7"],
    }  # fmt: skip
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        answer = await client.post(f"{abroad.url}/abroad/publish", json=asked)
    assert answer.status_code == 200, answer.text
    assert (await documents_of_ana(federation.nodes["pt-1"]))["7"]["author"] == [
        {"display": "Mari Tamm, Hospital of ee-1"}
    ]


PASSING_FOR_THE_HOME = {
    "resourceType": "DocumentReference",
    "meta": {"source": "https://hospital.pt"},
    "masterIdentifier": {"system": "urn:x", "value": "9"},
    "status": "current",
    "subject": {"reference": "Patient/ana"},
    "author": [{"display": "Dr Somebody of Lisbon"}],
    "content": [{"attachment": {"url": "https://elsewhere.example/x.pdf"}}],
}


async def ask_home(desk, path, resource, **headers):
    """Send a request of the other node under a token for Ana, as no helper of ours would."""
    member = desk.peers.membership.admitted("pt-1", desk.peers.clock())
    asker = asker_of(desk.caller, PatientAbroad("pt-1", "ana", {}, "present"))
    body = json.dumps(resource).encode()
    return await desk.peers.call(member, asker, "POST", path, scope=SCOPE, body=body, headers=headers)


@pytest.mark.parametrize("kind", ["plain", "conditional", "transaction", "batch"])
async def test_another_node_writes_a_document_by_publishing_it_and_no_other_way(federation, desk, kind):
    request = {"method": "POST", "url": "DocumentReference"}
    bundle = {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [{"resource": PASSING_FOR_THE_HOME, "request": request}],
    }
    sent = {
        "plain": ("/fhir/DocumentReference", PASSING_FOR_THE_HOME, {}),
        "conditional": (
            "/fhir/DocumentReference",
            PASSING_FOR_THE_HOME,
            {"if-none-exist": "identifier=urn:x|9"},
        ),
    }
    path, resource, headers = sent.get(kind, ("/fhir", bundle, {}))
    if kind == "batch":
        answer = json.loads((await ask_home(desk, path, resource)).body)
        assert answer["entry"][0]["response"]["status"][:3] == "403", answer
    else:
        with pytest.raises((AccessRefused, InvalidResource), match="publishes a document"):
            await ask_home(desk, path, resource, **headers)
    found = await get(federation.nodes["pt-1"], "DocumentReference?patient=ana")
    assert found.json().get("entry", []) == []


async def test_what_another_node_writes_comes_from_it_whatever_it_says(federation, desk):
    home = federation.nodes["pt-1"]
    letter = {**PASSING_FOR_THE_HOME, "content": citizens_document("ana")["content"]}
    await ask_home(desk, "/fhir/DocumentReference", letter)
    assert (await documents_of_ana(home))["9"]["meta"]["source"] == "urn:salus:node:ee-1"
    dispensing = msgspec.structs.replace(
        desk, caller=local_caller(federation.nodes["ee-1"], Role.PHARMACIST, "Jaan Kask")
    )
    await put(home, prescription("rx", "ana"))
    dispensation = {
        "resourceType": "MedicationDispense",
        "meta": {"source": "https://hospital.pt"},
        "identifier": [{"system": "urn:x", "value": "1"}],
        "status": "completed",
        "medicationCodeableConcept": {"text": "Enalapril 10 mg"},
        "subject": {"reference": "Patient/ana"},
        "authorizingPrescription": [{"reference": "MedicationRequest/rx"}],
        "quantity": {"value": 1, "unit": "tablet"},
    }
    await ask_home(dispensing, "/fhir/MedicationDispense", dispensation)
    found = (await get(home, "MedicationDispense?patient=ana")).json()["entry"][0]["resource"]
    assert found["meta"]["source"] == "urn:salus:node:ee-1"
    by_source = await get(home, "MedicationDispense?_source=https://hospital.pt")
    assert by_source.json().get("entry", []) == []


def citizens_document(patient, body=b"my diary"):
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "content": [{"attachment": {"contentType": "text/plain", "data": base64.b64encode(body).decode()}}],
    }


async def post(node, resource, patient):
    headers = {"authorization": f"Bearer {local_token(node, Role.CITIZEN, patient, patient=patient)}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        return await client.post(f"{node.url}/fhir/DocumentReference", json=resource)


async def delete(node, name, patient):
    headers = {"authorization": f"Bearer {local_token(node, Role.CITIZEN, patient, patient=patient)}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        return await client.delete(f"{node.url}/fhir/{name}")


async def test_a_citizens_document_is_kept_like_any_other_and_in_the_own_record_only(federation, desk):
    home = federation.nodes["pt-1"]
    made = await post(home, citizens_document("ana"), "ana")
    assert made.status_code == 201, made.text
    attachment = made.json()["content"][0]["attachment"]
    kept = await get(home, attachment["url"], Role.CITIZEN, patient="ana")
    assert (kept.content, kept.headers["content-type"]) == (b"my diary", "text/plain")
    assert (await post(home, citizens_document("ana"), "ana")).status_code == 200
    name = f"DocumentReference/{made.json()['id']}"
    gone = await delete(home, name, "ana")
    assert gone.status_code == 204, gone.text
    assert (await get(home, attachment["url"], Role.CITIZEN, patient="ana")).status_code == 404
    assert (await post(home, citizens_document("ana"), "ana")).status_code == 201
    assert (await get(home, attachment["url"], Role.CITIZEN, patient="ana")).content == b"my diary"
    for another in ("rui", "nobody"):  # refused alike, whether or not there is such a patient
        refused = await post(home, citizens_document(another), "ana")
        assert (refused.status_code, "refer to no other patient" in refused.text) == (403, True)
    same = await post(home, citizens_document("rui"), "rui")
    assert (same.status_code, same.json()["id"] == made.json()["id"]) == (201, False)
    still = await get(home, f"DocumentReference/{made.json()['id']}", Role.CITIZEN, patient="ana")
    assert still.status_code == 200
