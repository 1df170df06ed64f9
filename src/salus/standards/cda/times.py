"""Points and intervals in time: TS and IVL_TS (HL7 v3 data types R1) to dateTime, date, instant and Period.

The precision stays as it came. FHIR wants a zone beside a time of day; where the source states none, the zone
of the document itself counts, which is told, and where that states none too the day alone is kept.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from salus.standards.cda.node import Node

_TS = re.compile(
    r"(\d{4})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:(\d{2})(?:\.(\d+))?)?)?)?)?)?([+-]\d{2}:?\d{2}|Z)?",
    re.ASCII,
)
_ISO = re.compile(
    r"(\d{4})-(\d{2})(?:-(\d{2})(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?)?([+-]\d{2}:?\d{2}|Z)?"
)


class Moment:
    """A point in time as text.

    Args:
        text: a FHIR dateTime, "" when it cannot be read.
        remark: what had to be done with it, "" for nothing.
    """

    __slots__ = ("remark", "text")

    def __init__(self, text: str, remark: str = "") -> None:
        self.text = text
        self.remark = remark


def read_moment(value: str, zone: str = "") -> Moment:
    """Return a TS value as a FHIR dateTime of the same precision.

    Args:
        value: YYYY[MM[DD[HH[MM[SS[.f]]]]]][+ZZZZ].
        zone: what counts where the value states a time of day and no zone ("+01:00"), "" for none.
    """
    compact, iso = _compact(value)
    match = _TS.fullmatch(compact)
    if match is None or not _is_real(match):
        return Moment("")
    year, month, day, hour, minute, second, _, stated = match.groups()
    date = "-".join(part for part in (year, month, day) if part)
    remark = "written as in ISO 8601, not as a CDA time" if iso else ""
    if hour is None:
        return Moment(date, remark)
    if minute is None:
        return Moment(date, "a time of day in hours only cannot be said; the day is kept")
    offset = _offset(stated) if stated else zone
    if not offset:
        return Moment(date, "no time zone is stated; the day is kept")
    remark = remark if stated else "no time zone is stated; taken as that of the document"
    return Moment(f"{date}T{hour}:{minute}:{second or '00'}{offset}", remark)


def _compact(value: str) -> tuple[str, bool]:
    """Return a time as CDA writes it, and whether it was written as ISO 8601 does."""
    if _ISO.fullmatch(value) is None:
        return value, False
    day, _, rest = value.partition("T")
    zone = re.search(r"([+-]\d{2}:?\d{2}|Z)$", rest)
    clock = rest[: zone.start()] if zone else rest
    return day.replace("-", "") + clock.replace(":", "") + (zone[0] if zone else ""), True


def _is_real(match: re.Match[str]) -> bool:
    year, month, day, hour, minute, second = (int(part) if part else None for part in match.groups()[:6])
    if not year or (second or 0) > 60:
        return False
    zone = match[8]
    if zone and zone != "Z" and (int(zone[1:3]) > 14 or int(zone[-2:]) > 59):
        return False
    try:
        datetime(year, 1 if month is None else month, 1 if day is None else day, hour or 0, minute or 0)
    except ValueError:
        return False
    return True


def _offset(zone: str) -> str:
    if zone == "Z":
        return "Z"
    digits = zone.replace(":", "")
    return f"{digits[:3]}:{digits[3:]}"


def zone_of(value: str) -> str:
    """Return the zone that a TS value states ("+01:00"), "" for none."""
    match = _TS.fullmatch(_compact(value)[0])
    return _offset(match[8]) if match and match[8] else ""


def is_ordered(period: dict[str, Any]) -> bool:
    """Return whether a Period does not end before it begins, as far as both say (R4, per-1)."""
    start, end = str(period.get("start", "")), str(period.get("end", ""))
    if not (start and end):
        return True
    length = min(len(start), len(end), 10)
    if start[:length] != end[:length]:
        return start[:length] < end[:length]
    if len(start) > 10 and len(end) > 10:
        return datetime.fromisoformat(_parsable(start)) <= datetime.fromisoformat(_parsable(end))
    return True


def _parsable(text: str) -> str:
    """Return a dateTime that `datetime` reads: it knows no leap second."""
    return text[:17] + "59" + text[19:] if text[17:19] == "60" else text


def used(node: Node) -> bool:
    """Return whether a time's element says anything but that it is not known."""
    return bool(node.attributes.keys() - {"nullFlavor", "type", "operator"}) or bool(node.children)
