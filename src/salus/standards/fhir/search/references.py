"""Literal references, as search reads them (FHIR R4 references.html, 2.3.0.1; search.html, 3.1.1.4.12)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import msgspec

from salus.standards.fhir.model import resource_types
from salus.standards.fhir.search.values import items_of

_RELATIVE = re.compile(
    r"(?:(https?://.+)/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII
)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
TARGETS_LISTED_MAX = 8


class Literal(msgspec.Struct, frozen=True):
    """A literal reference taken apart.

    Args:
        type, id: of what is referred to; "" where the text does not say (a urn, a fragment).
        address: the absolute address without version, "" for a relative reference.
    """

    type: str
    id: str
    address: str


def parse_literal(text: str) -> Literal:
    """Take a literal reference apart; a text that names no resource type is an address."""
    match = _RELATIVE.fullmatch(text)
    if match is None or match[2] not in resource_types():
        return Literal("", "", text)
    base, type_name, identity = match.groups()
    return Literal(type_name, identity, f"{base}/{type_name}/{identity}" if base else "")


def below(link: str, base: str) -> str | None:
    """Return what of an absolute link follows a base address, None when it is not below it.

    Equivalent addresses are one (RFC 3986, 6.2.2, 6.2.3): scheme and host in either case, a default port,
    escapes.
    """
    scheme, host, path = _parts(link)
    base_scheme, base_host, base_path = _parts(f"{base}/")
    if (scheme, host) != (base_scheme, base_host) or not path.startswith(base_path):
        return None
    return path.removeprefix(base_path)


def _parts(address: str) -> tuple[str, str, str]:
    scheme, _, rest = address.partition("://")
    host, _, path = rest.partition("/")
    scheme = scheme.lower()
    host = host.lower().removesuffix(_DEFAULT_PORTS.get(scheme, ""))
    return scheme, host, unquote(path)


def contained_type(root: Any, fragment: str) -> str:  # Any: a resource as parsed
    """Return the type of the contained resource that "#id" means, "" for none."""
    kind = contained(root, fragment).get("resourceType")
    return kind if isinstance(kind, str) else ""


def contained(root: Any, fragment: str) -> dict[str, Any]:  # Any: a resource as parsed
    """Return the contained resource that "#id" means, {} for none."""
    for inner in items_of(root.get("contained")) if isinstance(root, dict) else ():
        if isinstance(inner, dict) and inner.get("id") == fragment[1:]:
            return inner
    return {}


def listed_targets(targets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the types a bare id may stand for, () when they are too many to try each."""
    return targets if len(targets) <= TARGETS_LISTED_MAX and "Resource" not in targets else ()


def links_in(value: Any) -> tuple[list[str], list[str], list[str]]:  # Any: JSON as parsed
    """Return what may be a link inside a value.

    Returns:
        Every `reference` text, fragments left out; every `url` of a Binary; every text that holds a slash.
    """
    references: list[str] = []
    addresses: list[str] = []
    texts: list[str] = []
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, dict):
            literal = current.get("reference")
            if isinstance(literal, str) and literal[:1] != "#":
                references.append(literal)
            url = current.get("url")
            if isinstance(url, str) and "Binary/" in url:
                addresses.append(url)
            current = current.values()
        for inner in current:
            kind = type(inner)  # parsed JSON is plain; every element of every resource comes by here
            if kind is str:
                if "/" in inner:
                    texts.append(inner)
            elif kind is dict or kind is list:
                stack.append(inner)
    return references, addresses, texts


def literals_in(value: Any) -> list[str]:  # Any: JSON as parsed
    """Return every `reference` text inside a value, fragments left out."""
    return links_in(value)[0]
