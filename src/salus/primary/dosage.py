"""A Dosage (R4) in words: the one home of this for every page, narrative and report.

The source's own text comes first, as it came; what it says in structure follows in brackets, so that neither
hides the other. Nothing of a Dosage is left out; one that says nothing we can word says that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from salus.primary.language import Shown, join, labelled, original, say, show_concept
from salus.primary.quantities import NOTHING, show_quantity, show_range, show_ratio
from salus.primary.timing import show_timing

Element = Mapping[str, Any]  # an R4 element; FHIR content is open JSON, hence Any


def show_dosages(dosages: Sequence[Element], language: str, now: datetime | None = None) -> list[Shown]:
    """Return each step in words, in the order of `sequence`; several are numbered by it.

    Steps of the same number are taken together.

    Args:
        dosages: `dosage` or `dosageInstruction` of a medicine.
        language: of the reader.
        now: when they are read, to say that a time is over; None where that does not matter.
    """
    ordered = sorted(dosages, key=lambda each: each.get("sequence", 0))
    shown = [show_dosage(each, language, now) for each in ordered]
    if len(shown) == 1:
        return shown
    places = [str(each.get("sequence", place)) for place, each in enumerate(ordered, 1)]
    return [
        Shown(f"{place}) {each.text}", each.translated) for place, each in zip(places, shown, strict=True)
    ]


def show_dosage(dosage: Element, language: str, now: datetime | None = None) -> Shown:
    """Return one Dosage in words."""
    text = original(dosage.get("text"))
    parts = [
        *_doses(dosage, language),
        show_timing(dosage.get("timing"), language, now),
        _as_needed(dosage, language),
        *(
            labelled(phrase, language, concept)
            for name, phrase in (("route", "route"), ("site", "dose-site"), ("method", "method"))
            if (concept := show_concept(dosage.get(name), language)).text
        ),
        *_most(dosage, language),
        *(
            labelled("instruction", language, show_concept(each, language))
            for each in dosage.get("additionalInstruction", ())
        ),
        _to_patient(dosage, language),
        say("modifier", language) if dosage.get("modifierExtension") else NOTHING,
    ]
    told = join(parts)
    if text.text and told.text:
        return Shown(f"{text.text} ({told.text})", False)
    return text if text.text else told if told.text else say("unreadable-dosage", language)


def _doses(dosage: Element, language: str) -> list[Shown]:
    """Return how much each time and how fast; an ordered and a calculated dose are told apart."""
    listed = dosage.get("doseAndRate", ())
    shown = []
    for each in listed:
        rates = (
            show_ratio(each.get("rateRatio"), language),
            show_range(each.get("rateRange"), language),
            show_quantity(each.get("rateQuantity"), language),
        )
        rate = join(rates)
        amounts = [
            show_quantity(each.get("doseQuantity"), language),
            show_range(each.get("doseRange"), language),
            say("rate", language, what=rate) if rate.text else NOTHING,
        ]
        kind = show_concept(each.get("type"), language) if len(listed) > 1 else NOTHING
        shown.append(join([kind, join(amounts)], ": "))
    return shown


def _as_needed(dosage: Element, language: str) -> Shown:
    reason = show_concept(dosage.get("asNeededCodeableConcept"), language)
    if reason.text:
        return labelled("as-needed-for", language, reason)
    return say("as-needed", language) if dosage.get("asNeededBoolean") is True else NOTHING


def _most(dosage: Element, language: str) -> list[Shown]:
    shown = []
    period = dosage.get("maxDosePerPeriod")
    if period:
        amounts = {name: show_quantity(period.get(name), language) for name in ("numerator", "denominator")}
        amounts = {name: each if each.text else say("not-stated", language) for name, each in amounts.items()}
        shown.append(say("max-per-period", language, a=amounts["numerator"], b=amounts["denominator"]))
    for name, phrase in (("maxDosePerAdministration", "max-at-once"), ("maxDosePerLifetime", "max-in-life")):
        if dosage.get(name):
            shown.append(say(phrase, language, what=show_quantity(dosage[name], language)))
    return shown


def _to_patient(dosage: Element, language: str) -> Shown:
    told = original(dosage.get("patientInstruction"))
    return labelled("to-patient", language, told) if told.text else NOTHING
