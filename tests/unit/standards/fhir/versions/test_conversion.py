"""R5 in R4: each case is an element as http://hl7.org/fhir/R5 has it and as http://hl7.org/fhir/R4 has it."""

import json

import pytest

from salus.core.limits import Limits
from salus.core.quality import Account
from salus.intake.formats.fhir_r5 import translate
from salus.intake.formats.registry import find
from salus.standards.fhir.validation.validator import validate
from salus.standards.fhir.versions.conversion import is_r5, to_r4

ASPIRIN = {"coding": [{"system": "http://www.whocc.no/atc", "code": "B01AC06"}]}
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
ACTIVE = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
PATIENT = {"reference": "Patient/p"}


@pytest.mark.parametrize(
    ("r5", "r4", "dropped"),
    [
        (
            {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": PATIENT,
             "medication": {"concept": ASPIRIN}, "reason": [{"concept": {"text": "pain"}}],
             "dosageInstruction": [{"asNeeded": True}], "performer": [PATIENT]},
            {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": PATIENT,
             "medicationCodeableConcept": ASPIRIN, "reasonCode": [{"text": "pain"}],
             "dosageInstruction": [{"asNeededBoolean": True}], "performer": PATIENT},
            [],
        ),
        (
            {"resourceType": "Encounter", "status": "completed", "subject": PATIENT,
             "class": [{"coding": [{"system": ACT, "code": "IMP"}]}],
             "actualPeriod": {"start": "2026-11-01"}, "plannedStartDate": "2026-10-30",
             "participant": [{"actor": {"reference": "Practitioner/a"}}],
             "reason": [{"value": [{"concept": {"text": "fever"}}]}],
             "diagnosis": [{"condition": [{"reference": {"reference": "Condition/c"}}]}]},
            {"resourceType": "Encounter", "status": "finished", "subject": PATIENT,
             "class": {"system": ACT, "code": "IMP"},
             "period": {"start": "2026-11-01"},
             "participant": [{"individual": {"reference": "Practitioner/a"}}],
             "reasonCode": [{"text": "fever"}], "diagnosis": [{"condition": {"reference": "Condition/c"}}]},
            ["Encounter.plannedStartDate"],
        ),
        (
            {"resourceType": "Procedure", "status": "completed", "subject": PATIENT,
             "occurrenceDateTime": "2026-11-02", "used": [{"concept": {"text": "stent"}}]},
            {"resourceType": "Procedure", "status": "completed", "subject": PATIENT,
             "performedDateTime": "2026-11-02", "usedCode": [{"text": "stent"}]},
            [],
        ),
        (
            {"resourceType": "AllergyIntolerance", "patient": PATIENT, "code": {"text": "nuts"},
             "type": {"coding": [{"code": "allergy"}]}, "clinicalStatus": {"coding": [{
                 "system": ACTIVE, "code": "active"}]},
             "participant": [{"function": {"coding": [{"code": "author"}]}, "actor": PATIENT}],
             "reaction": [{"manifestation": [{"concept": {"text": "hives"}}]}]},
            {"resourceType": "AllergyIntolerance", "patient": PATIENT, "code": {"text": "nuts"},
             "type": "allergy", "clinicalStatus": {"coding": [{
                 "system": ACTIVE, "code": "active"}]},
             "recorder": PATIENT, "reaction": [{"manifestation": [{"text": "hives"}]}]},
            [],
        ),
        (
            {"resourceType": "Immunization", "status": "completed", "vaccineCode": {"text": "MMR"},
             "patient": PATIENT, "occurrenceDateTime": "2026-11-02",
             "manufacturer": {"reference": {"reference": "Organization/o"}},
             "protocolApplied": [{"doseNumber": "2"}], "supportingInformation": [PATIENT]},
            {"resourceType": "Immunization", "status": "completed", "vaccineCode": {"text": "MMR"},
             "patient": PATIENT, "occurrenceDateTime": "2026-11-02",
             "manufacturer": {"reference": "Organization/o"}, "protocolApplied": [{"doseNumberString": "2"}]},
            ["Immunization.supportingInformation"],
        ),
    ],
)  # fmt: skip
def test_an_element_of_r5_is_where_r4_has_it_or_is_told_as_dropped(r5, r4, dropped):
    assert is_r5(r5)
    account = Account("R5")
    made = to_r4(r5, account)
    assert made == r4
    assert [line.path for line in account.quality().dropped] == dropped
    assert [one.message for one in validate(made) if one.severity == "error"] == []
    assert not is_r5(made)


def test_what_is_of_r4_is_taken_as_such():
    for resource in (
        {"resourceType": "Observation", "status": "final", "code": {"text": "x"}},
        {"resourceType": "ServiceRequest", "code": {"text": "x"}},
        {"resourceType": "Condition", "evidence": [{"code": [{"text": "x"}]}]},
        {"resourceType": "Nothing"},
    ):
        assert not is_r5(resource)


def test_a_file_of_r5_is_known_by_what_only_r5_has_also_line_by_line():
    one = {
        "resourceType": "Procedure",
        "status": "completed",
        "subject": PATIENT,
        "occurrenceDateTime": "2026",
    }
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": "urn:x:1", "resource": one}],
    }
    for name, body in (
        ("a.json", json.dumps(bundle)), ("a.json", json.dumps(one)), ("a.ndjson", f"{json.dumps(one)}\n" * 2)
    ):  # fmt: skip
        assert find(name, body.encode()).name == "FHIR R5"
    old = {
        "resourceType": "Procedure",
        "status": "completed",
        "subject": PATIENT,
        "performedDateTime": "2026",
    }
    assert find("a.json", json.dumps(old).encode()).name == "FHIR JSON"
    made = translate(json.dumps(bundle).encode(), Limits())
    assert made.bundle["entry"][0]["resource"]["performedDateTime"] == "2026"
    assert made.header["subject"] == PATIENT
