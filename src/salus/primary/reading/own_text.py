"""A resource's narrative (XHTML, R4 narrative) made safe to show: an allow list, nothing else survives.

Stricter than R4 allows: no style, no image (its alternative text stands in), no link but within the page.
"""

from __future__ import annotations

import re
from html import escape
from html.entities import html5

from lxml import etree

from salus.primary.reading.model import Block, Node

XHTML = "{http://www.w3.org/1999/xhtml}"
ELEMENTS = frozenset(
    {
        *("a", "abbr", "b", "blockquote", "br", "cite", "code", "dfn", "div", "em", "hr", "i", "p", "pre"),
        *("q",),
        *("s", "samp", "small", "span", "strong", "sub", "sup", "u", "var"),
        *("dl", "dt", "dd", "ol", "ul", "li"),
        *("table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"),
    }
)  # fmt: skip
HEADINGS = {"h1": "h4", "h2": "h4", "h3": "h4", "h4": "h5", "h5": "h6", "h6": "h6"}
ATTRIBUTES = frozenset({"colspan", "rowspan", "lang", "title", "scope"})
EMPTY = frozenset({"br", "hr", "col"})
UNREAD = frozenset({"script", "style", "iframe", "object", "embed", "template", "noscript"})
LINES = frozenset(
    {"p", "div", "br", "li", "tr", "dt", "dd", "caption", "blockquote", "h4", "h5", "h6", "pre"}
)
ELEMENTS_MAX = 20_000
DEPTH_MAX = 60
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""Characters that no XML may hold (XML 1.0, 2.2); JSON may."""
_BLANK = re.compile(r"\s+")
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})


def own_text(narrative: object) -> list[Block]:
    """Return an R4 Narrative as safe blocks, one for each language, [] for one that cannot be read.

    A narrative whose parts all name their language (`lang`) is one block for each of them, in its order; any
    other is one block, of the language it names or "".
    """
    div = narrative.get("div") if isinstance(narrative, dict) else None
    root = _read(str(div)) if div else None
    if root is None:
        return []
    parts = [child for child in root if isinstance(child.tag, str)]
    named = [_language(part) for part in parts]
    bare = (root.text or "").strip() or any((part.tail or "").strip() for part in parts)
    if parts and all(named) and not bare:
        return [Block(name, _node(part)) for name, part in zip(named, parts, strict=True)]
    return [Block(_language(root), _node(root))]


def is_unreadable(narrative: object) -> bool:
    """Return whether there is a text that cannot be shown: no XHTML, or far too long."""
    div = narrative.get("div") if isinstance(narrative, dict) else None
    return bool(div) and bool(str(div).strip()) and _read(str(div)) is None


def html_of(node: Node) -> str:
    """Return the node as HTML."""
    inner = "".join(html_of(each) if isinstance(each, Node) else escape(each) for each in node.children)
    attributes = "".join(f' {key}="{escape(text)}"' for key, text in node.attributes)
    return f"<{node.tag}{attributes}>" + ("" if node.tag in EMPTY else f"{inner}</{node.tag}>")


def says_something(block: Block) -> bool:
    """Return whether there is any text in a block."""
    return bool(plain(block.root).strip())


def plain(node: Node) -> str:
    """Return the text of a node, a line for each of its lines, items and rows."""
    parts = (plain(each) if isinstance(each, Node) else _BLANK.sub(" ", each) for each in node.children)
    around = "\n" if node.tag in LINES else " "
    return f"{around}{''.join(parts)}{around}"


def _language(element: etree._Element) -> str:
    named = element.get("lang") or element.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
    return str(named).partition("-")[0].lower()


def _read(div: str) -> etree._Element | None:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        told = _CONTROL.sub("", _ENTITY.sub(_character, div))
        root = etree.fromstring(told.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    return None if sum(1 for _ in root.iter()) > ELEMENTS_MAX else root


def _character(entity: re.Match[str]) -> str:
    """Return the character of an entity of HTML, which R4 allows and XML by itself does not know."""
    name = entity[1]
    return entity[0] if name in _OF_XML else html5.get(f"{name};", entity[0])


def _node(element: etree._Element) -> Node:
    """Return an element that is allowed; of any other what it holds, in a `div`."""
    found = _nodes(element, 0)
    return found[0] if len(found) == 1 and isinstance(found[0], Node) else Node("div", (), tuple(found))


def _nodes(element: etree._Element, depth: int) -> list[Node | str]:
    """Return what may be shown of an element; one that is not allowed leaves its text, if it is text."""
    tag = element.tag
    if not isinstance(tag, str):
        return []  # a comment, a processing instruction, an entity
    name = tag.removeprefix(XHTML).lower()
    name = HEADINGS.get(name, name)
    if name in UNREAD:
        return []
    if depth > DEPTH_MAX:
        return ["".join(str(text) for text in element.itertext(f"{XHTML}*", "*"))]
    held: list[Node | str] = [str(element.get("alt", ""))] if name == "img" else []
    held += [element.text] if element.text else []
    for child in element:
        held += _nodes(child, depth + 1)
        held += [child.tail] if child.tail else []
    if name not in ELEMENTS and name not in HEADINGS.values():
        return held
    kept = ((key, str(text)) for key, text in element.items() if isinstance(key, str) and key in ATTRIBUTES)
    return [Node(name, tuple(kept), tuple(held))]
