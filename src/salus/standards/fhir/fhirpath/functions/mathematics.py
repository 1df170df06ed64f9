"""Mathematics (FHIRPath N1, section 5.7)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal, DecimalException
from typing import Any

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath.environment import Context, single
from salus.standards.fhir.fhirpath.functions.function import Function
from salus.standards.fhir.fhirpath.functions.subsetting import whole_number
from salus.standards.fhir.fhirpath.values import Collection, Quantity, system_type, system_value

_ROUND_DIGITS_MAX = 28


def _number(items: Collection, what: str) -> Any:  # int, Decimal or None
    value = system_value(single(items, what))
    if value is None or (isinstance(value, int | Decimal) and not isinstance(value, bool)):
        return value
    raise InvalidExpression(f"{what} takes a number, not {system_type(value) or 'an element'}")


def _of_number(
    name: str, run: Callable[[Any], Any], *, quantities: bool = False
) -> Callable[[Context, Collection], Collection]:
    def lifted(context: Context, items: Collection) -> Collection:
        value = system_value(single(items, f"{name}()"))
        try:
            if quantities and isinstance(value, Quantity):
                return [Quantity(run(value.value), value.unit, value.calendar)]
            number = _number(items, f"{name}()")
            answer = None if number is None else run(number)
        except DecimalException:
            return []
        return [] if answer is None else [answer]

    return lifted


def _rounded(rounding: str) -> Callable[[Any], int | None]:
    def run(value: int | Decimal) -> int | None:
        if isinstance(value, int):
            return int(value)
        return int(value.to_integral_value(rounding)) if value.adjusted() < 30 else None

    return run


def _round(context: Context, items: Collection, precision: Collection | None = None) -> Collection:
    value = _number(items, "round()")
    places = 0 if precision is None else whole_number(precision, "round()")
    if value is None or places is None:
        return []
    if places < 0:
        raise InvalidExpression("round() takes a precision of 0 or more")
    if places > _ROUND_DIGITS_MAX:
        return [value]
    try:
        return [Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)]
    except DecimalException:
        return []


def _power(context: Context, items: Collection, exponent: Collection) -> Collection:
    base, power = _number(items, "power()"), _number(exponent, "power()")
    if base is None or power is None:
        return []
    try:
        answer = Decimal(base) ** Decimal(power)
    except DecimalException:
        return []
    if isinstance(base, int) and isinstance(power, int) and power >= 0 and answer.adjusted() < 18:
        return [int(answer)]
    return [answer]


def _log(context: Context, items: Collection, base: Collection) -> Collection:
    value, root = _number(items, "log()"), _number(base, "log()")
    if value is None or root is None or value <= 0 or root <= 0 or root == 1:
        return []
    answer = Decimal(value).ln() / Decimal(root).ln()
    return [_snapped(answer)]


def _snapped(value: Decimal) -> Decimal:
    """Return a transcendental result rounded to where its last digits are noise."""
    return value.quantize(Decimal("1e-20")).normalize() + Decimal("0.0") if value.adjusted() < 6 else value


def _sqrt(value: int | Decimal) -> Decimal | None:
    return None if value < 0 else Decimal(value).sqrt()


def _ln(value: int | Decimal) -> Decimal | None:
    return None if value <= 0 else Decimal(value).ln()


FUNCTIONS = {
    "abs": Function(_of_number("abs", abs, quantities=True)),
    "ceiling": Function(_of_number("ceiling", _rounded(ROUND_CEILING)), result="Integer"),
    "floor": Function(_of_number("floor", _rounded(ROUND_FLOOR)), result="Integer"),
    "truncate": Function(_of_number("truncate", _rounded(ROUND_DOWN)), result="Integer"),
    "exp": Function(_of_number("exp", lambda value: Decimal(value).exp()), result="Decimal"),
    "ln": Function(_of_number("ln", _ln), result="Decimal"),
    "sqrt": Function(_of_number("sqrt", _sqrt), result="Decimal"),
    "round": Function(_round, 0, 1, result="Decimal"),
    "log": Function(_log, 1, 1, result="Decimal"),
    "power": Function(_power, 1, 1),
}
