"""What a stored or a searched value stands for: folded text, intervals of dates, numbers and quantities.

Source: FHIR R4 (4.0.1) search.html, sections 3.1.1.4.6 (prefixes) to 3.1.1.4.11. Dates are intervals
[low, high) in seconds since 1970 UTC (a date without a time zone is taken as UTC); numbers
are [value, value].
"""

from __future__ import annotations

import math
import re
import unicodedata
from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t"}
)
_DATE = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH).total_seconds()
LATEST = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH).total_seconds()
"""What `moment_at` can give, a day inside the calendar, so that every time zone can write it."""


def fold(text: str) -> str:
    """Return the text without case, accents and superfluous blanks, as string search compares it."""
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(bare.casefold().translate(_LETTERS).split())


def date_interval(text: str) -> tuple[float, float] | None:
    """Return the interval that a date, dateTime or instant covers by its precision, None if it is none."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        if hour is None:
            return _calendar_interval(int(year), month, day)
        leap = second == "60"
        start = datetime(
            int(year),
            int(month),
            int(day),
            int(hour),
            int(minute),
            59 if leap else int(second or 0),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    low = (start - _EPOCH).total_seconds() + leap - _offset_seconds(zone)
    if second is None:
        return low, low + 60
    if fraction is None:
        return low, low + 1
    low += float(f"0.{fraction}")
    return low, low + 10 ** -min(len(fraction), 6)


def moment_at(seconds: float) -> datetime:
    """Return a moment (UTC) from seconds since 1970; of one beyond the calendar the nearest within."""
    return _EPOCH + timedelta(seconds=min(max(seconds, EARLIEST), LATEST))


def _calendar_interval(year: int, month: str | None, day: str | None) -> tuple[float, float] | None:
    start = datetime(year, int(month or 1), int(day or 1), tzinfo=UTC)
    low = (start - _EPOCH).total_seconds()
    if day is not None:
        return low, low + 86_400
    if month is None:
        days = 366 if (year % 4 == 0 and year % 100 != 0) or year % 400 == 0 else 365
        return low, low + days * 86_400
    return low, low + monthrange(start.year, start.month)[1] * 86_400


def _offset_seconds(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
    return -seconds if zone[0] == "-" else seconds


def period_interval(period: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the interval of a Period; an end that is not given is open. None when neither end is a date."""
    start, end = period.get("start"), period.get("end")
    first = date_interval(start) if isinstance(start, str) else None
    last = date_interval(end) if isinstance(end, str) else None
    if first is None and last is None:
        return None
    low = first[0] if first else -math.inf
    high = last[1] if last else math.inf
    return (low, high) if low < high else None


def timing_interval(timing: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the outer limits of a Timing (events and bounds), None when it states no date."""
    found = [date_interval(event) for event in items_of(timing.get("event")) if isinstance(event, str)]
    repeat = timing.get("repeat")
    if isinstance(repeat, dict) and isinstance(repeat.get("boundsPeriod"), dict):
        found.append(period_interval(repeat["boundsPeriod"]))
    known = [interval for interval in found if interval is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


def items_of(value: Any) -> list[Any]:
    """Return the items of a JSON array, none of anything else."""
    return value if isinstance(value, list) else []


def date_values(type_name: str, value: Any) -> tuple[float, float] | None:
    """Return the interval of a value of a date type, None where there is none."""
    if type_name in ("date", "dateTime", "instant"):
        return date_interval(value) if isinstance(value, str) else None
    if not isinstance(value, dict):
        return None
    return timing_interval(value) if type_name == "Timing" else period_interval(value)


def number_of(value: Any) -> float | None:
    """Return a JSON number (int, Decimal or float) as a finite double, None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def number_bounds(type_name: str, value: Any) -> tuple[float, float] | None:
    """Return [low, high] of a number or Range."""
    if type_name == "Range":
        return _range_bounds(value)
    number = number_of(value)
    return None if number is None else (number, number)


def _range_bounds(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, dict):
        return None
    ends = [value.get("low"), value.get("high")]
    low, high = (number_of(end.get("value")) if isinstance(end, dict) else None for end in ends)
    if low is None and high is None:
        return None
    return (-math.inf if low is None else low, math.inf if high is None else high)


def quantity_bounds(type_name: str, value: Any) -> tuple[float, float] | None:
    """Return [low, high] of a Quantity (with its comparator), Money, Range or SampledData."""
    if not isinstance(value, dict):
        return None
    if type_name == "Range":
        return _range_bounds(value)
    if type_name == "SampledData":
        return _sampled_bounds(value)
    number = number_of(value.get("value"))
    if number is None:
        return None
    comparator = value.get("comparator")
    low = -math.inf if comparator in ("<", "<=") else number
    high = math.inf if comparator in (">", ">=") else number
    return low, high


def _sampled_bounds(value: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the least and the greatest sample: origin + factor * data (R4 datatypes, SampledData)."""
    origin = value.get("origin")
    zero = number_of(origin.get("value")) if isinstance(origin, dict) else None
    factor = number_of(value.get("factor", 1))
    data = value.get("data")
    if zero is None or factor is None or not isinstance(data, str):
        return None
    samples = []
    for word in data.split():
        try:
            sample = float(Decimal(word))
        except (InvalidOperation, OverflowError):
            continue
        if math.isfinite(sample):
            samples.append(zero + factor * sample)
    return (min(samples), max(samples)) if samples else None


def units_of(type_name: str, value: Any) -> list[tuple[str, str, str]]:
    """Return (system, code, unit) for each unit that a quantity-like value states, "" for what is absent."""
    if not isinstance(value, dict):
        return []
    if type_name == "Money":
        currency = value.get("currency")
        return [("urn:iso:std:iso:4217", currency, "")] if isinstance(currency, str) else []
    parts: list[Any] = [value]
    if type_name == "Range":
        parts = [value.get("low"), value.get("high")]
    elif type_name == "SampledData":
        parts = [value.get("origin")]
    found = []
    for part in parts:
        if isinstance(part, dict):
            texts = [part.get(key) for key in ("system", "code", "unit")]
            system, code, unit = (text if isinstance(text, str) else "" for text in texts)
            found.append((system, code, unit))
    return found
