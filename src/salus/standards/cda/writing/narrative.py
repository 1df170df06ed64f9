"""XHTML of a Narrative as a CDA narrative block (StrucDoc.Text), and texts of entries that it must hold.

MyHealth@EU wants every entry's words in the narrative, referred to by ID: those that the XHTML does not name
by ids of ours stand in a list at its end.
"""

from __future__ import annotations

import re
from html.entities import name2codepoint

from lxml import etree

from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.standards.cda.writing.elements import Element, clean, put
from salus.standards.fhir.codec.xml import read_tree

_INLINE = {
    "b": "Bold",
    "strong": "Bold",
    "i": "Italics",
    "em": "Italics",
    "u": "Underline",
    "h1": "Bold",
    "h2": "Bold",
    "h3": "Bold",
    "h4": "Bold",
    "h5": "Bold",
    "h6": "Bold",
    "th": "",
    "span": "",
    "code": "",
    "small": "",
    "big": "",
}
_BLOCKS = frozenset(
    {"div", "p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "dl", "dt", "dd", "address"}
)
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);", re.ASCII)
_KEPT = frozenset({"amp", "lt", "gt", "quot", "apos"})
_LINK = re.compile(r"(?:https?://|mailto:|tel:|#)[^\s\"<>]+", re.IGNORECASE)
_IDS = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}", re.ASCII)
DEPTH_MAX = 50


class Block:
    """The narrative of one section while it is written.

    Args:
        section: its element.
        prefix: what ids of ours in it begin with.
    """

    def __init__(self, section: Element, prefix: str) -> None:
        self.text = put(section, "text")
        self.prefix = prefix
        self.ids: set[str] = set()
        self._list: Element | None = None
        self._known: dict[str, str] = {}

    def write(self, division: str) -> None:
        """Write the XHTML of a Narrative."""
        named = _ENTITY.sub(_numbered, division)
        try:
            root = read_tree(named.encode(), Limits())
        except SalusError:
            _append(self.text, clean(re.sub(r"<[^>]*>", " ", division)))
            return
        _Copy(self.ids).inside(root, self.text, "flow", 0)

    def reference(self, words: str) -> str:
        """Return the reference ("#id") to words in the narrative, put there if they are not yet."""
        known = self._known.get(words)
        if known is None:
            if self._list is None:
                self._list = put(self.text, "list")
            known = self._known[words] = f"{self.prefix}{len(self._known) + 1}"
            put(put(self._list, "item"), "content", words, ID=known)
        return f"#{known}"

    def finish(self) -> None:
        """Say something where nothing is said: a section's narrative is never empty."""
        if len(self.text) == 0 and not (self.text.text or "").strip():
            put(self.text, "paragraph", "-")


def _numbered(match: re.Match[str]) -> str:
    name = match[1]
    return match[0] if name in _KEPT or name not in name2codepoint else f"&#{name2codepoint[name]};"


def _append(parent: Element, text: str | None) -> None:
    """Append text behind what an element holds."""
    if not text:
        return
    text = clean(text)
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


class _Copy:
    """Copies XHTML into StrucDoc; `place` says what may stand there: "flow", "inline" or "item"."""

    def __init__(self, ids: set[str]) -> None:
        self.ids = ids

    def inside(self, node: Element, into: Element, place: str, depth: int) -> None:
        """Copy what is in an element."""
        _append(into, node.text)
        for child in node:
            if isinstance(child.tag, str) and depth < DEPTH_MAX:
                self.element(child, into, place, depth + 1)
            _append(into, child.tail)

    def element(self, node: Element, into: Element, place: str, depth: int) -> None:
        """Copy an element by what CDA calls it."""
        name = etree.QName(node).localname
        if name == "br":
            put(into, "br")
        elif name in ("ul", "ol") and place != "inline":
            made = put(into, "list", listType="ordered" if name == "ol" else "")
            for item in node.iterchildren("{*}li"):
                self.inside(item, put(made, "item"), "item", depth)
        elif name == "table" and place == "flow":
            self.table(node, into, depth)
        elif name in _BLOCKS and place != "inline":
            self.block(node, name, into, place, depth)
        elif name in ("sub", "sup"):
            self.inside(node, put(into, name), "inline", depth)
        elif name == "a" and _LINK.fullmatch(node.get("href", "")):
            self.inside(node, put(into, "linkHtml", href=node.get("href", "")), "inline", depth)
        elif name in ("tr", "li", "p", "div", *_BLOCKS):
            self.inside(node, into, "inline", depth)
            put(into, "br")
        elif name in ("td", "th") or name not in _INLINE:
            self.inside(node, into, "inline", depth)
            _append(into, " ")
        else:
            self.inside(
                node, self.named(node, put(into, "content", styleCode=_INLINE[name])), "inline", depth
            )

    def block(self, node: Element, name: str, into: Element, place: str, depth: int) -> None:
        """Copy a block: one that holds blocks dissolves, one of words is a paragraph."""
        holds = any(
            isinstance(child.tag, str) and etree.QName(child).localname in {*_BLOCKS, "table", "ul", "ol"}
            for child in node.iterdescendants()
        )
        if holds:
            self.inside(node, into, place, depth)
            return
        made = self.named(node, put(into, "paragraph"))
        target = put(made, "content", styleCode="Bold") if _INLINE.get(name) else made
        self.inside(node, target, "inline", depth)

    def named(self, node: Element, made: Element) -> Element:
        """Keep an element's id, once."""
        own = node.get("id", "")
        if own and own not in self.ids and _IDS.fullmatch(own):
            self.ids.add(own)
            made.set("ID", own)
        return made

    def table(self, node: Element, into: Element, depth: int) -> None:
        """Copy a table; rows that stand in it directly come into a body."""
        made = put(into, "table")
        body: Element | None = None
        for child in node:
            if not isinstance(child.tag, str):
                continue
            name = etree.QName(child).localname
            if name == "caption":
                self.inside(child, put(made, "caption"), "inline", depth)
            elif name in ("thead", "tbody", "tfoot"):
                self.rows(child, put(made, name), depth)
            elif name == "tr":
                body = put(made, "tbody") if body is None else body
                self.row(child, body, depth)

    def rows(self, node: Element, into: Element, depth: int) -> None:
        """Copy the rows of a part of a table."""
        for child in node.iterchildren("{*}tr"):
            self.row(child, into, depth)

    def row(self, node: Element, into: Element, depth: int) -> None:
        """Copy a row."""
        made = self.named(node, put(into, "tr"))
        for cell in node:
            name = etree.QName(cell).localname if isinstance(cell.tag, str) else ""
            if name in ("td", "th"):
                spans = {key: cell.get(key, "") for key in ("colspan", "rowspan")}
                target = put(made, name, **{key: value for key, value in spans.items() if value.isdigit()})
                self.inside(cell, target, "item", depth)
