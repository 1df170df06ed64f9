"""How a prescription asks to be dispensed (R4 dispenseRequest, substitution), in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salus.primary.language import Shown, join, labelled, say, show_concept
from salus.primary.quantities import show_quantity

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


def show_dispense_request(prescription: Resource, language: str) -> list[Shown]:
    """Return what it asks besides the amount: time between hand-overs, the first one, substitution."""
    asked, substitution = prescription.get("dispenseRequest", {}), prescription.get("substitution", {})
    first = asked.get("initialFill", {})
    filled = join([show_quantity(first.get(name), language) for name in ("quantity", "duration")])
    phrases = [
        ("interval", show_quantity(asked.get("dispenseInterval"), language)),
        ("supply-lasts", show_quantity(asked.get("expectedSupplyDuration"), language)),
    ]
    fields = [
        ("first-fill", filled),
        ("substitution", show_concept(substitution.get("allowedCodeableConcept"), language)),
        ("substitution-reason", show_concept(substitution.get("reason"), language)),
    ]
    told = [say(name, language, what=each) for name, each in phrases if each.text]
    return told + [labelled(name, language, each) for name, each in fields if each.text]
