"""What an entry of any kind says: dosage, status, doubt, danger, site, reason, notes, date of recording."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from salus.primary.dates import recorded_date
from salus.primary.days import day
from salus.primary.dosage import show_dosages
from salus.primary.language import Shown, labelled, original, say, show_concept, show_status
from salus.primary.modifiers import is_modified
from salus.primary.quantities import NOTHING

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
MEDICINES = frozenset(
    {"MedicationStatement", "MedicationRequest", "MedicationAdministration", "MedicationDispense"}
)


def statements_of(resource: Resource, language: str, now: datetime | None = None) -> list[Shown]:
    """Return what any entry may say, the most telling first; as `details_of` does."""
    shown = [*dosages_of(resource, language, now), *_standing(resource, language)]
    shown += [
        labelled(phrase, language, each)
        for member, phrase in _CONCEPTS
        for each in concepts_of(resource.get(member), language)
    ]
    shown += notes_of(resource.get("note"), language)
    recorded = recorded_date(resource)
    shown.append(say("recorded", language, what=day(recorded, language)) if recorded else NOTHING)
    return [each for each in shown if each.text]


def warning_of(resource: Resource, language: str) -> list[Shown]:
    """Return that the source changes the meaning of an entry in a way that is not known here, else []."""
    return [say("modifier", language)] if is_modified(resource) else []


def dosages_of(resource: Resource, language: str, now: datetime | None = None) -> list[Shown]:
    """Return the dosage of a medicine in words, one for each step; that none is stated is said too."""
    listed = [resource.get(name) for name in ("dosageInstruction", "dosage")]
    dosages = [each for held in listed for each in (held if isinstance(held, list) else _given(held))]
    if dosages:
        return show_dosages(dosages, language, now)
    asked = resource.get("resourceType") in MEDICINES and not resource.get("doNotPerform")
    return [say("no-dosage", language)] if asked else []


def _given(dosage: Resource | None) -> list[Resource]:
    """Return the one dosage of a MedicationAdministration in the shape of a Dosage."""
    if not dosage:
        return []
    amounts = {"doseQuantity": dosage.get("dose")}
    amounts |= {name: dosage.get(name) for name in ("rateRatio", "rateQuantity")}
    rest = {name: dosage[name] for name in dosage if name not in {"dose", "rateRatio", "rateQuantity"}}
    return [rest | {"doseAndRate": [amounts]}]


def notes_of(notes: object, language: str) -> list[Shown]:
    """Return Annotations in words."""
    texts = [original(each.get("text")) for each in notes] if isinstance(notes, list) else []
    return [labelled("note", language, text) for text in texts if text.text]


def concepts_of(held: object, language: str) -> list[Shown]:
    """Return a CodeableConcept or a list of them in words."""
    listed: Iterable[Any] = held if isinstance(held, list) else [held]
    shown = [show_concept(each, language) for each in listed if isinstance(each, dict)]
    return [each for each in shown if each.text]


def codes_of(concept: Resource | None) -> set[str]:
    """Return the codes of a CodeableConcept."""
    return {str(each.get("code")) for each in (concept or {}).get("coding", ())}


# Concepts that any resource may have, with the phrase each is told by; `category` only where it tells more.
_CONCEPTS = (
    ("severity", "severity"),
    ("bodySite", "body-site"),
    ("site", "dose-site"),
    ("route", "route"),
    ("method", "method"),
    ("outcome", "outcome"),
    ("complication", "complication"),
    ("reasonCode", "reason"),
    ("statusReason", "status-reason"),
)


def _standing(resource: Resource, language: str) -> list[Shown]:
    """Return clinical or other status, how sure it is, and how dangerous (allergies)."""
    doubt = resource.get("verificationStatus")
    doubt = None if "confirmed" in codes_of(doubt) else doubt
    clinical = resource.get("clinicalStatus")
    shown = [show_concept(doubt, language)]
    shown.append(
        show_concept(clinical, language)
        if clinical
        else show_status(str(resource.get("status", "")), language)
    )
    codes = [resource.get(name) for name in ("criticality", "type")]
    return [*shown, *(show_status(code, language) for code in codes if isinstance(code, str))]
