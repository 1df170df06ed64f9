"""The narrative block of a section (CDA R2, 4.3.5, StrucDoc.Text) as XHTML of an R4 Narrative.

Only elements and attributes of the R4 rules come out; what the block has beside them is left out, and its
words stay. Links lead to the web, to mail or into the document, nowhere else.
"""

from __future__ import annotations

import re
from html import escape

from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.node import Node

XHTML = "http://www.w3.org/1999/xhtml"
_TAGS = {
    "content": "span", "paragraph": "p", "list": "ul", "item": "li", "table": "table",
    "thead": "thead", "tbody": "tbody", "tfoot": "tfoot", "tr": "tr", "td": "td", "th": "th",
    "colgroup": "colgroup", "col": "col", "br": "br", "sub": "sub", "sup": "sup", "linkHtml": "a",
    "footnote": "div", "footnoteRef": "sup", "renderMultiMedia": "span", "caption": "caption",
}  # fmt: skip
_KEPT = {
    "td": ("colspan", "rowspan", "align", "valign", "headers", "scope", "abbr"),
    "th": ("colspan", "rowspan", "align", "valign", "headers", "scope", "abbr"),
    "tr": ("align", "valign"), "col": ("span", "width", "align", "valign"),
    "colgroup": ("span", "width", "align", "valign"), "table": ("summary", "width", "border"),
}  # fmt: skip
_ID = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}", re.ASCII)
_LINK = re.compile(r"(?:https?://|mailto:|tel:|#)[^\s\"<>]+", re.IGNORECASE)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*", re.ASCII)
_STYLES = {"bold": "b", "italics": "i", "underline": "u", "emphasis": "em"}
_EMPTY = "The source document has no text here."
_NO_SECTION = "The source document has no such section."


def narrative(node: Node | None, conversion: Conversion) -> Resource:
    """Return a section's text as Narrative; of a section without words one that says so."""
    if node is None:
        return nothing(_EMPTY)
    conversion.narrated.add(id(node))
    writer = _Writer(conversion, node)
    writer.inside(node)
    body = "".join(writer.parts)
    if not re.sub(r"<[^>]*>", "", body).strip() and "<img" not in body:
        return nothing(_EMPTY)
    language = _language(node)
    return {"status": "additional", "div": f'<div xmlns="{XHTML}"{language}>{body}</div>'}


def nothing(words: str = _NO_SECTION) -> Resource:
    """Return the Narrative of what the source says nothing of."""
    return {"status": "empty", "div": f'<div xmlns="{XHTML}" lang="en" xml:lang="en">{escape(words)}</div>'}


def _language(node: Node) -> str:
    code = node.get("language")
    return f' lang="{code}" xml:lang="{code}"' if _LANGUAGE.fullmatch(code) else ""


class _Writer:
    """Writes one narrative block; ids stay unique within it, as XML wants."""

    def __init__(self, conversion: Conversion, block: Node) -> None:
        self.conversion = conversion
        self.block = block
        self.parts: list[str] = []
        self.ids: set[str] = set()

    def inside(self, node: Node) -> None:
        """Write what is in an element, each text as text."""
        node.take_own()
        self.parts.append(_words(node.text))
        for child in node.children:
            self.element(child)
            self.parts.append(_words(child.tail))

    def element(self, node: Node) -> None:
        """Write an element by its XHTML name."""
        tag = _TAGS.get(node.name)
        if tag is None:
            self.conversion.approximate(node, "an element that a narrative does not have; its words are kept")
            self.inside(node)
            return
        if node.name == "caption" and (node.parent is None or node.parent.name != "table"):
            tag = "b"
        if node.name == "list" and node.peek("listType") == "ordered":
            tag = "ol"
        caption = self._first_caption(node) if tag in ("ul", "ol") else None
        if caption is not None:
            self.parts.append("<p>")
            self.inside(caption)
            self.parts.append("</p>")
        if node.name == "renderMultiMedia":
            self._picture(node)
            return
        attributes = self._attributes(node, tag)
        if tag == "br" or tag == "col":
            node.take_own()
            self.parts.append(f"<{tag}{attributes}/>")
            return
        styles = self._styles(node)
        self.parts.append(f"<{tag}{attributes}>" + "".join(f"<{each}>" for each in styles))
        if tag in ("ul", "ol", "table", "thead", "tbody", "tfoot", "tr", "colgroup"):
            self._only_elements(node, caption)
        else:
            self.inside(node)
        self.parts.append("".join(f"</{each}>" for each in reversed(styles)) + f"</{tag}>")

    def _only_elements(self, node: Node, caption: Node | None) -> None:
        """Write children where XHTML has no text: a list, a table and its rows."""
        node.take_own()
        for child in node.children:
            if child is not caption:
                self.element(child)

    @staticmethod
    def _first_caption(node: Node) -> Node | None:
        return next((child for child in node.children if child.name == "caption"), None)

    def _attributes(self, node: Node, tag: str) -> str:
        found = self._named(node)
        for name in _KEPT.get(tag, ()):
            if value := node.get(name):
                found += f' {name}="{escape(value)}"'
        if tag == "a":
            found += self._link(node)
        if node.name == "footnoteRef":
            found += ' class="footnote"'
        return found + _language(node)

    def _named(self, node: Node) -> str:
        own = node.get("ID")
        if not own or own in self.ids or not _ID.fullmatch(own):
            return ""
        self.ids.add(own)
        return f' id="{own}"'

    def _link(self, node: Node) -> str:
        address = node.get("href")
        if not address:
            return ""
        if _LINK.fullmatch(address):
            return f' href="{escape(address)}"'
        self.conversion.approximate(node, "a link to elsewhere than the web is left out", address)
        return ""

    def _styles(self, node: Node) -> list[str]:
        codes = node.get("styleCode").lower().split() if node.name not in ("table", "list") else []
        found = [_STYLES[each] for each in codes if each in _STYLES]
        if node.get("revised") == "delete":
            found.append("s")
        return found if _TAGS[node.name] in ("span", "p", "td", "th", "li") else []

    def _picture(self, node: Node) -> None:
        """Write the place of a picture: its caption, or what it is called."""
        target = self.conversion.texts.get(node.get("referencedObject"))
        caption = self._first_caption(node)
        said = caption.words() if caption is not None else ""
        name = said or (target.peek("ID") if target is not None else "") or node.peek("referencedObject")
        node.take_own()
        self.parts.append(f"<span{self._named(node)}>[{_words(name)}]</span>")


def _words(text: str) -> str:
    return escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", text), quote=False)
