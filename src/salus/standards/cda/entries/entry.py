"""What a kind of entry is, and what all kinds read in the same way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from salus.core.errors import MalformedContent
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.identifiers import identifiers
from salus.standards.cda.node import Node
from salus.standards.cda.patient import codes
from salus.standards.cda.people import participant
from salus.standards.cda.sections import Section

STATEMENTS = frozenset(
    {
        "act", "encounter", "observation", "observationMedia", "organizer", "procedure", "regionOfInterest",
        "substanceAdministration", "supply",
    }
)  # fmt: skip
RELATIONS_MAX = 1_000
"""Most statements within one entry; more are no entry that a person wrote."""
Reader = Callable[[Node, Section, Conversion], list[Resource]]


class Entry(msgspec.Struct, frozen=True):
    """A kind of entry.

    Args:
        name: as `sections.toml` names it.
        templates: ids of the templates that say that an entry is of this kind.
        elements: names of the elements that are of this kind where their section is.
        read: returns References to what was made of one.
    """

    name: str
    templates: frozenset[str]
    elements: frozenset[str]
    read: Reader


class Relation(msgspec.Struct, frozen=True):
    """A statement beside or within an entry.

    Args:
        kind: typeCode: how it belongs to the entry ("SUBJ", "RSON" ...).
        node: the statement.
        within: the entryRelationship or component that holds it.
    """

    kind: str
    node: Node
    within: Node


def relations(node: Node, name: str = "entryRelationship") -> list[Relation]:
    """Return the statements of an entry's relationships, in their order."""
    found = [
        Relation(within.get("typeCode"), child, within)
        for within in node.all(name)
        for child in within.children
        if child.name in STATEMENTS and not is_about_another(child)
    ]
    if name == "entryRelationship" and len(found) > RELATIONS_MAX:
        raise MalformedContent(
            f"Line {node.line}: an entry holds more than {RELATIONS_MAX} statements; send a document that a "
            "person can read."
        )
    return found


def is_about_another(node: Node) -> bool:
    """Return whether a statement names a subject of its own: a relative, a fetus, a sample of the water."""
    subject = node.first("subject")
    return subject is not None and not subject.peek("nullFlavor")


def is_negated(node: Node) -> bool:
    """Return whether a statement is denied (negationInd, or of its value sdtc:valueNegationInd)."""
    return node.get("negationInd") == "true"


def status_of(node: Node, table: str) -> str:
    """Return the status by a table of `codes.toml`, "" where the statusCode is absent or not in it."""
    code = node.first("statusCode")
    found = codes()[table].get(code.peek("code").lower(), "") if code is not None else ""
    if code is not None and found:
        code.get("code")
    return found


def take_status(node: Node) -> str:
    """Return the statusCode as it stands, "" for none."""
    code = node.first("statusCode")
    return code.get("code").lower() if code is not None else ""


def begun(kind: str, node: Node, conversion: Conversion) -> Resource:
    """Return a resource with the entry's identifiers, to be filled."""
    node.get("moodCode")
    made: Resource = {"resourceType": kind}
    if ids := identifiers(node, conversion):
        made["identifier"] = ids
    return made


def author_of(node: Node, conversion: Conversion) -> tuple[Resource, str]:
    """Return who wrote an entry as Reference ({} for nobody of its own), and when."""
    author = node.first("author")
    if author is None:
        return {}, ""
    when = conversion.moment(author.first("time"))
    return participant(author.first("assignedAuthor"), conversion, author.first("functionCode")), when


def informant_of(node: Node, conversion: Conversion) -> Resource:
    """Return whose word an entry is as Reference, {} for nobody that is named."""
    return participant(node.first("informant", "assignedEntity"), conversion)


def performers(node: Node, conversion: Conversion) -> list[Resource]:
    """Return References to who did it."""
    return [
        who
        for each in node.all("performer")
        if (who := participant(each.first("assignedEntity"), conversion, each.first("functionCode")))
    ]


def notes(words: Sequence[str]) -> list[Resource]:
    """Return Annotations, each text once."""
    return [{"text": text} for text in dict.fromkeys(words) if text]


def with_notes(made: Resource, words: Sequence[str]) -> Resource:
    """Put further notes to a resource."""
    found = [*made.get("note", []), *notes(words)]
    if found:
        made["note"] = found
    return made
