"""How a prescription asks to be dispensed (R4 dispenseRequest, substitution), in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salus.primary.language import Shown, join, say, show_concept
from salus.primary.quantities import show_quantity

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


def show_dispense_request(prescription: Resource, language: str) -> list[Shown]:
    """Return what it asks besides the amount: time between hand-overs, the first one, substitution."""
    asked, substitution = prescription.get("dispenseRequest", {}), prescription.get("substitution", {})
    first = asked.get("initialFill", {})
    filled = join([show_quantity(first.get(name), language) for name in ("quantity", "duration")])
    told = [
        ("interval", show_quantity(asked.get("dispenseInterval"), language)),
        ("first-fill", filled),
        ("supply-lasts", show_quantity(asked.get("expectedSupplyDuration"), language)),
        ("substitution", show_concept(substitution.get("allowedCodeableConcept"), language)),
        ("substitution-reason", show_concept(substitution.get("reason"), language)),
    ]
    return [say(phrase, language, what=each) for phrase, each in told if each.text]
