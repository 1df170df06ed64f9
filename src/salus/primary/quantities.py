"""Numbers, quantities, ranges, ratios and periods of R4 in words of the reader's language.

A number keeps the digits it came with; the decimal mark is the language's, so that 1.500 is not read as a
thousand and a half. What is missing is said, never left blank.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from babel.numbers import get_decimal_symbol

from salus.primary.days import day
from salus.primary.language import Shown, say
from salus.primary.units import is_bare, show_unit
from salus.primary.validity import is_within
from salus.primary.wording.catalogue import LANGUAGES

COMPARATORS = {"<": "<", "<=": "≤", ">=": "≥", ">": ">"}
Element = Mapping[str, Any]  # an R4 data type; FHIR content is open JSON, hence Any
NOTHING = Shown("", True)


def show_number(value: object, language: str) -> str:
    """Return a number with its digits as they came, a text that is none as it is."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return str(value)
    return f"{number:f}".replace(".", decimal_mark(language)) if number.is_finite() else str(value)


def decimal_mark(language: str) -> str:
    """Return the decimal mark of one of our languages (CLDR), of any other the point."""
    return str(get_decimal_symbol(language)) if language in LANGUAGES else "."


def show_quantity(quantity: Element | None, language: str) -> Shown:
    """Return a Quantity (Age, Duration, Count, SimpleQuantity): comparator, number and unit."""
    if not quantity:
        return NOTHING
    if "value" not in quantity:
        unit = show_unit(quantity, language, "")
        return Shown(f"{say('not-stated', language).text} {unit.text}".strip(), unit.translated)
    number = show_number(quantity["value"], language)
    number = f"{COMPARATORS.get(str(quantity.get('comparator', '')), '')}{number}"
    if not quantity.get("unit") and not quantity.get("code"):
        return say("no-unit", language, a=number)
    unit = show_unit(quantity, language, number)
    return Shown(f"{number} {unit.text}".strip(), unit.translated)


def show_range(interval: Element | None, language: str) -> Shown:
    """Return a Range; a side that is missing is open."""
    low, high = (interval or {}).get("low"), (interval or {}).get("high")
    if low and high:
        first = show_quantity(low, language)
        if _unit_of(low) == _unit_of(high) or (not any(_unit_of(low)) and any(_unit_of(high))):
            first = Shown(show_number(low.get("value", "?"), language), True)
        return say("to", language, a=first, b=show_quantity(high, language))
    if low:
        return say("at-least", language, a=show_quantity(low, language))
    return say("at-most", language, a=show_quantity(high, language)) if high else NOTHING


def show_ratio(ratio: Element | None, language: str) -> Shown:
    """Return a Ratio: "1:128" of two numbers, "100 mL / 8 hours" of two quantities."""
    if not ratio:
        return NOTHING
    above, below = ratio.get("numerator") or {}, ratio.get("denominator") or {}
    if _is_number(above) and _is_number(below):
        return Shown(":".join(_compared(each, language) for each in (above, below)), True)
    parts = [
        Shown(_compared(each, language), True) if _is_number(each) else show_quantity(each, language)
        for each in (above, below)
    ]
    missing = say("not-stated", language)
    first, second = (part if part.text else missing for part in parts)
    return Shown(f"{first.text} / {second.text}", first.translated and second.translated)


def show_period(period: Element | None, language: str, now: datetime | None = None) -> Shown:
    """Return a Period in words; with `now` also whether it is over or has not begun."""
    sides = (str((period or {}).get(name, "")) for name in ("start", "end"))
    start, end = (day(each, language) if each else "" for each in sides)
    if start and end:
        shown = say("from-until", language, a=start, b=end)
    elif start:
        shown = say("from", language, a=start)
    else:
        shown = say("until", language, a=end) if end else NOTHING
    if is_over(period, now):
        return say("over", language, what=shown)
    return say("not-begun", language, what=shown) if is_to_come(period, now) else shown


def is_over(period: Element | None, now: datetime | None) -> bool:
    """Return whether a Period ended before `now`; False where that cannot be told."""
    return _is_outside(now, "", str((period or {}).get("end", "")))


def is_to_come(period: Element | None, now: datetime | None) -> bool:
    """Return whether a Period begins after `now`; False where that cannot be told."""
    return _is_outside(now, str((period or {}).get("start", "")), "")


def _is_outside(now: datetime | None, start: str, end: str) -> bool:
    """Return whether `now` lies outside the period as written; False where that cannot be told."""
    if now is None:
        return False
    try:
        return not is_within(now, start, end)
    except (ValueError, TypeError):  # no date; or a time without zone, which cannot be compared
        return False


def _compared(quantity: Element, language: str) -> str:
    return COMPARATORS.get(str(quantity.get("comparator", "")), "") + show_number(quantity["value"], language)


def _is_number(quantity: Element) -> bool:
    units = {str(quantity.get(name, "1")) for name in ("unit", "code")}
    return "value" in quantity and all(is_bare(unit) for unit in units)


def _unit_of(quantity: Element) -> tuple[str, str]:
    return str(quantity.get("code", "")), str(quantity.get("unit", ""))
