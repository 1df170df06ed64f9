"""What stands beside an entry and is no element of its resource: notes, or entries of their own."""

from __future__ import annotations

from collections.abc import Sequence

from salus.standards.cda.coded import codes_of, concept, words_of
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import Relation, is_negated, relations, take_status
from salus.standards.cda.entries.registry import read_entry
from salus.standards.cda.node import Node
from salus.standards.cda.sections import Section
from salus.standards.cda.values import any_value, occurrence, quantity

_COMMENTS = frozenset({"48767-8", "FINSTRUCT", "PINSTRUCT", "COMMENT"})
_DEEP_MAX = 8


def is_comment(node: Node) -> bool:
    """Return whether an act is only words beside an entry (IHE PCC Comment, C-CDA Comment Activity)."""
    return node.name == "act" and bool(_COMMENTS & set(codes_of(node.first("code"))))


def comment(node: Node, conversion: Conversion) -> str:
    """Return the words of a comment."""
    node.get("moodCode")
    take_status(node)
    code, text = node.first("code"), conversion.text(node.first("text"))
    if code is not None:
        code.take()
    return text


def remarks(
    rest: Sequence[Relation], section: Section, conversion: Conversion
) -> tuple[list[str], list[Resource]]:
    """Return notes, and References to entries of their own, of the relationships that nothing else reads."""
    told: list[str] = []
    beside: list[Resource] = []
    for relation in rest:
        node = relation.node
        if is_comment(node):
            told.append(comment(node, conversion))
        elif node.name in ("observation", "act"):
            told.append(said(node, conversion))
        else:
            found = read_entry(node, section, conversion)
            if found:
                conversion.approximate(relation.within, "a statement within an entry is one of its own")
            beside += found
    return [words for words in told if words], beside


def said(node: Node, conversion: Conversion, depth: int = 0) -> str:
    """Return a statement in words: what, its value, when; and what stands within it."""
    node.get("moodCode")
    take_status(node)
    denied = is_negated(node)
    what = words_of(concept(node.first("code"), conversion))
    values = [_value(each, conversion) for each in node.all("value")]
    text = conversion.text(node.first("text"))
    when = _when(node.first("effectiveTime"), conversion)
    inner = [
        words
        for each in (relations(node) if depth < _DEEP_MAX else [])
        if (words := said(each.node, conversion, depth + 1))
    ]
    named = ", ".join(filter(None, values)) or ("" if text == what else text)
    words = ": ".join(filter(None, (what, named)))
    words = " ".join(filter(None, (words, f"({when})" if when else "")))
    words = "; ".join(filter(None, [f"not: {words}" if denied and words else words, *inner]))
    if words and not depth:
        conversion.approximate(node, "a statement beside an entry is said as a note", words)
    return words


def _value(node: Node, conversion: Conversion) -> str:
    found = any_value(node, conversion)
    for key, value in found.items():
        if key == "valueCodeableConcept":
            return words_of(value)
        if key == "valueQuantity":
            return amount(value)
        if key == "valuePeriod":
            return _span(value)
        if key in ("valueRange", "valueRatio"):
            ends = (value.get(name) for name in ("low", "high", "numerator", "denominator"))
            return (" / " if key == "valueRatio" else " - ").join(amount(each) for each in ends if each)
        if key == "valueBoolean":
            return "yes" if value else "no"
        return str(value)
    return ""


def amount(found: Resource) -> str:
    """Return a Quantity in words."""
    parts = (found.get("comparator", ""), found["value"], found.get("unit", ""))
    return " ".join(str(part) for part in parts if part != "")


def measured(node: Node | None, conversion: Conversion) -> str:
    """Return a PQ in words, "" for none."""
    found = quantity(node, conversion)
    return amount(found) if found else ""


def _span(found: Resource) -> str:
    return " - ".join(str(found[name]) for name in ("start", "end") if name in found)


def _when(node: Node | None, conversion: Conversion) -> str:
    found = occurrence(node, conversion, "at")
    return str(found.get("atDateTime", "")) or (_span(found["atPeriod"]) if "atPeriod" in found else "")
