"""Acts of no other kind: a concern about anything, a group, a note; what they hold become entries."""

from __future__ import annotations

from salus.standards.cda.coded import codes_of, concept, words_of
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.conditions import ENTRY as CONDITIONS
from salus.standards.cda.entries.entry import (
    Entry,
    author_of,
    begun,
    is_negated,
    relations,
    take_status,
    with_notes,
)
from salus.standards.cda.entries.registry import read_entry
from salus.standards.cda.entries.remarks import comment, is_comment, remarks
from salus.standards.cda.node import Node
from salus.standards.cda.sections import Section
from salus.standards.cda.values import stated

_CONCERNS = frozenset({"75310-3", "CONC"})


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return what an act holds; one that holds nothing is said as an Observation in words."""
    if set(codes_of(node.first("code"))) & _CONCERNS and any(
        each.node.templates() & CONDITIONS.templates for each in relations(node)
    ):
        return CONDITIONS.read(node, section, conversion)
    if is_comment(node):
        return _words(node, {"text": "Comment"}, comment(node, conversion), conversion)
    held = [each for each in relations(node) if each.node.name != "act" or not is_comment(each.node)]
    found = [made for each in held for made in read_entry(each.node, section, conversion)]
    code = concept(node.first("code"), conversion)
    if found:
        node.get("moodCode")
        node.get("negationInd")
        take_status(node)
        words = " ".join(filter(None, (words_of(code), conversion.said_in_narrative(node.first("text")))))
        if words:
            conversion.approximate(node, "what holds entries together is not told", words)
        return found
    text = conversion.text(node.first("text"))
    if not (text or code):
        return []
    return _words(node, code, text, conversion, section)


def _words(
    node: Node, code: Resource, text: str, conversion: Conversion, section: Section | None = None
) -> list[Resource]:
    """Return an act in words: what it is about, and what it says."""
    denied = is_negated(node)
    take_status(node)
    made = begun("Observation", node, conversion)
    made["status"] = "final"
    made["code"] = code or {"text": "Note"}
    made["subject"] = conversion.subject
    made |= stated(node.first("effectiveTime"), conversion, "effective")
    who, when = author_of(node, conversion)
    if who:
        made["performer"] = [who]
    if len(when) > 10:
        made["issued"] = when
    made["valueString"] = (f"Not: {text or words_of(code)}" if denied else text) or words_of(code)
    conversion.approximate(node, "an act without an equal in FHIR is said in words", made["valueString"])
    words, beside = remarks(relations(node), section, conversion) if section is not None else ([], [])
    return [conversion.add(with_notes(made, words)), *beside]


ENTRY = Entry("acts", frozenset(), frozenset({"act"}), read)
