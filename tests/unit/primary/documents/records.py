"""Small records from which documents are composed in tests; synthetic people only."""

from datetime import UTC, datetime

from salus.primary.composing.material import Terms, material_of
from salus.primary.documents.registry import kind_about

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
TERMS = Terms("Estonia, national node", NOW, ("et", "en"))
LOINC, ACT = "http://loinc.org", "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "name": [{"family": "Silva", "given": ["Ana"]}],
    "gender": "female",
    "birthDate": "1970-01-01",
}
SUBJECT = {"reference": "Patient/p1"}


def concept(code, display, system=LOINC):
    return {"coding": [{"system": system, "code": code, "display": display}]}


PEOPLE = (
    {"resourceType": "Practitioner", "id": "doctor", "name": [{"family": "Tamm"}]},
    {"resourceType": "Organization", "id": "clinic", "name": "Tartu clinic"},
)
ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "stay",
    "status": "finished",
    "class": {"system": ACT, "code": "IMP"},
    "subject": SUBJECT,
    "period": {"start": "2026-10-01", "end": "2026-10-04"},
    "participant": [{"individual": {"reference": "Practitioner/doctor"}}],
    "serviceProvider": {"reference": "Organization/clinic"},
}
SODIUM = {
    "resourceType": "Observation",
    "id": "sodium",
    "status": "final",
    "category": [
        concept("laboratory", "Laboratory", "http://terminology.hl7.org/CodeSystem/observation-category")
    ],
    "code": concept("2951-2", "Sodium"),
    "subject": SUBJECT,
    "encounter": {"reference": "Encounter/stay"},
    "effectiveDateTime": "2026-10-02",
    "performer": [{"reference": "Organization/clinic"}],
    "specimen": {"reference": "Specimen/blood"},
    "valueQuantity": {
        "value": 140,
        "unit": "mmol/L",
        "system": "http://unitsofmeasure.org",
        "code": "mmol/L",
    },
}
BLOOD = {
    "resourceType": "Specimen",
    "id": "blood",
    "type": concept("119297000", "Blood specimen", "http://snomed.info/sct"),
    "subject": SUBJECT,
}
ORDER = {
    "resourceType": "ServiceRequest",
    "id": "order",
    "status": "completed",
    "intent": "order",
    "code": concept("2951-2", "Sodium"),
    "subject": SUBJECT,
}
REPORT = {
    "resourceType": "DiagnosticReport",
    "id": "lab",
    "identifier": [{"system": "urn:oid:2.999.1", "value": "L-1"}],
    "status": "final",
    "category": [concept("LAB", "Laboratory", "http://terminology.hl7.org/CodeSystem/v2-0074")],
    "code": concept("51990-0", "Basic metabolic panel"),
    "subject": SUBJECT,
    "encounter": {"reference": "Encounter/stay"},
    "basedOn": [{"reference": "ServiceRequest/order"}],
    "effectiveDateTime": "2026-10-02",
    "performer": [{"reference": "Organization/clinic"}],
    "resultsInterpreter": [{"reference": "Practitioner/doctor"}],
    "result": [{"reference": "Observation/sodium"}],
    "conclusion": "Sodium as it should be.",
}
STUDY = {
    "resourceType": "ImagingStudy",
    "id": "study",
    "identifier": [{"system": "urn:dicom:uid", "value": "urn:oid:2.999.7"}],
    "status": "available",
    "subject": SUBJECT,
    "started": "2026-10-02T10:00:00Z",
}
IMAGING = {
    "resourceType": "DiagnosticReport",
    "id": "imaging",
    "status": "final",
    "category": [concept("RAD", "Radiology", "http://terminology.hl7.org/CodeSystem/v2-0074")],
    "code": concept("36643-5", "XR Chest 2 Views"),
    "subject": SUBJECT,
    "effectiveDateTime": "2026-10-02",
    "imagingStudy": [{"reference": "ImagingStudy/study"}],
    "conclusion": "No fracture.",
}
MEDICINE = {
    "resourceType": "MedicationRequest",
    "id": "amoxicillin",
    "status": "active",
    "intent": "order",
    "medicationCodeableConcept": concept("J01CA04", "amoxicillin", "http://www.whocc.no/atc"),
    "subject": SUBJECT,
    "encounter": {"reference": "Encounter/stay"},
    "authoredOn": "2026-10-04",
    "requester": {"reference": "Practitioner/doctor"},
}
DISPENSE = {
    "resourceType": "MedicationDispense",
    "id": "handed",
    "status": "completed",
    "medicationCodeableConcept": MEDICINE["medicationCodeableConcept"],
    "subject": SUBJECT,
    "authorizingPrescription": [{"reference": "MedicationRequest/amoxicillin"}],
    "whenHandedOver": "2026-10-05",
}
COURSE = {
    "resourceType": "ClinicalImpression",
    "id": "course",
    "status": "completed",
    "subject": SUBJECT,
    "encounter": {"reference": "Encounter/stay"},
    "summary": "Came with fever; went home well.",
}
RECORD = (*PEOPLE, ENCOUNTER, SODIUM, BLOOD, ORDER, REPORT, STUDY, IMAGING, MEDICINE, DISPENSE, COURSE)


def without(resource, *names):
    return {name: value for name, value in resource.items() if name not in names}


def compose(about, *others, terms=TERMS):
    """Return the document about a resource in a record of that and the others."""
    material = material_of([about, *others], patient=PATIENT)
    kind = kind_about(about, material)
    assert kind is not None
    return kind.compose(material, about, terms)


def inside(bundle, kind):
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def section(bundle, code):
    listed = bundle["entry"][0]["resource"]["section"]
    return next((each for each in listed if each["code"]["coding"][0]["code"] == code), None)
