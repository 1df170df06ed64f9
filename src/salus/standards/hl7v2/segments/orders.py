"""ORC, OBR and SPM: what was ordered, what is reported of it, on which specimen (v2.5.1, 4.5, 7.4)."""

from __future__ import annotations

from salus.standards.hl7v2.datatypes import Json, concept, date_time, entity, practitioner, repeated
from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.making import Making
from salus.standards.hl7v2.segments.segment import Reads
from salus.standards.hl7v2.segments.timing import take_held
from salus.standards.hl7v2.tables import in_fhir

PLACER, FILLER = "PLAC", "FILL"
_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
SECTIONS = "http://terminology.hl7.org/CodeSystem/v2-0074"
REPORTS = frozenset({"ORU", "OUL", "OPU", "ORF", "MDM"})
"""Messages that report; in others an OBR is an order."""


def _common(making: Making, orc: Segment) -> None:
    """Keep the common order for the segment that it is about."""
    making.context.order = orc
    making.context.timing = ()
    making.context.request = ""


def numbers(making: Making, segment: Segment) -> tuple[list[Json], Json | None, Json | None]:
    """Return the identifiers of an order, and those of who placed and who fills it.

    They stand in ORC-2 and ORC-3 and again in the same fields of OBR.
    """
    order = making.context.order
    found = []
    for field, kind in ((2, PLACER), (3, FILLER)):
        own = entity(segment, field) if segment.name == "OBR" else None
        common = entity(order, field) if order is not None else None
        number = own or common
        found.append(number and {"type": {"coding": [{"system": _TYPE, "code": kind}]}, **number})
    return [each for each in found if each], found[0], found[1]


def request_status(making: Making, order: Segment | None) -> str:
    """Return the status of a request, from what its common order asks (ORC-1) and says (ORC-5)."""
    if order is None:
        return "active"
    said, asked = order.text(5), order.text(1)
    known = in_fhir("request-status", f"s-{said}") or in_fhir("request-status", asked)
    if not known:
        making.account.approximate("ORC-1", "an order control without a counterpart: said as unknown", asked)
    return known or "unknown"


def people_of(making: Making, segment: Segment, field: int) -> Json | None:
    """Return the first of the people of a field."""
    found = repeated(segment, field, practitioner)
    return making.aside(found[0], segment, str(field)) if found else None


def _observation_request(making: Making, obr: Segment) -> None:
    order = making.context.order
    identifiers, placer, filler = numbers(making, obr)
    code = concept(obr, 4)
    reports = making.message.header.text(9, 1) in REPORTS or obr.has(25)
    if placer is not None or not reports:
        making.context.request = _request(making, obr, order, identifiers, placer or filler, code)
    if reports:
        _report(making, obr, identifiers, filler or placer, code)


def _request(
    making: Making,
    obr: Segment,
    order: Segment | None,
    identifiers: list[Json],
    known: Json | None,
    code: Json | None,
) -> str:
    found: Json = {
        "resourceType": "ServiceRequest",
        "status": request_status(making, order),
        "intent": "order",
    }
    if identifiers:
        found["identifier"] = identifiers
    if code is not None:
        found["code"] = code
    if priority := in_fhir("priority", obr.text(5) or obr.text(27, 6)):
        found["priority"] = priority
    asked_at = date_time(order, 9) if order is not None else ""
    if at := asked_at or date_time(obr, 6):
        found["authoredOn"] = at
    by = people_of(making, obr, 16) or (people_of(making, order, 12) if order is not None else None)
    if by is not None:
        found["requester"] = by
    reasons = [each for place in range(obr.count(31)) if (each := concept(obr, 31, place)) is not None]
    if reasons:
        found["reasonCode"] = reasons
    elif text := obr.text(13):
        found["reasonCode"] = [{"text": text}]
    if order is not None:
        _of_group(order, found)
    take_held(making, found)
    address = making.address_of("ServiceRequest", known, obr)
    found = making.in_encounter(making.about_patient(found))
    making.context.noted = found
    return making.add(address, found)


def _of_group(order: Segment, found: Json) -> None:
    """Take the number of the group that the order is in (ORC-4), and its reason (ORC-16)."""
    if (group := entity(order, 4)) is not None:
        found["requisition"] = group
    if (reason := concept(order, 16)) is not None and "reasonCode" not in found:
        found["reasonCode"] = [reason]


def _report(
    making: Making, obr: Segment, identifiers: list[Json], known: Json | None, code: Json | None
) -> None:
    found: Json = {"resourceType": "DiagnosticReport", "status": in_fhir("report-status", obr.text(25))}
    if not found["status"]:
        making.account.approximate("OBR-25", "no status that FHIR knows: said as unknown", obr.text(25))
        found["status"] = "unknown"
    if identifiers:
        found["identifier"] = identifiers
    if making.context.request:
        found["basedOn"] = [{"reference": making.context.request}]
    if section := obr.text(24):
        found["category"] = [{"coding": [{"system": SECTIONS, "code": " ".join(section.split())}]}]
    found["code"] = code or {"text": "(not named by the message)"}
    begun, ended = date_time(obr, 7), date_time(obr, 8)
    if begun and ended and begun != ended:
        found["effectivePeriod"] = {"start": begun, "end": ended}
    elif begun or ended:
        found["effectiveDateTime"] = begun or ended
    if len(at := date_time(obr, 22)) > 10:  # an instant has a time
        found["issued"] = at
    elif at:
        making.account.approximate("OBR-22", "a day, where FHIR needs a moment: not said", at)
    if (by := people_of(making, obr, 32)) is not None:
        found["resultsInterpreter"] = [by]
    found = making.in_encounter(making.about_patient(found))
    making.context.report = making.context.noted = found
    making.context.number = known
    code_text = str((code or {}).get("coding", [{}])[0].get("code", ""))
    making.add(making.address_of("DiagnosticReport", known, obr, code_text), found)


def _specimen(making: Making, spm: Segment) -> None:
    found: Json = {"resourceType": "Specimen"}
    number = entity(spm, 2)
    own = spm.text(2, 2) or spm.text(2, 1)
    if own:
        number = {"value": own}
        found["identifier"] = [number]
    if (kind := concept(spm, 4)) is not None:
        found["type"] = kind
    collection: Json = {}
    if at := date_time(spm, 17):
        collection["collectedDateTime"] = at
    if (site := concept(spm, 8)) is not None:
        collection["bodySite"] = site
    if (way := concept(spm, 7)) is not None:
        collection["method"] = way
    if collection:
        found["collection"] = collection
    if len(at := date_time(spm, 18)) > 0:
        found["receivedTime"] = at
    address = making.add(making.address_of("Specimen", number, spm), making.about_patient(found))
    if making.context.report is not None:
        held = making.context.report.get("specimen", [])
        making.context.report["specimen"] = [*held, {"reference": address}]
    elif (request := making.resources.get(making.context.request)) is not None:
        request["specimen"] = [*request.get("specimen", ()), {"reference": address}]


SEGMENTS = (
    Reads("ORC", _common), Reads("OBR", _observation_request), Reads("SPM", _specimen)
)  # fmt: skip
