"""Conversion (FHIRPath N1, section 5.5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath.environment import Context, single
from salus.standards.fhir.fhirpath.equality import ucum_code
from salus.standards.fhir.fhirpath.functions.function import Evaluate, Function
from salus.standards.fhir.fhirpath.temporal import Temporal, parse_temporal
from salus.standards.fhir.fhirpath.truth import is_true
from salus.standards.fhir.fhirpath.units import conversion
from salus.standards.fhir.fhirpath.values import (
    CALENDAR_UNITS,
    EXPONENT_MAX,
    Collection,
    Long,
    Node,
    Quantity,
    system_type,
    system_value,
)

_INTEGER = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,200}(\.\d{1,200})?", re.ASCII)
_QUANTITY = re.compile(r"([+-]?\d{1,200}(?:\.\d{1,200})?)\s*(?:'([^']+)'|([a-zA-Z]+))?", re.ASCII)
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def decimal_text(value: Decimal) -> str:
    """Return a decimal without exponent, unless it has one too large to write out."""
    return f"{value:f}" if abs(value.adjusted()) <= EXPONENT_MAX else str(value)


def text_of(value: Any) -> str | None:  # a System value
    """Return a value as toString() gives it, None if it has no text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, Quantity):
        unit = value.unit if value.calendar else f"'{value.unit}'"
        return f"{decimal_text(value.value)} {unit}"
    return str(value) if isinstance(value, int | Temporal) else None


def to_boolean(value: Any) -> bool | None:  # a System value
    """Return the truth value that a value spells, None for others."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        text = value.lower()
        return True if text in _TRUE else False if text in _FALSE else None
    if isinstance(value, int | Decimal):
        return True if value == 1 else False if value == 0 else None
    return None


def to_integer(value: Any) -> int | None:  # a System value
    """Return the integer that a value is or spells, None for others."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        number = int(value)
        return number if -(2**31) <= number < 2**31 else None
    return None


def to_long(value: Any) -> Long | None:  # a System value
    """Return the 64-bit integer that a value is or spells, None for others."""
    if isinstance(value, int):
        return Long(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        number = int(value)
        return Long(number) if -(2**63) <= number < 2**63 else None
    return None


def to_decimal(value: Any) -> Decimal | None:  # a System value
    """Return the decimal that a value is or spells, None for others."""
    if isinstance(value, int | Decimal):
        return Decimal(value)
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def to_quantity(value: Any) -> Quantity | None:  # a System value
    """Return the quantity that a value is or spells ("4 days", "10 'mg'"), None for others."""
    if isinstance(value, Quantity):
        return value
    if isinstance(value, int | Decimal):
        return Quantity(Decimal(value), "1")
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None or (match[3] and match[3] not in CALENDAR_UNITS):
        return None
    if match[3]:
        return Quantity(Decimal(match[1]), match[3], calendar=True)
    return Quantity(Decimal(match[1]), match[2] or "1")


def _to_temporal(kind: Any) -> Callable[[Any], Temporal | None]:  # kind: a Temporal's kind
    def convert(value: Any) -> Temporal | None:  # a System value
        if isinstance(value, str):
            return parse_temporal(value, kind)
        if not isinstance(value, Temporal) or (value.kind == "time") != (kind == "time"):
            return None
        if kind == "date":
            return Temporal("date", value.parts[:3])
        return Temporal(kind, value.parts, value.second, value.offset)

    return convert


def _to(convert: Callable[[Any], Any], name: str) -> Callable[[Context, Collection], Collection]:
    def run(context: Context, items: Collection) -> Collection:
        value = system_value(single(items, name))
        answer = None if value is None else convert(value)
        return [] if answer is None else [answer]

    return run


def _converts_to(convert: Callable[[Any], Any], name: str) -> Callable[[Context, Collection], Collection]:
    def run(context: Context, items: Collection) -> Collection:
        value = system_value(single(items, name))
        return [] if value is None else [convert(value) is not None]

    return run


def _with_unit(convert: Callable[[Any], Collection]) -> Callable[..., Collection]:
    """Give toQuantity and convertsToQuantity their optional unit."""

    def run(context: Context, items: Collection, unit: Collection | None = None) -> Collection:
        value = system_value(single(items, "toQuantity()"))
        if value is None:
            return convert(...)
        quantity = to_quantity(value)
        if quantity is None or not unit:
            return convert(quantity)
        wanted = str(system_value(single(unit, "toQuantity()")))
        factor = conversion(
            ucum_code(quantity), ucum_code(Quantity(Decimal(1), wanted, wanted in CALENDAR_UNITS))
        )
        if factor is None:
            return convert(None)
        amount = quantity.value * factor.numerator / factor.denominator
        return convert(Quantity(amount, wanted, wanted in CALENDAR_UNITS))

    return run


def _iif(
    context: Context, items: Collection, criterion: Evaluate, then: Evaluate, other: Evaluate | None = None
) -> Collection:
    if len(items) > 1:
        raise InvalidExpression("iif() takes one item, not a collection; use select(iif(...))")
    inner = context.enter(items)
    answer = criterion(inner)
    value = system_value(answer[0]) if answer else None
    if value is not None and not isinstance(value, bool) and not isinstance(answer[0], Node):
        raise InvalidExpression(f"iif() needs a Boolean criterion, not {system_type(value)}")
    if is_true(answer):
        return then(inner)
    return other(inner) if other else []


_CONVERSIONS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "Boolean": (to_boolean, "Boolean"),
    "Integer": (to_integer, "Integer"),
    "Long": (to_long, "Long"),
    "Decimal": (to_decimal, "Decimal"),
    "String": (text_of, "String"),
    "Date": (_to_temporal("date"), "Date"),
    "DateTime": (_to_temporal("dateTime"), "DateTime"),
    "Time": (_to_temporal("time"), "Time"),
}

FUNCTIONS = {
    "iif": Function(_iif, 2, 3, lazy=True, many=True),
    "toQuantity": Function(
        _with_unit(lambda value: [] if value is None or value is ... else [value]), 0, 1, result="Quantity"
    ),
    "convertsToQuantity": Function(
        _with_unit(lambda value: [] if value is ... else [value is not None]), 0, 1, result="Boolean"
    ),
    **{
        f"to{name}": Function(_to(convert, f"to{name}()"), result=result)
        for name, (convert, result) in _CONVERSIONS.items()
    },
    **{
        f"convertsTo{name}": Function(_converts_to(convert, f"convertsTo{name}()"), result="Boolean")
        for name, (convert, _) in _CONVERSIONS.items()
    },
}
