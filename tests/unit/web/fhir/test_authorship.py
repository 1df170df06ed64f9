"""A citizen writes in their own name, about nobody else, and what they write says so (EHDS article 5)."""

import pytest

from salus.core.access import Purpose, Role

OWN = {"reference": "Patient/a"}
CODE = {"text": "x"}
DOCTOR = {"reference": "Practitioner/p"}
BY_IDENTIFIER = {"identifier": {"system": "urn:x", "value": "1"}}
BY_NAME = {"display": "Dr House"}


def observation(**more):
    return {"resourceType": "Observation", "status": "final", "code": CODE, "subject": OWN, **more}


def communication(**more):
    return {"resourceType": "Communication", "status": "completed", "subject": OWN, **more}


def media(**more):
    content = {"contentType": "image/png", "url": "https://example.org/1"}
    return {"resourceType": "Media", "status": "completed", "subject": OWN, "content": content, **more}


def answers(**more):
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "subject": OWN, **more}


def medicine(**more):
    return {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": CODE,
        "subject": OWN,
        **more,
    }


def immunization(**more):
    return {
        "resourceType": "Immunization",
        "status": "completed",
        "vaccineCode": CODE,
        "patient": OWN,
        "occurrenceDateTime": "2026-01-01",
        **more,
    }


@pytest.fixture
async def persons(door):
    for name in ("a", "b"):
        patient = {"resourceType": "Patient", "id": name}
        assert (await door.operator("PUT", f"/Patient/{name}", patient)).status_code == 201
        related = {
            "resourceType": "RelatedPerson",
            "id": f"r{name}",
            "patient": {"reference": f"Patient/{name}"},
        }
        assert (await door.operator("PUT", f"/RelatedPerson/r{name}", related)).status_code == 201
    practitioner = {"resourceType": "Practitioner", "id": "p"}
    assert (await door.operator("PUT", "/Practitioner/p", practitioner)).status_code == 201


REFUSED = [
    observation(performer=[DOCTOR]),
    observation(performer=[BY_IDENTIFIER]),
    observation(performer=[BY_NAME]),
    observation(performer=[{**OWN, "display": "Dr House"}]),
    observation(performer=[{**OWN, **BY_IDENTIFIER}]),
    observation(performer=[{"reference": "https://elsewhere.test/fhir/Practitioner/p"}]),
    observation(performer=[{"reference": "RelatedPerson/rb"}]),
    observation(note=[{"authorReference": DOCTOR, "text": "x"}]),
    observation(note=[{"authorString": "Dr House", "text": "x"}]),
    observation(
        contained=[{"resourceType": "Practitioner", "id": "c", "name": [{"text": "Dr House"}]}],
        performer=[{"reference": "#c"}],
    ),
    media(operator=BY_NAME),
    medicine(informationSource=BY_NAME),
    {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": CODE,
        "subject": OWN,
        "expressedBy": DOCTOR,
    },
    answers(source={"reference": "Patient/b"}),
    answers(source=BY_IDENTIFIER),
    immunization(performer=[{"actor": BY_NAME}]),
    immunization(performer=[{"actor": BY_NAME}], primarySource=True),
    communication(recipient=[{"reference": "Patient/b"}]),
    communication(recipient=[{"reference": "https://node.test/fhir/Patient/b"}]),
    communication(about=[{"reference": "https://elsewhere.test/fhir/Patient/b/_history/2"}]),
    communication(sender=BY_IDENTIFIER),
]


@pytest.mark.parametrize("resource", REFUSED)
async def test_a_citizen_signs_for_nobody_else_and_names_no_other_patient(door, leaves, persons, resource):
    before = len(await leaves())
    answer = await door.citizen("POST", f"/{resource['resourceType']}", resource, patient="a")
    assert answer.status_code == 403, answer.text
    assert "b" not in {leaf[0] for leaf in (await leaves())[before:]}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}],
    }
    assert (await door.citizen("POST", "", bundle, patient="a")).status_code == 403


