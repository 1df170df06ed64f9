"""What is planned, ordered or proposed (mood INT, RQO, PRP ...) to ServiceRequest."""

from __future__ import annotations

from salus.standards.cda.coded import concept, required_concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import (
    Entry,
    author_of,
    begun,
    is_negated,
    performers,
    relations,
    status_of,
    with_notes,
)
from salus.standards.cda.entries.products import product
from salus.standards.cda.entries.qualities import seen
from salus.standards.cda.entries.remarks import measured, remarks
from salus.standards.cda.node import Node
from salus.standards.cda.patient import codes
from salus.standards.cda.sections import Section
from salus.standards.cda.values import occurrence

_PRIORITY = {"R": "routine", "UR": "urgent", "S": "stat", "A": "asap", "EM": "stat"}


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the ServiceRequest."""
    mood = node.peek("moodCode")
    made = begun("ServiceRequest", node, conversion)
    if is_negated(node):
        made["doNotPerform"] = True
    made["status"] = status_of(node, "request-status") or "unknown"
    made["intent"] = codes()["intent"].get(mood, "plan")
    priority = node.first("priorityCode")
    if priority is not None and priority.peek("code") in _PRIORITY:
        made["priority"] = _PRIORITY[priority.get("code")]
        priority.take()
    made["code"] = _what(node, conversion)
    made["subject"] = conversion.subject
    made |= occurrence(node.first("effectiveTime"), conversion, "occurrence")
    who, when = author_of(node, conversion)
    made |= {"authoredOn": when} if when else {}
    made |= {"requester": who} if who else {}
    if wanted := performers(node, conversion):
        made["performer"] = wanted
    sites = [found for each in node.all("targetSiteCode") if (found := concept(each, conversion))]
    if sites:
        made["bodySite"] = sites
    rest, reasons = [], []
    for relation in relations(node):
        child = relation.node
        found = (
            concept(child.first("value") or child.first("code"), conversion)
            if relation.kind == "RSON"
            else {}
        )
        if found and child.name == "observation":
            seen(child)
            reasons.append(found)
        else:
            rest.append(relation)
    if reasons:
        made["reasonCode"] = reasons
    words, beside = remarks(rest, section, conversion)
    words.insert(0, conversion.said_in_narrative(node.first("text")))
    much = measured(node.first("quantity"), conversion)
    if much:
        conversion.approximate(node, "how much is planned is told as a note", much)
        words.append(f"Quantity: {much}")
    return [conversion.add(with_notes(made, words)), *beside]


def _what(node: Node, conversion: Conversion) -> Resource:
    if node.name == "supply" and node.first("product") is not None:
        code, _ = product(node.first("product"), conversion)
        return code
    return required_concept(node.first("code"), conversion)


ENTRY = Entry("plans", frozenset(), frozenset(), read)
