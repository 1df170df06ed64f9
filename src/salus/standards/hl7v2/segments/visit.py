"""PV1 and PV2: the visit (v2.5.1, 3.4.3). The trigger event says whether it began, ended or was cancelled."""

from __future__ import annotations

from salus.standards.hl7v2.datatypes import (
    Json,
    concept,
    date_time,
    identifier,
    location,
    practitioner,
    repeated,
)
from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.making import Making
from salus.standards.hl7v2.segments.segment import Reads
from salus.standards.hl7v2.tables import in_fhir

ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PART = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
PEOPLE = ((7, "ATND"), (8, "REF"), (9, "CON"), (17, "ADM"), (52, "PART"))
"""Fields of PV1 with people, and what they do."""

_STAY = (("admitSource", 14, "0023"), ("reAdmission", 13, "0092"), ("dischargeDisposition", 36, "0112"))
_STAY_LISTS = (("specialCourtesy", 16, "0099"), ("dietPreference", 38, "0114"))
"""Elements of a stay with their fields of PV1 and the table of a code that names none."""

PLANNED = frozenset({"A05", "A14", "A15", "A16", "A38"})
ENDED = frozenset({"A03"})
CANCELLED = frozenset({"A11", "A27", "A38"})


def _visit(making: Making, pv1: Segment) -> None:
    code = in_fhir("encounter-class", pv1.text(2))
    if not code and not any(pv1.has(field) for field in (3, 7, 19, 44)):
        return  # "N": not applicable
    number = identifier(pv1, 19)
    found: Json = {
        "resourceType": "Encounter",
        "status": _status(making.message.header.text(9, 2), pv1),
        "class": {"system": ACT, "code": code or "AMB"},
    }
    if not code:
        making.account.approximate("PV1-2", "no class that FHIR knows: said as ambulatory", pv1.text(2))
    numbers = [each for each in (number, identifier(pv1, 50)) if each is not None]
    if numbers:
        found["identifier"] = numbers
    people = [
        {"type": [{"coding": [{"system": PART, "code": role}]}], "individual": reference}
        for field, role in PEOPLE
        for place, each in enumerate(repeated(pv1, field, practitioner))
        if (reference := making.aside(each, pv1, f"{field}-{place}")) is not None
    ]
    if people:
        found["participant"] = people
    _places(making, pv1, found)
    period = {name: at for name, field in (("start", 44), ("end", 45)) if (at := date_time(pv1, field))}
    if period:
        found["period"] = period
    if (kind := concept(pv1, 10, table="0069")) is not None:
        found["serviceType"] = kind
    stay: Json = {}
    for name, field, table in _STAY:
        if (said := concept(pv1, field, table=table)) is not None:
            stay[name] = said
    if (early := identifier(pv1, 5)) is not None:
        stay["preAdmissionIdentifier"] = early
    for name, field, table in _STAY_LISTS:
        if said_of := [each for n in range(pv1.count(field)) if (each := concept(pv1, field, n, table))]:
            stay[name] = said_of
    if whither := pv1.text(37, 1):
        goal: Json = {"resourceType": "Location", "mode": "instance", "name": whither}
        stay["destination"] = making.aside(goal, pv1, "37")
    if stay:
        found["hospitalization"] = stay
    address = making.address_of("Encounter", number, pv1)
    making.context.encounter = making.add(address, making.about_patient(found))


def _status(event: str, pv1: Segment) -> str:
    if event in CANCELLED:
        return "cancelled"
    if event in ENDED or pv1.has(45):
        return "finished"
    return "planned" if event in PLANNED or pv1.text(2) == "P" else "in-progress"


def _places(making: Making, pv1: Segment, found: Json) -> None:
    places = []
    for field, status in ((3, "active"), (6, "completed"), (11, "active")):
        reference = making.aside(location(pv1, field), pv1, str(field))
        if reference is not None:
            places.append({"location": reference, "status": status})
    if places:
        found["location"] = places


def _more(making: Making, pv2: Segment) -> None:
    """Take why the patient came."""
    visit = making.resources.get(making.context.encounter)
    reason = concept(pv2, 3)
    if visit is not None and reason is not None:
        visit["reasonCode"] = [*visit.get("reasonCode", ()), reason]
    if visit is None:
        return
    for place, each in enumerate(repeated(pv2, 13, practitioner)):
        reference = making.aside(each, pv2, f"13-{place}")
        if reference is not None:
            part = {"type": [{"coding": [{"system": PART, "code": "REF"}]}], "individual": reference}
            visit["participant"] = [*visit.get("participant", ()), part]
    if (days := pv2.text(11)).isdigit():
        ucum = {"unit": "d", "system": "http://unitsofmeasure.org", "code": "d"}
        visit["length"] = {"value": int(days), **ucum}


SEGMENTS = (Reads("PV1", _visit), Reads("PV2", _more))
