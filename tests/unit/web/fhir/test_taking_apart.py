"""A document that a citizen or another node sent is taken over by a professional, entry by entry."""

import base64
import json

import pytest
from tests.unit.primary.documents import records as r

from salus.core.access import Role
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.codec.xml import write_xml
from salus.standards.fhir.validation.validator import validate
from salus.web import mhd
from salus.web.fhir.face import face

OUTSIDE = "urn:uuid:7e0d6c9a-0000-4000-8000-00000000000{}"
PATIENT = r.PATIENT | {"id": "abroad"}
ALLERGY = {
    "resourceType": "AllergyIntolerance",
    "id": "nuts",
    "clinicalStatus": r.concept(
        "active", "Active", "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
    ),
    "code": r.concept("91935009", "Allergy to peanuts", "http://snomed.info/sct"),
    "patient": {"reference": OUTSIDE.format(1)},
    "recorder": {"reference": OUTSIDE.format(3)},
}
CONSENT = {
    "resourceType": "Consent",
    "id": "lets",
    "status": "active",
    "scope": r.concept("patient-privacy", "Privacy", "http://terminology.hl7.org/CodeSystem/consentscope"),
    "category": [r.concept("IDSCL", "disclosure", "http://terminology.hl7.org/CodeSystem/v3-ActCode")],
    "patient": {"reference": OUTSIDE.format(1)},
    "policyRule": r.concept("OPTIN", "opt-in", "http://terminology.hl7.org/CodeSystem/v3-ActCode"),
}


