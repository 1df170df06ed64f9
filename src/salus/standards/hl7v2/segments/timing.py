"""TQ1: when an order is to be done, and how urgent it is (v2.5.1, 4.5.4)."""

from __future__ import annotations

from salus.standards.hl7v2.datatypes import Json, concept, date_time, decimal
from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.making import Making
from salus.standards.hl7v2.segments.segment import Reads
from salus.standards.hl7v2.tables import in_fhir


def _timing(making: Making, tq1: Segment) -> None:
    """Say it of the open request, or keep it for the one that follows."""
    request = making.resources.get(making.context.request)
    if request is None:
        making.context.timing = (*making.context.timing, tq1)
    else:
        say_when(request, tq1)


def say_when(request: Json, tq1: Segment) -> None:
    """Say start, end, urgency and pattern of a request."""
    if "priority" not in request and (urgent := in_fhir("priority", tq1.text(9))):
        request["priority"] = urgent
    start, end = date_time(tq1, 7), date_time(tq1, 8)
    period = {name: at for name, at in (("start", start), ("end", end)) if at}
    words = tq1.text(11) or tq1.text(10)
    pattern = concept(tq1, 3, table="0335")
    if request["resourceType"] == "ServiceRequest":
        if period:
            request["occurrencePeriod"] = period
        if words:
            request["patientInstruction"] = words
        if pattern is not None and not period:
            request["occurrenceTiming"] = {"code": pattern}
        return
    dosage = request.setdefault("dosageInstruction", [{}])[0]
    timing: Json = {}
    if period:
        timing["repeat"] = {"boundsPeriod": period}
    if (count := decimal(tq1.text(14))) is not None and count == count.to_integral_value() and count > 0:
        timing.setdefault("repeat", {})["count"] = int(count)
    if pattern is not None:
        timing["code"] = pattern
    if timing:
        dosage["timing"] = timing
    if words:
        dosage["patientInstruction"] = words
    if not dosage:
        del request["dosageInstruction"]


def take_held(making: Making, request: Json) -> None:
    """Say of a request what stood before it."""
    for tq1 in making.context.timing:
        say_when(request, tq1)
    making.context.timing = ()


SEGMENTS = (Reads("TQ1", _timing),)
