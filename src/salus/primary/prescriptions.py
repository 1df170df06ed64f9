"""Prescriptions and hand-overs as the rules of dispensing know them, read from FHIR R4 resources.

Source: R4 MedicationRequest and MedicationDispense; HL7 Europe Medication Prescription and Dispense 1.0.0
(prescribedQuantity: the overall amount, whatever the repeats); Regulation (EU) 2025/327, Art. 14(1)(b),(c).
A dispensation is known by its identifier, the dispense id: the same id is the same hand-over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from salus.core.errors import InvalidResource
from salus.primary.amounts import Amount, read_amount
from salus.primary.intervals import Interval, read_interval
from salus.primary.modifiers import is_modified
from salus.primary.prescription_names import Names, names_prescription, prescription_of
from salus.primary.products import NO_PRODUCT, Product, read_product, referred_medication
from salus.primary.substitution import Leave, read_leave

PRESCRIBED_QUANTITY = (
    "https://profiles.ihe.net/PHARM/MPD/StructureDefinition/ihe-ext-medicationrequest-prescribedQuantity"
)
RECORDED = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationDispense.recorded"
"""When it was recorded (MPD): when it was handed over, where that is not said."""
TOO_EARLY = "urn:salus:too-early"
"""Extension (true) of the note of a MedicationDispense that says why it is handed over before its time."""
NOT_HANDED_OVER = frozenset({"cancelled", "entered-in-error", "declined"})
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


class Prescription(msgspec.Struct, frozen=True):
    """One prescribed item.

    Args:
        id: logical id at home.
        status: R4 MedicationRequest.status.
        valid_from, valid_until: the validity period as written, "" when open.
        each: most that one dispensation may hand over, None when not limited.
        total: all that may ever be handed over, None when only hand-overs are counted.
        fills: how many hand-overs, when no amount is given: the first and the repeats.
        leave: whether another product may be given instead, and which.
        intent: R4 MedicationRequest.intent.
        authored: when it was written, as written, "" when unknown.
        forbids: whether it says that the medicine must not be given (doNotPerform).
        inpatient: whether it is for use within a hospital.
        product: the medicine.
        modified: whether an extension changes what it means.
        interval: the least time between two hand-overs, None when there is none.
        initial: most that the first hand-over may give, None when it is as any other.
        copies: how many others of the person bear its number; what is handed over on one counts on all.
        replaced: whether a later one replaces it (`primary.same_prescription`).
    """

    id: str
    status: str
    valid_from: str
    valid_until: str
    each: Amount | None
    total: Amount | None
    fills: int
    leave: Leave
    intent: str = "order"
    authored: str = ""
    forbids: bool = False
    inpatient: bool = False
    product: Product = NO_PRODUCT
    modified: bool = False
    interval: Interval | None = None
    initial: Amount | None = None
    copies: int = 0
    replaced: bool = False


class Dispensation(msgspec.Struct, frozen=True):
    """One hand-over.

    Args:
        identifier: the dispense id as "system|value".
        prescription: logical id of the one it is on.
        status: R4 MedicationDispense.status.
        amount: how much, None when it does not say.
        substituted: whether it says that another product was given.
        handed_over: when, as written, "" when unknown.
        product: what was given.
        early_reason: why it was handed over before its time, "" when it does not say.
        modified: whether an extension changes what it means.
        numbers: of a recorded one with several identifiers, all of them as "system|value".
    """

    identifier: str
    prescription: str
    status: str
    amount: Amount | None
    substituted: bool
    handed_over: str
    product: Product = NO_PRODUCT
    early_reason: str = ""
    modified: bool = False
    numbers: frozenset[str] = frozenset()

    @property
    def counts(self) -> bool:
        """Return whether the product was handed over."""
        return self.status not in NOT_HANDED_OVER

    @property
    def known_as(self) -> frozenset[str]:
        """Return every identifier of the hand-over: two records that share one are the same hand-over."""
        return self.numbers | {self.identifier}


def read_prescription(resource: Resource, medications: Mapping[str, Resource] | None = None) -> Prescription:
    """Return the item that a MedicationRequest prescribes; `medications` as for `read_product`."""
    request = resource.get("dispenseRequest", {})
    fills = 1 + int(request.get("numberOfRepeatsAllowed", 0))
    each, initial = read_amount(request.get("quantity")), read_amount(_first_fill(request).get("quantity"))
    overall: Resource = next(
        (found for found in request.get("extension", ()) if found.get("url") == PRESCRIBED_QUANTITY), {}
    )
    period = request.get("validityPeriod", {})
    return Prescription(
        id=str(resource.get("id", "")),
        status=str(resource.get("status", "")),
        valid_from=str(period.get("start", "")),
        valid_until=str(period.get("end", "")),
        each=each,
        total=_total(read_amount(overall.get("valueQuantity")), each, initial, fills),
        fills=fills,
        leave=read_leave(resource.get("substitution")),
        intent=str(resource.get("intent", "")),
        authored=str(resource.get("authoredOn", "")),
        forbids=resource.get("doNotPerform") is True,
        inpatient=_inpatient(resource.get("category", ())),
        product=read_product(resource, medications),
        modified=is_modified(resource) or is_modified(referred_medication(resource, medications or {})),
        interval=read_interval(request.get("dispenseInterval")),
        initial=initial,
    )


def _first_fill(request: Resource) -> Resource:
    found: Resource = request.get("initialFill", {})
    return found


def _total(overall: Amount | None, each: Amount | None, initial: Amount | None, fills: int) -> Amount | None:
    """Return all that may be handed over.

    The overall amount counts where what is given at once can be told in its unit; else ("1 box" at once, 60
    tablets in all) so many times that, for nobody here knows how many tablets are in a box.
    """
    if each is None:
        return overall
    if overall is not None and each.in_unit_of(overall) is not None:
        return overall
    first = None if initial is None else initial.in_unit_of(each)
    repeats = each.value * (fills - 1)
    return msgspec.structs.replace(each, value=repeats + (each.value if first is None else first))


def read_dispensation(resource: Resource, medications: Mapping[str, Resource] | None = None) -> Dispensation:
    """Return the hand-over that a MedicationDispense records; `medications` as for `read_product`.

    Raises:
        InvalidResource: no single dispense id with a system, or not exactly one prescription.
    """
    identifiers = resource.get("identifier", ())
    if len(identifiers) != 1 or not identifiers[0].get("system") or not identifiers[0].get("value"):
        raise InvalidResource("a dispensation needs exactly one identifier, the dispense id, with a system")
    prescriptions = [
        str(reference.get("reference", "")) for reference in resource.get("authorizingPrescription", ())
    ]
    if len(prescriptions) != 1 or "MedicationRequest/" not in prescriptions[0]:
        raise InvalidResource(
            "a dispensation must name exactly one authorizingPrescription (MedicationRequest/id); "
            "send one dispensation for each prescribed item"
        )
    return Dispensation(
        identifier=f"{identifiers[0]['system']}|{identifiers[0]['value']}",
        prescription=prescription_of(prescriptions[0]),
        status=str(resource.get("status", "")),
        amount=read_amount(resource.get("quantity")),
        substituted=bool(resource.get("substitution", {}).get("wasSubstituted", False)),
        handed_over=_handed_over(resource),
        product=read_product(resource, medications),
        early_reason=early_reason(resource),
        modified=is_modified(resource),
    )


def read_recorded(
    resources: Iterable[Resource],
    prescription: str,
    medications: Mapping[str, Resource] | None = None,
    names: Names | None = None,
) -> list[Dispensation]:
    """Return the recorded hand-overs on one prescription, also those that no rule would let in today.

    One without a proper dispense id is known by its logical id; one that names several prescriptions counts
    on each of them, so that never too much is left. `names` are what else the prescription is named by.
    """
    names = names or Names(frozenset({prescription}), frozenset())
    found = []
    for resource in resources:
        named = names_prescription(resource, names)
        if named is None:
            continue
        identifiers = resource.get("identifier", ())
        numbers = [f"{each['system']}|{each['value']}" for each in identifiers if _is_proper(each)]
        proper = len(identifiers) == 1 and numbers
        own = [{"system": "urn:salus:dispensation", "value": str(resource.get("id", ""))}]
        read = {
            "identifier": identifiers if proper else own,
            "authorizingPrescription": [{"reference": f"MedicationRequest/{named or prescription}"}],
        }
        dispensation = read_dispensation({**resource, **read}, medications)
        found.append(msgspec.structs.replace(dispensation, numbers=frozenset(() if proper else numbers)))
    return found


def _is_proper(identifier: Resource) -> bool:
    return bool(identifier.get("system") and identifier.get("value"))


def prescriptions_named(resource: Resource, *, bases: Sequence[str] = ()) -> list[str]:
    """Return the ids of the prescriptions kept here that a MedicationDispense names, each as often as named.

    One at another address is not kept here; `bases` are the addresses of this node's own.
    """
    links = [str(each.get("reference", "")) for each in resource.get("authorizingPrescription", ())]
    own = tuple(f"{base}/".casefold() for base in bases)
    return [
        prescription_of(link)
        for link in links
        if "MedicationRequest/" in link and ("://" not in link or link.casefold().startswith(own))
    ]


def _handed_over(resource: Resource) -> str:
    recorded: Iterable[Resource] = (
        each for each in resource.get("extension", ()) if each.get("url") == RECORDED
    )
    return str(resource.get("whenHandedOver") or next(iter(recorded), {}).get("valueDateTime", ""))


def early_reason(resource: Resource) -> str:
    """Return why a MedicationDispense was handed over before its time, "" when it does not say."""
    for note in resource.get("note", ()):
        marks = [each for each in note.get("extension", ()) if each.get("url") == TOO_EARLY]
        if any(each.get("valueBoolean") is True for each in marks):
            return str(note.get("text", "")).strip()
    return ""


def _inpatient(categories: Iterable[Resource]) -> bool:
    codes = {coding.get("code") for each in categories for coding in each.get("coding", ())}
    return "inpatient" in codes
