"""No entry of a record vanishes from its summary: it is shown, told by another line, or counted."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.intake.synth.generator import synthesize
from salus.primary.documents.patient_summary import compose_summary
from salus.primary.left_out import read_not_shown, read_older
from salus.primary.selection import NO_ENTRY, is_entry, is_permission, select
from salus.standards.fhir.model import compartments

NOW = datetime(2026, 11, 29, tzinfo=UTC)
PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": "Silva"}], "birthDate": "1970-01-01"}
SUBJECT = {"reference": "Patient/p"}
STATUSES = (
    "active", "on-hold", "completed", "final", "preliminary", "registered", "unknown", "not-done", "stopped",
    "cancelled", "draft", "intended", "not-taken", "current", "superseded", "preparation", "in-progress", "",
)  # fmt: skip
CODES = ("716186003", "8867-4", "2160-0", "72166-2", "82810-3", "304253006", "42348-3", "dnr", "x")
VERIFICATIONS = ("confirmed", "differential", "refuted", "unconfirmed")
CATEGORIES = ("laboratory", "vital-signs", "exam", "survey", "imaging", "dnr", "hcd", "urn-local")
TYPES = sorted({*compartments()["Patient"], "Device"} - NO_ENTRY)


def concept(code):
    return {"coding": [{"system": "urn:x", "code": code}]}


@st.composite
def entries(draw):
    kind = draw(st.sampled_from(TYPES))
    entry = {"resourceType": kind, "subject": SUBJECT, "patient": SUBJECT}
    if kind != "Consent":
        entry["code"] = concept(draw(st.sampled_from(CODES)))
    if status := draw(st.sampled_from(STATUSES)):
        entry["status"] = status
    if draw(st.booleans()):
        entry["category"] = [concept(draw(st.sampled_from(CATEGORIES)))]
    if kind in ("Condition", "AllergyIntolerance") and draw(st.booleans()):
        entry["verificationStatus"] = concept(draw(st.sampled_from(VERIFICATIONS)))
    if kind in ("MedicationRequest", "ServiceRequest", "DeviceRequest"):
        entry["intent"] = draw(st.sampled_from(("order", "plan", "option")))
        entry["doNotPerform"] = draw(st.booleans())
    if kind in ("MedicationRequest", "MedicationStatement"):
        entry["medicationCodeableConcept"] = concept(draw(st.sampled_from("ab")))
        if draw(st.booleans()):
            entry["dosage" if kind == "MedicationStatement" else "dosageInstruction"] = [
                {"text": draw(st.sampled_from("12"))}
            ]
    return entry


def told(bundle):
    """Return how many entries a document shows, and how many it says it does not."""
    composition = bundle["entry"][0]["resource"]
    sections = composition["section"]
    shown = sum(len(section.get("entry", ())) for section in sections)
    return shown, sum(read_not_shown(composition).values()) + sum(read_older(each) for each in sections)


def check(record, patient):
    bundle = compose_summary(record, patient=patient, author_organisation="Salus", now=NOW)
    chosen = select(record).sections.values()
    merged = sum(len(orders) for section in chosen for orders in section.orders.values())
    clinical = [each for each in record if is_entry(each) and not is_permission(each)]
    shown, counted = told(bundle)
    assert shown + counted + merged == len(clinical)


@given(st.lists(entries(), max_size=25))
def test_every_entry_of_any_record_is_shown_or_counted(drawn):
    record = [each | {"id": f"e{place}"} for place, each in enumerate(drawn)]
    check(record, PATIENT)


@pytest.mark.parametrize("seed", range(5))
def test_every_entry_of_a_plausible_record_is_shown_or_counted(seed):
    resources = list(synthesize(1, "PT", seed, date(2026, 11, 1)))
    patient = next(each for each in resources if each["resourceType"] == "Patient")
    check(resources, patient)


@given(st.lists(entries(), max_size=25))
def test_what_an_entry_in_error_said_is_neither_shown_nor_counted(drawn):
    record = [each | {"id": f"e{place}", "status": "entered-in-error"} for place, each in enumerate(drawn)]
    bundle = compose_summary(record, patient=PATIENT, author_organisation="Salus", now=NOW)
    assert told(bundle) == (0, 0)
