"""What a CDA summary says of a FHIR one, and what it must not say."""

import pytest
from lxml import etree

from salus.core.errors import MalformedContent
from salus.core.limits import Limits
from salus.standards.cda.document import to_fhir
from salus.standards.cda.writing.document import to_cda

V3 = "{urn:hl7-org:v3}"
PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "Exemplo"}],
    "birthDate": "1980-02-29",
    "gender": "female",
}
SUBJECT = {"reference": "urn:uuid:p"}


def summary(code, *resources, system="http://loinc.org", before=()):
    entries = [{"reference": f"urn:uuid:{number}"} for number in range(len(resources))]
    text = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Text</p></div>'}
    section = {
        "title": "T",
        "code": {"coding": [{"system": system, "code": code}]},
        "text": text,
        "entry": entries,
    }
    kind = {"coding": [{"system": "http://loinc.org", "code": "60591-5"}]}
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": kind,
        "subject": SUBJECT,
        "date": "2026-03-01",
        "title": "Summary",
        "section": [*before, section],
    }
    named = [{"fullUrl": f"urn:uuid:{number}", "resource": one} for number, one in enumerate(resources)]
    head = [("urn:uuid:c", composition), ("urn:uuid:p", PATIENT)]
    first = [{"fullUrl": address, "resource": resource} for address, resource in head]
    return {"resourceType": "Bundle", "type": "document", "entry": [*first, *named]}


def observation(**more):
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    return {"resourceType": "Observation", "status": "final", "code": code, "subject": SUBJECT, **more}


def kinds(body):
    return [each["resource"]["resourceType"] for each in to_fhir(body, Limits()).bundle["entry"]]


def test_the_header_has_what_the_template_demands_in_the_order_of_the_schema():
    root = etree.fromstring(to_cda(summary("8716-3", observation())).body)
    names = [each.tag.removeprefix(V3) for each in root]
    assert names == [
        "typeId", "templateId", "id", "code", "title", "effectiveTime", "confidentialityCode", "languageCode",
        "recordTarget", "author", "custodian", "legalAuthenticator", "documentationOf", "component",
    ]  # fmt: skip
    assert root.find(f"{V3}templateId").get("root") == "1.3.6.1.4.1.12559.11.10.1.3.1.1.3"
    templates = [each.get("root") for each in root.iterfind(f".//{V3}section/{V3}templateId")]
    assert templates == ["1.3.6.1.4.1.12559.11.10.1.3.1.2.6"]


def test_every_reference_into_the_narrative_leads_to_it():
    root = etree.fromstring(to_cda(summary("8716-3", observation(note=[{"text": "at rest"}]))).body)
    links = {each.get("value") for each in root.iter(f"{V3}reference")}
    assert links
    assert links <= {f"#{each.get('ID')}" for each in root.iter() if each.get("ID")}


@pytest.mark.parametrize(
    ("section", "resource"),
    [
        ("8716-3", observation(focus=[{"display": "fetus"}])),
        (
            "10160-0",
            {
                "resourceType": "MedicationRequest",
                "status": "active",
                "intent": "proposal",
                "subject": SUBJECT,
            },
        ),
        (
            "18776-5",
            {"resourceType": "MedicationRequest", "intent": "order"},
        ),
        ("18776-5", {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": SUBJECT}),
    ],
)
def test_what_would_read_as_something_else_is_left_out_and_told(section, resource):
    written = to_cda(summary(section, resource))
    assert resource["resourceType"] not in kinds(written.body)
    assert "MedicationStatement" not in kinds(written.body)
    assert resource["resourceType"] in [line.path for line in written.quality.dropped]


def test_findings_about_others_do_not_join_the_section_before_them():
    before = summary("8716-3")["entry"][0]["resource"]["section"]
    written = to_cda(
        summary("others", observation(focus=[{"display": "x"}]), system="urn:salus:section", before=before)
    )
    assert "Observation" not in kinds(written.body)


@pytest.mark.parametrize(
    "bundle",
    [
        {}, {"type": "document", "entry": []}, {"type": "document", "entry": [{"resource": 1}]},
        {"type": "collection", "entry": [{"resource": {"resourceType": "Composition"}}]},
        summary("8716-3") | {"type": "searchset"},
    ],
)  # fmt: skip
def test_what_is_no_patient_summary_is_refused(bundle):
    with pytest.raises(MalformedContent):
        to_cda(bundle)
