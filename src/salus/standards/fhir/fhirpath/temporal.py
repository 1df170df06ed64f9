"""Dates and times of any precision (FHIRPath N1, sections 4.1.5-4.1.7, 6.1, 6.2 and 6.6.7)."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal

import msgspec

Kind = Literal["date", "dateTime", "time"]

# The offsets of the earth's time zones lie between -12:00 and +14:00.
OFFSET_EAST_MINUTES = 14 * 60
OFFSET_WEST_MINUTES = -12 * 60

_DATE = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?"
    r"(T(?:(\d{2})(?::(\d{2})(?::(\d{2}(?:\.\d+)?))?)?(Z|[+-]\d{2}:\d{2})?)?)?",
    re.ASCII,
)
_TIME = re.compile(r"T?(\d{2})(?::(\d{2})(?::(\d{2}(?:\.\d+)?))?)?", re.ASCII)

_SECONDS = {
    "week": Decimal(604_800),
    "day": Decimal(86_400),
    "hour": Decimal(3_600),
    "minute": Decimal(60),
    "second": Decimal(1),
    "millisecond": Decimal("0.001"),
}
_PART_OF_UNIT = {"year": 0, "month": 1, "week": 2, "day": 2, "hour": 3, "minute": 4}


class Temporal(msgspec.Struct, frozen=True):
    """A date, date and time, or time of day, known to some precision.

    Args:
        kind: which of the three.
        parts: year, month, day, hour, minute as far as known; of a time: hour, minute.
        second: seconds with their fraction, None when not known.
        offset: minutes east of UTC, None when not known.
    """

    kind: Kind
    parts: tuple[int, ...]
    second: Decimal | None = None
    offset: int | None = None

    def __str__(self) -> str:
        names = [f"{self.parts[0]:04d}" if self.kind != "time" else f"{self.parts[0]:02d}"]
        names += [f"{part:02d}" for part in self.parts[1:]]
        if self.second is not None:
            names.append(f"{self.second:f}" if self.second >= 10 else f"0{self.second:f}")
        if self.kind == "time":
            return ":".join(names)
        date, clock = "-".join(names[:3]), ":".join(names[3:])
        return f"{date}T{clock}{_offset_text(self.offset)}" if clock else date

    @property
    def digits(self) -> int:
        """Precision as the number of digits (FHIRPath 2.0, precision()); milliseconds count three."""
        count = len(self.parts) * 2 + (2 if self.kind != "time" else 0)
        if self.second is not None:
            count += 2 if self.second == self.second.to_integral_value() and _places(self.second) == 0 else 5
        return count


def _places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _offset_text(offset: int | None) -> str:
    if offset is None:
        return ""
    if offset == 0:
        return "Z"
    return f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"


def _offset_minutes(text: str | None) -> int | None:
    if not text:
        return None
    if text == "Z":
        return 0
    minutes = int(text[1:3]) * 60 + int(text[4:6])
    return -minutes if text[0] == "-" else minutes


def _in_clock(hour: int, minute: int, second: Decimal | None) -> bool:
    return hour < 24 and minute < 60 and (second is None or second < 60)


def _parse_time(text: str) -> Temporal | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    parts = tuple(int(part) for part in match.groups()[:2] if part is not None)
    second = Decimal(match[3]) if match[3] else None
    valid = _in_clock(parts[0], parts[1] if len(parts) > 1 else 0, second)
    return Temporal("time", parts, second) if valid else None


def parse_temporal(text: str, kind: Kind | None = None) -> Temporal | None:
    """Return the value that a text spells, None if it spells none of the calendar.

    Args:
        text: without the leading `@`; a time may begin with `T`.
        kind: what it is to be; None decides by the text ("T" makes it a dateTime or time).
    """
    if kind == "time" or (kind is None and text.startswith("T")):
        return _parse_time(text)
    match = _DATE.fullmatch(text)
    if match is None or (kind == "date" and match[4] is not None):
        return None
    numbers = (match[1], match[2], match[3], match[5], match[6])
    parts = tuple(int(part) for part in numbers if part is not None)
    if match[5] and match[3] is None:
        return None
    second = Decimal(match[7]) if match[7] else None
    year, month, day, hour, minute = (*parts, *(1, 1, 1, 0, 0)[len(parts) :])
    valid = year >= 1 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]
    if not valid or not _in_clock(hour, minute, second):
        return None
    return Temporal(
        kind or ("date" if match[4] is None else "dateTime"), parts, second, _offset_minutes(match[8])
    )


def of_datetime(moment: datetime, kind: Kind) -> Temporal:
    """Return a moment (timezone-aware) as now(), today() or timeOfDay() give it, to the millisecond."""
    if kind == "date":
        return Temporal("date", (moment.year, moment.month, moment.day))
    second = Decimal(f"{moment.second}.{moment.microsecond // 1000:03d}")
    if kind == "time":
        return Temporal("time", (moment.hour, moment.minute), second)
    offset = moment.utcoffset() or timedelta()
    parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute)
    return Temporal("dateTime", parts, second, int(offset.total_seconds() // 60))


def _moment(parts: tuple[int, ...]) -> datetime:
    year, month, day, hour, minute = (*parts, *(1, 1, 1, 0, 0)[len(parts) :])
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def shifted(value: Temporal, minutes: int) -> Temporal:
    """Return the value moved by minutes; hour at least must be known. None of the precision is lost."""
    try:
        moment = _moment(value.parts) + timedelta(minutes=minutes)
    except OverflowError:
        return value
    parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute)
    return Temporal(value.kind, parts[: len(value.parts)], value.second, 0)


def compare(left: Temporal, right: Temporal) -> int | None:
    """Return -1, 0 or 1 as left is before, equal to or after right; None where the precision does not tell.

    Seconds and milliseconds are one precision. Both must be times, or neither.
    """
    clocks = left.kind != "time" and len(left.parts) > 3 and len(right.parts) > 3
    if clocks and left.offset is not None and right.offset is not None:
        return _compare_parts(shifted(left, -left.offset), shifted(right, -right.offset))
    if clocks and (left.offset is None) != (right.offset is None):
        return _compare_unzoned(left, right)
    return _compare_parts(left, right)


def _compare_unzoned(left: Temporal, right: Temporal) -> int | None:
    """Compare where one side's zone is unknown: an answer only where every zone gives the same."""
    ends = []
    for offset in (OFFSET_WEST_MINUTES, OFFSET_EAST_MINUTES):
        a, b = (shifted(side, -(offset if side.offset is None else side.offset)) for side in (left, right))
        ends.append(_compare_parts(a, b))
    return ends[0] if ends[0] == ends[1] else None


