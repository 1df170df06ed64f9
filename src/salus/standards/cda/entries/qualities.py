"""Observations beside a problem or an allergy that say of what kind it is: status, certainty, severity."""

from __future__ import annotations

from salus.standards.cda.coded import codes_of, concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import Relation, take_status
from salus.standards.cda.node import Node
from salus.standards.cda.patient import codes

STATUS = frozenset({"33999-4"})
CERTAINTY = frozenset({"66455-7"})
CRITICALITY = frozenset({"82606-5"})
SEVERITY = frozenset({"SEV"})
_URI = {
    "condition-clinical": "http://terminology.hl7.org/CodeSystem/condition-clinical",
    "condition-verification": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
    "allergy-clinical": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
    "allergy-verification": "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification",
}


def find(rest: list[Relation], wanted: frozenset[str]) -> Node | None:
    """Take the first observation of these codes out of the relationships."""
    for relation in rest:
        if relation.node.name == "observation" and wanted & set(codes_of(relation.node.first("code"))):
            rest.remove(relation)
            return relation.node
    return None


def coded_value(node: Node, table: str) -> str:
    """Return an observation's value by a table of `codes.toml`, "" when it is not in it."""
    value = node.first("value")
    known = codes()[table]
    return next((known[code] for code in codes_of(value) if known.get(code)), "")


def seen(node: Node) -> None:
    """Count an observation as read whose value is said; what it is, is in its code."""
    node.get("moodCode")
    node.get("negationInd")
    take_status(node)
    for each in (*node.all("code"), *node.all("value")):
        each.take()
    for text in node.all("text"):
        text.take()


def concept_by(node: Node | None, table: str, conversion: Conversion) -> Resource:
    """Return the CodeableConcept of a FHIR status that an observation says, {} when it says none."""
    if node is None:
        return {}
    code = coded_value(node, table)
    if not code:
        return {}
    original = concept(node.first("value"), conversion)
    seen(node)
    made: Resource = {"coding": [{"system": _URI[table], "code": code}]}
    others = [each for each in original.get("coding", ()) if each.get("system") != _URI[table]]
    made["coding"] += others
    return made


def status_concept(code: str, table: str) -> Resource:
    """Return the CodeableConcept of a FHIR status."""
    return {"coding": [{"system": _URI[table], "code": code}]}
