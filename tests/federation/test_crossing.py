"""A Portuguese citizen falls ill in Estonia: she is found, her data arrives, and both nodes wrote it down."""

import base64
import hashlib
from datetime import timedelta

import httpx
import msgspec
import pytest
from tests.federation.conftest import get, local_caller, local_token, put

from salus.core.access import Purpose, Role
from salus.core.errors import AccessRefused, NotFound, PeerUnavailable
from salus.primary.cross_border import (
    PatientAbroad,
    asker_of,
    fetch_document,
    fetch_summary,
    find_patients,
    list_documents,
    list_resources,
    present,
)
from salus.standards.fhir.codec.json import write_json
from salus.standards.nationalid.identifiers import identifier_of_system
from salus.store.sealing import seal_of
from salus.web.abroad import desk_of

SNS = "urn:salus:test:sns"
DEMOGRAPHICS = {"family": "Silva", "given": "Ana", "birthdate": "1970-01-01"}


def person(name, family="Silva", given="Ana", birth="1970-01-01", number=None):
    return {
        "resourceType": "Patient",
        "id": name,
        "identifier": [{"system": SNS, "value": number or f"n-{name}"}],
        "name": [{"family": family, "given": [given]}],
        "birthDate": birth,
    }


def condition(name, patient):
    return {
        "resourceType": "Condition",
        "id": name,
        "clinicalStatus": {
            "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}
            ]
        },
        "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "I10"}]},
        "subject": {"reference": f"Patient/{patient}"},
    }


@pytest.fixture
async def desk(federation):
    """Ana and others are at home; a clinician sits at ee-1."""
    home, abroad = federation.nodes["pt-1"], federation.nodes["ee-1"]
    await put(
        home, person("ana"), person("rui", "Costa", "Rui"), condition("c1", "ana"), condition("c2", "rui")
    )
    mari = local_caller(abroad, Role.CLINICIAN, "Mari Tamm")
    return desk_of(abroad.services, mari)


async def found(desk, demographics=None):
    answers, _ = await find_patients(desk, demographics or DEMOGRAPHICS, countries=["PT"])
    (patient,) = [each for listed in answers.answers.values() for each in listed]
    return patient


async def test_a_person_is_found_by_identifier_or_by_name_and_birth_date(desk):
    for asked in (DEMOGRAPHICS, {"identifier": f"{SNS}|n-ana"}):
        patient = await found(desk, asked)
        assert (patient.node, patient.id) == ("pt-1", "ana")


POINTING_AT_NOBODY = [
    ({"family": "Silva"}, "identifier"),
    ({"family": "Silva", "birthdate": "1970"}, "identifier"),
    ({"name": "a"}, "lookup takes"),
    ({"_id": "ana"}, "lookup takes"),
    ({"identifier": "n-ana"}, "system"),
    ({"identifier": f"{SNS}|n-ana,{SNS}|n-rui"}, "one identifier"),
    ({"identifier": "urn:oid:1.3.6.1.4.1.28284.6.2.2.1|38001085719"}, "digit is wrong"),
]


async def test_a_question_that_points_at_nobody_is_refused_by_name(desk):
    for asked, reason in POINTING_AT_NOBODY:
        answers, _ = await find_patients(desk, asked)
        assert answers.answers == {}
        assert reason in dict(answers.silent)["pt-1"]


async def test_a_national_number_is_found_however_it_is_written(federation, desk):
    estonian = identifier_of_system("urn:oid:1.3.6.1.4.1.28284.6.2.2.1")
    patient = person("kati") | {"identifier": [{"system": estonian.system, "value": "38001085718"}]}
    await put(federation.nodes["pt-1"], patient)
    for system, number in ((estonian.system, "380 0108 5718"), (f"urn:oid:{estonian.oid}", "38001085718")):
        assert (await found(desk, {"identifier": f"{system}|{number}"})).id == "kati"


