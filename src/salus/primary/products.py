"""Whether two medicines are the same product, as far as their codes and names tell (FHIR R4 medication[x]).

An ATC code names a substance and not a product, so it alone never makes two differently named products one.
What cannot be told to be the same is another product: the prescriber's word on substitution then decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from salus.primary.references import local_reference

SUBSTANCES = frozenset({"http://www.whocc.no/atc", "urn:oid:2.16.840.1.113883.6.73"})
"""Code systems of substances: ATC, by its two names."""
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


class Product(msgspec.Struct, frozen=True):
    """A medicine as a prescription or a dispensation names it.

    Args:
        reference: "Medication/id" where it refers to one, else "".
        codings: (system, code).
        names: its text, else the displays of its codings, in lower case; empty when it has none.
    """

    reference: str = ""
    codings: frozenset[tuple[str, str]] = frozenset()
    names: frozenset[str] = frozenset()


NO_PRODUCT = Product()


def read_product(resource: Resource, medications: Mapping[str, Resource] | None = None) -> Product:
    """Return the medicine of a MedicationRequest or MedicationDispense.

    `medications` are those it may refer to, by "Medication/id"; contained ones are found by themselves.
    """
    concept: Resource = resource.get("medicationCodeableConcept", {})
    link = str(resource.get("medicationReference", {}).get("reference", ""))
    reference = ""
    if link.startswith("#"):
        held = [each for each in resource.get("contained", ()) if each.get("id") == link[1:]]
        concept = held[0].get("code", {}) if held else {}
    elif link:
        reference = local_reference(link)
        concept = (medications or {}).get(reference, {}).get("code", {})
    return Product(reference, _codings(concept), _names(concept))


def medication_of(resource: Resource) -> str:
    """Return "Medication/id" of the Medication kept beside the resource that it refers to, "" for none."""
    link = str(resource.get("medicationReference", {}).get("reference", ""))
    return local_reference(link) if link and not link.startswith("#") else ""


def is_same_product(one: Product, other: Product) -> bool:
    """Return whether the two are known to be the same product."""
    if one == other:
        return True
    if one.reference and one.reference == other.reference:
        return True
    shared = {system for system, _ in one.codings} & {system for system, _ in other.codings}
    both = one.codings & other.codings
    if shared and {system for system, _ in both} != shared:
        return False
    if shared - SUBSTANCES:
        return True
    if one.names and other.names:
        return bool(one.names & other.names)
    return bool(shared)


def _codings(concept: Resource) -> frozenset[tuple[str, str]]:
    pairs = ((str(each.get("system", "")), str(each.get("code", ""))) for each in concept.get("coding", ()))
    return frozenset(pair for pair in pairs if pair[1])


def _names(concept: Resource) -> frozenset[str]:
    displays = [each.get("display", "") for each in concept.get("coding", ())]
    texts = [concept["text"]] if concept.get("text") else displays
    return frozenset(" ".join(str(text).casefold().split()) for text in texts if text)
