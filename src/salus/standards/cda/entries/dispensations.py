"""What was handed over: supply of an eDispensation to MedicationDispense (HL7 Europe MPD 1.0.0).

Templates: eHDSI Dispensed Medicine 1.3.6.1.4.1.12559.11.10.1.3.1.3.3, IHE PCC
1.3.6.1.4.1.19376.1.5.3.1.4.7.3, IHE PHARM Dispense Item 1.3.6.1.4.1.19376.1.9.1.3.4, C-CDA Medication
Dispense 2.16.840.1.113883.10.20.22.4.18.
"""

from __future__ import annotations

from salus.standards.cda.absent import absent
from salus.standards.cda.coded import codes_of, concept, words_of
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.doses import dosage, whole_time
from salus.standards.cda.entries.entry import (
    Entry,
    Relation,
    author_of,
    begun,
    is_negated,
    performers,
    relations,
    status_of,
    take_status,
    with_notes,
)
from salus.standards.cda.entries.products import medication, product
from salus.standards.cda.entries.qualities import seen
from salus.standards.cda.entries.remarks import measured, remarks
from salus.standards.cda.identifiers import identifiers
from salus.standards.cda.node import Node
from salus.standards.cda.sections import Section
from salus.standards.cda.values import occurrence, quantity

RECORDED = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationDispense.recorded"


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the MedicationDispense."""
    made = begun("MedicationDispense", node, conversion)
    denied = is_negated(node)
    stated = status_of(node, "medication-dispense-status")
    made["status"] = "declined" if denied else stated or "completed"
    if not (denied or stated):
        conversion.approximate(node, "a supply that took place and has no status is taken as completed")
    made |= medication(node.first("product"), conversion)
    made["subject"] = conversion.subject
    actors = [{"actor": who} for who in performers(node, conversion)]
    who, written = author_of(node, conversion)
    if not actors and (who or conversion.authors):
        actors = [{"actor": who or conversion.authors[0]}]
    if actors:
        made["performer"] = actors
    rest = relations(node)
    _order(rest, made, conversion)
    much = quantity(node.first("quantity"), conversion)
    made["quantity"] = much or absent(node.first("quantity"))
    if much and much["value"] <= 0:
        conversion.approximate(
            node, "the amount handed over is not more than nothing; it is told as it is", str(much["value"])
        )
    made |= _handed_over(node, written, conversion)
    made |= _recorded(written, conversion)
    substitution = _substitution(rest, conversion)
    if substitution:
        made["substitution"] = substitution
    code = concept(node.first("code"), conversion)
    if code:
        made["type"] = code
    words = [conversion.said_in_narrative(node.first("text"))]
    number = node.first("repeatNumber")
    times = number.get("value") if number is not None else ""
    if times:
        conversion.approximate(node, "the number of the supply is told as a note", times)
        words.append(f"Repeat number: {times}")
    told, beside = remarks(rest, section, conversion)
    return [conversion.add(with_notes(made, [*words, *told])), *beside]


def _handed_over(node: Node, written: str, conversion: Conversion) -> Resource:
    own = occurrence(node.first("effectiveTime"), conversion, "at")
    when = own.get("atDateTime") or own.get("atPeriod", {}).get("start", "")
    times = node.all("performer", "time")
    by_performer = next((found for each in times if (found := conversion.moment(each))), "")
    found = when or by_performer
    if not found and written:
        conversion.approximate(
            node, "when it was handed over is taken from when it was written down", written
        )
    return {"whenHandedOver": found or written} if found or written else {"_whenHandedOver": absent()}


def _recorded(written: str, conversion: Conversion) -> Resource:
    """Return the time at which it was written down, which MPD demands: the author's, else the document's."""
    when = (
        written
        or conversion.moment(conversion.root.first("author", "time"))
        or conversion.moment(conversion.root.first("effectiveTime"))
    )
    value = {"valueDateTime": when} if when else {"_valueDateTime": absent()}
    return {"extension": [{"url": RECORDED, **value}]}


def _order(rest: list[Relation], made: Resource, conversion: Conversion) -> None:
    """Say on which prescription it was handed over, and how it is to be taken.

    The copy of the prescription in a dispensation lacks who wrote it and when: it is named by its number.
    """
    for relation in list(rest):
        node = relation.node
        if node.name != "substanceAdministration":
            continue
        rest.remove(relation)
        node.get("moodCode")
        take_status(node)
        numbers = identifiers(node, conversion)
        prescribed, detailed = product(node.first("consumable"), conversion)
        name = words_of(prescribed)
        if numbers:
            reference = {"type": "MedicationRequest", "identifier": numbers[0]}
            made.setdefault("authorizingPrescription", []).append(
                {**reference, **({"display": name} if name else {})}
            )
        _compare(node, made, prescribed, detailed, conversion)
        dose = dosage(node, conversion)
        text = conversion.text(node.first("text"))
        dose = {**({"text": text} if text else {}), **dose}
        bounds, _ = whole_time(node, conversion)
        if span := bounds.get("effectivePeriod"):
            dose.setdefault("timing", {}).setdefault("repeat", {})["boundsPeriod"] = span
        if dose:
            made.setdefault("dosageInstruction", []).append(dose)
        rest += [each for each in relations(node) if each.node.name != "supply"]
        for each in relations(node):
            if each.node.name == "supply":
                _prescribed_amount(each.node, made, conversion)


def _compare(
    node: Node, made: Resource, prescribed: Resource, detailed: Resource, conversion: Conversion
) -> None:
    """Tell what is lost of the prescribed product where another one was handed over."""
    given = made.get("medicationCodeableConcept")
    if given is None:
        given = conversion.resource(made["medicationReference"])
    ours = {key: value for key, value in given.items() if key not in ("resourceType", "code")}
    code = given.get("code", given)
    if (detailed and detailed != ours) or (prescribed and code != prescribed):
        conversion.approximate(
            node,
            "of a prescribed product that differs from the one handed over the name is told",
            words_of(prescribed),
        )


def _prescribed_amount(supply: Node, made: Resource, conversion: Conversion) -> None:
    supply.get("moodCode")
    independent = supply.first("independentInd")
    if independent is not None:
        independent.get("value")
    much = measured(supply.first("quantity"), conversion)
    if much:
        conversion.approximate(supply, "the prescribed amount is told as a note", much)
        made["note"] = [*made.get("note", []), {"text": f"Prescribed amount: {much}"}]


def _substitution(rest: list[Relation], conversion: Conversion) -> Resource:
    """Return that another product was given than prescribed (an act SUBST, eHDSI and IHE)."""
    for relation in list(rest):
        node = relation.node
        if "SUBST" not in codes_of(node.first("code")):
            continue
        rest.remove(relation)
        substituted = not is_negated(node)
        kind = concept(node.first("value"), conversion)
        seen(node)
        return {"wasSubstituted": substituted, **({"type": kind} if kind else {})}
    return {}


ENTRY = Entry(
    "dispensations",
    frozenset(
        {
            "1.3.6.1.4.1.12559.11.10.1.3.1.3.3",
            "1.3.6.1.4.1.19376.1.5.3.1.4.7.3",
            "1.3.6.1.4.1.19376.1.9.1.3.4",
            "2.16.840.1.113883.10.20.22.4.18",
        }
    ),
    frozenset({"supply"}),
    read,
)
