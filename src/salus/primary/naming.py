"""What an entry is called: code, product or title, and before it that it must not be, or was not, done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salus.primary.focus import is_about_another, show_focus
from salus.primary.language import Shown, say, show_concept, word
from salus.primary.references import resolve

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
NEGATED = {
    ("Immunization", "not-done"): "not-given",
    ("MedicationAdministration", "not-done"): "not-given",
    ("Procedure", "not-done"): "not-done",
    ("MedicationStatement", "not-taken"): "not-taken",
    ("MedicationStatement", "stopped"): "stopped",
}
"""Phrases for resources whose status turns their meaning round, by type and status."""


def name_of(resource: Resource, held: Mapping[str, Resource], language: str) -> Shown:
    """Return the entry's name in the language, with what negates it, or whom else it is about, before it.

    Args:
        resource: an entry.
        held: Medication, Device and other resources by "Type/id".
        language: BCP 47 language code.
    """
    names = [show_concept(concept, language) for concept in _concepts(resource, held)]
    name = next((name for name in names if name.text), Shown(word("unnamed", language), True))
    if resource.get("doNotPerform") is True:
        return say("forbidden", language, what=name)
    if is_about_another(resource, held):
        return say("about-another", language, who=show_focus(resource, held, language), what=name)
    negation = NEGATED.get((str(resource.get("resourceType")), str(resource.get("status"))))
    return say(negation, language, what=name) if negation else name


def medication_of(resource: Resource, held: Mapping[str, Resource]) -> Resource:
    """Return the product as a CodeableConcept: its own, or that of the Medication it refers to; {} if none.

    A contained Medication counts too; one that is not at hand leaves the reference's display.
    """
    own = resource.get("medicationCodeableConcept")
    if isinstance(own, dict):
        return own
    return next(iter(_referred(resource, "medicationReference", held)), {})


def _concepts(resource: Resource, held: Mapping[str, Resource]) -> list[Resource]:
    """Return the concepts that may name the entry, the best first."""
    concepts = [resource.get(name) for name in ("medicationCodeableConcept", "vaccineCode", "code")]
    for name in ("medicationReference", "device"):
        concepts += _referred(resource, name, held)
    concepts += [_device_name(resource)] if resource.get("resourceType") == "Device" else []
    titles = [resource[name] for name in ("title", "description") if resource.get(name)]
    concepts += [each if isinstance(each, dict) else {"text": each} for each in titles]
    concepts += [resource.get(name) for name in ("relationship", "type")]
    concepts += [
        *resource.get("procedureCode", ()),
        *({"coding": [each]} for each in resource.get("modality", ())),
    ]
    concepts += list(resource.get("category", ()))[:1] if isinstance(resource.get("category"), list) else []
    return [concept for concept in concepts if isinstance(concept, dict)]


def _referred(resource: Resource, member: str, held: Mapping[str, Resource]) -> list[Resource]:
    reference = resource.get(member, {})
    if not isinstance(reference, dict):
        return []
    contained = {f"#{each.get('id')}": each for each in resource.get("contained", ())}
    found = resolve(reference, {**held, **contained} if contained else held)
    concepts = [found.get("code"), _ingredients(found), _device_name(found), found.get("type")]
    concepts.append({"text": reference["display"]} if reference.get("display") else None)
    return [concept for concept in concepts if isinstance(concept, dict)]


def _ingredients(medication: Resource) -> Resource | None:
    """Return what a Medication without a code is made of: the one ingredient, or the names of several."""
    held = [each.get("itemCodeableConcept") for each in medication.get("ingredient", ())]
    concepts: list[Resource] = [each for each in held if isinstance(each, dict)]
    if len(concepts) == 1:
        return concepts[0]
    names = [show_concept(each, "").text for each in concepts]
    return {"text": " + ".join(name for name in names if name)} if names else None


def _device_name(device: Resource) -> Resource | None:
    """Return the name that a device is known by, with its type's code where it has one."""
    names = [str(each["name"]) for each in device.get("deviceName", ()) if each.get("name")]
    kind = device.get("type")
    if kind:
        known = show_concept(kind, "").text
        return {**kind, "text": f"{kind.get('text') or known} ({names[0]})"} if names else kind
    return {"text": names[0]} if names else None
