"""The composed summary against the rules of IPS 2.0.1 and EPS 1.0.0, on hostile and ordinary records."""

from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from salus.primary.language import sections
from salus.primary.selection import section_of, select
from salus.primary.summary import IPS_BUNDLE, compose_summary

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Silva", "given": ["Ana"]}],
    "birthDate": "1970-01-01",
}
SUBJECT = {"reference": "Patient/p1"}
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
REQUIRED = {"11450-4", "48765-2", "10160-0", "47519-4", "46264-8"}  # IPS: the first three; EPS: all five


def concept(system, code, display=None):
    return {"coding": [{"system": system, "code": code} | ({"display": display} if display else {})]}


def condition(name, status="active", code=("http://hl7.org/fhir/sid/icd-10", "I10"), **members):
    return {
        "resourceType": "Condition",
        "id": name,
        "clinicalStatus": concept(CLINICAL, status),
        "code": concept(*code),
        "subject": SUBJECT,
    } | members


def compose(*resources, languages=("et", "en"), patient=PATIENT):
    return compose_summary(
        resources, patient=patient, author_organisation="Salus", now=NOW, languages=languages
    )


def section(bundle, loinc):
    listed = bundle["entry"][0]["resource"]["section"]
    return next((each for each in listed if each["code"]["coding"][0]["code"] == loinc), None)


def test_every_required_section_is_there_even_for_an_empty_record():
    bundle = compose()
    for loinc in REQUIRED:
        found = section(bundle, loinc)
        assert found["emptyReason"]["coding"][0]["code"] == "unavailable"
        assert "entry" not in found
    assert {each.loinc for each in sections().values() if each.required} == REQUIRED


def test_none_known_is_never_said_of_an_empty_record_but_shown_when_recorded():
    assert "716186003" not in str(compose())
    known = {
        "resourceType": "AllergyIntolerance",
        "id": "a",
        "code": concept("http://snomed.info/sct", "716186003"),
        "patient": SUBJECT,
    }
    found = section(compose(known, languages=("en",)), "48765-2")
    assert "No known allergy" in found["text"]["div"]
    assert len(found["entry"]) == 1


def test_the_document_begins_with_its_composition_and_every_reference_stays_inside():
    medication = {"resourceType": "Medication", "id": "m", "code": {"text": "Enalapril 10 mg"}}
    request = {
        "resourceType": "MedicationRequest",
        "id": "r",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "https://pt.example/fhir/Medication/m/_history/2"},
        "encounter": {"reference": "Encounter/elsewhere"},
        "subject": SUBJECT,
    }
    bundle = compose(medication, request)
    assert [entry["resource"]["resourceType"] for entry in bundle["entry"]][:2] == ["Composition", "Patient"]
    addresses = [entry["fullUrl"] for entry in bundle["entry"]]
    assert len(set(addresses)) == len(addresses)
    assert all(address.startswith("urn:uuid:") for address in addresses)
    inside = next(
        e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == "MedicationRequest"
    )
    assert inside["medicationReference"]["reference"] in addresses
    assert inside["subject"]["reference"] == addresses[1]
    assert "reference" not in inside["encounter"]
    assert inside["encounter"]["display"]
    assert "Enalapril 10 mg" in section(bundle, "10160-0")["text"]["div"]


@pytest.mark.parametrize(
    ("language", "shown"), [("en", "Essential hypertension"), ("et", "Primaarne hüpertensioon")]
)
def test_a_known_code_is_read_in_the_readers_language(language, shown):
    bundle = compose(
        condition("c", code=("http://hl7.org/fhir/sid/icd-10", "I10", "Hipertensão")), languages=(language,)
    )
    text = section(bundle, "11450-4")["text"]["div"]
    assert shown in text
    assert "Hipertensão" not in text


def test_an_unknown_code_keeps_its_original_text_and_is_marked():
    bundle = compose(condition("c", code=("urn:x", "1", "Doença rara")), languages=("et",))
    assert "Doença rara <i>(algtekst)</i>" in section(bundle, "11450-4")["text"]["div"]


def test_a_translation_carried_by_the_data_is_used():
    code = {"system": "urn:x", "code": "1", "display": "Doença rara"}
    code["_display"] = {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/translation",
                "extension": [
                    {"url": "lang", "valueCode": "et"},
                    {"url": "content", "valueString": "Haruldane haigus"},
                ],
            }
        ]
    }
    bundle = compose(condition("c") | {"code": {"coding": [code]}}, languages=("et",))
    assert "Haruldane haigus" in section(bundle, "11450-4")["text"]["div"]


