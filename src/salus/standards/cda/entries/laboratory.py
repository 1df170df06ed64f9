"""Laboratory report entries (IHE Laboratory Technical Framework 3, 2.3.5): specimens and results in an act.

Template 1.3.6.1.4.1.19376.1.3.1, Laboratory Report Data Processing Entry, as French CR-BIO and others use it.
Its results become Observations; the document's DiagnosticReport, which `header` makes, names them.
"""

from __future__ import annotations

import msgspec

from salus.standards.cda.coded import concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import Entry, Relation, performers, relations, take_status
from salus.standards.cda.entries.registry import read_entry
from salus.standards.cda.entries.remarks import comment, is_comment, remarks
from salus.standards.cda.entries.specimens import COLLECTION, collected
from salus.standards.cda.node import Node
from salus.standards.cda.sections import Section


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the results, each with the specimen and the laboratory that the act names for all."""
    if node.name != "act":
        return read_entry(node, _plain(section), conversion)
    node.get("moodCode")
    take_status(node)
    code = concept(node.first("code"), conversion)
    rest: list[Relation] = []
    samples: list[Resource] = []
    found: list[Resource] = []
    comments: list[str] = []
    for relation in relations(node):
        child = relation.node
        if child.name == "procedure" and COLLECTION in child.templates():
            samples += [made] if (made := collected(child, conversion)) else []
        elif child.name in ("organizer", "observation"):
            found += read_entry(child, _plain(section), conversion)
        elif is_comment(child):
            comments.append(comment(child, conversion))
        else:
            rest.append(relation)
    words, beside = remarks(rest, section, conversion)
    _complete(found, samples, performers(node, conversion), [*comments, *words], conversion)
    if code and len(found) != 1:
        made = _panel(code, found, conversion)
        return [made, *beside] if made else [*found, *beside]
    return [*found, *beside]


def _plain(section: Section) -> Section:
    """Return the section as one whose observations are read as such."""
    return msgspec.structs.replace(section, entry="observations", category="laboratory")


def _complete(
    found: list[Resource],
    samples: list[Resource],
    laboratory: list[Resource],
    words: list[str],
    conversion: Conversion,
) -> None:
    """Say of results that have none the specimen and the laboratory of their act, if it is one."""
    for reference in _all_members(found, conversion):
        made = conversion.resource(reference)
        if made["resourceType"] != "Observation":
            continue
        if len(samples) == 1:
            made.setdefault("specimen", samples[0])
        if laboratory:
            made.setdefault("performer", laboratory)
    if words and found:
        first = conversion.resource(found[0])
        first["note"] = [*first.get("note", []), *({"text": text} for text in words if text)]


def _all_members(found: list[Resource], conversion: Conversion) -> list[Resource]:
    """Return results and their members, each once."""
    met: dict[str, Resource] = {}
    waiting = list(found)
    while waiting:
        reference = waiting.pop()
        if reference["reference"] not in met:
            met[reference["reference"]] = reference
            waiting += conversion.resource(reference).get("hasMember", [])
    return list(met.values())


def _panel(code: Resource, found: list[Resource], conversion: Conversion) -> Resource:
    """Return the Observation that holds an act's results together, {} where it has none."""
    members = [each for each in found if conversion.resource(each)["resourceType"] == "Observation"]
    if len(members) < 2 or len(members) < len(found):
        return {}
    first = conversion.resource(members[0])
    made: Resource = {
        "resourceType": "Observation",
        "status": "final"
        if all(conversion.resource(each)["status"] == "final" for each in members)
        else "unknown",
        "category": first.get("category", []),
        "code": code,
        "subject": conversion.subject,
        **{
            key: first[key]
            for key in ("effectiveDateTime", "effectivePeriod", "_effectiveDateTime")
            if key in first
        },
        **{key: first[key] for key in ("performer", "specimen") if key in first},
        "hasMember": members,
    }
    return conversion.add(made)


ENTRY = Entry(
    "laboratory",
    frozenset({"1.3.6.1.4.1.19376.1.3.1"}),
    frozenset({"act", "observation", "organizer"}),
    read,
)
