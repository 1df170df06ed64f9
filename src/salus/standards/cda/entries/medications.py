"""Medicines that are or were taken, or are planned: substanceAdministration to MedicationStatement.

Templates: eHDSI 1.3.6.1.4.1.12559.11.10.1.3.1.3.4, IHE PCC 1.3.6.1.4.1.19376.1.5.3.1.4.7, C-CDA Medication
Activity 2.16.840.1.113883.10.20.22.4.16 (in mood INT: MedicationRequest, as C-CDA on FHIR has it).
"""

from __future__ import annotations

from salus.standards.cda.absent import UNKNOWN, absent
from salus.standards.cda.coded import codes_of, concept, required_concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.doses import dosage, split_doses, whole_time
from salus.standards.cda.entries.entry import (
    Entry,
    Relation,
    author_of,
    begun,
    is_negated,
    relations,
    status_of,
    with_notes,
)
from salus.standards.cda.entries.products import medication
from salus.standards.cda.entries.registry import PLANNED
from salus.standards.cda.entries.remarks import comment, remarks
from salus.standards.cda.node import Node
from salus.standards.cda.patient import codes
from salus.standards.cda.sections import Section

_ABSENT_OID = "2.16.840.1.113883.5.1150.1"
_ACTS = frozenset({"", "DRUG", "IMMUNIZ", "DRUGPRSC", "MTPItem"})
"""Codes of an act that say that medicine is given, and not which."""
EHDSI = "1.3.6.1.4.1.12559.11.10.1.3.1.3.4"
_PLANNED_IN = frozenset({"2.16.840.1.113883.10.20.22.4.42", "2.16.840.1.113883.10.20.22.4.120"})
_CCDA = "2.16.840.1.113883.10.20.22.4.16"
_INSTRUCTIONS = frozenset({"2.16.840.1.113883.10.20.22.4.147"})


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the medicine, and what stands within its entry as entries of their own."""
    return _request(node, section, conversion) if _is_planned(node) else _statement(node, section, conversion)


def _is_planned(node: Node) -> bool:
    """Return whether an order or plan is meant: eHDSI and IHE write what is taken in mood INT too."""
    mood, templates = node.peek("moodCode"), node.templates()
    return bool(templates & _PLANNED_IN) or (
        mood in PLANNED and (mood != "INT" or (_CCDA in templates and EHDSI not in templates))
    )


def _statement(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    made = begun("MedicationStatement", node, conversion)
    negated = is_negated(node)
    status = status_of(node, "medication-statement-status")
    made["status"] = "not-taken" if negated else status or "unknown"
    named = medicine(node, conversion, denied=negated)
    if named.get("medicationCodeableConcept", {}).get("coding", [{}])[0].get("system") == UNKNOWN:
        made["status"] = status or "unknown"
    made |= named
    made["subject"] = conversion.subject
    when, stated = whole_time(node, conversion)
    made |= when or {"_effectiveDateTime": absent(stated)}
    who, asserted = author_of(node, conversion)
    if who:
        made["informationSource"] = who
    if asserted:
        made["dateAsserted"] = asserted
    rest = details(node, made, conversion, "dosage")
    words, beside = remarks(rest, section, conversion)
    return [conversion.add(with_notes(made, words)), *beside]


def _request(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    made = begun("MedicationRequest", node, conversion)
    if is_negated(node):
        made["doNotPerform"] = True
    made["status"] = status_of(node, "medication-request-status") or "unknown"
    made["intent"] = codes()["intent"].get(node.peek("moodCode"), "plan")
    made |= medicine(node, conversion, denied=False)
    made["subject"] = conversion.subject
    who, when = author_of(node, conversion)
    made |= {"authoredOn": when} if when else {}
    made |= {"requester": who} if who else {}
    bounds, _ = whole_time(node, conversion)
    rest = details(node, made, conversion, "dosageInstruction")
    limit_doses(made, bounds)
    words, beside = remarks(rest, section, conversion)
    return [conversion.add(with_notes(made, words)), *beside]


def limit_doses(made: Resource, bounds: Resource) -> None:
    """Say within which time a request's doses are taken."""
    span = bounds.get("effectivePeriod")
    if not span and "effectiveDateTime" in bounds:
        span = {"start": bounds["effectiveDateTime"]}
    if span:
        first = made.setdefault("dosageInstruction", [{}])[0]
        first.setdefault("timing", {}).setdefault("repeat", {}).setdefault("boundsPeriod", span)


