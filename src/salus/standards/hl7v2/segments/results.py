"""OBX and NTE: results and notes (v2.5.1, 7.4.2 and 2.15.10)."""

from __future__ import annotations

import base64
import re

from salus.standards.hl7v2.attached import attachment
from salus.standards.hl7v2.datatypes import (
    Json,
    address,
    concept,
    date_time,
    decimal,
    entity,
    organisation,
    practitioner,
    quantity,
    repeated,
)
from salus.standards.hl7v2.enclosed import take_out
from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.making import Making
from salus.standards.hl7v2.segments.segment import Reads
from salus.standards.hl7v2.tables import in_fhir

INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
FLAGS = frozenset({
    "L", "H", "LL", "HH", "<", ">", "N", "A", "AA", "U", "D", "B", "W", "S", "R", "I", "MS", "VS",
    "POS", "NEG", "DET", "ND"
})  # fmt: skip
TEXTS = frozenset({"ST", "TX", "FT", "NA", "MA"})
CODED = frozenset({"CE", "CWE", "CNE", "CF", "IS", "ID"})
FILES = frozenset({"ED", "RP"})
COMPOSITION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.composition"
PLAIN = "text/plain; charset=utf-8"
COMPARATORS = frozenset({"<", "<=", ">=", ">"})
_RANGE = re.compile(r"\s*([<>]=?)?\s*([+-]?\d+(?:\.\d+)?)(?:\s*-\s*([+-]?\d+(?:\.\d+)?))?\s*")
_WITH_COMPARATOR = re.compile(r"\s*([<>]=?)\s*([+-]?\d+(?:\.\d+)?)\s*")


def _result(making: Making, obx: Segment) -> None:
    kind = obx.text(2)
    code = concept(obx, 3)
    if kind in FILES:
        _file(making, obx, code)
        return
    if code is None and not obx.has(5):
        return
    if _is_document(making):
        _text_of_document(making, obx)
        return
    found: Json = {
        "resourceType": "Observation",
        "status": in_fhir("observation-status", obx.text(11)),
        "code": code or {"text": "(not named by the message)"},
    }
    if not found["status"]:
        making.account.approximate("OBX-11", "no status that FHIR knows: said as unknown", obx.text(11))
        found["status"] = "unknown"
    _value(making, obx, kind, found)
    flags = [(flag, place) for place in range(obx.count(8)) if (flag := obx.text(8, 1, 1, place))]
    if flags:
        found["interpretation"] = [_flag(flag, obx.text(8, 2, 1, place)) for flag, place in flags]
    if text := obx.text(7):
        found["referenceRange"] = [reference_range(text, concept(obx, 6))]
    if at := date_time(obx, 14) or _report_time(making):
        found["effectiveDateTime"] = at
    if people := repeated(obx, 16, practitioner):
        performers = [making.aside(each, obx, f"16-{n}") for n, each in enumerate(people)]
        found["performer"] = [each for each in performers if each is not None]
    _performed_by(making, obx, found)
    if (method := concept(obx, 17)) is not None:
        found["method"] = method
    found = making.in_encounter(making.about_patient(found))
    report = making.context.report
    own = making.address_of("Observation", _known(making, obx, code), obx)
    making.context.noted = found
    making.add(own, found)
    if report is not None:
        report["result"] = [*report.get("result", ()), {"reference": own}]
    elif _asks(making) is not None:
        request = making.resources[making.context.request]
        request["supportingInfo"] = [*request.get("supportingInfo", ()), {"reference": own}]


def _performed_by(making: Making, obx: Segment, found: Json) -> None:
    """Say the laboratory (OBX-23, at the address of OBX-24) and the device (OBX-18)."""
    laboratory = next(iter(repeated(obx, 23, organisation)), None)
    if laboratory is not None:
        if places := repeated(obx, 24, address):
            laboratory["address"] = places
        reference = making.aside(laboratory, obx, "23")
        found["performer"] = [*found.get("performer", ()), *([reference] if reference else [])]
    number = entity(obx, 18)
    if number is not None:
        device: Json = {"resourceType": "Device", "identifier": [number]}
        found["device"] = {"reference": making.add(making.address_of("Device", number, obx), device)}


