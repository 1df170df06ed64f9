"""DG1, AL1, IAM and PR1: diagnoses, allergies, procedures (v2.5.1, 3.4.6, 3.4.7, 6.5)."""

from __future__ import annotations

from salus.standards.hl7v2.datatypes import Json, concept, date_time, entity, practitioner, repeated
from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.making import Making
from salus.standards.hl7v2.segments.segment import Reads
from salus.standards.hl7v2.tables import in_fhir

CATEGORY = "http://terminology.hl7.org/CodeSystem/condition-category"
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
ALLERGY = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
PROVISIONAL = ("W",)


def _diagnosis(making: Making, dg1: Segment) -> None:
    code = concept(dg1, 3)
    if text := dg1.text(4):
        code = {"text": text, **(code or {})}
    if code is None:
        return
    found: Json = {
        "resourceType": "Condition",
        "category": [{"coding": [{"system": CATEGORY, "code": "encounter-diagnosis"}]}],
        "code": code,
    }
    if dg1.text(6) in PROVISIONAL:
        found["verificationStatus"] = {"coding": [{"system": VERIFICATION, "code": "provisional"}]}
    for name, field in (("onsetDateTime", 5), ("recordedDate", 19)):
        if at := date_time(dg1, field):
            found[name] = at
    people = repeated(dg1, 16, practitioner)
    if people:
        found["asserter"] = making.aside(people[0], dg1, "16")
    number = entity(dg1, 20)
    if number is not None:
        found["identifier"] = [number]
    known = number or _by_code(making, code)
    address = making.address_of("Condition", known, dg1)
    making.context.noted = found = making.in_encounter(making.about_patient(found))
    making.add(address, found)


def _by_code(making: Making, code: Json) -> Json | None:
    """Return what a thing without a number is known by in one visit: its code."""
    coding = next(iter(code.get("coding", ())), None)
    whose = making.context.encounter or making.context.patient
    return {"value": f"{whose}|{coding.get('system', '')}|{coding['code']}"} if coding and whose else None


def _allergy(making: Making, al1: Segment) -> None:
    code = concept(al1, 3)
    if code is None:
        return
    found = _intolerance(making, code, kind=al1.text(2), severity=al1.text(4))
    reactions = [text for place in range(al1.count(5)) if (text := al1.text(5, 1, 1, place))]
    if reactions:
        found["reaction"] = [_reaction(al1.text(4), reactions)]
    if at := date_time(al1, 6):
        found["onsetDateTime"] = at
    making.add(making.address_of("AllergyIntolerance", _by_code(making, code), al1), found)


def _adverse_reaction(making: Making, iam: Segment) -> None:
    code = concept(iam, 3)
    if code is None:
        return
    found = _intolerance(making, code, kind=iam.text(2), severity=iam.text(4))
    reactions = [text for place in range(iam.count(5)) if (text := iam.text(5, 1, 1, place))]
    if reactions:
        found["reaction"] = [_reaction(iam.text(4), reactions)]
    for name, field in (("onsetDateTime", 11), ("recordedDate", 13)):
        if at := date_time(iam, field):
            found[name] = at
    number = entity(iam, 7)
    if number is not None:
        found["identifier"] = [number]
    if iam.text(6) == "D":
        found["verificationStatus"] = {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
                    "code": "entered-in-error",
                }
            ]
        }
        del found["clinicalStatus"]
    making.add(making.address_of("AllergyIntolerance", number or _by_code(making, code), iam), found)


def _intolerance(making: Making, code: Json, *, kind: str, severity: str) -> Json:
    found: Json = {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": {"coding": [{"system": ALLERGY, "code": "active"}]},
        "code": code,
    }
    if category := in_fhir("allergy-category", kind):
        found["category"] = [category]
    if severity and not in_fhir("allergy-severity", severity):
        making.account.drop("AL1-4", "a severity without a counterpart in FHIR", severity)
    return making.about_patient(found, "patient")


def _reaction(severity: str, manifestations: list[str]) -> Json:
    known = in_fhir("allergy-severity", severity)
    found: Json = {"severity": known} if known else {}
    return {**found, "manifestation": [{"text": each} for each in manifestations]}


def _procedure(making: Making, pr1: Segment) -> None:
    code = concept(pr1, 3)
    if text := pr1.text(4):
        code = {"text": text, **(code or {})}
    if code is None:
        return
    found: Json = {"resourceType": "Procedure", "status": "completed", "code": code}
    if at := date_time(pr1, 5):
        found["performedDateTime"] = at
    people = [
        {"actor": reference}
        for field in (8, 11, 12)
        for place, each in enumerate(repeated(pr1, field, practitioner))
        if (reference := making.aside(each, pr1, f"{field}-{place}")) is not None
    ]
    if people:
        found["performer"] = people
    number = entity(pr1, 19)
    if number is not None:
        found["identifier"] = [number]
    address = making.address_of("Procedure", number or _by_code(making, code), pr1)
    making.add(address, making.in_encounter(making.about_patient(found)))


SEGMENTS = (
    Reads("DG1", _diagnosis), Reads("AL1", _allergy), Reads("IAM", _adverse_reaction),
    Reads("PR1", _procedure),
)  # fmt: skip
