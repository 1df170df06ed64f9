"""Prescriptions: substanceAdministration of an ePrescription to MedicationRequest (HL7 Europe MPD 1.0.0).

Templates: eHDSI Prescription Item 1.3.6.1.4.1.12559.11.10.1.3.1.3.2, IHE PHARM 1.3.6.1.4.1.19376.1.9.1.3.2.
"""

from __future__ import annotations

from salus.standards.cda.absent import absent
from salus.standards.cda.coded import codes_of, concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.doses import whole_time
from salus.standards.cda.entries.entry import (
    Entry,
    Relation,
    author_of,
    begun,
    is_negated,
    status_of,
    with_notes,
)
from salus.standards.cda.entries.medications import details, limit_doses, medicine
from salus.standards.cda.entries.qualities import seen
from salus.standards.cda.entries.remarks import remarks
from salus.standards.cda.identifiers import identifier
from salus.standards.cda.node import Node
from salus.standards.cda.sections import Section
from salus.standards.cda.values import integer, period, quantity


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the MedicationRequest."""
    made = begun("MedicationRequest", node, conversion)
    if is_negated(node):
        made["doNotPerform"] = True
    group = _group(node, conversion)
    if group:
        made["groupIdentifier"] = group
    made["status"] = status_of(node, "medication-request-status") or "unknown"
    made["intent"] = "order"
    made |= medicine(node, conversion, denied=False)
    made["subject"] = conversion.subject
    who, when = author_of(node, conversion)
    made |= _authored(when, conversion)
    requester = who or (conversion.authors[0] if conversion.authors else {})
    made["requester"] = requester or absent()
    bounds, _ = whole_time(node, conversion)
    rest = details(node, made, conversion, "dosageInstruction")
    limit_doses(made, bounds)
    supply = _supply(rest, conversion)
    if supply:
        made["dispenseRequest"] = supply
    substitution = _substitution(rest, conversion)
    if substitution:
        made["substitution"] = substitution
    repeats = integer(node.first("repeatNumber"))
    if repeats is not None and repeats > 0 and "numberOfRepeatsAllowed" not in supply:
        made.setdefault("dispenseRequest", {})["numberOfRepeatsAllowed"] = repeats - 1
    words, beside = remarks(rest, section, conversion)
    return [conversion.add(with_notes(made, words)), *beside]


def _group(node: Node, conversion: Conversion) -> Resource:
    """Return the prescription's number: the id of the section that holds its items (eHDSI)."""
    above: Node | None = node
    while above is not None and above.name != "section":
        above = above.parent
    own = above.first("id") if above is not None else None
    return identifier(own, conversion) if own is not None else {}


def _authored(when: str, conversion: Conversion) -> Resource:
    """Return when it was written: the item's time, else that of the document's author."""
    time = when or conversion.moment(conversion.root.first("author", "time"))
    return {"authoredOn": time} if time else {"_authoredOn": absent(conversion.root.first("author", "time"))}


def _supply(rest: list[Relation], conversion: Conversion) -> Resource:
    """Return how much may be handed over, how often, and until when."""
    made: Resource = {}
    for relation in list(rest):
        node = relation.node
        if node.name != "supply" or made:
            continue
        rest.remove(relation)
        node.get("moodCode")
        independent = node.first("independentInd")
        if independent is not None:
            independent.get("value")
        much = quantity(node.first("quantity"), conversion)
        if much:
            made["quantity"] = much
        repeat = node.first("repeatNumber")
        times = integer(repeat if repeat is None or repeat.first("high") is None else repeat.first("high"))
        if times is not None and times > 0:
            made["numberOfRepeatsAllowed"] = times - 1
        valid = period(node.first("effectiveTime"), conversion)
        if valid:
            made["validityPeriod"] = valid
        last = quantity(node.first("expectedUseTime", "width"), conversion)
        if last and last.get("code"):
            made["expectedSupplyDuration"] = last
        for code in node.all("code"):
            code.take()
    return made


def _substitution(rest: list[Relation], conversion: Conversion) -> Resource:
    """Return whether another product may be given (v3 substanceAdminSubstitution)."""
    for relation in list(rest):
        node = relation.node
        if "SUBST" not in codes_of(node.first("code")):
            continue
        found = concept(node.first("value"), conversion)
        if found:
            rest.remove(relation)
            seen(node)
            return {"allowedCodeableConcept": found}
    return {}


ENTRY = Entry(
    "prescriptions",
    frozenset({"1.3.6.1.4.1.12559.11.10.1.3.1.3.2", "1.3.6.1.4.1.19376.1.9.1.3.2"}),
    frozenset({"substanceAdministration"}),
    read,
)