def _asks(making: Making) -> Json | None:
    """Return the open request, if it is one that takes supporting information under this name."""
    request = making.resources.get(making.context.request)
    return request if request is not None and request["resourceType"] == "ServiceRequest" else None


def _is_document(making: Making) -> bool:
    report = making.context.report
    return report is not None and report["resourceType"] == "DocumentReference"


def _text_of_document(making: Making, obx: Segment) -> None:
    """Add a line of text to the document that TXA describes (MDM with TX)."""
    lines = "\n".join(_line(obx, place) for place in range(obx.count(5))).strip()
    document = making.context.report
    if not lines or document is None:
        return
    contents = document["content"]
    held = contents[-1]["attachment"] if contents else {}
    if held.get("contentType") != PLAIN:
        contents.append({"attachment": {"contentType": PLAIN, "data": ""}})
        held = contents[-1]["attachment"]
    said = base64.b64decode(held["data"]).decode()
    held["data"] = base64.b64encode("\n".join(filter(None, (said, lines))).encode()).decode()


def _known(making: Making, obx: Segment, code: Json | None) -> Json | None:
    """Return what a result is known by: its report, its code and its part (OBX-4)."""
    report, number = making.context.report, making.context.number
    coding = (code or {}).get("coding", [{}])[0]
    if number is None or not coding.get("code"):
        return None
    parts = (number.get("system", ""), number["value"], str(report and report["code"].get("text", "")))
    place = obx.text(4) or "1"
    return {"value": "|".join((*parts, coding.get("system", ""), coding["code"], place))}


def _report_time(making: Making) -> str:
    report = making.context.report or {}
    period = report.get("effectivePeriod", {})
    return str(report.get("effectiveDateTime") or period.get("start") or "")


def _value(making: Making, obx: Segment, kind: str, found: Json) -> None:
    """Say the value by its type (OBX-2); several repetitions become components or lines of text."""
    if not obx.has(5):
        return
    unit = concept(obx, 6)
    if kind == "NM" and (number := decimal(obx.text(5))) is not None:
        found["valueQuantity"] = quantity(number, unit)
    elif kind == "SN":
        _structured(making, obx, unit, found)
    elif kind in CODED and obx.count(5) == 1 and (said := concept(obx, 5)) is not None:
        found["valueCodeableConcept"] = said if "coding" in said or kind not in ("IS", "ID") else {**said}
    elif kind in ("DT", "TS", "DTM") and (at := date_time(obx, 5)):
        found["valueDateTime"] = at
    else:
        text = obx.text(5)
        if compared := _WITH_COMPARATOR.fullmatch(text) if kind in ("NM", "ST") else None:
            number = decimal(compared[2])
            assert number is not None
            found["valueQuantity"] = {**quantity(number, unit), "comparator": compared[1]}
            return
        if kind not in TEXTS:
            making.account.approximate("OBX-5", f"a value of type {kind or '(none)'}: said as text", text)
        lines = [_line(obx, place) for place in range(obx.count(5))]
        found["valueString"] = "\n".join(lines).strip()
        if unit is not None:
            found["valueString"] += f" {unit.get('text') or unit['coding'][0]['code']}"
        if not found["valueString"]:
            del found["valueString"]


def _line(obx: Segment, place: int) -> str:
    parts = range(1, len(obx.parts(5, place)) + 1)
    return " ".join(filter(None, (obx.whole(5, part, place) for part in parts)))


