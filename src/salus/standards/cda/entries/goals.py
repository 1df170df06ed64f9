"""Goals (mood GOL) to Goal."""

from __future__ import annotations

from salus.standards.cda.coded import concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import Entry, author_of, begun, relations, take_status, with_notes
from salus.standards.cda.entries.remarks import remarks
from salus.standards.cda.node import Node
from salus.standards.cda.sections import Section
from salus.standards.cda.values import any_value, period

_STATES = {"active": "active", "completed": "completed", "cancelled": "cancelled", "suspended": "on-hold"}
_DETAIL = (
    "valueQuantity",
    "valueRange",
    "valueCodeableConcept",
    "valueString",
    "valueBoolean",
    "valueInteger",
    "valueRatio",
)


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the Goal."""
    made = begun("Goal", node, conversion)
    made["lifecycleStatus"] = _STATES.get(take_status(node), "proposed")
    text = conversion.text(node.first("text"))
    code = concept(node.first("code"), conversion)
    values = [(each, any_value(each, conversion)) for each in node.all("value")]
    found = next((value for _, value in values if value.keys() & set(_DETAIL)), {})
    if text:
        made["description"] = {**({"coding": code["coding"]} if "coding" in code else {}), "text": text}
    else:
        made["description"] = code or {"text": str(found.get("valueString", "Goal"))}
    made["subject"] = conversion.subject
    when = period(node.first("effectiveTime"), conversion)
    if "start" in when:
        made["startDate"] = when["start"][:10]
    target: Resource = {}
    if found:
        (key,) = found
        target = {"measure": code or {"text": text}, f"detail{key.removeprefix('value')}": found[key]}
    if "end" in when and when["end"] != when.get("start") and len(when["end"]) >= 10:
        target["dueDate"] = when["end"][:10]
    if target:
        made["target"] = [target]
    who, _ = author_of(node, conversion)
    if who and conversion.resource(who)["resourceType"] in ("Practitioner", "PractitionerRole"):
        made["expressedBy"] = who
    words, beside = remarks(relations(node), section, conversion)
    return [conversion.add(with_notes(made, words)), *beside]


ENTRY = Entry(
    "goals", frozenset({"2.16.840.1.113883.10.20.22.4.121"}), frozenset({"observation", "act"}), read
)