def document(*entries, patient=PATIENT, version=1):
    composition = {
        "resourceType": "Composition",
        "id": "c",
        "identifier": {"system": "urn:oid:2.999.8", "value": "letter-1"},
        "status": "final",
        "type": r.concept("60591-5", "Patient summary Document"),
        "subject": {"reference": OUTSIDE.format(1)},
        "date": f"2026-11-0{version}",
        "author": [{"reference": OUTSIDE.format(3)}],
        "title": "Summary",
    }
    doctor = {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Costa"}]}
    listed = [composition, patient, *entries]
    places = [OUTSIDE.format(0), OUTSIDE.format(1), *(OUTSIDE.format(4 + n) for n in range(len(entries)))]
    held = [{"fullUrl": url, "resource": each} for url, each in zip(places, listed, strict=True)]
    held.append({"fullUrl": OUTSIDE.format(3), "resource": doctor})
    return json.dumps(
        {
            "resourceType": "Bundle",
            "type": "document",
            "identifier": {"system": "urn:oid:2.999.9", "value": f"v{version}"},
            "timestamp": f"2026-11-0{version}T10:00:00Z",
            "entry": held,
        }
    ).encode()


@pytest.fixture
async def door(open_door):
    return open_door(faces=(mhd.face, face))


@pytest.fixture
async def sent(door):
    """Return a function by which the citizen sends a document; the name of its description comes back."""
    await door.operator("PUT", "/Patient/p1", r.PATIENT)

    async def send(body):
        attachment = {"contentType": "application/fhir+json", "data": base64.b64encode(body).decode()}
        described = {"resourceType": "DocumentReference", "status": "current", "subject": r.SUBJECT}
        described |= {"content": [{"attachment": attachment}]}
        answer = await door.citizen("POST", "/DocumentReference", described, patient="p1")
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    return send


def said(answer):
    assert answer.status_code == 200, answer.text
    return [(each["severity"], each["details"]["text"]) for each in answer.json()["issue"]]


async def found(door, kind, query="patient=Patient/p1"):
    answer = await door("GET", f"/{kind}?{query}")
    return [
        each["resource"]
        for each in answer.json().get("entry", ())
        if each["resource"]["resourceType"] == kind
    ]


async def test_a_professional_takes_a_document_over_and_is_named_for_it(door, sent):
    name = await sent(document(ALLERGY))
    assert await found(door, "AllergyIntolerance") == []
    ((severity, text),) = said(await door("POST", f"/DocumentReference/{name}/$take-apart"))
    assert severity == "information"
    assert text.startswith("3 taken into the record: ")  # Composition, AllergyIntolerance, Practitioner
    (allergy,) = await found(door, "AllergyIntolerance")
    assert allergy["patient"] == r.SUBJECT
    assert allergy["code"] == ALLERGY["code"]
    assert allergy["meta"]["source"] == "urn:salus:citizen:p1"
    (provenance,) = await found(door, "Provenance")
    assert [one for one in validate(provenance) if one.severity == "error"] == []
    assert {"reference": f"AllergyIntolerance/{allergy['id']}"} in provenance["target"]
    assert provenance["entity"][0]["what"]["reference"] == f"DocumentReference/{name}"
    kinds = [agent["type"]["coding"][0]["code"] for agent in provenance["agent"]]
    assert kinds[-2:] == ["transmitter", "verifier"]
    recorder = await door("GET", f"/{allergy['recorder']['reference']}")
    assert recorder.json()["name"] == [{"family": "Costa"}]


async def test_the_second_time_nothing_is_doubled(door, sent):
    name = await sent(document(ALLERGY))
    await door("POST", f"/DocumentReference/{name}/$take-apart")
    again = said(await door("POST", f"/DocumentReference/{name}/$take-apart"))
    assert [text[:14] for _, text in again] == ["3 here already"]
    assert len(await found(door, "AllergyIntolerance")) == 1
    assert len(await found(door, "Provenance")) == 1


async def test_what_cannot_be_filed_is_named_and_the_rest_is_taken(door, sent):
    encounter = r.ENCOUNTER | {"status": "completed", "subject": {"reference": OUTSIDE.format(1)}}  # of R5
    for name in ("participant", "serviceProvider"):
        encounter.pop(name)
    vouching = {
        "resourceType": "Provenance",
        "target": [{"reference": "https://node.test/fhir/DiagnosticReport/lab"}],
        "recorded": "2026-11-01T10:00:00Z",
        "agent": [{"who": {"display": "somebody"}}],
    }
    meaning = {"resourceType": "CodeSystem", "id": "cs", "url": "http://loinc.org", "status": "active"}
    meaning |= {"content": "complete", "concept": [{"code": "718-7", "display": "Something else"}]}
    entries = (ALLERGY, encounter, CONSENT, vouching, meaning)
    name = await sent(document(*entries))
    report = said(await door("POST", f"/DocumentReference/{name}/$take-apart"))
    warnings = [text for severity, text in report if severity == "warning"]
    assert len(warnings) == 4
    assert any("CodeSystem was not taken" in text for text in warnings)
    assert await found(door, "CodeSystem") == []
    assert any("Provenance was not taken" in text for text in warnings)
    assert any("Encounter was not taken" in text and "encounter-status" in text for text in warnings)
    assert any("Consent was not taken" in text for text in warnings)
    assert len(await found(door, "AllergyIntolerance")) == 1
    url = (await found(door, "DocumentReference"))[0]["content"][0]["attachment"]["url"]
    assert (await door("GET", f"/{url}")).content == document(*entries)


async def test_a_document_about_somebody_of_whom_nothing_is_said_is_not_taken_over(door, sent):
    nobody = {"resourceType": "Patient", "id": "abroad", "name": [{"family": "Silva"}]}
    name = await sent(document(ALLERGY, patient=nobody))
    answer = await door("POST", f"/DocumentReference/{name}/$take-apart")
    assert answer.status_code == 422
    assert "shows that it is about this person" in answer.text
    assert await found(door, "AllergyIntolerance") == []


async def test_only_a_professional_of_this_node_takes_over_and_only_what_stands(door, sent):
    name = await sent(document(ALLERGY))
    path = f"/DocumentReference/{name}/$take-apart"
    assert (await door.citizen("POST", path, patient="p1")).status_code == 403
    assert (await door("POST", path, role=Role.PHARMACIST)).status_code == 403
    assert (await door("GET", path)).status_code == 405
    described = (await found(door, "DocumentReference"))[0]
    await door("PUT", f"/DocumentReference/{name}", described | {"status": "entered-in-error"})
    assert (await door("POST", path)).status_code == 409


async def test_what_a_document_said_goes_when_the_document_is_withdrawn(door, sent):
    name = await sent(document(ALLERGY))
    await door("POST", f"/DocumentReference/{name}/$take-apart")
    described = (await found(door, "DocumentReference"))[0]
    await door("PUT", f"/DocumentReference/{name}", described | {"status": "entered-in-error"})
    assert await found(door, "AllergyIntolerance") == []
    assert await found(door, "Provenance") == []


async def test_a_later_version_takes_the_place_of_what_the_earlier_one_said(door, sent):
    one = await sent(document(ALLERGY))
    await door("POST", f"/DocumentReference/{one}/$take-apart")
    milk = ALLERGY | {"code": r.concept("425525006", "Allergy to dairy", "http://snomed.info/sct")}
    two = await sent(document(milk, version=2))
    await door("POST", f"/DocumentReference/{two}/$take-apart")
    (allergy,) = await found(door, "AllergyIntolerance")
    assert allergy["code"] == milk["code"]


async def test_a_document_sent_to_the_base_by_a_system_of_the_node_is_taken_apart(door):
    body = document(ALLERGY)
    first = await door.operator("POST", "", body)
    assert first.status_code == 201, first.text
    assert first.json()["content"][0]["attachment"]["size"] == len(body)
    (allergy,) = await found(door, "AllergyIntolerance", "code=91935009")
    patient = allergy["patient"]["reference"]
    assert (await door("GET", f"/{patient}")).json()["birthDate"] == r.PATIENT["birthDate"]
    assert len(await found(door, "Provenance", f"patient={patient}")) == 1
    again = await door.operator("POST", "", body)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert len(await found(door, "AllergyIntolerance", "code=91935009")) == 1


async def test_a_document_in_xml_is_kept_as_it_came(door):
    body = write_xml(parse_json(document(ALLERGY), Limits()))
    answer = await door.operator("POST", "", body, headers={"content-type": "application/fhir+xml"})
    assert answer.status_code == 201, answer.text
    kept = await door("GET", "/" + answer.json()["content"][0]["attachment"]["url"])
    assert kept.content == body


async def test_who_is_bound_to_a_patient_is_told_how_to_publish(door):
    await door.operator("PUT", "/Patient/p1", r.PATIENT)
    answer = await door.citizen("POST", "", document(ALLERGY), patient="p1")
    assert answer.status_code == 403
    assert await found(door, "AllergyIntolerance", "code=91935009") == []


async def test_a_document_that_is_not_valid_is_refused_whole(door):
    broken = {name: value for name, value in ALLERGY.items() if name != "patient"}
    answer = await door.operator("POST", "", document(broken))
    assert answer.status_code == 422
    assert await found(door, "Practitioner", "family=Costa") == []
