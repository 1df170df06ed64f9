"""Narratives are harmless XHTML (R4, narrative.html, rules txt-1 and txt-2).

Allowed are the formatting elements of HTML 4.0 chapters 7-11 (without 9.4) and 15, links, images and style
attributes. Whatever runs, loads or hides is refused, so that a narrative can be shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import msgspec
from lxml import etree

from salus.standards.fhir.validation.issue import Findings, Where, quote

_XHTML = "{http://www.w3.org/1999/xhtml}"
_PLAIN = re.compile(r'<div xmlns="http://www\.w3\.org/1999/xhtml">\s*[^\s<>&][^<>&]*</div>').fullmatch
_DECLARATION = re.compile(r"<!(?!--)|<\?")
_COMMENT = re.compile(r"<!--(.*?)-->", re.S)
_IGNORED_IN_ADDRESS = re.compile(r"[\x00-\x20\x7f-\xa0\xad\u200b-\u200f\u2028-\u202e\ufeff]")
_SCHEME = re.compile(r"([a-z][a-z0-9+.\-]*):").match
_UNSAFE_STYLE = re.compile(
    r"url\s*\((?!\s*[\"']?(?:data:image/(?:png|jpeg|gif);|[\w.\-]+[\"']?\s*\)))"
    r"|expression|@|\\|javascript|behaviou?r|-moz-binding|/\*|<"
    r"|(?:image|image-set|cross-fade|element|src)\s*\("
    r"|(?<![\w\-])position\s*:(?!\s*(?:static|relative)\s*(?:;|!|$))",
    re.I,
)
_EMBEDDED_IMAGE = re.compile(r"data:image/(?:png|jpe?g|gif)[;,]").match
_TAG = re.compile(r"<[^<>]*>")
_ROOT = '<div xmlns="http://www.w3.org/1999/xhtml"'
_SHOWN = re.compile(r">\s*[^\s<&]")

TAGS_MAX = 4_096
TAG_LENGTH_MAX = 200
"""Bounds on the tags that are remembered as harmless."""

SKELETON_MAX = 2_000
"""Most characters of tags in a row for which it is remembered whether they nest."""


class _Markup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table xhtml.toml."""

    elements: frozenset[str]
    attributes: frozenset[str]
    attributes_of: Mapping[str, frozenset[str]]
    link_schemes: frozenset[str]
    image_schemes: frozenset[str]


@cache
def _markup() -> _Markup:
    return msgspec.toml.decode(resources.files(__package__).joinpath("xhtml.toml").read_bytes(), type=_Markup)


def check_narrative(node: dict[str, Any], where: Where, run: Findings) -> None:  # Any: FHIR JSON
    """Check the `div` of a Narrative."""
    text = node["div"]
    if type(text) is not str or _PLAIN(text):
        return
    place = (where, "div", None)
    for rule, message in problems(text):
        run.error("invariant", rule, place, message)


