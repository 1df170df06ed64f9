"""Medicines: what is in them first, then how they are taken, and from whom (EU MPD 1.0.0)."""

from __future__ import annotations

from datetime import datetime

from salus.primary.days import day
from salus.primary.details import details_of
from salus.primary.language import Shown, join, labelled, original, show_concept
from salus.primary.naming import medication_of
from salus.primary.products import PRODUCT_NAME
from salus.primary.quantities import show_number, show_quantity, show_ratio
from salus.primary.reading.kind import Held, Kind, Resource
from salus.primary.reading.people import party
from salus.primary.references import resolve
from salus.primary.statements import MEDICINES, dosages_of

SIZE_OF_ITEM = "https://profiles.ihe.net/PHARM/MPD/StructureDefinition/ihe-ext-medication-sizeofitem"


def fields(resource: Resource, held: Held, language: str, now: datetime | None) -> list[Shown]:
    """Return substances with strength, form, package, brand; then the details; then by whom."""
    medication = _medication(resource, held)
    made = [*_made_of(medication, language), *_product(medication, language)]
    doses = set(dosages_of(resource, language, now))
    details = [
        labelled("dosage", language, each) if each in doses else each
        for each in details_of(resource, held, language, now)
    ]
    told = [*made, *details, *_by_whom(resource, held, language)]
    return [each for each in told if each.text]


def _medication(resource: Resource, held: Held) -> Resource:
    if resource.get("resourceType") == "Medication":
        return resource
    contained = {f"#{each.get('id')}": each for each in resource.get("contained", ())}
    found = resolve(resource.get("medicationReference"), {**held, **contained})
    return found or {"code": medication_of(resource, held)}


def _made_of(medication: Resource, language: str) -> list[Shown]:
    shown = []
    for each in medication.get("ingredient", ()):
        name = show_concept(each.get("itemCodeableConcept"), language)
        reference = each.get("itemReference") or {}
        name = name if name.text else original(reference.get("display"))
        told = join([name, show_ratio(each.get("strength"), language)], " ")
        shown.append(labelled("ingredient", language, told))
    return [each for each in shown if each.value]


def _product(medication: Resource, language: str) -> list[Shown]:
    form = show_concept(medication.get("form"), language)
    amount = _amount(medication.get("amount", {}), language)
    extensions = {str(each.get("url")): each for each in medication.get("extension", ())}
    size = show_quantity(extensions.get(SIZE_OF_ITEM, {}).get("valueQuantity"), language)
    brand = original(extensions.get(PRODUCT_NAME, {}).get("valueString"))
    lot = original(medication.get("batch", {}).get("lotNumber"))
    parts = [("form", form), ("package", join([amount, size])), ("brand", brand), ("lot", lot)]
    return [labelled(name, language, each) for name, each in parts if each.text]


def _amount(amount: Resource, language: str) -> Shown:
    """Return how much is in the package; "6 tablets" where it is so much in one package."""
    below = amount.get("denominator", {})
    if below.get("unit") or below.get("code") not in (None, "1") or str(below.get("value", 1)) != "1":
        return show_ratio(amount, language)
    return show_quantity(amount.get("numerator"), language)


def _by_whom(resource: Resource, held: Held, language: str) -> list[Shown]:
    kind = str(resource.get("resourceType"))
    request = resource.get("dispenseRequest", {})
    repeats = request.get("numberOfRepeatsAllowed")
    amount = show_quantity(request.get("quantity"), language)
    supply = show_quantity(resource.get("daysSupply"), language)
    actors = [
        party(each.get("actor", {}), held) for each in resource.get("performer", ()) if isinstance(each, dict)
    ]
    makers = {"MedicationDispense": "dispenser", "MedicationAdministration": "performer"}
    numbers = [str(each.get("value", "")) for each in resource.get("identifier", ())]
    shown = [
        ("quantity", amount),
        ("repeats", Shown(show_number(repeats, language) if repeats is not None else "", True)),
        ("days-of-supply", supply),
        ("prescriber", Shown(party(resource.get("requester") or {}, held), True)),
        *((makers.get(kind, "performer"), Shown(each, True)) for each in actors),
        *(
            ("number", Shown(each, True))
            for each in numbers
            if kind in {"MedicationRequest", "MedicationDispense"}
        ),
    ]
    handed = resource.get("whenPrepared") if resource.get("whenHandedOver") else None
    shown.append(("prepared", Shown(day(str(handed), language) if handed else "", True)))
    return [labelled(name, language, each) for name, each in shown if each.text]


KIND = Kind((*sorted(MEDICINES), "Medication"), fields)
