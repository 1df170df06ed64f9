"""Fixed values, patterns and bounds (R4, ElementDefinition.fixed[x], pattern[x], minValue[x], maxLength)."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from salus.standards.fhir.fhirpath.units import conversion
from salus.standards.fhir.profiles.facts import Rules
from salus.standards.fhir.profiles.items import Item
from salus.standards.fhir.profiles.run import Check, Run
from salus.standards.fhir.validation.issue import quote

_DAYS = {"a": 365.25, "mo": 30.4375, "wk": 7.0, "d": 1.0, "h": 1 / 24, "min": 1 / 1440, "s": 1 / 86400}

Test = Callable[[Any], bool]  # Any: a JSON value

UCUM = "http://unitsofmeasure.org"


def fits(pattern: Any, value: Any) -> bool:  # Any: JSON values
    """Return whether a value holds all that a pattern holds."""
    kind = type(pattern)
    if kind is dict:
        return type(value) is dict and all(
            key in value and fits(wanted, value[key]) for key, wanted in pattern.items()
        )
    if kind is list:
        return type(value) is list and all(any(fits(wanted, one) for one in value) for wanted in pattern)
    return equals(pattern, value)


def equals(wanted: Any, value: Any) -> bool:  # Any: JSON values
    """Return whether two JSON values are the same; numbers by what they are worth."""
    if type(wanted) is bool or type(value) is bool:
        return wanted is value
    if isinstance(wanted, int | float | Decimal) and isinstance(value, int | float | Decimal):
        return Decimal(str(wanted)) == Decimal(str(value))
    if type(wanted) is dict and type(value) is dict:
        return wanted.keys() == value.keys() and all(equals(one, value[key]) for key, one in wanted.items())
    if type(wanted) is list and type(value) is list:
        return len(wanted) == len(value) and all(map(equals, wanted, value))
    return bool(wanted == value)


def fitting(pattern: Any) -> Test:  # Any: a JSON value
    """Return `fits` of one pattern, compiled: closures for the common case of texts in objects in lists."""
    if type(pattern) is dict:
        return _fitting_object(tuple((key, fitting(wanted)) for key, wanted in pattern.items()))
    if type(pattern) is list and len(pattern) == 1:
        one = fitting(pattern[0])
        return lambda value: type(value) is list and any(map(one, value))
    if type(pattern) is str:
        return pattern.__eq__
    return lambda value: fits(pattern, value)


def _fitting_object(parts: tuple[tuple[str, Test], ...]) -> Test:
    def test(value: Any) -> bool:
        if type(value) is not dict:
            return False
        return all(key in value and holds(value[key]) is True for key, holds in parts)

    return test


def describe(value: Any) -> str:  # Any: a JSON value
    """Return a fixed value or pattern as a reader knows it: "system|code" for coded ones."""
    if type(value) is not dict:
        return quote(value)
    codings = value.get("coding")
    if type(codings) is list and codings:
        return " and ".join(describe(one) for one in codings)
    if "code" in value or "system" in value:
        return f"'{value.get('system', '')}|{value.get('code', value.get('value', ''))}'"
    return quote(
        ", ".join(f"{key} {describe(one) if type(one) is dict else one}" for key, one in value.items())
    )


def value_checks(rules: Rules, profile: str) -> list[Check]:
    """Return the checks of an item's own value."""
    found: list[Check] = []
    if rules.fixed:
        found.append(_fixed(rules.fixed[0], profile))
    if rules.pattern:
        found.append(_pattern(rules.pattern[0], profile))
    if rules.length_min is not None or rules.length_max is not None:
        found.append(_length(rules.length_min or 0, rules.length_max, profile))
    found += [_language(control, profile) for control in rules.languages]
    if rules.least:
        found.append(_bound(rules.least[0], profile, is_least=True))
    if rules.greatest:
        found.append(_bound(rules.greatest[0], profile, is_least=False))
    return found


def _fixed(wanted: Any, profile: str) -> Check:
    shown = describe(wanted)

    def check(item: Item, run: Run) -> None:
        if not equals(wanted, item[0]):
            message = f"The value is fixed to {shown} by {profile}; write exactly this."
            run.add("error", "value", "profile-fixed", item[3], message)

    return check


