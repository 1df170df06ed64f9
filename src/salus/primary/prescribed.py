"""A prescription with what may be done with it now, as a pharmacist sees it at home and abroad."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from salus.primary.amounts import Amount
from salus.primary.dispensable import Hindrance, Remaining, most_now, remaining, too_early, why_not
from salus.primary.dispensing import Recorded, Recorder, counted_once
from salus.primary.prescriptions import Prescription, read_prescription, read_recorded
from salus.primary.references import resolve
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