async def test_of_two_who_match_nobody_is_told_and_that_it_was_two_is_not(federation, desk):
    await put(federation.nodes["pt-1"], person("ana2"))
    answers, _ = await find_patients(desk, DEMOGRAPHICS)
    nobody, _ = await find_patients(desk, DEMOGRAPHICS | {"given": "Nobody"})
    assert (answers.answers, answers.silent) == (nobody.answers, nobody.silent) == ({"pt-1": []}, [])
    assert (await found(desk, {"identifier": f"{SNS}|n-ana2"})).id == "ana2"


async def test_nobody_found_is_said_with_the_nodes_that_were_silent(federation, desk):
    answers, _ = await find_patients(desk, DEMOGRAPHICS | {"given": "Nobody"})
    assert (answers.answers, answers.silent) == ({"pt-1": []}, [])
    federation.nodes["pt-1"].clock.ahead = timedelta(minutes=9)
    answers, _ = await find_patients(desk, DEMOGRAPHICS | {"given": "No"})
    assert answers.answers == {}
    assert [node for node, _ in answers.silent] == ["pt-1"]


async def test_the_summary_arrives_valid_and_the_relationship_must_be_stated(desk):
    patient = await found(desk)
    with pytest.raises(AccessRefused, match="relationship"):
        await fetch_summary(desk, patient)
    summary = await fetch_summary(desk, present(patient))
    assert [issue.message for issue in summary.issues if issue.severity == "error"] == []
    assert summary.is_valid
    assert summary.resource["type"] == "document"
    assert "Essential hypertension" in str(summary.resource["entry"][0]["resource"])


async def test_a_token_for_one_patient_shows_nothing_of_another(desk):
    patient = present(await found(desk))
    assert [each["id"] for each in (await list_resources(desk, patient, "Condition")).resources] == ["c1"]
    member = desk.peers.membership.admitted("pt-1", desk.peers.clock())
    asker = asker_of(desk.caller, PatientAbroad("pt-1", "ana", {}, "present"))
    for path in ("/fhir/Condition/c2", "/fhir/Patient/rui", "/fhir/Patient/rui/$summary"):
        with pytest.raises((NotFound, AccessRefused)):
            await desk.peers.call(member, asker, "GET", path, scope="system/*.rs")


async def publish(
    node, content, *, patient="ana", role=Role.CLINICIAN, media_type="application/pdf", **attachment
):
    reference = {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11502-2"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "content": [
            {
                "attachment": {
                    name: value
                    for name, value in {
                        "contentType": media_type,
                        "data": base64.b64encode(content).decode(),
                        **attachment,
                    }.items()
                    if value is not None
                }
            }
        ],
    }
    own = patient if role is Role.CITIZEN else None
    headers = {
        "authorization": f"Bearer {local_token(node, role, 'Dr Sousa', patient=own)}",
        "content-type": "application/fhir+json",
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.post(
            f"{node.url}/fhir/DocumentReference", content=write_json(reference), headers=headers
        )


def published(listed):
    """Return the documents listed that somebody published, without those that are composed on demand."""
    return [each for each in listed.resources if "$" not in each["content"][0]["attachment"].get("url", "")]


async def test_a_report_of_the_home_node_is_found_composed_and_valid_abroad(federation, desk):
    sodium = {
        "resourceType": "Observation", "id": "sodium", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2951-2"}]},
        "subject": {"reference": "Patient/ana"}, "effectiveDateTime": "2026-10-02", "valueString": "normal",
    }  # fmt: skip
    report = {
        "resourceType": "DiagnosticReport", "id": "lab", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "11502-2"}]},
        "subject": {"reference": "Patient/ana"}, "result": [{"reference": "Observation/sodium"}],
    }  # fmt: skip
    await put(federation.nodes["pt-1"], person("ana"), sodium, report)
    patient = present(await found(desk))
    listed = await list_documents(desk, patient, kind="http://loinc.org|11502-2")
    (reference,) = listed.resources
    fetched = await fetch_document(desk, patient, reference)
    assert fetched.is_valid
    assert fetched.resource["meta"]["profile"] == [
        "http://hl7.eu/fhir/laboratory/StructureDefinition/Bundle-eu-lab"
    ]
    assert "2951-2" in fetched.body.decode()