TAKEN = [
    observation(),
    observation(performer=[OWN]),
    observation(performer=[{**OWN, "type": "Patient", "display": "Mari Tamm"}]),
    observation(performer=[{"reference": "RelatedPerson/ra"}]),
    observation(note=[{"authorString": "Mari Tamm", "text": "x"}, {"text": "y"}]),
    answers(source=OWN, author=OWN),
    medicine(informationSource=OWN, meta={"security": [{"system": "urn:x", "code": "y"}]}),
    immunization(performer=[{"actor": BY_NAME}], primarySource=False),
    communication(recipient=[DOCTOR], sender=OWN),
]


@pytest.mark.parametrize("resource", TAKEN)
async def test_what_a_citizen_writes_in_their_own_name_is_taken_and_marked(door, persons, resource):
    kind = resource["resourceType"]
    answer = await door.citizen("POST", f"/{kind}", resource, patient="a")
    assert answer.status_code == 201, answer.text
    stored = (await door("GET", f"/{kind}/{answer.json()['id']}")).json()
    assert "PATAST" in [label["code"] for label in stored["meta"]["security"]]
    kept = resource.get("meta", {}).get("security", [])
    assert [label for label in stored["meta"]["security"] if label["code"] != "PATAST"] == kept
    query = "_security=http://terminology.hl7.org/CodeSystem/v3-ObservationValue|PATAST"
    found = (await door("GET", f"/{kind}?patient=a&{query}")).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [stored["id"]]


async def test_a_patch_by_a_citizen_signs_for_nobody_else_and_is_marked(door, persons):
    made = await door.citizen("POST", "/Observation", observation(), patient="a")
    own = f"/Observation/{made.json()['id']}"
    headers = {"content-type": "application/json-patch+json"}
    signed = [{"op": "add", "path": "/performer", "value": [BY_NAME]}]
    answer = await door.citizen("PATCH", own, signed, patient="a", headers=headers)
    assert answer.status_code == 403, answer.text
    changed = [{"op": "add", "path": "/valueString", "value": "z"}]
    answer = await door.citizen("PATCH", own, changed, patient="a", headers=headers)
    assert answer.status_code == 200, answer.text
    assert [label["code"] for label in answer.json()["meta"]["security"]] == ["PATAST"]


async def test_what_a_professional_writes_is_not_marked(door, persons):
    answer = await door("POST", "/Observation", observation(performer=[DOCTOR]))
    assert "security" not in answer.json()["meta"]


@pytest.mark.parametrize("way", ["PUT", "PATCH", "DELETE", "in a transaction"])
async def test_what_a_professional_recorded_is_not_the_citizens_to_change(door, persons, way):
    made = (await door("POST", "/Observation", observation())).json()
    path, changed = f"/Observation/{made['id']}", {**made, "valueString": "nothing"}
    entry = {"resource": changed, "request": {"method": "PUT", "url": path[1:]}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    patch = [{"op": "add", "path": "/valueString", "value": "nothing"}]
    headers = {"content-type": "application/json-patch+json"}
    answer = await {
        "PUT": lambda: door.citizen("PUT", path, changed, patient="a"),
        "PATCH": lambda: door.citizen("PATCH", path, patch, patient="a", headers=headers),
        "DELETE": lambda: door.citizen("DELETE", path, patient="a"),
        "in a transaction": lambda: door.citizen("POST", "", bundle, patient="a"),
    }[way]()
    assert answer.status_code == 403, answer.text
    assert "hide it" in answer.text
    assert (await door("GET", path)).json() == made


async def test_an_app_that_acts_for_a_citizen_is_held_to_the_same(door, persons):
    made = (await door("POST", "/Observation", observation())).json()
    who = {"role": Role.APP, "purpose": Purpose.PATIENT_REQUEST, "patient": "a"}
    who |= {"scopes": ("patient/*.cruds",)}
    answer = await door("PUT", f"/Observation/{made['id']}", {**made, "valueString": "nothing"}, **who)
    assert answer.status_code == 403
    own = await door("POST", "/Observation", observation(), **who)
    assert own.status_code == 201
    assert "PATAST" in own.text


@pytest.mark.parametrize("source", ["urn:salus:node:ee-1", "urn:salus:citizen:ana"])
async def test_a_professional_writes_in_nobody_elses_name(door, source):
    sent = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "meta": {"source": source},
    }
    refused = await door("POST", "/Observation", sent)
    assert refused.status_code == 403
    assert "leave it out" in refused.text
