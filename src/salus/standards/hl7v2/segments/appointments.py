"""SCH, AIS, AIL and AIP: appointments (v2.5.1, chapter 10)."""

from __future__ import annotations

from salus.standards.hl7v2.datatypes import Json, concept, date_time, entity, location, practitioner, repeated
from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.making import NO_ZONE, Making
from salus.standards.hl7v2.segments.segment import Reads
from salus.standards.hl7v2.tables import in_fhir

STATUS = {"S12": "booked", "S13": "booked", "S14": "booked", "S15": "cancelled", "S16": "cancelled",
          "S17": "entered-in-error", "S26": "noshow"}  # fmt: skip
"""By trigger event, where SCH-25 says nothing."""


def _appointment(making: Making, sch: Segment) -> None:
    number = entity(sch, 2) or entity(sch, 1)
    event = making.message.header.text(9, 2)
    status = in_fhir("appointment-status", sch.text(25).capitalize()) or STATUS.get(event, "proposed")
    found: Json = {"resourceType": "Appointment", "status": status}
    numbers = [each for each in (entity(sch, 1), entity(sch, 2)) if each is not None]
    if numbers:
        found["identifier"] = numbers
    reasons = [each for field in (6, 7) if (each := concept(sch, field)) is not None]
    if reasons:
        found["reasonCode"] = reasons
    if (kind := concept(sch, 8, table="0276")) is not None:
        found["appointmentType"] = kind
    start, end = date_time(sch, 11, 4), date_time(sch, 11, 5)
    _times(making, found, start, end)
    if (
        (minutes := sch.text(9)).isdigit()
        and 0 < int(minutes) < 10_000
        and sch.text(10) in ("MIN", "min", "")
    ):
        found["minutesDuration"] = int(minutes)
    participants = [
        _part(reference)
        for field in (12, 16)
        for place, each in enumerate(repeated(sch, field, practitioner))
        if (reference := making.aside(each, sch, f"{field}-{place}")) is not None
    ]
    found["participant"] = participants
    making.context.appointment = making.context.noted = found
    making.add(making.address_of("Appointment", number, sch), found)


def _times(making: Making, found: Json, start: str, end: str) -> None:
    """Say start and end, which FHIR needs both, as moments."""
    if len(start) > 10 and len(end) > 10:
        found |= {"start": start, "end": end}
    elif start or end:
        making.account.approximate("SCH-11", f"{NO_ZONE} as a requested period", start or end)
        period = {name: text[:10] for name, text in (("start", start), ("end", end)) if text}
        found["requestedPeriod"] = [period]


def _part(reference: Json) -> Json:
    return {"actor": reference, "status": "accepted"}


def _service(making: Making, ais: Segment) -> None:
    appointment, kind = making.context.appointment, concept(ais, 3)
    if appointment is not None and kind is not None:
        appointment["serviceType"] = [*appointment.get("serviceType", ()), kind]
    if appointment is not None and "requestedPeriod" not in appointment and "start" not in appointment:
        _times(making, appointment, date_time(ais, 4), "")


def _place(making: Making, ail: Segment) -> None:
    reference = making.aside(location(ail, 3), ail, "3")
    if making.context.appointment is not None and reference is not None:
        making.context.appointment["participant"].append(_part(reference))


def _person(making: Making, aip: Segment) -> None:
    for place, each in enumerate(repeated(aip, 3, practitioner)):
        reference = making.aside(each, aip, f"3-{place}")
        if making.context.appointment is not None and reference is not None:
            making.context.appointment["participant"].append(_part(reference))


def _thing(making: Making, aig: Segment) -> None:
    """Take a resource that is neither person nor place: a device or service, named in words."""
    said = concept(aig, 3)
    if making.context.appointment is not None and said is not None:
        words = said.get("text") or said["coding"][0]["code"]
        making.context.appointment["participant"].append(_part({"display": words}))
        aig.take(3)


def complete(making: Making) -> None:
    """Name the patient as who comes; an appointment has a participant."""
    appointment = making.context.appointment
    if appointment is not None:
        if making.context.patient:
            appointment["participant"].insert(0, _part({"reference": making.context.patient}))
        elif not appointment["participant"]:
            appointment["participant"].append({"status": "needs-action", "type": [{"text": "patient"}]})


SEGMENTS = (
    Reads("SCH", _appointment), Reads("AIS", _service), Reads("AIL", _place), Reads("AIP", _person),
    Reads("AIG", _thing),
)  # fmt: skip
