"""What may still be dispensed on a prescription: pure rules over FHIR R4 resources.

Source: R4 MedicationRequest and MedicationDispense; HL7 Europe Medication Prescription and Dispense 1.0.0
(prescribedQuantity: the overall amount, whatever the repeats); Regulation (EU) 2025/327, Art. 14(1)(b),(c).
A dispensation is known by its identifier, the dispense id: the same id is the same hand-over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from salus.core.errors import Conflict, InvalidResource
from salus.primary.products import NO_PRODUCT, Product, is_same_product, read_product
from salus.primary.validity import is_within, last_day, validity_days
from salus.standards.fhir.fhirpath.units import conversion, parse_unit

PRESCRIBED_QUANTITY = (
    "https://profiles.ihe.net/PHARM/MPD/StructureDefinition/ihe-ext-medicationrequest-prescribedQuantity"
)
NOT_HANDED_OVER = frozenset({"cancelled", "entered-in-error", "declined"})
HANDED_OVER = frozenset({"completed", "in-progress"})
ORDERS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
"""Intents (R4 medicationrequest-intent) that authorise a hand-over; proposal, plan, option are no orders."""
DIGITS_MAX = 18
UCUM = "http://unitsofmeasure.org"
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


class Amount(msgspec.Struct, frozen=True):
    """A quantity of a product; two amounts can be compared when their units are the same."""

    value: Decimal
    system: str
    code: str
    unit: str

    def __str__(self) -> str:
        return f"{self.value.normalize():f} {self.unit or self.code}".strip()

    def same_unit(self, other: Amount) -> bool:
        """Return whether both count in the same unit."""
        if self.code and other.code:
            return (self.system, self.code) == (other.system, other.code)
        return self.unit == other.unit

    def in_unit_of(self, other: Amount) -> Decimal | None:
        """Return the value in the other's unit, None when it cannot be told.

        Only masses, volumes and the like convert: a tablet is no box, though UCUM counts both as one.
        """
        if self.same_unit(other):
            return self.value
        if not self.code or not other.code or {self.system, other.system} != {UCUM}:
            return None
        unit = parse_unit(self.code)
        factor = conversion(self.code, other.code) if unit is not None and unit.powers else None
        return None if factor is None else self.value * factor.numerator / factor.denominator


class Prescription(msgspec.Struct, frozen=True):
    """One prescribed item.

    Args:
        id: logical id at home.
        status: R4 MedicationRequest.status.
        valid_from, valid_until: the validity period as written, "" when open.
        each: most that one dispensation may hand over, None when not limited.
        total: all that may ever be handed over, None when only hand-overs are counted.
        fills: how many hand-overs, when no amount is given: the first and the repeats.
        substitution: whether another product may be given instead.
        intent: R4 MedicationRequest.intent.
        authored: when it was written, as written, "" when unknown.
        forbids: whether it says that the medicine must not be given (doNotPerform).
        inpatient: whether it is for use within a hospital.
        product: the medicine.
    """

    id: str
    status: str
    valid_from: str
    valid_until: str
    each: Amount | None
    total: Amount | None
    fills: int
    substitution: bool
    intent: str = "order"
    authored: str = ""
    forbids: bool = False
    inpatient: bool = False
    product: Product = NO_PRODUCT


class Dispensation(msgspec.Struct, frozen=True):
    """One hand-over; `identifier` is the dispense id as "system|value"."""

    identifier: str
    prescription: str
    status: str
    amount: Amount | None
    substituted: bool
    handed_over: str
    product: Product = NO_PRODUCT

    @property
    def counts(self) -> bool:
        """Return whether the product was handed over."""
        return self.status not in NOT_HANDED_OVER


class Remaining(msgspec.Struct, frozen=True):
    """What is left: an amount where the prescription names one, else hand-overs."""

    amount: Amount | None
    fills: int

    @property
    def none(self) -> bool:
        """Return whether nothing is left."""
        return self.amount.value <= 0 if self.amount is not None else self.fills <= 0


class Hindrance(msgspec.Struct, frozen=True):
    """Why nothing may be dispensed: a key of `HINDRANCES`, and the status or intent where it names one."""

    code: str
    detail: str = ""

    def __str__(self) -> str:
        """Return it as an English sentence without its stop."""
        return HINDRANCES[self.code].format(self.detail)


HINDRANCES = {
    "forbidden": "it says that this medicine must not be given (doNotPerform)",
    "no-order": "it is no prescription (its intent is {})",
    "inpatient": "it is for use within a hospital",
    "status": "it is {}",
    "outside": "it is outside its validity period",
    "undated": "it has no validity period and no date of writing",
}


def read_prescription(resource: Resource, medications: Mapping[str, Resource] | None = None) -> Prescription:
    """Return the item that a MedicationRequest prescribes; `medications` as for `read_product`."""
    request = resource.get("dispenseRequest", {})
    fills = 1 + int(request.get("numberOfRepeatsAllowed", 0))
    each = read_amount(request.get("quantity"))
    overall: Resource = next(
        (found for found in request.get("extension", ()) if found.get("url") == PRESCRIBED_QUANTITY), {}
    )
    total = read_amount(overall.get("valueQuantity"))
    if total is None and each is not None:
        total = msgspec.structs.replace(each, value=each.value * fills)
    period = request.get("validityPeriod", {})
    return Prescription(
        id=str(resource.get("id", "")),
        status=str(resource.get("status", "")),
        valid_from=str(period.get("start", "")),
        valid_until=str(period.get("end", "")),
        each=each,
        total=total,
        fills=fills,
        substitution=_substitution_allowed(resource.get("substitution")),
        intent=str(resource.get("intent", "")),
        authored=str(resource.get("authoredOn", "")),
        forbids=resource.get("doNotPerform") is True,
        inpatient=_inpatient(resource.get("category", ())),
        product=read_product(resource, medications),
    )


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
        prescription=_prescription_of(prescriptions[0]),
        status=str(resource.get("status", "")),
        amount=read_amount(resource.get("quantity")),
        substituted=bool(resource.get("substitution", {}).get("wasSubstituted", False)),
        handed_over=str(resource.get("whenHandedOver", "")),
        product=read_product(resource, medications),
    )


def read_recorded(
    resources: Iterable[Resource], prescription: str, medications: Mapping[str, Resource] | None = None
) -> list[Dispensation]:
    """Return the recorded hand-overs on one prescription, also those that no rule would let in today.

    One without a proper dispense id is known by its logical id; one that names several prescriptions counts
    on each of them, so that never too much is left.
    """
    found = []
    for resource in resources:
        links = [str(each.get("reference", "")) for each in resource.get("authorizingPrescription", ())]
        link = next((each for each in links if _prescription_of(each) == prescription), None)
        if link is None:
            continue
        identifiers = resource.get("identifier", ())
        proper = len(identifiers) == 1 and identifiers[0].get("system") and identifiers[0].get("value")
        own = [{"system": "urn:salus:dispensation", "value": str(resource.get("id", ""))}]
        named = {
            "identifier": identifiers if proper else own,
            "authorizingPrescription": [{"reference": link}],
        }
        found.append(read_dispensation({**resource, **named}, medications))
    return found


def prescriptions_named(resource: Resource, *, bases: Sequence[str] = ()) -> list[str]:
    """Return the ids of the prescriptions kept here that a MedicationDispense names, each as often as named.

    One at another address is not kept here; `bases` are the addresses of this node's own.
    """
    links = [str(each.get("reference", "")) for each in resource.get("authorizingPrescription", ())]
    own = tuple(f"{base}/".casefold() for base in bases)
    return [
        _prescription_of(link)
        for link in links
        if "MedicationRequest/" in link and ("://" not in link or link.casefold().startswith(own))
    ]


def _prescription_of(reference: str) -> str:
    return reference.split("/_history/")[0].rpartition("MedicationRequest/")[2]


def read_amount(quantity: Resource | None) -> Amount | None:
    """Return the FHIR quantity as an amount, None when it has no value."""
    if quantity is None or "value" not in quantity:
        return None
    try:
        value = Decimal(str(quantity["value"]))
    except InvalidOperation:
        raise InvalidResource("the quantity's value is not a number") from None
    if not value.is_finite() or value.adjusted() > DIGITS_MAX or value.as_tuple().exponent < -DIGITS_MAX:  # type: ignore[operator]  # finite: an int
        raise InvalidResource(f"the quantity's value is out of range; write at most {DIGITS_MAX} digits")
    return Amount(
        value, str(quantity.get("system", "")), str(quantity.get("code", "")), str(quantity.get("unit", ""))
    )


def remaining(prescription: Prescription, dispensations: Iterable[Dispensation]) -> Remaining:
    """Return what is left after the given hand-overs; those discarded or declined count nothing.

    One whose amount cannot be told in the prescription's unit counts as much as one hand-over may give, so
    that never too much is left.
    """
    counted = [each for each in dispensations if each.counts]
    fills = max(prescription.fills - len(counted), 0)
    if prescription.total is None:
        return Remaining(None, fills)
    total = prescription.total
    used = sum((_used(prescription, total, each) for each in counted), Decimal(0))
    left = msgspec.structs.replace(total, value=max(total.value - used, Decimal(0)))
    return Remaining(left, max(fills, 1) if left.value > 0 else 0)


def _used(prescription: Prescription, total: Amount, each: Dispensation) -> Decimal:
    value = each.amount.in_unit_of(total) if each.amount is not None else None
    if value is not None and value >= 0:
        return value
    once = prescription.each.in_unit_of(total) if prescription.each is not None else None
    return once if once is not None else total.value


def check_dispensable(
    prescription: Prescription,
    known: Iterable[Dispensation],
    offered: Dispensation,
    *,
    now: datetime,
    country: str,
) -> None:
    """Check that a new hand-over may be recorded on a prescription of `country`.

    Raises:
        Conflict: naming the rule that forbids it and what is left.
    """
    known = list(known)
    if offered.status not in HANDED_OVER:
        raise Conflict(f"a hand-over has status completed or in-progress, not {offered.status[:40]}")
    left = remaining(prescription, known)
    if left.none:
        raise Conflict("nothing is left on this prescription")
    if reason := why_not(prescription, now, country):
        raise Conflict(f"nothing may be dispensed on this prescription: {reason}")
    if not prescription.substitution and (
        offered.substituted or not is_same_product(prescription.product, offered.product)
    ):
        raise Conflict("the prescriber excluded substitution: hand over the product that is prescribed")
    if left.amount is not None:
        _check_amount(prescription, offered, left.amount)


def _check_amount(prescription: Prescription, offered: Dispensation, left: Amount) -> None:
    if offered.amount is None or offered.amount.value <= 0:
        raise Conflict("the dispensation must give the quantity handed over, greater than zero")
    if not offered.amount.same_unit(left):
        raise Conflict(f"the quantity must be given in the prescription's unit ({left.unit or left.code})")
    if offered.amount.value > left.value:
        raise Conflict(f"only {left} is left on this prescription")
    once = prescription.each.in_unit_of(left) if prescription.each is not None else None
    if once is not None and offered.amount.value > once:
        raise Conflict(f"at most {prescription.each} may be handed over at once")


def why_not(prescription: Prescription, now: datetime, country: str) -> Hindrance | None:
    """Return why nothing may be dispensed on it at the moment, whatever is left; None when something may.

    Args:
        prescription: the item.
        now: the moment.
        country: where it was prescribed (ISO 3166-1 alpha-2), for its validity where none is written.
    """
    if prescription.forbids:
        return Hindrance("forbidden")
    if prescription.intent not in ORDERS:
        return Hindrance("no-order", prescription.intent[:40] or "not stated")
    if prescription.inpatient:
        return Hindrance("inpatient")
    if prescription.status != "active":
        return Hindrance("status", prescription.status[:40])
    if is_valid_at(prescription, now, country):
        return None
    if prescription.valid_from or prescription.valid_until or prescription.authored:
        return Hindrance("outside")
    return Hindrance("undated")


def is_valid_at(prescription: Prescription, now: datetime, country: str) -> bool:
    """Return whether the moment lies in the validity period.

    Without a written end it is that of `validity.toml` from the day of writing; without that, or with dates
    that cannot be read, never.
    """
    end = prescription.valid_until
    began = prescription.authored or prescription.valid_from
    try:
        if not end:
            end = last_day(began, validity_days(country, prescription.fills)).isoformat()
        return is_within(now, prescription.valid_from, end)
    except (ValueError, TypeError):  # no date; or a time without zone, which cannot be compared
        return False


def _inpatient(categories: Iterable[Resource]) -> bool:
    codes = {coding.get("code") for each in categories for coding in each.get("coding", ())}
    return "inpatient" in codes


def _substitution_allowed(substitution: Resource | None) -> bool:
    if substitution is None:
        return True
    if "allowedBoolean" in substitution:
        return bool(substitution["allowedBoolean"])
    codings = substitution.get("allowedCodeableConcept", {}).get("coding", ())
    return all(coding.get("code") != "N" for coding in codings)
