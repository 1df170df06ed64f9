"""Procedures: procedure, and acts and observations of procedures (C-CDA), to Procedure.

Templates: eHDSI 1.3.6.1.4.1.12559.11.10.1.3.1.3.26, IHE PCC 1.3.6.1.4.1.19376.1.5.3.1.4.19, C-CDA Procedure
Activity 2.16.840.1.113883.10.20.22.4.12, .13 and .14.
"""

from __future__ import annotations

from salus.standards.cda.absent import says_nothing
from salus.standards.cda.coded import codes_of, concept, required_concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.devices import device
from salus.standards.cda.entries.entry import (
    Entry,
    Relation,
    author_of,
    begun,
    is_negated,
    performers,
    relations,
    status_of,
    with_notes,
)
from salus.standards.cda.entries.places import location
from salus.standards.cda.entries.qualities import seen
from salus.standards.cda.entries.remarks import remarks
from salus.standards.cda.node import Node
from salus.standards.cda.sections import Section
from salus.standards.cda.values import any_value, stated

_ACTIVITIES = frozenset(
    {
        "1.3.6.1.4.1.12559.11.10.1.3.1.3.26",
        "1.3.6.1.4.1.19376.1.5.3.1.4.19",
        "2.16.840.1.113883.10.20.22.4.12",
        "2.16.840.1.113883.10.20.22.4.13",
        "2.16.840.1.113883.10.20.22.4.14",
        "2.16.840.1.113883.10.20.1.29",
    }
)


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the Procedure."""
    made = begun("Procedure", node, conversion)
    denied = is_negated(node)
    made["status"] = "not-done" if denied else status_of(node, "procedure-status") or "unknown"
    code = node.first("code")
    made["code"] = says_nothing(code, "no-procedure-info") or required_concept(code, conversion)
    made["subject"] = conversion.subject
    made |= stated(node.first("effectiveTime"), conversion, "performed")
    who, _ = author_of(node, conversion)
    made |= {"recorder": who} if who else {}
    actors = [{"actor": each} for each in performers(node, conversion)]
    if actors:
        made["performer"] = actors
    sites = [found for each in node.all("targetSiteCode") if (found := concept(each, conversion))]
    if sites:
        made["bodySite"] = sites
    rest = relations(node)
    reasons = _reasons(rest, conversion)
    if reasons and denied:
        made["statusReason"] = reasons[0]
        reasons = reasons[1:]
    if reasons:
        made["reasonCode"] = reasons
    _participants(node, made, conversion)
    words = [conversion.said_in_narrative(node.first("text")), *_remaining(node, conversion)]
    told, beside = remarks(rest, section, conversion)
    return [conversion.add(with_notes(made, [*words, *told])), *beside]


def _reasons(rest: list[Relation], conversion: Conversion) -> list[Resource]:
    found = []
    for relation in list(rest):
        node = relation.node
        if relation.kind == "RSON" and node.name == "observation":
            made = concept(node.first("value") or node.first("code"), conversion)
            if made:
                rest.remove(relation)
                seen(node)
                found.append(made)
    return found


def _participants(node: Node, made: Resource, conversion: Conversion) -> None:
    """Say where it was done, and which device it put in or changed."""
    manipulated = []
    for each in node.all("participant"):
        role = each.first("participantRole")
        if role is None:
            continue
        if each.peek("typeCode") == "DEV":
            if found := device(role, conversion):
                manipulated.append({"manipulated": found})
        elif (
            each.peek("typeCode") == "LOC"
            and "location" not in made
            and (where := location(role, conversion))
        ):
            made["location"] = where
    if manipulated:
        made["focalDevice"] = manipulated


def _remaining(node: Node, conversion: Conversion) -> list[str]:
    """Return method, approach and value in words: R4 has no element for them."""
    found = []
    for name, word in (("methodCode", "Method"), ("approachSiteCode", "Approach")):
        for each in node.all(name):
            coded = concept(each, conversion)
            text = coded.get("text") or next(
                (c.get("display") or c["code"] for c in coded.get("coding", ())), ""
            )
            if text:
                conversion.approximate(each, "it has no element and is told as a note", str(text))
                found.append(f"{word}: {text}")
    for each in node.all("value"):
        if set(codes_of(each)) or each.attributes.keys() - {"type", "nullFlavor"} or each.text.strip():
            value = any_value(each, conversion)
            text = next(iter(value.values()), "")
            if isinstance(text, dict):
                text = text.get("text") or next(
                    (c.get("display") or c["code"] for c in text.get("coding", ())), text.get("value", "")
                )
            if text != "":
                conversion.approximate(each, "it has no element and is told as a note", str(text))
                found.append(str(text))
    return found


ENTRY = Entry("procedures", _ACTIVITIES, frozenset({"procedure", "act", "observation"}), read)
