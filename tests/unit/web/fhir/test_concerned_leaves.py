"""Whoever's data leaves has a leaf, however the resource names them (EHDS article 9)."""

import json

import pytest

ANA = {"reference": "Patient/ana"}


def observation(subject):
    """Return an Observation's bytes; `subject` is JSON as it stands in them."""
    return (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"subject":{"reference":"' + subject.encode() + b'"}}'
    )


@pytest.fixture
async def record(door):
    for patient in ("ana", "ben"):
        made = await door.operator("PUT", f"/Patient/{patient}", {"resourceType": "Patient", "id": patient})
        assert made.status_code == 201, made.text


async def put(door, resource):
    made = await door.operator("PUT", f"/{resource['resourceType']}/{resource['id']}", resource)
    assert made.status_code in (200, 201), made.text


async def told(door, leaves, address):
    """Return the patients whom a clinician's read leaves a leaf for."""
    before = len(await leaves())
    answer = await door("GET", address)
    assert answer.status_code == 200, answer.text
    return {leaf[0] for leaf in (await leaves())[before:]}


@pytest.mark.clause("EHDS 9")
@pytest.mark.parametrize(
    "subject",
    [
        "https://node.test/fhir/Patient/ana",
        "https:\\/\\/node.test\\/fhir\\/Patient\\/ana",
        "https:\\u002f\\u002fnode.test/fhir/Patient\\u002fana",
        "HTTPS://Node.Test/fhir/Patient/ana",
        "https://node.test:443/fhir/Patient/ana/_history/1",
        "https://node.test/fhir/%50atient/ana",
        "Patient\\/ana",
        "Patient/ana#part",
    ],
)
async def test_an_own_reference_of_any_form_is_the_patients(door, leaves, record, subject):
    body = observation(subject)
    made = await door("POST", "/Observation", body)
    assert made.status_code == 201, made.text
    address = f"/Observation/{made.json()['id']}"
    assert await told(door, leaves, address) == {"ana"}
    assert (await door.citizen("GET", address, patient="ana")).status_code == 200


PROVENANCE = {"resourceType": "Provenance", "id": "p", "target": [{"reference": "Observation/o"}],
              "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}]}  # fmt: skip
OBSERVATION = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "code": {"text": "x"},
    "subject": ANA,
}
BINARY = {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "AAAA"}
DOCUMENT = {"resourceType": "DocumentReference", "id": "d", "status": "current", "subject": ANA,
            "content": [{"attachment": {"url": "Binary/b", "contentType": "text/plain"}}]}  # fmt: skip
COLLECTION = {"resourceType": "Bundle", "id": "c", "type": "collection",
              "entry": [{"fullUrl": "https://node.test/fhir/Observation/o", "resource": OBSERVATION},
                        {"fullUrl": "https://node.test/fhir/Patient/ben",
                         "resource": {"resourceType": "Patient", "id": "ben"}}]}  # fmt: skip
LISTED = {"resourceType": "List", "id": "l", "status": "current", "mode": "snapshot",
          "entry": [{"item": {"reference": "Provenance/p"}}]}  # fmt: skip


@pytest.mark.clause("EHDS 9")
@pytest.mark.parametrize("late", [False, True], ids=["in order", "what is named comes last"])
@pytest.mark.parametrize(
    ("resources", "address", "patients"),
    [
        ((OBSERVATION, PROVENANCE), "/Provenance/p", {"ana"}),
        ((OBSERVATION, PROVENANCE), "/Provenance/p/_history", {"ana"}),
        ((OBSERVATION, PROVENANCE), "/Provenance?target=Observation/o", {"ana"}),
        ((OBSERVATION, PROVENANCE, LISTED), "/List/l", {"ana"}),
        ((BINARY, DOCUMENT), "/Binary/b", {"ana"}),
        ((COLLECTION,), "/Bundle/c", {"ana", "ben"}),
    ],
)
async def test_what_lies_in_no_record_is_its_patients(
    door, leaves, record, resources, address, patients, late
):
    for resource in reversed(resources) if late else resources:
        await put(door, resource)
    assert await told(door, leaves, address) >= patients


async def test_a_write_of_what_lies_in_no_record_has_a_leaf_of_its_patient(door, leaves, record):
    await put(door, OBSERVATION)
    before = len(await leaves())
    await put(door, PROVENANCE)
    assert {leaf[0] for leaf in (await leaves())[before:]} == {"ana"}
    await put(door, DOCUMENT)
    changed = json.loads(json.dumps(BINARY)) | {"data": "BBBB"}
    before = len(await leaves())
    await put(door, changed)
    assert {leaf[0] for leaf in (await leaves())[before:]} == {"ana"}
