"""Whom or what an Observation is about, where that is not the patient (R4 Observation.focus and focusCode).

A fetus, a spouse or a donor has values of their own in the patient's record: they are never the patient's. A
finding about a tumour or an earlier finding of the patient is the patient's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from salus.primary.language import Shown, join, original, say, show_concept
from salus.primary.references import local_reference, resolve

FOCUS_CODE = "http://hl7.org/fhir/StructureDefinition/observation-focusCode"
OF_THE_PATIENT = frozenset(
    {"BodyStructure", "Condition", "Procedure", "Observation", "DiagnosticReport", "ImagingStudy", "Specimen"}
    | {"AllergyIntolerance", "Immunization", "CarePlan", "NutritionOrder", "Encounter", "EpisodeOfCare"}
    | {"MedicationRequest", "MedicationStatement", "MedicationAdministration", "ServiceRequest"}
)
"""Types of what is in or is done to the patient. A device is not: its rate is not the patient's."""
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
NONE_HELD: Mapping[str, Resource] = {}


def is_about_another(observation: Resource, held: Mapping[str, Resource] = NONE_HELD) -> bool:
    """Return whether it is about another than the patient; so it is where that cannot be told.

    Args:
        observation: an Observation.
        held: resources by "Type/id" or fullUrl.
    """
    kinds = [_kind(each, observation, held) for each in _foci(observation)]
    return bool(_codes(observation)) or not OF_THE_PATIENT.issuperset(kinds)


def show_focus(observation: Resource, held: Mapping[str, Resource], language: str) -> Shown:
    """Return whom or what it is about besides the patient, "" for the patient alone."""
    foci = [_name(each, observation, held, language) for each in _foci(observation)]
    named = join([*foci, *(show_concept(each, language) for each in _codes(observation))])
    return named if named.text or not is_about_another(observation, held) else say("someone-else", language)


def focus_key(observation: Resource) -> str:
    """Return what findings about the same have in common, "" for those about the patient."""
    foci = (f"{each.get('reference', '')} {each.get('display', '')}" for each in _foci(observation))
    return " ".join([*foci, *(str(each) for each in _codes(observation))])


def _foci(observation: Resource) -> list[Resource]:
    """Return the references to what it is about, without those to the patient of the record."""
    if observation.get("resourceType") != "Observation":
        return []
    listed = [each for each in observation.get("focus", ()) if isinstance(each, dict)]
    subject = _link(observation.get("subject", {}))
    return [each for each in listed if not subject or _link(each) != subject]


def _codes(observation: Resource) -> list[Resource]:
    if observation.get("resourceType") != "Observation":
        return []
    extensions: Sequence[Resource] = observation.get("extension", ())
    return [
        each["valueCodeableConcept"]
        for each in extensions
        if each.get("url") == FOCUS_CODE and each.get("valueCodeableConcept")
    ]


def _link(reference: Resource) -> str:
    return local_reference(str(reference.get("reference", "")))


def _referred(focus: Resource, observation: Resource, held: Mapping[str, Resource]) -> Resource:
    contained = {f"#{each.get('id')}": each for each in observation.get("contained", ())}
    return resolve(focus, {**held, **contained} if contained else held)


def _kind(focus: Resource, observation: Resource, held: Mapping[str, Resource]) -> str:
    found = _referred(focus, observation, held).get("resourceType")
    return str(found or focus.get("type") or _link(focus).partition("/")[0])


def _name(focus: Resource, observation: Resource, held: Mapping[str, Resource], language: str) -> Shown:
    """Return a focus by its display, else by what it refers to, else as the reference is written."""
    if focus.get("display"):
        return original(focus["display"])
    found = _referred(focus, observation, held)
    concepts = [
        found.get("code"),
        *(found.get(name) for name in ("relationship", "name", "type", "location")),
    ]
    for concept in concepts:
        shown = _part(concept[0] if isinstance(concept, list) and concept else concept, language)
        if shown.text:
            return shown
    link = str(focus.get("reference", ""))
    return original("" if link.startswith(("#", "urn:")) else _link(focus))


def _part(held: object, language: str) -> Shown:
    """Return a CodeableConcept or a HumanName in words."""
    if not isinstance(held, dict):
        return original(None)
    if "given" in held or "family" in held:
        return original(" ".join([*held.get("given", ()), str(held.get("family", ""))]).strip())
    return show_concept(held, language)
