"""What an update keeps and refuses (R4 http.html#update, resource.html#tag-updates)."""

import json

import pytest

from salus.core.access import Action, Role
from salus.store import resources
from salus.store.rows import make_row

PATIENT = {"resourceType": "Patient", "name": [{"family": "Tamm"}]}
LABELS = {
    "profile": ["http://example.org/fhir/StructureDefinition/p"],
    "security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}],
    "tag": [{"system": "http://example.org/tags", "code": "checked"}],
}
ORIGINAL = {"system": "urn:salus:original-id", "code": "17"}


async def loaded(door, grant, resource):
    """Store a Patient as a load does: with the system it came from and its id there."""
    services = door.services
    content = json.dumps(resource).encode()
    index = services.database.parameters.indexer("Patient", services.keys.search)
    row = make_row(
        "Patient", "p1", content, index=index({**resource, "id": "p1"}),
        source="urn:hospital:a", source_id="Patient/17",
    )  # fmt: skip
    await resources.create(grant(action=Action.CREATE), services.database, row)


async def test_an_update_without_meta_keeps_where_the_resource_came_from(door, grant):
    await loaded(door, grant, {**PATIENT, "meta": LABELS})
    answer = await door("PUT", "/Patient/p1", {**PATIENT, "id": "p1", "active": True})
    assert answer.status_code == 200, answer.text
    meta = (await door("GET", "/Patient/p1")).json()["meta"]
    assert meta["source"] == "urn:hospital:a"
    assert meta["tag"] == [*LABELS["tag"], ORIGINAL]
    assert (meta["security"], meta["profile"]) == (LABELS["security"], LABELS["profile"])
    for query in ("_source=urn:hospital:a", "_tag=urn:salus:original-id|17", "_security=R", "_tag=checked"):
        assert len((await door("GET", f"/Patient?{query}")).json()["entry"]) == 1, query


async def test_a_resource_read_and_sent_back_stays_the_same(door, grant):
    await loaded(door, grant, {**PATIENT, "meta": LABELS})
    read = (await door("GET", "/Patient/p1")).json()
    answer = await door("PUT", "/Patient/p1", {**read, "active": True})
    meta, before = answer.json()["meta"], read["meta"]
    assert {name: meta[name] for name in ("source", *LABELS)} == {
        name: before[name] for name in ("source", *LABELS)
    }


async def test_a_patch_keeps_where_the_resource_came_from(door, grant):
    await loaded(door, grant, PATIENT)
    patch = [{"op": "add", "path": "/active", "value": True}]
    answer = await door(
        "PATCH", "/Patient/p1", patch, headers={"content-type": "application/json-patch+json"}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["meta"]["source"] == "urn:hospital:a"
    assert answer.json()["meta"]["tag"] == [ORIGINAL]


async def test_another_source_ends_the_old_one(door, grant):
    await loaded(door, grant, PATIENT)
    other = {**PATIENT, "id": "p1", "meta": {"source": "urn:hospital:b"}}
    meta = (await door("PUT", "/Patient/p1", other)).json()["meta"]
    assert meta["source"] == "urn:hospital:b"
    assert "tag" not in meta


async def test_an_update_keeps_labels_that_it_leaves_out_and_takes_those_it_sends(door):
    meta = {**LABELS, "source": "urn:app"}
    identity = (await door("POST", "/Patient", {**PATIENT, "meta": meta})).json()["id"]
    tags = [{"system": "http://example.org/tags", "code": "again"}]
    changed = {**PATIENT, "id": identity, "meta": {"tag": tags}}
    transaction = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": changed, "request": {"method": "PUT", "url": f"Patient/{identity}"}}],
    }
    assert (await door("POST", "", transaction)).status_code == 200
    found = (await door("GET", f"/Patient/{identity}")).json()["meta"]
    assert {name: found[name] for name in meta} == {**meta, "tag": tags}
    again = await door("PUT", f"/Patient/{identity}", {**PATIENT, "id": identity, "meta": {"tag": tags}})
    assert again.headers["etag"] == 'W/"2"'


async def test_a_citizens_update_keeps_labels_too(door):
    identity = (await door("POST", "/Patient", {**PATIENT, "meta": LABELS})).json()["id"]
    answer = await door.citizen("PUT", f"/Patient/{identity}", {**PATIENT, "id": identity}, patient=identity)
    assert answer.status_code in (200, 403)
    found = (await door("GET", f"/Patient/{identity}", role=Role.CLINICIAN)).json()["meta"]
    assert found["security"] == LABELS["security"]


@pytest.mark.parametrize("tags", ["*", 'W/"1"', 'W/"7", "1"'])
async def test_an_update_that_excludes_what_is_there_is_refused(door, tags):
    identity = (await door("POST", "/Patient", PATIENT)).json()["id"]
    changed = {**PATIENT, "id": identity, "active": True}
    answer = await door("PUT", f"/Patient/{identity}", changed, headers={"if-none-match": tags})
    assert answer.status_code == 412
    assert (await door("GET", f"/Patient/{identity}")).json()["meta"]["versionId"] == "1"


async def test_an_update_that_wants_nothing_there_creates(door):
    answer = await door.operator(
        "PUT", "/Patient/new", {**PATIENT, "id": "new"}, headers={"if-none-match": "*"}
    )
    assert answer.status_code == 201


async def test_an_if_match_that_is_no_tag_is_refused(door):
    identity = (await door("POST", "/Patient", PATIENT)).json()["id"]
    changed = {**PATIENT, "id": identity, "active": True}
    answer = await door("PUT", f"/Patient/{identity}", changed, headers={"if-match": "first"})
    assert answer.status_code == 400
    answer = await door("PUT", f"/Patient/{identity}", changed, headers={"if-match": "1"})
    assert answer.status_code == 200


async def test_a_patch_leaves_the_digits_of_what_it_does_not_touch(door):
    body = (
        b'{"resourceType":"Observation","status":"final","code":{"text":"x"},'
        b'"valueQuantity":{"value":0.00000010},"referenceRange":[{"low":{"value":1e-9}}]}'
    )
    identity = (await door("POST", "/Observation", body)).json()["id"]
    patch = b'[{"op":"add","path":"/referenceRange/0/high","value":{"value":0.0000020}}]'
    answer = await door(
        "PATCH", f"/Observation/{identity}", patch, headers={"content-type": "application/json-patch+json"}
    )
    assert answer.status_code == 200, answer.text
    for number in (b'"value":0.00000010}', b'"value":1e-9}', b'"value":0.0000020}'):
        assert number in answer.content
    part = await door("GET", f"/Observation/{identity}?_elements=value")
    assert b'"value":0.00000010}' in part.content


async def test_an_id_that_fhir_does_not_allow_is_refused_by_its_rule(door):
    answer = await door("PUT", "/Patient/a_b", {**PATIENT, "id": "a_b"})
    assert answer.status_code == 400
    assert "64" in answer.json()["issue"][0]["details"]["text"]
    assert (await door("GET", "/Patient/a_b")).status_code == 404


async def test_a_conditional_create_that_finds_one_says_where(door):
    person = {**PATIENT, "identifier": [{"system": "urn:s", "value": "1"}]}
    condition = {"if-none-exist": "identifier=urn:s|1"}
    first = await door("POST", "/Patient", person, headers=condition)
    again = await door("POST", "/Patient", person, headers=condition)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["location"] == first.headers["location"]
