"""ROL and PRT: who takes part in what stands before them (v2.5.1, 15.4.7; v2.7, 7.4.4)."""

from __future__ import annotations

from salus.standards.hl7v2.datatypes import (
    Json,
    address,
    concept,
    contact_point,
    date_time,
    practitioner,
    repeated,
)
from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.making import Making
from salus.standards.hl7v2.segments.segment import Reads

PRIMARY_CARE = frozenset({"PP", "FHCP"})
"""Roles (HL7 tables 0443 and 0912) of whom a patient goes to first."""
_BESIDE = frozenset({"ROL", "PRT", "NTE", "PD1", "PV2", "ARV", "CTD"})


def _role(making: Making, rol: Segment) -> None:
    _take_part(making, rol, role=3, person=4, times=(5, 6), places=(11, 12))


def _participation(making: Making, prt: Segment) -> None:
    _take_part(making, prt, role=4, person=5, times=(11, 12), places=(14, 15))


def _take_part(
    making: Making,
    segment: Segment,
    *,
    role: int,
    person: int,
    times: tuple[int, int],
    places: tuple[int, int],
) -> None:
    """Take persons with their role, if what they take part in has a place for them."""
    holder = _holder(making, segment)
    if holder is None or not segment.has(person):
        return
    said = concept(segment, role, table="0443" if segment.name == "ROL" else "0912")
    period = {
        name: at
        for name, field in zip(("start", "end"), times, strict=True)
        if (at := date_time(segment, field))
    }
    for place, each in enumerate(repeated(segment, person, practitioner)):
        if where := repeated(segment, places[0], address):
            each["address"] = where
        if telecom := repeated(segment, places[1], contact_point):
            each["telecom"] = telecom
        reference = making.aside(each, segment, f"{person}-{place}")
        if reference is not None:
            _add(making, holder, reference, said, period)
    segment.take(2)  # what is done with the role (add, delete): a role that ended has its end
    segment.take(1)


def _holder(making: Making, segment: Segment) -> Json | None:
    """Return the resource of the segment that stands before, None where it has no place for persons."""
    before = next(
        (one.name for one in reversed(making.message.segments[: segment.place]) if one.name not in _BESIDE),
        "",
    )
    context = making.context
    if before == "PID":
        return making.resources.get(context.patient)
    if before == "PV1":
        return making.resources.get(context.encounter)
    if before in ("ORC", "OBR"):
        return making.resources.get(context.request)
    return context.noted if before == "OBX" else None


def _add(making: Making, holder: Json, reference: Json, role: Json | None, period: Json) -> None:
    kind = holder["resourceType"]
    if kind == "Encounter":
        part: Json = {"individual": reference} | ({"type": [role]} if role else {})
        holder["participant"] = [
            *holder.get("participant", ()),
            part | ({"period": period} if period else {}),
        ]
    elif kind in ("ServiceRequest", "Observation"):
        if reference not in holder.get("performer", ()):
            holder["performer"] = [*holder.get("performer", ()), reference]
    elif kind == "Patient" and {each.get("code") for each in (role or {}).get("coding", ())} & PRIMARY_CARE:
        holder["generalPractitioner"] = [*holder.get("generalPractitioner", ()), reference]
    elif kind == "Patient":
        _team(making, reference, role, period)


def _team(making: Making, reference: Json, role: Json | None, period: Json) -> None:
    """Say who else is with the patient: a care team, one for each."""
    own = f"urn:uuid:{making.context.patient}"
    known = {"value": f"team|{own}"}
    found = making.about_patient({"resourceType": "CareTeam", "status": "active"})
    address_of = making.address_of("CareTeam", known, making.message.header)
    held = making.resources.get(address_of, found)
    part: Json = {"member": reference} | ({"role": [role]} if role else {})
    held["participant"] = [*held.get("participant", ()), part | ({"period": period} if period else {})]
    making.resources[address_of] = held


SEGMENTS = (Reads("ROL", _role), Reads("PRT", _participation))