async def test_a_published_document_is_found_and_retrieved_byte_for_byte(federation, desk):
    content = bytes(range(256)) * 40
    answer = await publish(federation.nodes["pt-1"], content)
    assert answer.status_code == 201, answer.text
    assert "data" not in answer.json()["content"][0]["attachment"]
    patient = present(await found(desk))
    listed = await list_documents(desk, patient)
    assert listed.complete
    (reference,) = published(listed)
    fetched = await fetch_document(desk, patient, reference)
    assert fetched.body == content
    sha1 = base64.b64encode(hashlib.sha1(content).digest()).decode()
    assert reference["content"][0]["attachment"].get("hash", sha1) == sha1


async def test_the_same_document_published_twice_is_one(federation):
    home = federation.nodes["pt-1"]
    await put(home, person("ana"))
    first, second = await publish(home, b"%PDF-1"), await publish(home, b"%PDF-1")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]


CONTRADICTING = [
    {"size": 3},
    {"hash": "AAAA"},
    {"data": "not base64!"},
    {"contentType": None},
]


async def test_a_publication_that_contradicts_itself_is_refused(federation):
    home = federation.nodes["pt-1"]
    await put(home, person("ana"))
    for wrong in CONTRADICTING:
        assert (await publish(home, b"%PDF-1", **wrong)).status_code in (400, 422), wrong
    assert (await get(home, "DocumentReference")).json().get("entry", []) == []


async def test_a_citizen_adds_a_document_to_her_own_record_and_no_other(federation, desk):
    home = federation.nodes["pt-1"]
    assert (await publish(home, b"%PDF-1 mine", role=Role.CITIZEN)).status_code == 201
    (reference,) = published(await list_documents(desk, present(await found(desk))))
    assert (await fetch_document(desk, present(await found(desk)), reference)).body == b"%PDF-1 mine"
    own = local_token(home, Role.CITIZEN, "ana", patient="ana")
    theirs = {**reference, "subject": {"reference": "Patient/rui"}}
    headers = {"authorization": f"Bearer {own}", "content-type": "application/fhir+json"}
    async with httpx.AsyncClient(trust_env=False) as client:
        address = f"{home.url}/fhir/DocumentReference"
        answer = await client.post(address, content=write_json(theirs), headers=headers)
    assert answer.status_code == 403


async def test_a_description_without_the_document_is_an_ordinary_resource(federation, desk):
    answer = await publish(federation.nodes["pt-1"], b"", data=None, url="http://169.254.169.254/x")
    assert answer.status_code == 201
    (reference,) = published(await list_documents(desk, present(await found(desk))))
    with pytest.raises(PeerUnavailable, match="leads away"):
        await fetch_document(desk, present(await found(desk)), reference)


async def test_a_publication_for_a_patient_who_is_not_here_is_refused(federation):
    answer = await publish(federation.nodes["pt-1"], b"%PDF-1", patient="nobody")
    assert answer.status_code in (404, 422)


async def test_both_nodes_wrote_every_access_down_and_refusals_too(federation, desk):
    patient = present(await found(desk))
    await fetch_summary(desk, patient)
    researcher = msgspec.structs.replace(desk.caller, purpose=Purpose.RESEARCH)
    with pytest.raises(AccessRefused):
        await fetch_summary(msgspec.structs.replace(desk, caller=researcher), patient)
    for name, known_as in (("pt-1", "ana"), ("ee-1", "pt-1:ana")):
        async with federation.nodes[name].services.database.system() as connection:
            rows = await connection.fetch("SELECT entry FROM leaf WHERE patient = $1", known_as)
        text = b" ".join(seal_of(connection).open(row["entry"]) for row in rows).decode()
        assert "Mari Tamm" in text
        assert "$summary" in text
        if name == "pt-1":
            assert '"ee-1"' in text
