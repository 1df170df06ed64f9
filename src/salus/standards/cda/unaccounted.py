"""What of a document was not read: it is counted as dropped, with its place; nothing is lost in silence.

Not counted are what says how the document is built and not what it says: ids of templates, fixed attributes
of HL7 v3's classes (a class code repeats what the element's name says), names of code systems beside their
OIDs.
"""

from __future__ import annotations

from salus.standards.cda.conversion import Conversion
from salus.standards.cda.node import TEXT, Node

STRUCTURE = frozenset(
    {
        "classCode",
        "typeCode",
        "determinerCode",
        "contextControlCode",
        "contextConductionInd",
        "inversionInd",
        "codeSystemName",
        "valueSet",
        "valueSetVersion",
        "type",
        "schemaLocation",
        "styleCode",
        "mediaType",
        "partType",
        "ID",
        "XSIschemaLocation",
        "noNamespaceSchemaLocation",
        "operator",
        "institutionSpecified",
        "independentInd",
        "nonMaterialInd",
        "listType",
        "space",
        "lang",
    }
)
"""Attributes that say how it is built."""
BUILD = frozenset({"typeId", "templateId", "realmCode"})
"""Elements that do."""
_SAME = {
    "ClinicalDocument": {"moodCode": "EVN"},
    "section": {"moodCode": "EVN"},
    "serviceEvent": {"moodCode": "EVN"},
    "order": {"moodCode": "RQO"},
    "structuredBody": {"moodCode": "EVN"},
    "encompassingEncounter": {"moodCode": "EVN"},
    "parentDocument": {"moodCode": "EVN"},
    "nonXMLBody": {"moodCode": "EVN"},
    "externalDocument": {"moodCode": "EVN"},
    "externalAct": {"moodCode": "EVN"},
    "setting": {"moodCode": "EVN"},
}
_NOT_READ = "no place in the result"
_NO_REASON = frozenset({"MSK"})
"""A value that is there and withheld: that it is, is told."""


def account(root: Node, conversion: Conversion) -> None:
    """Count every value of the document as mapped, absent or dropped."""
    waiting = [(root, root.label())]
    while waiting:
        node, path = waiting.pop()
        if node.name in BUILD:
            continue
        _count(node, path, conversion)
        waiting += [(child, f"{path}/{child.label()}") for child in node.children]


def _count(node: Node, path: str, conversion: Conversion) -> None:
    own = conversion.account
    for name, value in node.attributes.items():
        if name in node.used:
            if name == "nullFlavor":
                own.absent += 1
            elif name not in STRUCTURE:
                own.mapped += 1
        elif name == "nullFlavor" and value not in _NO_REASON:
            own.absent += 1
        elif name == "codeSystem" and "code" not in node.attributes:
            continue
        elif name not in STRUCTURE and _SAME.get(node.name, {}).get(name) != value.strip() and value.strip():
            own.drop(f"{path}/@{name}", _NOT_READ, value)
    if node.text.strip():
        if TEXT in node.used:
            own.mapped += 1
        else:
            own.drop(path, _NOT_READ, " ".join(node.text.split()))
    for child in node.children:
        if child.tail.strip() and TEXT not in node.used:
            own.drop(path, _NOT_READ, " ".join(child.tail.split()))