def medicine(node: Node, conversion: Conversion, *, denied: bool) -> Resource:
    """Return `medication[x]`: the product, or that there is none (eHDSI by code, C-CDA by negation)."""
    code = node.first("code")
    if code is not None and code.peek("codeSystem") == _ABSENT_OID:
        for each in node.all("consumable"):
            each.take()
        return {"medicationCodeableConcept": concept(code, conversion)}
    consumable = node.first("consumable")
    if (
        code is not None
        and code.peek("code") not in _ACTS
        and (consumable is None or _is_nothing(consumable))
    ):
        if consumable is not None:
            consumable.take()
        return {"medicationCodeableConcept": required_concept(code, conversion)}
    if code is not None:
        code.take()
    if denied and consumable is not None and _is_any_medicine(consumable):
        consumable.take()
        conversion.approximate(node, "a denied use of any medicine is said as: no known medicines")
        coding = {"system": UNKNOWN, "code": "no-known-medications", "display": "No known medications"}
        return {"medicationCodeableConcept": {"coding": [coding]}}
    return medication(consumable, conversion)


def _is_any_medicine(consumable: Node) -> bool:
    """Return whether a consumable names medicines at large, or none at all."""
    code = consumable.first("manufacturedProduct", "manufacturedMaterial", "code")
    found = codes_of(code)
    return code is not None and (
        (not found and bool(code.peek("nullFlavor"))) or bool(set(found) & {"410942007", "763158003"})
    )


def details(node: Node, made: Resource, conversion: Conversion, key: str) -> list[Relation]:
    """Put dosage and reason into a resource; return the relationships that remain."""
    rest: list[Relation] = []
    nested: list[Relation] = []
    instruction = sig = ""
    reasons: list[Resource] = []
    for relation in relations(node):
        child = relation.node
        codes_there = set(codes_of(child.first("code")))
        if relation.kind == "RSON" and child.name == "observation":
            reasons += _reason(child, conversion)
        elif child.name == "act" and "PINSTRUCT" in codes_there:
            instruction = comment(child, conversion)
        elif child.name == "substanceAdministration" and child.templates() & _INSTRUCTIONS:
            sig = conversion.text(child.first("text"))
            child.take_own()
            for other in (*child.all("code"), *child.all("consumable")):
                other.take()
        elif child.name == "substanceAdministration" and relation.kind == "COMP":
            nested.append(relation)
        else:
            rest.append(relation)
    own = dosage(node, conversion, instruction=instruction)
    text = sig or conversion.said_in_narrative(node.first("text"))
    if sig:
        conversion.said_in_narrative(node.first("text"))
    if text:
        own = {"text": text, **own}
    doses = [each for each in (own, *split_doses(nested, conversion)) if each]
    for relation in nested:
        for consumable in relation.node.all("consumable"):
            if _is_nothing(consumable):
                consumable.take()
    if doses:
        made[key] = doses
    if reasons:
        made["reasonCode"] = reasons
    return rest


def _is_nothing(consumable: Node) -> bool:
    material = consumable.first("manufacturedProduct", "manufacturedMaterial")
    return material is None or bool(material.peek("nullFlavor"))


def _reason(node: Node, conversion: Conversion) -> list[Resource]:
    """Return why it is given: the value of the observation, else its words."""
    node.get("moodCode")
    found = [made for value in node.all("value") if (made := concept(value, conversion))]
    text = conversion.text(node.first("text"))
    if not found and text:
        found = [{"text": text}]
    code, status = node.first("code"), node.first("statusCode")
    if not found and code is not None and (made := concept(code, conversion)):
        found = [made]
    for each in (code, status):
        if each is not None:
            each.take()
    when = node.first("effectiveTime")
    if when is not None and any(conversion.moment(each) for each in when.walk()):
        conversion.approximate(when, "when the reason for a medicine was stated is left out")
    return found


ENTRY = Entry(
    "medications",
    frozenset(
        {
            EHDSI, "1.3.6.1.4.1.19376.1.9.1.3.7", _CCDA, *_PLANNED_IN, "1.3.6.1.4.1.19376.1.9.1.3.1.7",
        }
    ),
    frozenset({"substanceAdministration"}),
    read,
)  # fmt: skip