def _pattern(wanted: Any, profile: str) -> Check:
    shown = describe(wanted)
    test = fitting(wanted)

    def check(item: Item, run: Run) -> None:
        if test(item[0]) is not True:
            message = f"The value must hold {shown}, says {profile}; add it."
            run.add("error", "value", "profile-pattern", item[3], message)

    return check


def _length(least: int, most: int | None, profile: str) -> Check:
    def check(item: Item, run: Run) -> None:
        if type(item[0]) is not str:
            return
        length = len(item[0])
        if most is not None and length > most:
            message = f"The text has {length} characters; {profile} allows {most}. Shorten it."
            run.add("error", "too-long", "profile-length", item[3], message)
        if length < least:
            message = f"The text has {length} characters; {profile} requires {least}. Write more."
            run.add("error", "value", "profile-length", item[3], message)

    return check


_SECTION_LANGUAGES = re.compile(r"<div\s[^>]*?\blang=\"([^\"]*)\"").findall


def _language(control: str, profile: str) -> Check:
    """Return the check of the languages of a narrative's sections."""

    def check(item: Item, run: Run) -> None:
        text = item[0].get("div") if type(item[0]) is dict else None
        found = set(_SECTION_LANGUAGES(text)) if type(text) is str else set()
        own = run.resource.get("language")
        wanted = own if control == "_resource" else control
        if control == "_no":
            is_well, said = not found, "no sections in languages"
        elif control == "_yes":
            is_well, said = bool(found), "sections in languages"
        else:
            is_well, said = wanted is None or wanted in found, f"a section in {wanted}"
        if not is_well:
            message = (
                f"{profile} asks for {said} in the narrative; found: {', '.join(sorted(found)) or 'none'}."
            )
            run.add("error", "value", "narrative-language", item[3], message)

    return check


def _bound(limit: Any, profile: str, *, is_least: bool) -> Check:
    word = "least" if is_least else "most"

    def check(item: Item, run: Run) -> None:
        bound = _moment(limit, run.now, back=is_least) if _is_duration(limit, item[0]) else limit
        order = compare(item[0], bound)
        if order is not None and (order < 0 if is_least else order > 0):
            message = f"The value must be at {word} {describe(limit)}, says {profile}; correct it."
            run.add("error", "value", f"profile-{word}", item[3], message)

    return check


def _is_duration(limit: Any, value: Any) -> bool:
    """Return whether a limit is a time from now: a quantity where the value is a date."""
    return type(limit) is dict and type(value) is str


def _moment(duration: dict[str, Any], now: datetime | None, *, back: bool) -> str | None:
    """Return the moment that lies a duration before or after now, None where that cannot be said."""
    days = _DAYS.get(str(duration.get("code")))
    amount = duration.get("value")
    if now is None or days is None or not isinstance(amount, int | float | Decimal):
        return None
    try:
        span = timedelta(days=float(amount) * days)
        return (now - span if back else now + span).isoformat()
    except OverflowError:
        return None


def compare(value: Any, limit: Any) -> int | None:  # Any: JSON values
    """Return -1, 0 or 1 as a value lies below, at or above a limit; None where that cannot be said."""
    if type(value) is dict and type(limit) is dict:
        return _compare_quantities(value, limit)
    if type(value) is str and type(limit) is str:
        if _NUMBERS(value) and _NUMBERS(limit):
            return compare(Decimal(value), Decimal(limit))
        size = min(len(value), len(limit))
        left, right = value[:size], limit[:size]
        return (left > right) - (left < right)
    try:
        left_number, right_number = Decimal(str(value)), Decimal(str(limit))
    except InvalidOperation:
        return None
    return int((left_number > right_number) - (left_number < right_number))


_NUMBERS = re.compile(r"-?\d+(\.\d+)?").fullmatch


def _compare_quantities(value: dict[str, Any], limit: dict[str, Any]) -> int | None:
    """Compare quantities of one coded unit, or of UCUM units that measure the same."""
    left, right = value.get("value"), limit.get("value")
    if value.get("system") != limit.get("system") or "code" not in value or "code" not in limit:
        return None
    if value["code"] == limit["code"]:
        return compare(left, right)
    factor = conversion(str(value["code"]), str(limit["code"])) if value.get("system") == UCUM else None
    if factor is None:
        return None
    try:
        difference = Fraction(str(left)) * factor - Fraction(str(right))
    except (ValueError, ZeroDivisionError):
        return None
    return (difference > 0) - (difference < 0)
