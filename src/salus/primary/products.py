"""Whether two medicines are the same product, as far as codes, names and composition tell (R4 medication[x]).

An ATC code names a substance and not a product, so it alone never makes two differently named products one;
nor does any code where what is stated of form, package or strength is not the same in both. What cannot be
told to be the same is another product: the prescriber's word on substitution then decides. Of what states
nothing, nothing is known: two such are not the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from salus.primary.composition import Composition, read_composition
from salus.primary.references import split_version

ATC = "http://www.whocc.no/atc"
SUBSTANCES = frozenset({ATC, "urn:oid:2.16.840.1.113883.6.73"})
"""Code systems of substances: ATC, by its two names."""
ATC_SUBSTANCE, ATC_GROUP = 7, 5
"""Characters of an ATC code that name the chemical substance (level 5) and the chemical group (level 4)."""
IHE_MPD = "https://profiles.ihe.net/PHARM/MPD/StructureDefinition/"
CLASSIFICATION = f"{IHE_MPD}ihe-ext-medication-classification"
PRODUCT_NAME = f"{IHE_MPD}ihe-ext-medication-productname"
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


class Product(msgspec.Struct, frozen=True):
    """A medicine as a prescription or a dispensation names it.

    Args:
        reference: "Medication/id", or the whole address of one elsewhere, where it refers to one; else "".
        version: of that Medication, "" when it is not known.
        codings: (system, code), and (system, value) of the identifier by which it is referred to.
        names: its text, else the displays of its codings, else that of the reference, in lower case; empty
            when it has none.
        atc: its ATC codes, of its code or its classification (IHE MPD).
        composition: what is stated of form, package and ingredients.
    """

    reference: str = ""
    version: str = ""
    codings: frozenset[tuple[str, str]] = frozenset()
    names: frozenset[str] = frozenset()
    atc: frozenset[str] = frozenset()
    composition: Composition = Composition()


NO_PRODUCT = Product()
SAYS_NOTHING = (NO_PRODUCT.codings, NO_PRODUCT.atc, NO_PRODUCT.composition)


def read_product(resource: Resource, medications: Mapping[str, Resource] | None = None) -> Product:
    """Return the medicine of a MedicationRequest or MedicationDispense.

    `medications` are those it may refer to, by "Medication/id" or with "/_history/version", with their
    meta.versionId where a version may be referred to; contained ones are found by themselves. One of another
    version than it refers to is not the one that is meant.
    """
    stated: Resource = resource.get("medicationReference", {})
    if not stated:
        return _product({"code": resource.get("medicationCodeableConcept", {})})
    link = str(stated.get("reference", ""))
    contained = resource.get("contained", ())
    if link.startswith("#"):
        inside: Resource = next((each for each in contained if each.get("id") == link[1:]), {})
        return _referred(_product({"contained": contained, **inside}), stated)
    reference, version = split_version(link)
    held = referred_medication(resource, medications or {})
    known = str(held.get("meta", {}).get("versionId", ""))
    found = _referred(_product(held), stated)
    return msgspec.structs.replace(found, reference=reference, version=version or known)


def referred_medication(resource: Resource, medications: Mapping[str, Resource]) -> Resource:
    """Return the Medication, of these, that a resource refers to, in that version; {} where there is none."""
    link = str(resource.get("medicationReference", {}).get("reference", ""))
    reference, version = split_version(link)
    held = medications.get(link) or medications.get(reference, {})
    is_meant = not version or version == str(held.get("meta", {}).get("versionId", ""))
    return held if is_meant else {}


def medication_of(resource: Resource) -> str:
    """Return "Medication/id" of the Medication kept beside the resource that it refers to, "" for none."""
    link = str(resource.get("medicationReference", {}).get("reference", ""))
    reference = split_version(link)[0]
    return reference if reference.startswith("Medication/") else ""


def refer_to_version(resource: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return a copy that refers to a version of its Medication; `version` is "" where none is known."""
    reference = resource.get("medicationReference", {})
    address = split_version(str(reference.get("reference", "")))[0]
    if not version or not medication_of(resource):
        return dict(resource)
    return {
        **resource,
        "medicationReference": {**reference, "reference": f"{address}/_history/{version}"},
    }


