"""XHTML of narratives, for htmlChecks() (R4 narrative.html, rules txt-1 and txt-2)."""

from __future__ import annotations

from lxml import etree

_XHTML = "{http://www.w3.org/1999/xhtml}"
_ELEMENT_NAMES = """
    a abbr acronym address b big blockquote br caption center cite code col colgroup dd del dfn div
    dl dt em h1 h2 h3 h4 h5 h6 hr i img ins kbd li map ol p pre q s samp small span strike strong
    sub sup table tbody td tfoot th thead tr tt u ul var
"""
_ATTRIBUTE_NAMES = """
    abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char
    charoff charset cite class colspan compact coords dir frame headers height href hreflang hspace
    id lang longdesc name nowrap rel rev rowspan rules scope shape span src start style summary
    tabindex title type valign value vspace width
"""
_ELEMENTS = frozenset(_ELEMENT_NAMES.split())
_ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split())
_ADDRESSES = frozenset({"href", "src", "cite", "longdesc"})


def _is_safe_element(element: etree._Element) -> bool:
    if not isinstance(element.tag, str):
        return isinstance(element, etree._Comment)
    if element.tag.removeprefix(_XHTML) not in _ELEMENTS:
        return False
    for name, value in element.attrib.items():
        bare = str(name).rpartition("}")[2]
        if bare not in _ATTRIBUTES:
            return False
        if bare in _ADDRESSES and str(value).strip().lower().startswith(
            ("javascript:", "vbscript:", "data:text")
        ):
            return False
    return True


def is_safe_xhtml(text: str) -> bool:
    """Return whether the text is one non-empty div of the XHTML that a narrative may hold."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(text.encode(), parser)
    except (etree.XMLSyntaxError, ValueError):
        return False
    if root.tag not in (f"{_XHTML}div", "div") or root.getroottree().docinfo.doctype:
        return False
    has_content = bool("".join(map(str, root.itertext())).strip()) or root.find(f".//{_XHTML}img") is not None
    return has_content and all(_is_safe_element(element) for element in root.iter())