def test_markup_in_a_record_never_becomes_markup_of_the_narrative():
    evil = "<script>alert(1)</script>\"'&<img src=x onerror=y>"
    bundle = compose(condition("c", code=("urn:x", "1", evil), onsetDateTime=evil), languages=("et", "en"))
    div = ElementTree.fromstring(section(bundle, "11450-4")["text"]["div"])
    tags = {element.tag.partition("}")[2] for element in div.iter()}
    assert tags <= {"div", "table", "thead", "tbody", "tr", "th", "td", "p", "i"}


def test_entries_in_error_are_left_out_and_past_problems_stand_apart():
    wrong = condition("w") | {"verificationStatus": concept("v", "entered-in-error")}
    bundle = compose(condition("now"), condition("then", status="resolved"), wrong)
    assert len(section(bundle, "11450-4")["entry"]) == 1
    assert len(section(bundle, "11348-0")["entry"]) == 1
    assert len(bundle["entry"]) == 5


def test_older_measurements_are_counted_not_dropped_silently():
    weights = [
        {
            "resourceType": "Observation",
            "id": f"o{year}",
            "status": "final",
            "category": [concept("c", "vital-signs")],
            "code": concept("http://loinc.org", "29463-7"),
            "effectiveDateTime": f"{year}-01-01",
            "valueQuantity": {"value": 70, "unit": "kg"},
        }
        for year in range(2010, 2020)
    ]
    assert select(weights)["vital-signs"].left_out == 7
    text = section(compose(*weights, languages=("en",)), "8716-3")["text"]["div"]
    assert "Older entries not shown: 7" in text
    assert "2019-01-01" in text
    assert "2016-01-01" not in text


@pytest.mark.parametrize(
    ("patient", "claimed"), [(PATIENT, True), ({"resourceType": "Patient", "id": "p1"}, False)]
)
def test_the_profile_is_claimed_only_by_a_document_that_keeps_its_main_rules(patient, claimed):
    assert (compose(patient=patient).get("meta") == {"profile": [IPS_BUNDLE]}) is claimed


def test_every_section_has_a_title_in_the_four_languages():
    for each in sections().values():
        assert set(each.title) == {"en", "et", "pt", "fr"}


def test_the_same_record_gives_the_same_addresses():
    assert compose(condition("c")) == compose(condition("c"))


@pytest.mark.parametrize("members", [{"intent": "plan"}, {"intent": "option"}, {"doNotPerform": True}])
def test_what_is_not_ordered_is_no_medicine_of_the_patient(members):
    request = {"resourceType": "MedicationRequest", "status": "active", "intent": "order"}
    assert section_of(request) == "medications"
    assert section_of(request | members) == ""


OMEPRAZOLE = concept("http://www.whocc.no/atc", "A02BC01", "Omeprazole")


def medicine(kind, name, dose="", **members):
    head = {"resourceType": kind, "id": name, "status": "active", "medicationCodeableConcept": OMEPRAZOLE}
    if kind == "MedicationRequest":
        head |= {"intent": "order", "authoredOn": "2026-10-01"}
    dosage = "dosage" if kind == "MedicationStatement" else "dosageInstruction"
    return head | {"subject": SUBJECT} | ({dosage: [{"text": dose}]} if dose else {}) | members


@pytest.mark.parametrize(
    ("statement", "order", "lines"),
    [
        ({"basedOn": [{"reference": "MedicationRequest/o/_history/2"}], "dose": "2 daily"}, "1 daily", 1),
        ({"derivedFrom": [{"reference": "https://x.example/fhir/MedicationRequest/o"}]}, "1 daily", 1),
        ({}, "1 daily", 1),
        ({"dose": "1 daily"}, "1 daily", 1),
        ({"dose": "2 daily"}, "1 daily", 2),
        ({"status": "on-hold"}, "1 daily", 2),
        ({"medicationCodeableConcept": {"text": "Omeprazole"}}, "1 daily", 2),
    ],
)
def test_one_medicine_that_is_prescribed_and_taken_is_one_line(statement, order, lines):
    bundle = compose(
        medicine("MedicationStatement", "s", **statement), medicine("MedicationRequest", "o", order)
    )
    found = section(bundle, "10160-0")
    assert len(found["entry"]) == lines
    assert found["text"]["div"].count("taken") == 1
    assert found["text"]["div"].count("prescribed 2026-10-01") == (1 if lines == 1 else 0)
    assert found["text"]["div"].count("prescribed") == 1


def test_orders_of_one_medicine_again_and_again_are_one_line():
    orders = [medicine("MedicationRequest", f"o{day}", authoredOn=f"2026-10-0{day}") for day in (1, 2, 3)]
    found = section(compose(*orders), "10160-0")
    assert len(found["entry"]) == 1
    assert "2026-10-03" in found["text"]["div"]