def _structured(making: Making, obx: Segment, unit: Json | None, found: Json) -> None:
    """Say a structured number (SN): comparator, range or ratio."""
    comparator, separator = obx.text(5, 1), obx.text(5, 3)
    first, second = decimal(obx.text(5, 2)), decimal(obx.text(5, 4))
    if first is None:
        text = _line(obx, 0)
        making.account.approximate("OBX-5", "a structured number that is none: said as text", text)
        if text:
            found["valueString"] = text
    elif separator == "-" and second is not None:
        found["valueRange"] = {"low": quantity(first, unit), "high": quantity(second, unit)}
    elif separator in ("/", ":") and second is not None:
        found["valueRatio"] = {"numerator": quantity(first, unit), "denominator": {"value": second}}
    elif separator == "+":
        found["valueString"] = f"{first}+"
    else:
        found["valueQuantity"] = quantity(first, unit)
        if comparator in COMPARATORS:
            found["valueQuantity"]["comparator"] = comparator
        elif comparator not in ("", "="):
            making.account.drop("OBX-5.1", "a comparator that FHIR does not have", comparator)


def _flag(flag: str, words: str) -> Json:
    if flag in FLAGS:
        return {"coding": [{"system": INTERPRETATION, "code": flag}]} | ({"text": words} if words else {})
    return {"text": words or flag}


def reference_range(text: str, unit: Json | None) -> Json:
    """Return a reference range: as the message words it, and as numbers where it is two or a bound."""
    found: Json = {"text": text}
    parsed = _RANGE.fullmatch(text)
    if parsed is None:
        return found
    bound, low, high = parsed.groups()
    first = decimal(low)
    assert first is not None
    if high is not None and bound is None:
        second = decimal(high)
        assert second is not None
        found |= {"low": quantity(first, unit), "high": quantity(second, unit)}
    elif bound in ("<", "<="):
        found["high"] = quantity(first, unit)
    elif bound in (">", ">="):
        found["low"] = quantity(first, unit)
    return found


def _file(making: Making, obx: Segment, code: Json | None) -> None:
    """Keep a file that a result or document carries or points at (ED, RP)."""
    found = attachment(making, obx)
    if found is None:
        return
    obx.take(11)  # the file's state is that of its report or document
    if code is not None and code.get("text"):
        found["title"] = code["text"]
    enclosed = take_out(making, found)
    report = making.context.report
    if report is not None and _is_document(making):
        report["content"].append({"attachment": found})
        if enclosed:
            context = report.setdefault("context", {})
            context["related"] = [*context.get("related", ()), {"reference": enclosed}]
    elif report is not None:
        if enclosed:
            said = {"url": COMPOSITION, "valueReference": {"reference": enclosed}}
            report["extension"] = [*report.get("extension", ()), said]
        report["presentedForm"] = [*report.get("presentedForm", ()), found]
    else:
        document = {
            "resourceType": "DocumentReference",
            "status": "current",
            "content": [{"attachment": found}],
            **({"type": code} if code else {}),
            **({"context": {"related": [{"reference": enclosed}]}} if enclosed else {}),
        }
        making.add(making.address_of("DocumentReference", None, obx), making.about_patient(document))


def _note(making: Making, nte: Segment) -> None:
    """Add a note to what stands before it; of what has no place for one it is told as dropped."""
    lines = [text for place in range(nte.count(3)) if (text := _whole(nte, place))]
    noted = making.context.noted
    if not lines:
        return
    if noted is not None and noted["resourceType"] == "DiagnosticReport":
        noted["conclusion"] = "\n".join(filter(None, (noted.get("conclusion"), *lines)))
    elif noted is not None and noted["resourceType"] == "Appointment":
        noted["comment"] = "\n".join(filter(None, (noted.get("comment"), *lines)))
    elif noted is not None and noted["resourceType"] != "DocumentReference":
        noted["note"] = [*noted.get("note", ()), *({"text": each} for each in lines)]
    else:
        for each in lines:
            making.account.drop("NTE-3", "a note on what has no place for one in FHIR", each)


def _whole(nte: Segment, place: int) -> str:
    parts = range(1, len(nte.parts(3, place)) + 1)
    return " ".join(filter(None, (nte.whole(3, part, place) for part in parts)))


SEGMENTS = (Reads("OBX", _result), Reads("NTE", _note))