def problems(text: str) -> list[tuple[str, str]]:
    """Return what is wrong with a narrative: pairs of a rule ("txt-1") and a sentence; at most one a kind."""
    if ("<!" in text or "<?" in text) and _DECLARATION.search(text):
        return [
            (
                "txt-1",
                "Document types, entities, CDATA sections and processing instructions are not allowed; "
                "remove them (write &lt; for < in text).",
            )
        ]
    is_plain = "<!" not in text and text.count("<") == text.count(">") and text.count("xmlns") == 1
    tags = _TAG.findall(text) if is_plain else []
    if is_plain and _is_surely_harmless(text, tags):
        return []
    try:
        root = etree.fromstring(text, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        reason = str(error).splitlines()[0][:120]
        return [
            ("txt-1", f"The narrative is not well-formed XHTML ({reason}); write &#160; instead of &nbsp;.")
        ]
    if root.tag != f"{_XHTML}div":
        return [("txt-1", 'The narrative must be <div xmlns="http://www.w3.org/1999/xhtml">...</div>.')]
    if "<!" in text and any("<" in note or ">" in note for note in _COMMENT.findall(text)):
        return [("txt-1", "A comment in a narrative may not hold markup; remove it.")]
    if is_plain and _harmless_tags().issuperset(tags) and _SHOWN.search(text):
        return []
    found = _all_problems(root)
    if is_plain and not found:
        _remember(tags)
    return found


def _is_surely_harmless(text: str, tags: list[str]) -> bool:
    """Return whether a narrative is made of tags found harmless before, well nested, and shows text.

    What would need a parser (entities, characters that are not printed) makes the answer False: look closer.
    """
    return (
        bool(tags)
        and tags[0].startswith(_ROOT)
        and "&" not in text
        and text.replace("\n", " ").isprintable()
        and _harmless_tags().issuperset(tags)
        and text.rstrip().endswith(">")
        and text[0] == "<"
        and len(skeleton := "".join(tags)) <= SKELETON_MAX
        and _is_one_element(skeleton)
        and _SHOWN.search(text) is not None
    )


@lru_cache(maxsize=4096)
def _is_one_element(skeleton: str) -> bool:
    """Return whether tags in a row are one element, with each other tag inside and closed in its turn."""
    tags = _TAG.findall(skeleton)
    open_: list[str] = []
    for number, tag in enumerate(tags):
        name = tag.strip("</>").split(maxsplit=1)[0]
        if number and not open_:
            return False
        if tag[1] != "/":
            open_.append(name)
        elif open_.pop() != name:
            return False
        if tag[-2] == "/" and open_:
            open_.pop()
    return not open_


def _all_problems(root: etree._Element) -> list[tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    shown = False
    for element in root.iter():
        if isinstance(element.tag, str):
            for message in _element_problems(element):
                found.setdefault(message, ("txt-1", message))
            shown = shown or element.tag == f"{_XHTML}img" or bool((element.text or "").strip())
        shown = shown or (element is not root and bool((element.tail or "").strip()))
    if not shown:
        message = "The narrative shows nothing; write text or leave the narrative out."
        found[message] = ("txt-2", message)
    return list(found.values())


@cache
def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


@cache
def _harmless_tags() -> set[str]:
    """Return the tags, as they are written, that were found harmless before.

    They are learnt only from narratives without comments, in which every "<" begins a tag, every ">" ends one
    and the root alone declares a namespace, and used only for such: there each tag was parsed as the element
    that its text says, and the text says everything about the element.
    """
    return set()


def _remember(tags: list[str]) -> None:
    known = _harmless_tags()
    if len(known) + len(tags) <= TAGS_MAX:
        known.update(tag for tag in tags if len(tag) <= TAG_LENGTH_MAX)


def _element_problems(element: etree._Element) -> list[str]:
    markup = _markup()
    name = str(element.tag).removeprefix(_XHTML)
    if name not in markup.elements:
        return [f"The element {quote(name)} is not allowed in a narrative; remove it."]
    own = markup.attributes_of.get(name, frozenset())
    found = []
    for attribute, value in element.attrib.items():
        label, text = str(attribute), str(value)
        if label not in markup.attributes and label not in own:
            found.append(f"The attribute {quote(label)} is not allowed on <{name}>; remove it.")
        elif label == "style" and _UNSAFE_STYLE.search(text):
            found.append(
                "A style may not load, run or cover anything (url, expression, @, \\, position); remove that."
            )
        elif label in ("href", "src", "cite", "longdesc", "usemap") and not _is_harmless(label, text):
            found.append(
                f"The address in {label!r} may run or load something; use http, https or a fragment."
            )
    return found


def _is_harmless(attribute: str, address: str) -> bool:
    cleaned = _IGNORED_IN_ADDRESS.sub("", address).lower()
    match = _SCHEME(cleaned)
    if match is None:
        return True
    if attribute == "src":
        return match[1] in _markup().image_schemes or _EMBEDDED_IMAGE(cleaned) is not None
    return match[1] in _markup().link_schemes
