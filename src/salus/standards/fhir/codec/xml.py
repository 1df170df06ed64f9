"""FHIR XML to the JSON form and back (http://hl7.org/fhir/R4/xml.html).

Nothing outside of the document is ever read: no DTD, no entities, no includes, no network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from decimal import Decimal, DecimalException
from html.entities import name2codepoint
from typing import Any, NoReturn

from lxml import etree

from salus.core.errors import MalformedContent, TooLarge
from salus.core.limits import Limits
from salus.standards.fhir.codec.decimals import exact_decimal, out_of_range
from salus.standards.fhir.model import Property, ancestors, properties, resource_types, type_definition

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"

_DEFAULT_LIMITS = Limits()
_ATTRIBUTES_MAX = 64
"""libxml2 lists attributes in quadratic time: 50,000 of them would take ten seconds."""
_SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
_INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,18})", re.ASCII)
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,6})?", re.ASCII)

_ESCAPES = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\n": "&#10;",
    "\r": "&#13;",
    "\t": "&#9;",
}
_SPECIAL = re.compile(r"[&<>\"\n\r\t]")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NAMED_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);", re.ASCII)
_XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})


def _refuse(element: etree._Element, location: str, message: str) -> NoReturn:
    raise MalformedContent(f"{location}, line {element.sourceline}: {message}", expression=location)


def _decline(location: str, message: str) -> NoReturn:
    raise MalformedContent(f"{location}: {message}", expression=location)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        attribute_defaults=False,
        remove_comments=False,
    )


def read_tree(body: bytes, limits: Limits = _DEFAULT_LIMITS) -> etree._Element:
    """Return the root element of an XML document that holds no DTD.

    Raises:
        TooLarge: the body is over the limit.
        MalformedContent: no well-formed XML, a DTD, or nested too deep.
    """
    if len(body) > limits.body_bytes_max:
        raise TooLarge(f"The document has more than {limits.body_bytes_max} bytes; send it in parts")
    try:
        root = etree.fromstring(body, _parser())
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise MalformedContent(f"The body is no well-formed XML: {error}") from error
    information = root.getroottree().docinfo
    if information.doctype or information.internalDTD is not None:
        raise MalformedContent("The XML declares a DOCTYPE; send it without, entities are never read")
    if any(len(element.attrib) > _ATTRIBUTES_MAX for element in root.iter(etree.Element)):
        raise MalformedContent(f"An element has more than {_ATTRIBUTES_MAX} attributes; FHIR has few")
    return root


def parse_xml(body: bytes, limits: Limits = _DEFAULT_LIMITS) -> dict[str, Any]:
    """Return a resource as its JSON form, ids and extensions of primitives under `_key`.

    A value that does not fit its type stays a string, so that validation can name it.

    Raises:
        TooLarge: the body is over the limit.
        MalformedContent: what cannot be read; the message names place and line.
    """
    root = read_tree(body, limits)
    return _Reader(limits.depth_max).resource(root, "")


class _Reader:
    """Walks down the elements, the type of each known from its parent."""

    def __init__(self, depth_max: int) -> None:
        self.depth_max = depth_max
        self.depth = 0

    def resource(self, element: etree._Element, location: str) -> dict[str, Any]:
        name = self.local_name(element, location or "The document")
        if name not in resource_types():
            _refuse(element, location or name, f"<{name}> is no R4 resource type")
        found: dict[str, Any] = {"resourceType": name}
        self.content(element, name, location or name, found)
        return found

    def local_name(self, element: etree._Element, location: str) -> str:
        """Return an element's name without its namespace, which must be FHIR's."""
        tag = str(element.tag)
        namespace, _, name = tag[1:].partition("}") if tag[:1] == "{" else ("", "", tag)
        if namespace != FHIR:
            _refuse(element, location, f'<{name}> is not in the namespace "{FHIR}" but in "{namespace[:80]}"')
        return name

    def children(self, element: etree._Element, location: str) -> list[etree._Element]:
        """Return the child elements; text between them and processing instructions are refused."""
        found = []
        texts = [element.text]
        for child in element:
            texts.append(child.tail)
            if isinstance(child.tag, str):
                found.append(child)
            elif not isinstance(child, etree._Comment):
                _refuse(element, location, "entities and processing instructions are not allowed")
        if any(text and not text.isspace() for text in texts):
            _refuse(element, location, 'text stands where only elements may; a value belongs in value=""')
        return found

    def content(self, element: etree._Element, type_name: str, location: str, found: dict[str, Any]) -> None:
        """Read attributes and children of a complex element into `found`."""
        self.depth += 1
        if self.depth > self.depth_max:
            _refuse(element, location, f"nested more than {self.depth_max} levels deep")
        known = properties(type_name)
        for name, value in element.attrib.items():
            attribute = known.get(str(name))
            if name == _SCHEMA_LOCATION and self.depth == 1:
                continue
            if attribute is None or not attribute.element.xml_attribute:
                _refuse(element, location, f"the attribute {str(name)[:80]!r} is not allowed")
            found[str(name)] = str(value)
        for child in self.children(element, location):
            name = self.name_of(child, location)
            one = known.get(name)
            if one is None or one.element.xml_attribute:
                _refuse(child, location, f"<{name[:80]}> is no element of {type_name}")
            self.member(child, one, f"{location}.{name}", found)
        self.depth -= 1

    def name_of(self, child: etree._Element, location: str) -> str:
        if child.tag == f"{{{XHTML}}}div":
            return "div"
        return self.local_name(child, location)

    def member(self, child: etree._Element, one: Property, location: str, found: dict[str, Any]) -> None:
        """Read one child and put it where JSON has it."""
        key, many = one.key, one.element.max != 1
        if many:
            location = f"{location}[{len(found.get(key) or found.get('_' + key) or ())}]"
        elif key in found or f"_{key}" in found:
            _refuse(child, location, "may occur only once")
        definition = type_definition(one.type.code)
        if definition is not None and definition.kind == "primitive":
            self.primitive(child, one, location, found)
            return
        value = self.complex(child, one.type.code, location)
        if many:
            found.setdefault(key, []).append(value)
        else:
            found[key] = value

    def complex(self, child: etree._Element, type_name: str, location: str) -> dict[str, Any]:
        if "Resource" in ancestors(type_name):
            inner = self.children(child, location)
            if len(inner) != 1 or child.attrib:
                _refuse(child, location, "holds exactly one resource")
            self.depth += 1
            value = self.resource(inner[0], location)
            self.depth -= 1
            return value
        value = {}
        self.content(child, type_name, location, value)
        return value

    def primitive(self, child: etree._Element, one: Property, location: str, found: dict[str, Any]) -> None:
        """Read a primitive's value, and its id and extensions into the `_key` sibling."""
        type_name = one.type.code
        extra: dict[str, Any] = {}
        if type_name == "xhtml":
            value: Any = markup(child)
        else:
            text = child.attrib.pop("value", None)
            value = None if text is None else primitive(type_name, str(text))
            self.content(child, type_name, location, extra)
            if value is None and not extra:
                _refuse(child, location, "has neither a value nor an extension")
        _place(found, one.key, value, extra or None, many=one.element.max != 1)


