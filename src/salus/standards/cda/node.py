"""A CDA document as a tree that remembers what was read of it.

Names are local: HL7 v3 and its extensions (sdtc, pharm of MyHealth@EU, of epSOS and of IHE) are told apart by
their elements' names alone, since senders put one element now into this namespace, now into that. Anything of
another namespace keeps it in its name, so that nothing reads it by accident.
"""

from __future__ import annotations

from collections.abc import Iterator

V3 = "urn:hl7-org:v3"
EXTENSIONS = frozenset(
    {
        V3,
        "urn:hl7-org:sdtc",
        "urn:hl7-org:pharm",
        "urn:epsos-org:ep:medication",
        "urn:ihe:pharm",
        "urn:ihe:pharm:medication",
        "urn:oid:1.3.6.1.4.1.19376.1.3.2",
    }
)
XSI = "http://www.w3.org/2001/XMLSchema-instance"
TEXT = "#text"


class Node:
    """One element.

    Args:
        name: local name; "{namespace}name" in a namespace that is none of CDA.
        attributes: as they stand, `xsi:type` under "type".
        text: the text before the first child.
        tail: the text after the element.
        parent: None for the root.
        line: where it begins in the file, from 1.
    """

    __slots__ = ("attributes", "children", "line", "name", "parent", "tail", "text", "used")

    def __init__(
        self,
        name: str,
        attributes: dict[str, str],
        *,
        text: str = "",
        tail: str = "",
        parent: Node | None = None,
        line: int = 0,
    ) -> None:
        self.name = name
        self.attributes = attributes
        self.text = text
        self.tail = tail
        self.parent = parent
        self.line = line
        self.children: list[Node] = []
        self.used: set[str] = set()

    def get(self, name: str) -> str:
        """Return an attribute's value without blanks around it and count it as read; "" if absent."""
        value = self.attributes.get(name)
        if value is None:
            return ""
        self.used.add(name)
        return value.strip()

    def peek(self, name: str) -> str:
        """Return an attribute's value without counting it as read."""
        return self.attributes.get(name, "").strip()

    def first(self, *path: str) -> Node | None:
        """Return the first element of a path of names, below this one."""
        found: Node | None = self
        for name in path:
            found = next((child for child in found.children if child.name == name), None) if found else None
        return found

    def all(self, *path: str) -> Iterator[Node]:
        """Yield every element of a path of names, below this one, in the order of the document."""
        name, *rest = path
        for child in self.children:
            if child.name == name:
                if rest:
                    yield from child.all(*rest)
                else:
                    yield child

    def walk(self) -> Iterator[Node]:
        """Yield this element and all below it, in the order of the document."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def words(self) -> str:
        """Return all text within as one line, and count it and what marks it up as read."""
        parts: list[str] = []
        self.gather(parts)
        self.take()
        return " ".join("".join(parts).split())

    def gather(self, parts: list[str]) -> None:
        """Append the texts within, in the order of the document, blocks apart."""
        parts.append(self.text)
        for child in self.children:
            child.gather(parts)
            parts.append(" " if child.name in _BLOCKS else "")
            parts.append(child.tail)

    def own_text(self) -> str:
        """Return the element's own text and count it as read."""
        self.used.add(TEXT)
        return " ".join(self.text.split())

    def take(self) -> None:
        """Count everything of this element and below as read."""
        for node in self.walk():
            node.used.update(node.attributes)
            node.used.add(TEXT)

    def take_own(self) -> None:
        """Count the element's text and attributes, and the text after its children, as read."""
        self.used.update(self.attributes)
        self.used.add(TEXT)

    def templates(self) -> frozenset[str]:
        """Return the roots of the element's templateIds."""
        return frozenset(child.peek("root") for child in self.children if child.name == "templateId")

    def null(self) -> str:
        """Return the nullFlavor, "" when there is none."""
        return self.get("nullFlavor")

    def path(self) -> str:
        """Return where it stands, without numbers; a section is named by its code."""
        names: list[str] = []
        node: Node | None = self
        while node is not None:
            names.append(node.label())
            node = node.parent
        return "/".join(reversed(names))

    def label(self) -> str:
        """Return the element's name in a path."""
        if self.name == "section":
            code = self.first("code")
            return f"section[{code.peek('code') if code else ''}]"
        return self.name


_BLOCKS = frozenset({"paragraph", "br", "td", "th", "tr", "item", "list", "caption", "table"})
