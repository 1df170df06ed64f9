"""Documents on demand: found by ITI-67 and $docref, read by name, fetched, each as its reader may see it."""

import pytest
from tests.unit.primary.documents import records as r
from tests.unit.web.fhir.test_own_entries import hide
from tests.unit.web.fhir.test_readable_types import app

from salus.core.access import Role

RELATIVE = "https://node.test/fhir"
ITI_67 = "/DocumentReference?patient=Patient/p1&status=current"


@pytest.fixture
async def record(door):
    entries = [
        {
            "resource": resource,
            "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"},
        }
        for resource in (r.PATIENT, *r.RECORD)
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = await door.operator("POST", "", bundle)
    assert answer.status_code == 200, answer.text
    return door


def found(answer):
    assert answer.status_code == 200, answer.text
    return [
        entry["resource"]
        for entry in answer.json().get("entry", ())
        if entry["resource"]["resourceType"] == "DocumentReference"
    ]


async def test_documents_of_all_six_categories_are_found_and_fetched(record):
    offers = found(await record("GET", ITI_67))
    assert {each["category"][0]["coding"][0]["code"] for each in offers} == {
        "Patient-Summaries",
        "Electronic-Prescriptions",
        "Electronic-Dispensations",
        "Medical-Imaging",
        "Laboratory-Reports",
        "Discharge-Reports",
    }
    for each in offers:
        (content,) = each["content"]
        assert "hash" not in content["attachment"]
        address = content["attachment"]["url"].removeprefix(RELATIVE)
        fetched = await record("GET", address)
        assert fetched.status_code == 200, address
        assert fetched.json()["type"] in ("document", "collection")
        named = await record("GET", f"/DocumentReference/{each['id']}")
        assert named.json()["identifier"] == each["identifier"]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("&type=http://loinc.org|11502-2", {"laboratory-report.lab"}),
        ("&type=http://loinc.org|18842-5", {"discharge-report.stay"}),
        ("&category=Medical-Imaging", {"imaging-report.imaging", "imaging-manifest.study"}),
        ("&type=http://loinc.org|60591-5", {"patient-summary.p1"}),
        ("&period=gt2026-10-04&category=Electronic-Dispensations", {"dispensation.handed"}),
        ("&type=http://loinc.org|1-1", set()),
    ],
)
async def test_a_query_finds_what_it_asks_for(record, query, names):
    assert {each["id"] for each in found(await record("GET", ITI_67 + query))} == names


async def test_a_count_counts_them_and_a_search_without_status_finds_stored_ones_alone(record):
    counted = await record("GET", f"{ITI_67}&_summary=count")
    assert counted.json()["total"] == len(found(await record("GET", ITI_67))) == 7
    assert found(await record("GET", "/DocumentReference?patient=Patient/p1")) == []


async def test_of_each_the_part_that_is_asked_for_comes(record):
    (part,) = found(await record("GET", f"{ITI_67}&type=11502-2&_elements=type"))
    assert part["type"]["coding"][0]["code"] == "11502-2"
    assert "category" not in part


async def test_what_the_citizen_hides_is_neither_offered_nor_in_a_document(record):
    await hide(record, "p1", "Observation", "sodium")
    names = {each["id"] for each in found(await record("GET", ITI_67))}
    assert "laboratory-report.lab" not in names  # it states the result
    assert (await record("GET", "/DiagnosticReport/lab/$document")).status_code == 404
    assert (await record("GET", "/DocumentReference/laboratory-report.lab")).status_code == 404
    stay = (await record("GET", "/Encounter/stay/$document")).text
    assert "2951-2" not in stay.replace("ServiceRequest", "")
    own = await record.citizen("GET", "/DiagnosticReport/lab/$document", patient="p1")
    assert "140" in own.text


async def test_a_pharmacist_fetches_prescriptions_and_no_other_document(record):
    assert (await record("GET", ITI_67, role=Role.PHARMACIST)).status_code == 403
    prescription = await record("GET", "/MedicationRequest/amoxicillin/$document", role=Role.PHARMACIST)
    assert prescription.status_code == 200
    assert (await record("GET", "/DiagnosticReport/lab/$document", role=Role.PHARMACIST)).status_code == 403


async def test_docref_answers_the_summary_or_what_is_asked_for(record):
    alone = found(await record("GET", "/DocumentReference/$docref?patient=p1"))
    assert [each["id"] for each in alone] == ["patient-summary.p1"]
    asked = found(await record("GET", "/DocumentReference/$docref?patient=p1&type=http://loinc.org|11502-2"))
    assert [each["id"] for each in asked] == ["laboratory-report.lab"]
    early = await record("GET", "/DocumentReference/$docref?patient=p1&end=2020-01-01&on-demand=true")
    assert found(early) == []
    assert (await record("GET", "/DocumentReference/$docref?patient=p1&on-demand=maybe")).status_code == 400


async def test_there_is_no_document_about_what_makes_none(record):
    answer = await record("GET", "/ServiceRequest/order/$document")
    assert answer.status_code == 404
    assert (await record("GET", "/DiagnosticReport/nobody/$document")).status_code == 404
    assert (await record("GET", "/DocumentReference/laboratory-report.nobody")).status_code == 404


async def test_an_app_is_offered_and_given_no_more_than_its_scopes_let_it_read(record):
    described = app("system/DocumentReference.rs")
    assert found(await record("GET", ITI_67, **described)) == []
    named = await record("GET", "/DocumentReference/laboratory-report.lab", **described)
    assert named.status_code == 404
    report = await record("GET", "/DiagnosticReport/lab/$document", **app("system/DiagnosticReport.rs"))
    assert report.status_code == 403  # a document names its patient
    alone = app("system/DiagnosticReport.rs", "system/Patient.rs")
    bundle = (await record("GET", "/DiagnosticReport/lab/$document", **alone)).json()
    kinds = {entry["resource"]["resourceType"] for entry in bundle["entry"]}
    assert kinds == {"Composition", "DiagnosticReport", "Patient", "Organization"}
    assert bundle["entry"][0]["resource"]["extension"]  # the results that are not in it are counted
