"""A measured or stated value (any value[x] of R4) in words, and in words also why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from salus.primary.days import day
from salus.primary.language import Shown, join, original, say, show_concept
from salus.primary.quantities import (
    NOTHING,
    show_number,
    show_period,
    show_quantity,
    show_range,
    show_ratio,
)

ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
ABSENT_CODES = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
Element = Mapping[str, Any]  # an R4 element; FHIR content is open JSON, hence Any


def show_value(element: Element, language: str, stem: str = "value", now: datetime | None = None) -> Shown:
    """Return the choice element whose name begins with `stem` ("value", "onset"), "" when there is none.

    A value that no rule here can word says so; a value given only as a reason for its absence gives that.
    """
    name = next((each for each in element if _is_choice(each, stem)), "")
    if not name:
        held: dict[str, Any] = next((element[each] for each in element if _is_choice(each[1:], stem)), {})
        return show_absence(held, language)
    kind, value = name.removeprefix(stem), element[name]
    if kind == "Period":
        return show_period(value, language, now)
    show = _SHOW.get(kind)
    return show(value, language) if show else say("cannot-show", language)


def show_absence(element: object, language: str) -> Shown:
    """Return why an element (`_name` in JSON) says it has no value, "" when it does not."""
    listed = element.get("extension", ()) if isinstance(element, dict) else ()
    code = next((str(each.get("valueCode", "")) for each in listed if each.get("url") == ABSENT), "")
    return absent(code, language) if code else NOTHING


def absent(code: str, language: str) -> Shown:
    """Return a reason for a missing value, by its code."""
    coding = {"system": ABSENT_CODES, "code": code}
    return say("no-value", language, what=show_concept({"coding": [coding]}, language))


def show_finding(element: Element, language: str, now: datetime | None = None) -> Shown:
    """Return what an Observation or a component of one found: value or why not, interpretation, range."""
    value = show_value(element, language, now=now)
    reason = element.get("dataAbsentReason")
    missing = say("no-value", language, what=show_concept(reason, language)) if reason else NOTHING
    judged = [show_concept(each, language) for each in _listed(element, "interpretation")]
    ranges = [say("reference-range", language, what=each) for each in show_ranges(element, language)]
    return join([value, missing, *judged, *ranges])


def show_ranges(element: Element, language: str) -> list[Shown]:
    """Return the reference ranges of an Observation or a component of one."""
    shown = [_reference_range(each, language) for each in _listed(element, "referenceRange")]
    return [each for each in shown if each.text]


def _reference_range(element: Element, language: str) -> Shown:
    about = [element.get("type"), *_listed(element, "appliesTo")]
    parts = [
        show_range(element, language),
        original(element.get("text")),
        *(show_concept(each, language) for each in about),
        show_range(element.get("age"), language),
    ]
    return join(parts)


def _is_choice(name: str, stem: str) -> bool:
    rest = name.removeprefix(stem)
    return name.startswith(stem) and rest[:1].isupper()


def _listed(element: Element, name: str) -> list[Any]:
    held = element.get(name)
    return held if isinstance(held, list) else []


def _truth(value: object, language: str) -> Shown:
    return say("yes" if value is True else "no", language)


def _plain(value: object, _language: str) -> Shown:
    return Shown(str(value), True)


def _date(value: object, language: str) -> Shown:
    return Shown(day(str(value), language), True)


def _reference(value: Element, _language: str) -> Shown:
    return original(value.get("display") or value.get("reference"))


_SHOW: dict[str, Callable[[Any, str], Shown]] = {
    "Quantity": show_quantity,
    "Age": lambda value, language: say("at-age", language, what=show_quantity(value, language)),
    "Duration": show_quantity,
    "Count": show_quantity,
    "CodeableConcept": show_concept,
    "Coding": lambda value, language: show_concept({"coding": [value]}, language),
    "String": lambda value, _: original(value),
    "Markdown": lambda value, _: original(value),
    "Code": lambda value, _: original(value),
    "Boolean": _truth,
    "Integer": lambda value, language: Shown(show_number(value, language), True),
    "PositiveInt": lambda value, language: Shown(show_number(value, language), True),
    "UnsignedInt": lambda value, language: Shown(show_number(value, language), True),
    "Decimal": lambda value, language: Shown(show_number(value, language), True),
    "Range": show_range,
    "Ratio": show_ratio,
    "SampledData": lambda _, language: say("signal", language),
    "Time": _plain,
    "DateTime": _date,
    "Date": _date,
    "Instant": _date,
    "Reference": _reference,
}
