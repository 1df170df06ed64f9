"""HL7 v2 data types in FHIR R4 (HL7 v2.5.1, chapter 2A; HL7 Version 2 to FHIR, data type maps).

Every function takes a segment, a field and a repetition, and takes what it says from there; "" or None means
that there is nothing to say.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.tables import authority_of, in_fhir, system_of

Json = dict[str, Any]  # FHIR content is open JSON

UCUM = "http://unitsofmeasure.org"
_MOMENT = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(\d\d)(?:(\d\d)(\.\d{1,6})?)?)?)?)?([+-]\d{4})?")
_ZONE = re.compile(r"[+-](?:(?:0\d|1[0-3])[0-5]\d|1400)")
"""Zones that there are (R4 datatypes, instant)."""
_NUMERIC = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")
_SYSTEM_OF_V2 = "http://terminology.hl7.org/CodeSystem/v2-"


def date_time(segment: Segment, field: int, component: int = 1, repetition: int = 0) -> str:
    """Return a moment (TS, DTM, DT) with the precision that it came with.

    FHIR needs a zone with a time; where a message gives none the day is said, and the time is told as lost.
    """
    text = segment.text(field, component, 1, repetition).strip()
    found = _MOMENT.fullmatch(text)
    if found is None:
        return ""
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    date = "-".join(filter(None, (year, month, day)))
    if not _is_day(year, month, day):
        return ""
    if (
        hour is None
        or zone is None
        or _ZONE.fullmatch(zone) is None
        or int(hour) > 23
        or int(minute) > 59
        or int(second or 0) > 59
    ):
        return date
    return f"{date}T{hour}:{minute}:{second or '00'}{fraction or ''}{zone[:3]}:{zone[3:]}"


def _is_day(year: str, month: str | None, day: str | None) -> bool:
    try:
        datetime.date(int(year), int(month or 1), int(day or 1))
    except ValueError:
        return False
    return True


def loses_time(segment: Segment, field: int) -> bool:
    """Return whether a moment has a time without a zone that there is, which FHIR cannot say."""
    found = _MOMENT.fullmatch(segment.text(field).strip())
    return found is not None and found[4] is not None and _ZONE.fullmatch(found[8] or "") is None


def identifier(segment: Segment, field: int, repetition: int = 0) -> Json | None:
    """Return an identifier (CX)."""
    value = segment.text(field, 1, 1, repetition)
    if not value:
        return None
    found: Json = {"value": value}
    authority = [segment.text(field, 4, part, repetition) for part in (1, 2, 3)]
    if system := authority_of(*authority):
        found["system"] = system
    if kind := segment.text(field, 5, 1, repetition):
        found["type"] = {"coding": [{"system": f"{_SYSTEM_OF_V2}0203", "code": _one_line(kind)}]}
        if use := in_fhir("identifier-use", kind):
            found["use"] = use
    if assigner := segment.text(field, 6, 1, repetition):
        found["assigner"] = {"display": assigner}
    period = _period(date_time(segment, field, 7, repetition), date_time(segment, field, 8, repetition))
    return found | period


def entity(segment: Segment, field: int, repetition: int = 0) -> Json | None:
    """Return an identifier of an order or a document (EI)."""
    value = segment.text(field, 1, 1, repetition)
    if not value:
        return None
    system = authority_of(*(segment.text(field, part, 1, repetition) for part in (2, 3, 4)))
    return {"value": value} | ({"system": system} if system else {})


def human_name(segment: Segment, field: int, repetition: int = 0, first: int = 1) -> Json | None:
    """Return a name (XPN; of XCN the family name is component `first` = 2)."""
    family = segment.text(field, first, 1, repetition)
    if family:
        segment.whole(field, first, repetition)  # own and partner's prefix and name are parts of the family
    given = [segment.text(field, first + place, 1, repetition) for place in (1, 2)]
    suffix, prefix, degree = (segment.text(field, first + place, 1, repetition) for place in (3, 4, 5))
    found: Json = {}
    if first == 1:
        kind = segment.text(field, 7, 1, repetition)
        use = in_fhir("name-use", kind)
        if use:
            found["use"] = use
    if family:
        found["family"] = family
    if names := [each for each in given if each]:
        found["given"] = names
    if prefix:
        found["prefix"] = [prefix]
    if suffixes := [each for each in (suffix, degree) if each]:
        found["suffix"] = suffixes
    return found if {"family", "given"} & found.keys() else None


def address(segment: Segment, field: int, repetition: int = 0) -> Json | None:
    """Return an address (XAD)."""
    street = segment.whole(field, 1, repetition).split("&")[0] and segment.text(field, 1, 1, repetition)
    lines = [each for each in (street, segment.text(field, 2, 1, repetition)) if each]
    found: Json = {"line": lines} if lines else {}
    for name, place in (("city", 3), ("state", 4), ("postalCode", 5), ("country", 6), ("district", 9)):
        if text := segment.text(field, place, 1, repetition):
            found[name] = text
    if not found:
        return None
    kind = segment.text(field, 7, 1, repetition)
    if use := in_fhir("address-use", kind):
        found["use"] = use
    if form := in_fhir("address-type", kind):
        found["type"] = form
    return found


def contact_point(segment: Segment, field: int, repetition: int = 0) -> Json | None:
    """Return a telephone number or address of electronic mail (XTN)."""
    use, equipment = (segment.text(field, place, 1, repetition) for place in (2, 3))
    number, mail = segment.text(field, 1, 1, repetition), segment.text(field, 4, 1, repetition)
    parts = [segment.text(field, place, 1, repetition) for place in (5, 6, 7, 8, 12)]
    if not number and parts[2]:
        country, area, local, extension, _ = parts
        number = " ".join(filter(None, (f"+{country}" if country else "", area, local)))
        number += f" ext. {extension}" if extension else ""
    value = number or parts[4] or mail
    if not value:
        return None
    system = in_fhir("telecom-system", equipment) or ("email" if value == mail else "phone")
    found: Json = {"system": system, "value": value}
    if equipment == "CP":
        found["use"] = "mobile"
    elif known := in_fhir("telecom-use", use):
        found["use"] = known
    return found


def concept(segment: Segment, field: int, repetition: int = 0, table: str = "") -> Json | None:
    """Return a coded value (CE, CWE, CNE) with its alternates, original text and display.

    Args:
        segment: that has it.
        field: by number.
        repetition: which, from 0.
        table: HL7 table of a code that names no coding system, as 0002; "" for none.
    """
    codings: list[Json] = []
    for start, version in ((1, 7), (4, 8), (10, 13)):
        code, display, name = (segment.text(field, start + place, 1, repetition) for place in (0, 1, 2))
        code = _one_line(code)
        system = system_of(name)
        if code and not system and table and start == 1:
            system = f"{_SYSTEM_OF_V2}{table}"
        coding: Json = {}
        if system:
            coding["system"] = system
        if stated := segment.text(field, version, 1, repetition):
            coding["version"] = stated
        if code:
            coding["code"] = code
        if display:
            coding["display"] = display
        if code or display:
            codings.append(coding)
    text = segment.text(field, 9, 1, repetition)
    if not codings and not text:
        return None
    found: Json = {}
    coded = [each for each in codings if "code" in each]
    if coded:
        found["coding"] = coded
    said = text or next((each["display"] for each in codings if "display" in each), "")
    if said:
        found["text"] = said
    return found


def _one_line(code: str) -> str:
    """Return a code as FHIR writes codes: without line ends, and one blank where there are several."""
    return " ".join(code.split())


def decimal(text: str) -> Decimal | None:
    """Return a number (NM), None where the text is none."""
    text = text.strip()
    if not _NUMERIC.fullmatch(text):
        return None
    try:
        return Decimal(text.lstrip("+"))
    except InvalidOperation:
        return None


def quantity(number: Decimal, unit: Json | None) -> Json:
    """Return a quantity; the unit is a coded value: of UCUM with its code."""
    found: Json = {"value": number}
    coding = (unit or {}).get("coding", [{}])[0]
    text = coding.get("display") or (unit or {}).get("text") or coding.get("code")
    if text:
        found["unit"] = text
    if coding.get("system") and coding.get("code") and not coding["system"].startswith("urn:salus:"):
        found |= {"system": coding["system"], "code": coding["code"]}
    return found


def repeated(segment: Segment, field: int, read: Callable[[Segment, int, int], Json | None]) -> list[Json]:
    """Return what each repetition of a field says."""
    found = (read(segment, field, place) for place in range(segment.count(field)))
    return [each for each in found if each is not None]


def organisation(segment: Segment, field: int, repetition: int = 0) -> Json | None:
    """Return an Organization (XON) without an id."""
    name = segment.text(field, 1, 1, repetition)
    value = segment.text(field, 10, 1, repetition) or segment.text(field, 3, 1, repetition)
    authority = [segment.text(field, 6, part, repetition) for part in (1, 2, 3)]
    kind = segment.text(field, 7, 1, repetition)
    if not name and not value:
        return None
    found: Json = {"resourceType": "Organization"}
    if value:
        held: Json = {"value": value}
        if system := authority_of(*authority):
            held["system"] = system
        if kind:
            held["type"] = {"coding": [{"system": f"{_SYSTEM_OF_V2}0203", "code": _one_line(kind)}]}
        found["identifier"] = [held]
    if name:
        found["name"] = name
    return found


def practitioner(segment: Segment, field: int, repetition: int = 0) -> Json | None:
    """Return a Practitioner (XCN) without an id."""
    value = segment.text(field, 1, 1, repetition)
    name = human_name(segment, field, repetition, first=2)
    authority = [segment.text(field, 9, part, repetition) for part in (1, 2, 3)]
    kind = segment.text(field, 13, 1, repetition)
    if not value and name is None:
        return None
    found: Json = {"resourceType": "Practitioner"}
    if value:
        held: Json = {"value": value}
        if system := authority_of(*authority):
            held["system"] = system
        if kind:
            held["type"] = {"coding": [{"system": f"{_SYSTEM_OF_V2}0203", "code": _one_line(kind)}]}
        found["identifier"] = [held]
    if name:
        found["name"] = [name]
    return found


def location(segment: Segment, field: int, repetition: int = 0) -> Json | None:
    """Return a Location (PL) without an id, named by its parts from the facility to the bed."""
    parts = [segment.text(field, place, 1, repetition) for place in (4, 7, 8, 1, 2, 3)]
    description = segment.text(field, 9, 1, repetition)
    named = [each for each in parts if each]
    if not named and not description:
        return None
    found: Json = {"resourceType": "Location", "mode": "instance", "name": ", ".join(named) or description}
    if named and description:
        found["description"] = description
    return found


def _period(start: str, end: str) -> Json:
    period = {name: text for name, text in (("start", start), ("end", end)) if text}
    return {"period": period} if period else {}
