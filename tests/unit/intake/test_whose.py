"""A document is filed in the record of whom it is about; what contradicts or cannot be compared is told."""

import json

import pytest
from tests.unit.standards.cda.samples import document as cda

from salus.core.limits import Limits
from salus.intake.whose import Match, compare, stated_patient

PT = "urn:salus:national-id:PT-NIF"


def person(*, number="", birth="", gender="", other=""):
    found = {"resourceType": "Patient"}
    identifiers = [(PT, number), ("urn:hospital", other)]
    if any(value for _, value in identifiers):
        found["identifier"] = [{"system": system, "value": value} for system, value in identifiers if value]
    return found | {name: value for name, value in (("birthDate", birth), ("gender", gender)) if value}


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (person(number="270516654"), Match.SAME),
        (person(number="270 516 654", birth="1968-03-14"), Match.SAME),
        (person(birth="1968-03"), Match.SAME),
        (person(other="77"), Match.SAME),
        (person(number="291982794"), Match.CONTRADICTED),
        (person(number="270516654", birth="1901-01-01"), Match.CONTRADICTED),
        (person(number="270516654", gender="male"), Match.CONTRADICTED),
        (person(birth="1968-03-14", gender="other"), Match.SAME),
        (person(gender="female"), Match.UNKNOWN),
        (person(other="78"), Match.UNKNOWN),
        (person(), Match.UNKNOWN),
    ],
)
def test_a_document_is_compared_with_the_person(stated, expected):
    ours = person(number="270516654", birth="1968-03-14", gender="female", other="77")
    assert compare(ours, stated) is expected
    assert compare(stated, ours) is expected


def document(link, full_url, own_id="1"):
    composition = {"resourceType": "Composition", "subject": {"reference": link}}
    patients = [
        {"fullUrl": "urn:uuid:other", "resource": {"resourceType": "Patient", "id": "other"}},
        {"fullUrl": full_url, "resource": {"resourceType": "Patient", "id": own_id, "gender": "female"}},
    ]
    return {"resourceType": "Bundle", "type": "document", "entry": [{"resource": composition}, *patients]}


@pytest.mark.parametrize(
    ("link", "full_url"),
    [("urn:uuid:1", "urn:uuid:1"), ("Patient/1", "http://h/Patient/1"), ("Patient/1", ""),
     ("http://h/Patient/1", "http://h/Patient/1")],
)  # fmt: skip
def test_the_patient_of_a_document_is_the_subject_of_its_composition(link, full_url):
    body = json.dumps(document(link, full_url)).encode()
    found = stated_patient(body, "application/fhir+json; charset=utf-8", Limits())
    assert found is not None
    assert found["gender"] == "female"


@pytest.mark.parametrize(
    ("body", "media_type"),
    [(b"%PDF-1.7", "application/pdf"), (b"{", "application/fhir+json"), (b"[]", "application/json"),
     (b'{"resourceType":"Bundle","type":"collection"}', "application/fhir+json"),
     (b'{"resourceType":"Bundle","type":"document","entry":[{}, 1]}', "application/fhir+json"),
     (b"<ClinicalDocument xmlns='urn:hl7-org:v3'/>", "text/xml")],
)  # fmt: skip
def test_what_is_no_fhir_document_names_nobody(body, media_type):
    assert stated_patient(body, media_type, Limits()) is None


def test_the_patient_of_a_cda_document_is_its_record_target():
    found = stated_patient(cda(), "text/xml", Limits())
    assert found is not None
    assert found["identifier"] == [{"system": "urn:oid:2.999.2", "value": "P-7"}]
    assert compare(person(birth="1980-02-29", gender="male"), found) is Match.CONTRADICTED
