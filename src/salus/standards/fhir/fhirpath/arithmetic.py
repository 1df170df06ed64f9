"""Order and arithmetic of single values (FHIRPath N1, sections 6.2 and 6.6)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, DecimalException
from typing import Any

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath import temporal
from salus.standards.fhir.fhirpath.environment import bounded_string
from salus.standards.fhir.fhirpath.equality import compare_quantities, exact, months_of, ucum_code
from salus.standards.fhir.fhirpath.temporal import Temporal
from salus.standards.fhir.fhirpath.units import ONE, conversion, parse_unit, times, unit_code
from salus.standards.fhir.fhirpath.values import CALENDAR_UNITS, Quantity, system_type, system_value

Value = Any  # a System value that is not None
INTEGER_MAX = 2**63

_UCUM_DURATIONS = {"wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond"}


def is_number(value: Value) -> bool:
    """Return whether the value is an Integer, Long or Decimal."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _refuse(operator: str, left: Value, right: Value) -> InvalidExpression:
    names = (system_type(side) or getattr(side, "type", "value") for side in (left, right))
    return InvalidExpression(f"{operator} cannot join {' and '.join(names)}")


def order(operator: str, left: Value, right: Value) -> int | None:
    """Return -1, 0 or 1, None where it cannot be known.

    Raises:
        InvalidExpression: the types have no order between them.
    """
    if isinstance(left, Quantity) and is_number(right):
        right = Quantity(Decimal(right), "1")
    elif isinstance(right, Quantity) and is_number(left):
        left = Quantity(Decimal(left), "1")
    if (isinstance(left, str) and isinstance(right, str)) or (is_number(left) and is_number(right)):
        return int(left > right) - int(left < right)
    if isinstance(left, Temporal) and isinstance(right, Temporal):
        if (left.kind == "time") == (right.kind == "time"):
            return temporal.compare(left, right)
    elif isinstance(left, Quantity) and isinstance(right, Quantity):
        return compare_quantities(left, right)
    raise _refuse(operator, left, right)


def _whole(value: Decimal) -> int | None:
    return int(value) if value.adjusted() < 30 else None


def _moved(operator: str, moment: Temporal, duration: Quantity, sign: int) -> Temporal | None:
    if duration.calendar or duration.unit in CALENDAR_UNITS:
        unit = CALENDAR_UNITS[duration.unit]
    elif duration.unit in _UCUM_DURATIONS:
        unit = _UCUM_DURATIONS[duration.unit]
    else:
        raise InvalidExpression(
            f"{operator} takes a calendar duration such as 1 month, not {duration.unit!r}, beside a date"
        )
    amount = _whole(duration.value)
    return None if amount is None else temporal.add(moment, sign * amount, unit)


def _bounded(value: Value) -> Value | None:
    return None if isinstance(value, int) and abs(value) >= INTEGER_MAX else value


def _sum(operator: str, left: Quantity, right: Quantity, sign: int) -> Quantity | None:
    """Add quantities in the unit of the left one."""
    if left.unit == right.unit and left.calendar == right.calendar:
        return Quantity(left.value + sign * right.value, left.unit, left.calendar)
    months = months_of(left), months_of(right)
    if months[0] is not None and months[1] is not None:
        return Quantity(months[0] + sign * months[1], "months", calendar=True)
    factor = conversion(ucum_code(right), ucum_code(left))
    if factor is None or months != (None, None):
        return None
    added = exact(right.value) * factor
    return Quantity(
        left.value + sign * Decimal(added.numerator) / Decimal(added.denominator), left.unit, left.calendar
    )


def _product(left: Quantity, right: Quantity, power: int) -> Quantity | None:
    """Multiply (power 1) or divide (power -1) quantities."""
    if power < 0 and right.value == 0:
        return None
    value = left.value * right.value if power > 0 else left.value / right.value
    if right.unit == "1":
        return Quantity(value, left.unit, left.calendar)
    if left.unit == "1" and power > 0:
        return Quantity(value, right.unit, right.calendar)
    units = parse_unit(ucum_code(left)), parse_unit(ucum_code(right))
    if units[0] is None or units[1] is None:
        return None
    unit = times(units[0], units[1], power)
    if unit == ONE:
        return Quantity(value, "1")
    scale = Decimal(unit.factor.numerator) / Decimal(unit.factor.denominator)
    return Quantity(value * scale, unit_code(unit))


def plus(left: Value, right: Value) -> Value | None:
    """Add numbers, quantities, a duration to a date, or join strings."""
    if is_number(left) and is_number(right):
        return _bounded(left + right)
    if isinstance(left, str) and isinstance(right, str):
        return bounded_string(left + right)
    if isinstance(left, Temporal) and isinstance(right, Quantity):
        return _moved("+", left, right, 1)
    return _sum("+", *_quantities("+", left, right), 1)


def minus(left: Value, right: Value) -> Value | None:
    """Subtract numbers, quantities, or a duration from a date."""
    if is_number(left) and is_number(right):
        return _bounded(left - right)
    if isinstance(left, Temporal) and isinstance(right, Quantity):
        return _moved("-", left, right, -1)
    return _sum("-", *_quantities("-", left, right), -1)


def _quantities(operator: str, left: Value, right: Value) -> tuple[Quantity, Quantity]:
    sides = [Quantity(Decimal(side), "1") if is_number(side) else side for side in (left, right)]
    if isinstance(sides[0], Quantity) and isinstance(sides[1], Quantity):
        return sides[0], sides[1]
    raise _refuse(operator, left, right)


def multiply(left: Value, right: Value) -> Value | None:
    """Multiply numbers or quantities."""
    if is_number(left) and is_number(right):
        return _bounded(left * right)
    return _product(*_quantities("*", left, right), 1)


def divide(left: Value, right: Value) -> Value | None:
    """Divide numbers or quantities; None by zero."""
    if is_number(left) and is_number(right):
        return None if right == 0 else Decimal(left) / Decimal(right)
    return _product(*_quantities("/", left, right), -1)


def whole_divide(left: Value, right: Value) -> Value | None:
    """Divide numbers and truncate; None by zero."""
    if not (is_number(left) and is_number(right)):
        raise _refuse("div", left, right)
    return None if right == 0 else _whole(Decimal(left) / Decimal(right))


def remainder(left: Value, right: Value) -> Value | None:
    """Return what truncated division leaves; None by zero."""
    if not (is_number(left) and is_number(right)):
        raise _refuse("mod", left, right)
    if right == 0:
        return None
    rest = Decimal(left) % Decimal(right)
    return int(rest) if isinstance(left, int) and isinstance(right, int) else rest


ARITHMETIC: dict[str, Callable[[Value, Value], Value | None]] = {
    "+": plus,
    "-": minus,
    "*": multiply,
    "/": divide,
    "div": whole_divide,
    "mod": remainder,
}


def compute(operator: str, left: Value, right: Value) -> Value | None:
    """Return the value of an arithmetic operator, None where it has none (division by zero, overflow)."""
    try:
        return ARITHMETIC[operator](system_value(left), system_value(right))
    except DecimalException:
        return None


def negative(value: Value) -> Value:
    """Return the value with its sign turned.

    Raises:
        InvalidExpression: it is no number.
    """
    if isinstance(value, Quantity):
        return Quantity(value.value.copy_negate(), value.unit, value.calendar)
    if not is_number(value):
        raise InvalidExpression(
            f"A sign stands before a number, not before {system_type(value) or 'an element'}"
        )
    return value.copy_negate() if isinstance(value, Decimal) else -value
