"""What was found against what is usual: value, unit, reference range and judgement of an Observation.

The source's judgement (`interpretation`) counts. Where it gives none, a number outside its own reference
range in the same unit is said to be above or below it; nothing is judged by ranges of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salus.primary.language import Shown, join, say, show_concept
from salus.primary.reading.model import Field, Measure, Tone
from salus.primary.values import show_ranges, show_value

JUDGED = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
TONES = {
    "H": Tone.HIGH, "HU": Tone.HIGH, ">": Tone.HIGH, "HX": Tone.HIGH,
    "L": Tone.LOW, "LU": Tone.LOW, "<": Tone.LOW, "LX": Tone.LOW,
    "HH": Tone.CRITICAL, "LL": Tone.CRITICAL, "AA": Tone.CRITICAL,
    "A": Tone.ATTENTION, "POS": Tone.ATTENTION, "DET": Tone.ATTENTION, "R": Tone.ATTENTION,
    "W": Tone.ATTENTION, "U": Tone.ATTENTION, "D": Tone.ATTENTION,
    "N": Tone.NORMAL, "NEG": Tone.NORMAL, "ND": Tone.NORMAL, "S": Tone.NORMAL, "B": Tone.NORMAL,
}  # fmt: skip
"""What the codes of HL7 v3-ObservationInterpretation mean for a reader; of any other nothing is known."""
USUAL = frozenset({"normal", ""})
"""Kinds of a reference range (HL7 referencerange-meaning) that a value is compared with."""
Element = Mapping[str, Any]  # an R4 element; FHIR content is open JSON, hence Any


def read_measure(element: Element, language: str) -> Measure | None:
    """Return what an Observation or a component of one found, None where it says nothing of it."""
    value = show_value(element, language)
    reason = element.get("dataAbsentReason")
    missing = say("no-value", language, what=show_concept(reason, language)) if reason else Shown("", True)
    found = join([value, missing])
    ranges = tuple(each.text for each in show_ranges(element, language))
    flags = tuple(_flag(each, language) for each in element.get("interpretation", ()))
    if not found.text and not ranges and not flags:
        return None
    found = found if found.text else say("no-value-recorded", language)
    number, unit = _number(element)
    low, high = _limits(element, unit)
    if not flags and number is not None:
        flags = tuple(_compared(number, low, high, language))
    return Measure(
        found=Field("", found.text, found.translated, found.original),
        ranges=ranges,
        flags=tuple(flag for flag in flags if flag.text),
        number=number,
        unit=unit,
        low=low,
        high=high,
    )


def _flag(concept: Element, language: str) -> Field:
    shown = show_concept(concept, language)
    codes = [
        str(each.get("code")) for each in concept.get("coding", ()) if each.get("system", JUDGED) == JUDGED
    ]
    tone = next((TONES[code] for code in codes if code in TONES), Tone.ATTENTION)
    return Field("", shown.text, shown.translated, shown.original, tone)


def _compared(number: float, low: float | None, high: float | None, language: str) -> list[Field]:
    if high is not None and number > high:
        return [Field("", say("reading.above", language).text, tone=Tone.HIGH)]
    if low is not None and number < low:
        return [Field("", say("reading.below", language).text, tone=Tone.LOW)]
    return []


def _number(element: Element) -> tuple[float | None, str]:
    """Return the value as a number, where it is exactly one, and its unit."""
    quantity = element.get("valueQuantity", {})
    if "value" not in quantity or quantity.get("comparator"):
        return None, ""
    return float(quantity["value"]), _unit(quantity)


def _limits(element: Element, unit: str) -> tuple[float | None, float | None]:
    """Return the one reference range of normal values for everybody, in the value's unit; None for a side."""
    listed = [each for each in element.get("referenceRange", ()) if _is_usual(each)]
    if len(listed) != 1:
        return None, None
    sides = [listed[0].get(name, {}) for name in ("low", "high")]
    held = [float(each["value"]) if "value" in each and _unit(each) in {unit, ""} else None for each in sides]
    return held[0], held[1]


def _is_usual(reference_range: Element) -> bool:
    codes = {str(each.get("code")) for each in reference_range.get("type", {}).get("coding", ())}
    return codes <= USUAL and not reference_range.get("appliesTo") and not reference_range.get("age")


def _unit(quantity: Element) -> str:
    return str(quantity.get("code") or quantity.get("unit") or "")