def _place(found: dict[str, Any], key: str, value: Any, extra: dict[str, Any] | None, *, many: bool) -> None:
    """Put a primitive where JSON has it; the arrays of values and of siblings stay of one length."""
    under = f"_{key}"
    if not many:
        found.update({name: part for name, part in ((key, value), (under, extra)) if part is not None})
        return
    count = max(len(found.get(key, ())), len(found.get(under, ())))
    for name, part in ((key, value), (under, extra)):
        if name in found:
            found[name].append(part)
        elif part is not None:
            found[name] = [None] * count + [part]


def primitive(type_name: str, text: str) -> str | int | bool | Decimal:
    """Return the JSON value of a primitive's text; the text itself where it does not fit the type."""
    if type_name == "boolean" and text in ("true", "false"):
        return text == "true"
    if type_name in _INTEGERS and _INTEGER.fullmatch(text):
        return int(text)
    if type_name == "decimal" and _DECIMAL.fullmatch(text):
        try:
            return exact_decimal(text)
        except DecimalException as error:
            raise out_of_range() from error
    return text


def _unprefixed(element: etree._Element) -> etree._Element:
    """Return a copy of an XHTML element that has XHTML as its default namespace."""
    names = {str(name): str(value) for name, value in element.attrib.items()}
    copied = etree.Element(str(element.tag), names, nsmap={None: XHTML})
    copied.text = element.text
    for child in element:
        inner = _unprefixed(child) if isinstance(child.tag, str) else deepcopy(child)
        inner.tail = child.tail
        copied.append(inner)
    return copied


def markup(element: etree._Element) -> str:
    """Return an XHTML element as text, without prefix and with only the namespaces that it uses."""
    alone = deepcopy(element) if element.prefix is None else _unprefixed(element)
    alone.tail = None
    etree.cleanup_namespaces(alone)
    return etree.tostring(alone, encoding="unicode")


