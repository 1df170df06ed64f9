"""Resources in words. Inputs follow the examples of R4 (hl7.org/fhir/R4) in shape."""

import pytest

from salus.web.portal.describe import describe, person_name

TRANSLATED = {
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/translation",
            "extension": [
                {"url": "lang", "valueCode": "et"},
                {"url": "content", "valueString": "Astma"},
            ],
        }
    ]
}


def test_a_measurement_shows_value_unit_and_its_own_range():
    line = describe(
        {
            "resourceType": "Observation",
            "id": "g1",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "15074-8", "display": "Glucose"}]},
            "effectivePeriod": {"start": "2013-04-02T09:30:10+01:00"},
            "valueQuantity": {"value": "6.30", "unit": "mmol/l"},
            "interpretation": [{"coding": [{"code": "H", "display": "High"}]}],
            "referenceRange": [
                {"low": {"value": "3.1", "unit": "mmol/l"}, "high": {"value": "6.2", "unit": "mmol/l"}}
            ],
        }
    )
    assert line.what == "Glucose"
    assert line.detail == "6.30 mmol/l; reference range 3.1 mmol/l – 6.2 mmol/l; High"
    assert (line.date, line.status, line.reference) == (
        "2013-04-02T09:30:10+01:00",
        "final",
        "Observation/g1",
    )
    assert line.code == "http://loinc.org|15074-8"


def test_a_problem_shows_its_clinical_status():
    line = describe(
        {
            "resourceType": "Condition",
            "code": {"text": "Asthma", "_text": TRANSLATED},
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "onsetDateTime": "2012-05",
        }
    )
    assert (line.what, line.status, line.date, line.reference) == ("Asthma", "active", "2012-05", "")


def test_a_translation_in_the_resource_is_used():
    resource = {"resourceType": "Condition", "code": {"text": "Asthma", "_text": TRANSLATED}}
    assert describe(resource, "et").what == "Astma"
    assert describe(resource, "fr").what == "Asthma"


def test_a_prescription_shows_how_to_take_it_and_how_much():
    line = describe(
        {
            "resourceType": "MedicationRequest",
            "medicationCodeableConcept": {"text": "Metformin 850 mg tablet"},
            "dosageInstruction": [{"text": "1 tablet twice a day"}],
            "dispenseRequest": {"quantity": {"value": 60, "unit": "tablet"}},
            "authoredOn": "2026-01-03",
            "status": "active",
        }
    )
    assert line.what == "Metformin 850 mg tablet"
    assert line.detail == "1 tablet twice a day; quantity 60 tablet"


def test_a_resource_with_nothing_to_say_is_named_by_its_type():
    assert describe({"resourceType": "Basic"}).what == "Basic"


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ([{"given": ["Mi"]}, {"use": "official", "given": ["Ana", "Rita"], "family": "Sá"}],
         "Ana Rita Sá"),
        ([{"text": "Dr Tamm"}], "Dr Tamm"),
        ([], ""),
    ],
)  # fmt: skip
def test_a_person_is_called_by_the_official_name(names, shown):
    assert person_name({"name": names}) == shown