def is_same_product(one: Product, other: Product) -> bool:
    """Return whether the two are known to be the same product."""
    if _is_same_medication(one, other):
        return True
    if not one.composition.agrees(other.composition):
        return False
    shared = {system for system, _ in one.codings} & {system for system, _ in other.codings}
    both = one.codings & other.codings
    if shared and {system for system, _ in both} != shared:
        return False
    if not one.names and not other.names and one.codings == other.codings:
        return bool(one.codings)
    return bool(shared - SUBSTANCES) or bool(one.names & other.names)


def _is_same_medication(one: Product, other: Product) -> bool:
    """Return whether the two refer to one Medication, and it says the same in both."""
    if not one.reference or one.reference != other.reference:
        return False
    if one.names and other.names and not one.names & other.names:
        return False
    says, said = ((each.codings, each.atc, each.composition) for each in (one, other))
    return says == said and (one.version == other.version or says != SAYS_NOTHING)


def is_same_substance(one: Product, other: Product) -> bool:
    """Return whether the two are known to be of the same substances, and not of another strength or form.

    What the one (prescribed) states of strength or form, the other must state as well.
    """
    if is_same_product(one, other):
        return True
    if not one.composition.is_kept_by(other.composition):
        return False
    if one.atc and other.atc:
        return _share(one, other, ATC_SUBSTANCE)
    return bool(one.composition.ingredients)


def is_same_group(one: Product, other: Product) -> bool:
    """Return whether the two are known to be of one chemical group (ATC level 4), or of one substance."""
    return _share(one, other, ATC_GROUP) or is_same_substance(one, other)


def _share(one: Product, other: Product, length: int) -> bool:
    """Return whether the two have an ATC code of at least this length that begins alike."""
    first, second = ({code[:length] for code in each.atc if len(code) >= length} for each in (one, other))
    return bool(first & second)


def _product(medication: Resource) -> Product:
    concept = medication.get("code", {})
    extensions: list[Resource] = list(medication.get("extension", ()))
    classes = [each for each in extensions if each.get("url") == CLASSIFICATION]
    trade = [each.get("valueString") for each in extensions if each.get("url") == PRODUCT_NAME]
    codings = _codings(concept)
    classified = codings.union(*(_codings(each.get("valueCodeableConcept", {})) for each in classes))
    return Product(
        codings=codings,
        names=_names(concept) or frozenset(_folded(each) for each in trade if each),
        atc=frozenset(code.upper() for system, code in classified if system in SUBSTANCES),
        composition=read_composition(medication),
    )


def _referred(found: Product, reference: Resource) -> Product:
    """Return the product with what the reference to it says: its name, where it has none, and its number."""
    number: Resource = reference.get("identifier", {})
    numbered = (str(number.get("system", "")), str(number.get("value", "")))
    return msgspec.structs.replace(
        found,
        names=found.names or frozenset(_folded(each) for each in [reference.get("display")] if each),
        codings=found.codings | ({numbered} if all(numbered) else frozenset()),
    )


def _codings(concept: Resource) -> frozenset[tuple[str, str]]:
    pairs = ((str(each.get("system", "")), str(each.get("code", ""))) for each in concept.get("coding", ()))
    return frozenset(pair for pair in pairs if all(pair))  # a code without a system says nothing


def _names(concept: Resource) -> frozenset[str]:
    displays = [each.get("display", "") for each in concept.get("coding", ())]
    texts = [concept["text"]] if concept.get("text") else displays
    return frozenset(_folded(text) for text in texts if text)


def _folded(text: object) -> str:
    return " ".join(str(text).casefold().split())
