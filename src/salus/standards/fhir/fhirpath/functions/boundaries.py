"""Boundaries and precision (FHIRPath 2.0, lowBoundary, highBoundary, precision, comparable)."""

from __future__ import annotations

from calendar import monthrange
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal, DecimalException
from decimal import Context as Digits
from typing import Any

from salus.standards.fhir.fhirpath.environment import Context, single
from salus.standards.fhir.fhirpath.equality import ucum_code
from salus.standards.fhir.fhirpath.functions.function import Function
from salus.standards.fhir.fhirpath.functions.subsetting import whole_number
from salus.standards.fhir.fhirpath.temporal import OFFSET_EAST_MINUTES, OFFSET_WEST_MINUTES, Temporal
from salus.standards.fhir.fhirpath.units import conversion
from salus.standards.fhir.fhirpath.values import Collection, Quantity, system_value

_DECIMAL_DIGITS_DEFAULT = 8
_DECIMAL_DIGITS_MAX = 31
_WIDE = Digits(prec=80)
_DIGITS_DEFAULT = {"date": 8, "dateTime": 17, "time": 9}


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _decimal_boundary(value: Decimal, digits: int, *, high: bool) -> Decimal | None:
    """Return the least or greatest number that the value may have been rounded from."""
    if not 0 <= digits <= _DECIMAL_DIGITS_MAX:
        return None
    away_from_zero = high == (value >= 0)
    try:
        half = Decimal(5).scaleb(_exponent(value) - 1)
        exact = _WIDE.add(value, half) if high else _WIDE.subtract(value, half)
        rounding = ROUND_HALF_UP if away_from_zero else ROUND_DOWN
        return exact.quantize(Decimal(1).scaleb(-digits), rounding, _WIDE)
    except DecimalException:
        return None


def _temporal_boundary(value: Temporal, digits: int, *, high: bool) -> Temporal | None:
    """Return the earliest or latest moment that the value may mean, to a number of digits."""
    sizes = {"date": (4, 6, 8), "dateTime": (4, 6, 8, 10, 12, 14, 17), "time": (2, 4, 6, 9)}[value.kind]
    if digits not in sizes:
        return None
    count = sizes.index(digits) + 1
    parts = list(value.parts)
    limits = (23, 59) if value.kind == "time" else (9999, 12, 31, 23, 59)
    while len(parts) < len(limits):
        at = len(parts)
        if not high:
            parts.append(1 if value.kind != "time" and at < 3 else 0)
        elif value.kind != "time" and at == 2:
            parts.append(monthrange(parts[0], parts[1])[1])
        else:
            parts.append(limits[at])
    second = value.second
    if second is None:
        second = Decimal("59.999" if high else "0.000")
    elif _exponent(second) > -3:
        second = (
            second.quantize(Decimal("0.001"))
            + (Decimal(1).scaleb(_exponent(second)) - Decimal("0.001")) * high
        )
    clocked = count > len(limits)
    offset = value.offset
    if value.kind == "dateTime" and offset is None and count > 3:
        offset = OFFSET_WEST_MINUTES if high else OFFSET_EAST_MINUTES
    if clocked and digits in (6, 14):
        second = second.quantize(Decimal(1), ROUND_DOWN)
    return Temporal(
        value.kind, tuple(parts[:count]), second if clocked else None, offset if count > 3 else None
    )


def _boundary(*, high: bool) -> Any:  # a function as the table wants it
    def run(context: Context, items: Collection, precision: Collection | None = None) -> Collection:
        value = system_value(single(items, "highBoundary()" if high else "lowBoundary()"))
        digits = None if precision is None else whole_number(precision, "the precision")
        answer: Any = None
        if isinstance(value, Temporal):
            default = _DIGITS_DEFAULT[value.kind]
            answer = _temporal_boundary(value, default if digits is None else digits, high=high)
        elif isinstance(value, Quantity):
            places = _DECIMAL_DIGITS_DEFAULT if digits is None else digits
            number = _decimal_boundary(value.value, places, high=high)
            answer = None if number is None else Quantity(number, value.unit, value.calendar)
        elif isinstance(value, int | Decimal) and not isinstance(value, bool):
            places = _DECIMAL_DIGITS_DEFAULT if digits is None else digits
            answer = _decimal_boundary(Decimal(value), places, high=high)
        return [] if answer is None else [answer]

    return run


def _precision(context: Context, items: Collection) -> Collection:
    value = system_value(single(items, "precision()"))
    if isinstance(value, Temporal):
        return [value.digits]
    if isinstance(value, Decimal):
        return [max(0, -_exponent(value))]
    return [0] if isinstance(value, int) and not isinstance(value, bool) else []


def _comparable(context: Context, items: Collection, other: Collection) -> Collection:
    left, right = system_value(single(items, "comparable()")), system_value(single(other, "comparable()"))
    if not isinstance(left, Quantity) or not isinstance(right, Quantity):
        return []
    return [conversion(ucum_code(left), ucum_code(right)) is not None]


FUNCTIONS = {
    "lowBoundary": Function(_boundary(high=False), 0, 1),
    "highBoundary": Function(_boundary(high=True), 0, 1),
    "precision": Function(_precision, result="Integer"),
    "comparable": Function(_comparable, 1, 1, result="Boolean"),
}
