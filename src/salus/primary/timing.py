"""A Timing (R4) in words: how often, how long, when in the day, until when.

`Timing.code` such as BID is worded as the repeat it stands for (HL7 v3 GTSAbbreviation), so that a code and
a repeat that say the same are one phrase, and two that differ are both seen. What the source wrote itself, in
`text` or in a display, is told beside it.

A code is HL7's only in HL7's system: the binding is preferred, "many institutions define their own additional
codes" (R4 Timing.code), and what a code means its system says (R4 Coding.system). Without one, MO may be a
month or a Monday. A code of another system, or of none, is shown as it came.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from salus.primary.days import day
from salus.primary.language import Shown, join, original, say, say_number, show_concept
from salus.primary.quantities import NOTHING, show_number, show_period, show_quantity, show_range
from salus.primary.units import UCUM

GTS_ABBREVIATION = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
ABBREVIATIONS: dict[str, dict[str, Any]] = {
    "BID": {"frequency": 2}, "TID": {"frequency": 3}, "QID": {"frequency": 4}, "QD": {},
    "QOD": {"period": 2}, "AM": {"when": ["MORN"]}, "PM": {"when": ["AFT"]}, "BED": {"when": ["HS"]},
    "Q1H": {"period": 1, "periodUnit": "h"}, "Q2H": {"period": 2, "periodUnit": "h"},
    "Q3H": {"period": 3, "periodUnit": "h"}, "Q4H": {"period": 4, "periodUnit": "h"},
    "Q6H": {"period": 6, "periodUnit": "h"}, "Q8H": {"period": 8, "periodUnit": "h"},
    "WK": {"periodUnit": "wk"}, "MO": {"periodUnit": "mo"},
}  # fmt: skip
_DAILY: dict[str, Any] = {"frequency": 1, "period": 1, "periodUnit": "d"}
_WITHIN_DAY = ("when", "timeOfDay")
Element = Mapping[str, Any]  # an R4 element; FHIR content is open JSON, hence Any


def show_timing(timing: Element | None, language: str, now: datetime | None = None) -> Shown:
    """Return the timing in words, "" when it says nothing."""
    if not timing:
        return NOTHING
    repeat = timing.get("repeat") or {}
    told = _repeat(repeat, language)
    coded = _coded(timing.get("code"), language)
    dates = "; ".join(day(str(each), language) for each in timing.get("event", ()))
    parts = [
        told,
        *(each for each in coded if each.text.casefold() != told.text.casefold()),
        say("on-dates", language, what=dates) if dates else NOTHING,
        _bounds(repeat, language, now),
    ]
    return join(parts)


def _coded(concept: Element | None, language: str) -> list[Shown]:
    """Return what HL7's codes stand for and what the source wrote beside them, each once."""
    concept = concept or {}
    codings = [each for each in concept.get("coding", ()) if isinstance(each, dict)]
    known = [str(each["code"]) for each in codings if _is_abbreviation(each)]
    written = [show_concept({"coding": [each]}, language) for each in codings if each.get("display")]
    written.append(original(concept.get("text")))
    told = {code.casefold(): NOTHING for code in known}  # "BID" beside "2 times a day" says nothing more
    for each in [*(_repeat(_DAILY | ABBREVIATIONS[code], language) for code in known), *written]:
        told.setdefault(each.text.casefold(), each)
    shown = [each for each in told.values() if each.text]
    return shown or [show_concept(concept, language)]


def _is_abbreviation(coding: Element) -> bool:
    return coding.get("system") == GTS_ABBREVIATION and coding.get("code") in ABBREVIATIONS


def _repeat(repeat: Element, language: str) -> Shown:
    return join(
        [
            _frequency(repeat, language),
            _on_days(repeat, language),
            _within_day(repeat, language),
            _count(repeat, language),
            _duration(repeat, language),
        ]
    )


def _frequency(repeat: Element, language: str) -> Shown:
    """Return "2 times a day"; a repeat with a period and no frequency is once a period (R4)."""
    timed = any(repeat.get(name) for name in _WITHIN_DAY)
    once = str(repeat.get("frequency", 1)) == "1" and "frequencyMax" not in repeat
    if "period" not in repeat:
        return NOTHING if once and "frequency" not in repeat else _times(repeat, language)
    unit, period = str(repeat.get("periodUnit", "")), show_number(repeat["period"], language)
    if f"each-{unit}" not in _PERIODS:
        return say("cannot-show", language)
    if "periodMax" in repeat:
        period = say("to", language, a=period, b=show_number(repeat["periodMax"], language)).text
    if period == "1" and unit == "d" and once and timed:
        return NOTHING  # "at 08:00", "in the morning" says it already
    spell = say(f"each-{unit}", language) if period == "1" else say_number(f"every-{unit}", language, period)
    return join([_times(repeat, language), spell], " ")


_PERIODS = frozenset(f"each-{unit}" for unit in ("s", "min", "h", "d", "wk", "mo", "a"))


def _times(repeat: Element, language: str) -> Shown:
    number = _up_to(repeat.get("frequency", 1), repeat.get("frequencyMax"), language)
    return say("times-one", language) if number == "1" else say_number("times", language, number)


def _up_to(least: object, most: object, language: str) -> str:
    number = show_number(least, language)
    return number if most is None else say("to", language, a=number, b=show_number(most, language)).text


def _on_days(repeat: Element, language: str) -> Shown:
    days = join(_named(each, language) for each in repeat.get("dayOfWeek", ()))
    return say("on-days", language, what=days) if days.text else NOTHING


def _within_day(repeat: Element, language: str) -> Shown:
    times = ", ".join(str(each).removesuffix(":00") for each in repeat.get("timeOfDay", ()))
    when = join(_named(each, language) for each in repeat.get("when", ()))
    if repeat.get("offset"):
        away = show_quantity({"value": repeat["offset"], "code": "min", "system": UCUM}, language)
        when = say("offset", language, a=when, b=away)
    return join([say("at-times", language, what=times) if times else NOTHING, when])


def _count(repeat: Element, language: str) -> Shown:
    if "count" not in repeat:
        return NOTHING
    number = _up_to(repeat["count"], repeat.get("countMax"), language)
    return say("in-total-one", language) if number == "1" else say_number("in-total", language, number)


def _duration(repeat: Element, language: str) -> Shown:
    if "duration" not in repeat:
        return NOTHING
    unit = {"code": repeat.get("durationUnit", ""), "system": UCUM}
    shown = show_quantity({"value": repeat["duration"], **unit}, language)
    if "durationMax" in repeat:
        longest = show_quantity({"value": repeat["durationMax"], **unit}, language)
        shown = say("to", language, a=show_number(repeat["duration"], language), b=longest)
    return say("lasting", language, what=shown)


def _bounds(repeat: Element, language: str, now: datetime | None) -> Shown:
    if "boundsPeriod" in repeat:
        return show_period(repeat["boundsPeriod"], language, now)
    shown = show_quantity(repeat.get("boundsDuration"), language)
    shown = shown if shown.text else show_range(repeat.get("boundsRange"), language)
    return say("bounded", language, what=shown) if shown.text else NOTHING


def _named(code: object, language: str) -> Shown:
    coding = {"system": "urn:salus:timing", "code": str(code)}
    return show_concept({"coding": [coding]}, language)
