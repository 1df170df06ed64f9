"""Which MedicationRequests are one prescription, and which of them a later one replaces.

Source: R4 resource.html#identifiers (a business identifier stays the same from server to server, so that two
resources that bear it are copies of one prescription) and MedicationRequest.priorPrescription ("an order or
prescription that is being replaced").
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from salus.primary.dispensable import ORDERS
from salus.primary.prescription_names import (
    Names,
    Number,
    Resource,
    is_numbered,
    numbers_in,
    numbers_of,
    prescription_of,
)
from salus.primary.prescriptions import Prescription

PRIOR = "priorPrescription"
NOT_WRITTEN = frozenset({"draft", "entered-in-error"})
"""Status of what replaces nothing (yet, or any more)."""


def named_with_copies(identity: str, orders: Mapping[str, Resource]) -> Names:
    """Return what a prescription and its copies are named by.

    Args:
        identity: the logical id of one of them.
        orders: the person's MedicationRequests, by logical id; the prescription is among them.
    """
    numbers = {each: numbers_in(order.get("identifier", ())) for each, order in orders.items()}
    ids, known = {identity}, set(_full(numbers[identity]))
    grown = True
    while grown:
        more = {each for each in numbers.keys() - ids if not known.isdisjoint(_full(numbers[each]))}
        ids |= more
        known |= {number for each in more for number in _full(numbers[each])}
        grown = bool(more)
    return Names(frozenset(ids), frozenset(number for each in ids for number in numbers[each]))


def _full(numbers: Iterable[Number]) -> set[Number]:
    """Return the numbers with a system: without one, two that are alike need not be of one prescription."""
    return {number for number in numbers if number[0]}


def is_replaced(identity: str, orders: Mapping[str, Resource], names: Names) -> bool:
    """Return whether another of the person's orders says that it replaces the prescription or a copy of it.

    One that bears the same number replaces only what it refers to: a copy of what replaces is not replaced.
    """
    return any(
        _replaces(order, identity, names, is_copy=each in names.ids)
        for each, order in orders.items()
        if each != identity
    )


def _replaces(order: Resource, identity: str, names: Names, *, is_copy: bool) -> bool:
    if order.get("status") in NOT_WRITTEN or order.get("intent") not in ORDERS:
        return False
    link = order.get(PRIOR, {})
    reference = str(link.get("reference", ""))
    named = "" if "://" in reference else prescription_of(reference)
    if is_copy or named == identity:
        return named == identity
    return named in names.ids or is_numbered(numbers_of(link, order), names)


def told_apart(
    prescription: Prescription, identity: str, orders: Mapping[str, Resource], shown: Collection[str]
) -> Prescription:
    """Return the prescription with what those beside it that are shown (by id) say of it."""
    seen = {each: order for each, order in orders.items() if each in shown or each == identity}
    names = named_with_copies(identity, seen)
    return msgspec.structs.replace(
        prescription, copies=len(names.ids) - 1, replaced=is_replaced(identity, seen, names)
    )
