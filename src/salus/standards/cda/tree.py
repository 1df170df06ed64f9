"""Bytes to the tree of one ClinicalDocument, also out of the envelope in which it was transported.

Nothing outside of the document is ever read: no DTD, no entities, no includes, no network
(`standards.fhir.codec.xml.read_tree`). MyHealth@EU transports dispensations in IHE XDR (ITI-41,
ProvideAndRegisterDocumentSetRequest): the document stands there in base64, or as XML itself.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache

import msgspec
from lxml import etree

from salus.core.errors import MalformedContent, NotSupported
from salus.core.limits import Limits
from salus.standards.cda.node import EXTENSIONS, V3, XSI, Node
from salus.standards.fhir.codec.xml import read_tree

DOCUMENT = f"{{{V3}}}ClinicalDocument"
XDS = "urn:ihe:iti:xds-b:2007"
_XDS_DOCUMENT = f"{{{XDS}}}Document"
_BLANKS = re.compile(r"\s*")
_NAME = re.compile(r"<([A-Za-z_][\w.:-]{0,200})")
_BEFORE_ROOT = {"<?": "?>", "<!--": "-->", "<!": ">"}
_ENVELOPES = ("Envelope", "ProvideAndRegisterDocumentSetRequest", "RetrieveDocumentSetResponse")
_TYPE = f"{{{XSI}}}type"
_VALUE_CHARS_MAX = 10_000
"""Longest attribute: no data type of CDA has a longer one but inline data, which stands in an element."""


def looks_like_cda(head: bytes) -> bool:
    """Return whether a file that begins so is, is part of, or transports a CDA document, by its root."""
    text = _as_text(head)
    name = _root_name(text)
    if name in _ENVELOPES:
        return "ClinicalDocument" in text or XDS in text
    return name == "ClinicalDocument" or (name in _PARTS and f'"{V3}"' in text)


def _root_name(text: str) -> str:
    """Return the local name of the root element, behind the declaration and comments; "" for none."""
    at = 0
    while True:
        at = _past_blanks(text, at)
        opening = next((each for each in _BEFORE_ROOT if text.startswith(each, at)), None)
        if opening is None:
            found = _NAME.match(text, at)
            return found[1].rpartition(":")[2] if found else ""
        end = text.find(_BEFORE_ROOT[opening], at)
        if end < 0:
            return ""
        at = end + len(_BEFORE_ROOT[opening])


def _past_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _as_text(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", "replace").removeprefix("\ufeff")
    return head.decode("utf-8", "replace").removeprefix("\ufeff")


def read_document(body: bytes, limits: Limits) -> Node:
    """Return the root of the one ClinicalDocument in a body.

    Raises:
        TooLarge: the body is over the limit.
        MalformedContent: no well-formed XML, a DTD, nested too deep, no CDA, or several documents.
        NotSupported: the document is a part of CDA only (a section or an entry).
    """
    root = read_tree(body, limits)
    found = _clinical_document(root, limits)
    return _node(found, limits.depth_max)


def _clinical_document(root: etree._Element, limits: Limits) -> etree._Element:
    if root.tag == DOCUMENT:
        return root
    inside = list(root.iter(DOCUMENT))
    if not inside:
        inside = [_unpacked(each, limits) for each in root.iter(_XDS_DOCUMENT)]
    if len(inside) == 1:
        return inside[0]
    if inside:
        raise MalformedContent(f"The envelope holds {len(inside)} documents; send each alone.")
    raise _no_document(root)


def _unpacked(element: etree._Element, limits: Limits) -> etree._Element:
    try:
        body = base64.b64decode("".join(str(element.text or "").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedContent(
            "The Document in the envelope is no base64; send the document alone."
        ) from error
    root = read_tree(body, limits)
    if root.tag != DOCUMENT:
        raise _no_document(root)
    return root


def _no_document(root: etree._Element) -> MalformedContent | NotSupported:
    name = etree.QName(root)
    if name.localname == "ClinicalDocument":
        there = f'in "{name.namespace[:80]}"' if name.namespace else "in none"
        return MalformedContent(f'<ClinicalDocument> must be in the namespace "{V3}"; it is {there}.')
    if name.localname in _PARTS:
        return NotSupported(
            f"This is a part of a CDA document (<{name.localname}>) and does not say whose it is; send the "
            "whole ClinicalDocument."
        )
    return MalformedContent(f"<{name.localname[:80]}> is no CDA document; its root is <ClinicalDocument>.")


_PARTS = frozenset(
    {
        "section",
        "component",
        "structuredBody",
        "entry",
        "act",
        "observation",
        "organizer",
        "procedure",
        "substanceAdministration",
        "supply",
        "encounter",
        "recordTarget",
        "author",
        "participant",
        "custodian",
        "documentationOf",
        "performer",
        "informant",
        "participantRole",
        "legalAuthenticator",
        "authenticator",
        "dataEnterer",
        "informationRecipient",
        "inFulfillmentOf",
        "addr",
        "externalDocument",
        "relatedSubject",
    }
)


def _node(root: etree._Element, depth_max: int) -> Node:
    """Return the element as a tree of our own; comments and processing instructions say nothing."""
    top = _one(root, None)
    waiting = [(root, top, 1)]
    while waiting:
        element, node, depth = waiting.pop()
        if depth > depth_max:
            raise MalformedContent(f"Line {element.sourceline}: nested more than {depth_max} levels deep.")
        last: Node | None = None
        for child in element:
            if isinstance(child.tag, str):
                last = _one(child, node)
                node.children.append(last)
                waiting.append((child, last, depth + 1))
            elif last is None:
                node.text += child.tail or ""
            else:
                last.tail += child.tail or ""
    return top


def _one(element: etree._Element, parent: Node | None) -> Node:
    attributes = {}
    for key, value in element.attrib.items():
        name, text = str(key), str(value)
        if len(text) > _VALUE_CHARS_MAX:
            raise MalformedContent(
                f"Line {element.sourceline}: an attribute has more than {_VALUE_CHARS_MAX} characters."
            )
        attributes["type" if name == _TYPE else _local(name)] = text
    return Node(
        _local(str(element.tag)),
        attributes,
        text=element.text or "",
        tail=element.tail or "",
        parent=parent,
        line=element.sourceline or 0,
    )


@lru_cache(maxsize=4096)
def _local(tag: str) -> str:
    space, closing, name = tag[1:].partition("}") if tag[:1] == "{" else ("", "", tag)
    return name if not closing or space in EXTENSIONS or space == XSI else tag


def wide(limits: Limits) -> Limits:
    """Return the limits for a whole document instead of the body of a request."""
    return msgspec.structs.replace(limits, body_bytes_max=limits.document_bytes_max)
