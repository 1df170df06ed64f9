"""Who stands for a document: authors and attesters, as far as the record says; nobody is made up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from salus.primary.composing.material import Material, Resource, key_of
from salus.primary.references import local_reference

AUTHORS = frozenset(
    {"Practitioner", "PractitionerRole", "Device", "Patient", "RelatedPerson", "Organization"}
)
"""Types that may author a Composition (R4)."""
MODES = {"attester": "professional", "verifier": "professional", "legal": "legal"}
"""Provenance.agent.type (R4 provenance-agent-type) as Composition.attester.mode."""


def authors_in(*references: object) -> tuple[Resource, ...]:
    """Return the References, each once, that lead to what may author a document, or only name it."""
    listed = [one for each in references for one in (each if isinstance(each, list) else [each])]
    found: dict[str, Resource] = {}
    for each in listed:
        if not isinstance(each, dict):
            continue
        kind = local_reference(str(each.get("reference", ""))).split("/")[0] or str(each.get("type", ""))
        if kind in AUTHORS or (not kind and each.get("display")):
            found.setdefault(str(each.get("reference") or each.get("display")), each)
    return tuple(found.values())


def provenance_of(resource: Resource, material: Material) -> list[Resource]:
    """Return the Provenances that speak of a resource, the newest first."""
    key = key_of(resource)
    found = [
        each
        for each in material.of_type("Provenance")
        if any(local_reference(str(one.get("reference", ""))) == key for one in each.get("target", ()))
    ]
    return sorted(found, key=lambda each: str(each.get("recorded", "")), reverse=True)


def stated_authors(resource: Resource, material: Material) -> tuple[Resource, ...]:
    """Return whom the record's Provenance names as the author of a resource."""
    return authors_in(
        *(agent.get("who") for agent in _agents(provenance_of(resource, material), {"author", "composer"}))
    )


def attesters_of(resource: Resource, material: Material) -> list[dict[str, Any]]:  # FHIR JSON, hence Any
    """Return those who attested a resource, by the record's Provenance, as Composition.attester."""
    return [
        {"mode": MODES[code], "time": each["recorded"], "party": agent["who"]}
        for each in provenance_of(resource, material)
        if each.get("recorded")
        for code in MODES
        for agent in _agents([each], {code})
        if authors_in(agent.get("who"))
    ]


def _agents(provenances: Iterable[Resource], codes: set[str]) -> Iterable[Resource]:
    for each in provenances:
        for agent in each.get("agent", ()):
            kinds = [agent.get("type", {}), *agent.get("role", ())]
            if codes & {coding.get("code") for kind in kinds for coding in kind.get("coding", ())}:
                yield agent
