"""A prescription with what may be done with it now, as a pharmacist sees it at home and abroad."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from salus.primary.amounts import Amount
from salus.primary.dispensable import Hindrance, Remaining, most_now, remaining, too_early, why_not
from salus.primary.dispensing import Recorded, Recorder, counted_once
from salus.primary.prescriptions import Prescription, read_prescription, read_recorded
from salus.primary.products import medication_of, refer_to_version
from salus.primary.references import resolve, split_version
from salus.primary.same_prescription import named_with_copies, told_apart

Resource = dict[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


class Prescribed(msgspec.Struct, frozen=True):
    """A prescription and what is left.

    Args:
        resource: the MedicationRequest.
        item: what it prescribes.
        left: what is left on it.
        most: the most that the next hand-over may give, None where hand-overs are counted.
        hindrance: why nothing may be dispensed on it now, None when something may.
        medication: the Medication it refers to, {} when it names the product itself.
    """

    resource: Resource
    item: Prescription
    left: Remaining
    most: Amount | None
    hindrance: Hindrance | None
    medication: Resource

    @property
    def why_not(self) -> str:
        """Return the hindrance in English, "" when there is none."""
        return str(self.hindrance) if self.hindrance else ""

    @property
    def is_valid(self) -> bool:
        """Return whether it is a prescription on which something may be handed over now."""
        return self.hindrance is None


def prescribed(
    resource: Resource,
    recorded: Iterable[Resource],
    medications: Mapping[str, Resource],
    *,
    now: datetime,
    country: str,
    beside: Iterable[Resource] = (),
) -> Prescribed:
    """Return a MedicationRequest with what is left on it, and why nothing may be handed over on it now.

    Args:
        resource: the MedicationRequest.
        recorded: MedicationDispenses, of this and other prescriptions.
        medications: Medications, by "Medication/id".
        now: the moment.
        country: where it was prescribed (ISO 3166-1 alpha-2).
        beside: the person's other MedicationRequests that are known: copies of it, and what replaces it.
    """
    item = read_prescription(resource, medications)
    orders = {str(each.get("id", "")): each for each in beside} | {item.id: resource}
    item = told_apart(item, item.id, orders, orders)
    names = named_with_copies(item.id, orders)
    recorder = Recorder("", "")
    read = read_recorded(recorded, item.id, names=names)
    known = counted_once(Recorded(each, recorder) for each in read)
    return Prescribed(
        resource,
        item,
        remaining(item, known),
        most_now(item, known),
        why_not(item, now, country, known) or too_early(item, known, now),
        dict(resolve(resource.get("medicationReference"), medications)),
    )


def medications_meant(resource: Resource, found: Sequence[Resource]) -> list[Resource]:
    """Return those of the Medications found that a MedicationRequest may mean: in the version it names."""
    link = str(resource.get("medicationReference", {}).get("reference", ""))
    version = split_version(link)[1]
    return [
        each
        for each in found
        if f"{each.get('resourceType')}/{each.get('id')}" == medication_of(resource)
        and version in ("", str(each.get("meta", {}).get("versionId", "")))
    ]


def with_medication(resource: Resource, meant: Sequence[Resource]) -> tuple[Resource, dict[str, Resource]]:
    """Return a MedicationRequest that refers to the version that it means, and this by "Medication/id".

    Of several, nobody knows which it is: then it is none.
    """
    if len(meant) != 1:
        return resource, {}
    version = str(meant[0].get("meta", {}).get("versionId", ""))
    return refer_to_version(resource, version), {f"Medication/{meant[0]['id']}": meant[0]}
