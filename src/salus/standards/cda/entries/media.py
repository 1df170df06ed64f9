"""Pictures and other media within a document: observationMedia to Media."""

from __future__ import annotations

from salus.standards.cda.attachments import attachment
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import Entry, author_of, begun
from salus.standards.cda.node import Node
from salus.standards.cda.sections import Section


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the Media, none where it has no content that can be said."""
    made = begun("Media", node, conversion)
    node.get("ID")
    content = attachment(node.first("value"), conversion)
    if not content:
        return []
    made["status"] = "completed"
    made["subject"] = conversion.subject
    who, when = author_of(node, conversion)
    made |= {"operator": who} if who else {}
    made |= {"createdDateTime": when} if when else {}
    made["content"] = content
    return [conversion.add(made)]


ENTRY = Entry("media", frozenset(), frozenset({"observationMedia"}), read)