def _compare_parts(left: Temporal, right: Temporal) -> int | None:
    for a, b in zip(left.parts, right.parts, strict=False):
        if a != b:
            return -1 if a < b else 1
    if len(left.parts) != len(right.parts) or (left.second is None) != (right.second is None):
        return None
    if left.second is None or right.second is None or left.second == right.second:
        return 0
    return -1 if left.second < right.second else 1


def _coarsened(amount: int, unit: str, finest: int) -> tuple[int, str]:
    """Return the amount in the unit that the value's precision knows (part index `finest`), truncated."""
    if unit in ("year", "month") and finest >= _PART_OF_UNIT[unit]:
        return amount, unit
    if unit == "month":
        return int(Decimal(amount) / 12), "year"
    if unit == "year" or finest >= _PART_OF_UNIT.get(unit, 5):
        return amount, unit
    seconds = amount * _SECONDS[unit]
    size = {0: _SECONDS["day"] * 365, 1: _SECONDS["day"] * 30, 2: _SECONDS["day"], 3: _SECONDS["hour"]}
    name = {0: "year", 1: "month", 2: "day", 3: "hour", 4: "minute"}
    return int(seconds / size.get(finest, _SECONDS["minute"])), name[finest]


def add(value: Temporal, amount: int, unit: str) -> Temporal | None:
    """Return the value moved by an amount of a calendar unit ("year" to "millisecond").

    None when the calendar ends before. A time of day wraps around midnight. A month's end stays in its month.
    """
    if value.kind == "time":
        return _add_to_time(value, amount, unit)
    finest = 5 if value.second is not None else len(value.parts) - 1
    amount, unit = _coarsened(amount, unit, finest)
    try:
        if unit in ("year", "month"):
            return _add_months(value, amount * 12 if unit == "year" else amount)
        return _add_seconds(value, amount * _SECONDS[unit])
    except (ValueError, OverflowError):
        return None


def _add_months(value: Temporal, months: int) -> Temporal:
    year, month = value.parts[0], value.parts[1] if len(value.parts) > 1 else 1
    count = year * 12 + month - 1 + months
    year, month = count // 12, count % 12 + 1
    if not 1 <= year <= 9999:
        raise OverflowError
    parts = (year, month, *value.parts[2:])[: len(value.parts)]
    if len(parts) > 2:
        parts = (year, month, min(parts[2], monthrange(year, month)[1]), *parts[3:])
    return Temporal(value.kind, parts, value.second, value.offset)


def _split(seconds: Decimal) -> tuple[int, Decimal]:
    whole = int(seconds // 60)
    rest = seconds - whole * 60
    return (whole - 1, rest + 60) if rest < 0 else (whole, rest)


def _add_seconds(value: Temporal, seconds: Decimal) -> Temporal:
    minutes, rest = _split((Decimal(0) if value.second is None else value.second) + seconds)
    moment = _moment(value.parts) + timedelta(minutes=minutes)
    parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute)
    second = None if value.second is None else rest
    return Temporal(value.kind, parts[: len(value.parts)], second, value.offset)


def _add_to_time(value: Temporal, amount: int, unit: str) -> Temporal | None:
    if unit not in _SECONDS or unit in ("week", "day"):
        return None
    hour, minute = (*value.parts, 0)[:2]
    second = Decimal(0) if value.second is None else value.second
    total = second + hour * 3600 + minute * 60 + amount * _SECONDS[unit]
    minutes, rest = _split(total % 86_400 if total >= 0 else (total % 86_400 + 86_400) % 86_400)
    parts = (minutes // 60, minutes % 60)[: len(value.parts)]
    return Temporal("time", parts, None if value.second is None else rest)