def write_xml(resource: dict[str, Any]) -> bytes:
    """Return a resource as FHIR XML in UTF-8.

    Raises:
        MalformedContent: a key or value that the standard's XML has no place for; the message names it.
    """
    parts = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    _write_resource(resource, "", parts, f' xmlns="{FHIR}"')
    return "".join(parts).encode()


def _escaped(text: str, location: str) -> str:
    if _NOT_XML.search(text):
        _decline(location, "holds a character that XML cannot carry")
    return _SPECIAL.sub(lambda match: _ESCAPES[match.group()], text)


def _text(value: Any, location: str) -> str:
    """Return a primitive's JSON value as the text of its XML attribute."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        _decline(location, "holds a structure where a value belongs")
    return _escaped(str(value), location)


def _write_resource(resource: Any, location: str, parts: list[str], namespace: str = "") -> None:
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(name, str) or name not in resource_types():
        _decline(location or "The resource", "has no resourceType of R4")
    _write_element(name, name, resource, location or name, parts, namespace)


def _write_element(  # tag and type, what to write, where, into what
    tag: str, type_name: str, value: Any, location: str, parts: list[str], namespace: str = ""
) -> None:
    """Write a complex element with its attributes and children."""
    if not isinstance(value, dict):
        _decline(location, "is not an object")
    known = properties(type_name)
    for key in value:
        if key.removeprefix("_") not in known and key != "resourceType":
            _decline(location, f"{key[:80]!r} is no element of {type_name}")
    attributes = "".join(
        f' {key}="{_text(value[key], location)}"'
        for key, one in known.items()
        if one.element.xml_attribute and key in value
    )
    inner: list[str] = []
    for key, one in known.items():
        if not one.element.xml_attribute and (key in value or f"_{key}" in value):
            _write_member(one, value, f"{location}.{key}", inner)
    opening = f"<{tag}{namespace}{attributes}"
    parts += [opening, ">", *inner, f"</{tag}>"] if inner else [opening, "/>"]


def _pairs(one: Property, value: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield value and `_key` sibling of each occurrence."""
    main, extra = value.get(one.key), value.get(f"_{one.key}")
    if not isinstance(main, list) and not isinstance(extra, list):
        yield main, extra
        return
    mains = main if isinstance(main, list) else []
    extras = extra if isinstance(extra, list) else []
    for index in range(max(len(mains), len(extras))):
        yield (
            mains[index] if index < len(mains) else None,
            extras[index] if index < len(extras) else None,
        )


def _write_member(one: Property, value: dict[str, Any], location: str, parts: list[str]) -> None:
    """Write every occurrence of one element."""
    type_name = one.type.code
    definition = type_definition(type_name)
    for main, extra in _pairs(one, value):
        if definition is None or definition.kind != "primitive":
            _write_complex(one, main, location, parts)
        elif type_name == "xhtml":
            parts.append(_division(main, location))
        else:
            _write_primitive(one, main, extra, location, parts)


def _write_complex(one: Property, main: Any, location: str, parts: list[str]) -> None:
    if "Resource" in ancestors(one.type.code):
        parts.append(f"<{one.key}>")
        _write_resource(main, location, parts)
        parts.append(f"</{one.key}>")
    else:
        _write_element(one.key, one.type.code, main, location, parts)


def _write_primitive(one: Property, main: Any, extra: Any, location: str, parts: list[str]) -> None:
    inner: list[str] = []
    if extra is not None:
        _write_element(one.key, one.type.code, extra, location, inner)
    value = "" if main is None else f' value="{_text(main, location)}"'
    if not inner:
        parts.append(f"<{one.key}{value}/>")
        return
    inner[0] = inner[0].replace(f"<{one.key}", f"<{one.key}{value}", 1)
    parts += inner


def _division(text: Any, location: str) -> str:
    """Return a narrative's div as it goes into the document."""
    if not isinstance(text, str):
        _decline(location, "is not a string")
    plain = _NAMED_ENTITY.sub(_character, text)
    try:
        element = etree.fromstring(plain.encode(), _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise MalformedContent(
            f"{location}: is no well-formed XHTML: {error}", expression=location
        ) from error
    if element.tag != f"{{{XHTML}}}div" or element.getroottree().docinfo.doctype:
        _decline(location, f'is no <div xmlns="{XHTML}">')
    return markup(element)


def _character(match: re.Match[str]) -> str:
    name = match[1]
    if name in _XML_ENTITIES or name not in name2codepoint:
        return match[0]
    return chr(name2codepoint[name])
