"""What one conversion of a CDA document knows and makes: its texts by ID, its zone, resources, account."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from salus.core.quality import Account
from salus.standards.cda.node import Node
from salus.standards.cda.times import Moment, read_moment, zone_of

WORDS_MAX = 4_000
"""Most characters of the narrative that an entry takes over."""
NAMESPACE = uuid.UUID("0d7c8f6a-5e0b-5f39-9d0e-3f6f1c9b4a77")
Resource = dict[str, Any]  # FHIR JSON, whose members are of many types, hence Any
_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode
_NAMED_AGAIN = frozenset(
    {
        "Device",
        "Location",
        "Medication",
        "Organization",
        "Patient",
        "Practitioner",
        "PractitionerRole",
        "Specimen",
    }
)


class Conversion:
    """The state of converting one document.

    Args:
        root: its ClinicalDocument.
    """

    def __init__(self, root: Node) -> None:
        self.root = root
        self.account = Account("CDA")
        self.texts = {node.attributes["ID"].strip(): node for node in root.walk() if "ID" in node.attributes}
        time = root.first("effectiveTime")
        self.zone = zone_of(time.peek("value")) if time else ""
        self.name = _document_name(root)
        self.subject: Resource = {}
        self.authors: list[Resource] = []
        self.resources: dict[str, Resource] = {}
        self._same: dict[str, int] = {}
        self._words: dict[int, str] = {}
        self.narrated: set[int] = set()

    def add(self, resource: Resource) -> Resource:
        """Put a resource into the Bundle and return a Reference to it.

        Who and what takes part is there once, however often named; two entries that say the same are two.
        """
        kind = str(resource["resourceType"])
        content = kind + _encode(resource).decode()
        number = self._same.get(content, 0) + 1
        if kind not in _NAMED_AGAIN:
            self._same[content] = number
        address = self._address(content if number == 1 else f"{content} {number}")
        self.resources.setdefault(address, resource)
        return {"reference": address}

    def _address(self, content: str) -> str:
        return f"urn:uuid:{uuid.uuid5(self.name, content)}"

    def resource(self, reference: Mapping[str, Any]) -> Resource:  # Any: FHIR JSON
        """Return what a Reference of `add` leads to."""
        return self.resources[str(reference["reference"])]

    def approximate(self, node: Node, reason: str, example: str = "") -> None:
        """Count a value that is said in other words, or in part."""
        self.account.approximate(node.path(), reason, example)

    def moment(self, node: Node | None, attribute: str = "value") -> str:
        """Return a TS as a FHIR dateTime, "" when there is none that can be read (which is then dropped)."""
        if node is None:
            return ""
        raw = node.peek(attribute)
        found = read_moment(raw, self.zone) if raw else Moment("")
        if found.text:
            node.get(attribute)
            if found.remark:
                self.approximate(node, found.remark, raw)
        return found.text

    def referred(self, node: Node) -> Node | None:
        """Return the piece of narrative that an element's <reference> leads to, if it is in the document."""
        reference = node.first("reference")
        link = reference.peek("value") if reference is not None else ""
        found = self.texts.get(link.removeprefix("#")) if link else None
        if reference is not None and found is not None:
            reference.get("value")
        return found

    def text(self, node: Node | None) -> str:
        """Return the words of an ST or ED: its own, else those that it refers to in the narrative."""
        if node is None:
            return ""
        own = node.words() if node.first("reference") is None else node.own_text()
        target = self.referred(node)
        if own or target is None:
            return own
        if id(target) not in self._words:  # once, however many entries refer to it
            parts: list[str] = []
            target.gather(parts)
            self._words[id(target)] = " ".join("".join(parts).split())[:WORDS_MAX]
        return self._words[id(target)]

    def said_in_narrative(self, node: Node | None) -> str:
        """Return an entry's own words where the narrative of the section does not say them already."""
        if node is None:
            return ""
        if self.referred(node) is not None:
            node.own_text()
            return ""
        return node.words() if node.first("reference") is None else node.own_text()


def _document_name(root: Node) -> uuid.UUID:
    """Return what the document's fullUrls derive from: its id, so that it has the same ones each time."""
    own = root.first("id")
    said = f"{own.peek('root')} {own.peek('extension')}" if own is not None else ""
    return uuid.uuid5(NAMESPACE, said)
