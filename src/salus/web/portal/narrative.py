"""A resource's narrative (XHTML, R4 narrative) made safe to show: an allow list, nothing else survives.

Stricter than R4 allows: no style, no image (its alternative text stands in), no link but within the page.
"""

from __future__ import annotations

from html import escape

from lxml import etree

XHTML = "{http://www.w3.org/1999/xhtml}"
ELEMENTS = frozenset(
    {
        *(
            "a",
            "abbr",
            "b",
            "blockquote",
            "br",
            "cite",
            "code",
            "dfn",
            "div",
            "em",
            "hr",
            "i",
            "p",
            "pre",
            "q",
        ),
        *("s", "samp", "small", "span", "strong", "sub", "sup", "u", "var"),
        *("dl", "dt", "dd", "ol", "ul", "li"),
        *("table", "caption", "colgroup", "col", "thead", "tbody", "tfoot", "tr", "th", "td"),
    }
)
HEADINGS = {"h1": "h4", "h2": "h4", "h3": "h4", "h4": "h5", "h5": "h6", "h6": "h6"}
ATTRIBUTES = frozenset({"colspan", "rowspan", "lang", "title", "scope"})
EMPTY = frozenset({"br", "hr", "col"})
ELEMENTS_MAX = 20_000
DEPTH_MAX = 60


def by_language(div: str) -> list[tuple[str, str]]:
    """Return the narrative as safe HTML, a block for each language, [] if it cannot be read.

    A narrative whose parts all name their language (`lang`) is one block for each of them, in its order; any
    other is one block, of the language it names or "".
    """
    root = _read(div)
    if root is None:
        return []
    parts = [child for child in root if isinstance(child.tag, str)]
    named = [_language(part) for part in parts]
    if (
        parts
        and all(named)
        and not (root.text or "").strip()
        and not any((p.tail or "").strip() for p in parts)
    ):
        return [(name, _html(part)) for name, part in zip(named, parts, strict=True)]
    return [(_language(root), _html(root))]


def _language(element: etree._Element) -> str:
    named = element.get("lang") or element.get("{http://www.w3.org/XML/1998/namespace}lang") or ""
    return str(named).partition("-")[0].lower()


def _html(element: etree._Element) -> str:
    parts: list[str] = []
    _write(element, parts, 0)
    return "".join(parts)


def _read(div: str) -> etree._Element | None:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    try:
        root = etree.fromstring(div.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    return None if sum(1 for _ in root.iter()) > ELEMENTS_MAX else root


def _write(element: etree._Element, parts: list[str], depth: int) -> None:
    """Append `element` and what it holds; an element that is not allowed leaves its text, if it is text."""
    tag = element.tag
    if not isinstance(tag, str) or depth > DEPTH_MAX:
        return  # a comment, a processing instruction, an entity; or deeper than any text goes
    name = tag.removeprefix(XHTML).lower()
    name = HEADINGS.get(name, name)
    if name in ("script", "style", "iframe", "object", "embed", "template", "noscript"):
        return
    shown = name in ELEMENTS or name in HEADINGS.values()
    if name == "img":
        parts.append(escape(element.get("alt", "")))
    elif shown:
        parts.append(f"<{name}{_attributes(element)}>")
    parts.append(escape(element.text or ""))
    for child in element:
        _write(child, parts, depth + 1)
        parts.append(escape(child.tail or ""))
    if shown and name not in EMPTY:
        parts.append(f"</{name}>")


def _attributes(element: etree._Element) -> str:
    kept = [(key, text) for key, text in element.items() if isinstance(key, str) and key in ATTRIBUTES]
    return "".join(f' {key}="{escape(str(text))}"' for key, text in kept)
