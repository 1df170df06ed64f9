"""Which id a loaded resource gets, and how references between resources of one source follow.

The id is `derived_id(source, original)`. `original` is "Type/id" when the source identifies the resource
by its id, else its fullUrl. A reference is resolved as Bundles resolve it (http://hl7.org/fhir/R4/bundle.html
#references): a fullUrl of the same Bundle, or a relative one below the root of the referring fullUrl.
"""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from bisect import bisect_left
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from salus.core.identifiers import derived_id, is_fhir_id
from salus.standards.fhir import model

_LINK = re.compile(rb'("reference"[ \t\r\n]*:[ \t\r\n]*)"((?:[^"\\]|\\.)*)"')
_LINKS = re.compile(rb'"reference"[ \t\r\n]*:[ \t\r\n]*"([^"\\]+)"')
_URN_LINKS = re.compile(rb'"reference"[ \t\r\n]*:[ \t\r\n]*"(urn:(?:uuid|oid):[^"\\]+)"')
_BINARY = re.compile(rb'("url"[ \t\r\n]*:[ \t\r\n]*)"((?:https?://[^"\\]*/)?Binary/[A-Za-z0-9\-.]{1,64})"')
_RELATIVE = re.compile(
    r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII
)
_ABSOLUTE = re.compile(
    r"(https?://[^?#\s]+?)/([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?",
    re.ASCII,
)


def is_type(name: str) -> bool:
    """Return whether this is a resource type of R4."""
    definition = model.type_definition(name)
    return definition is not None and definition.kind == "resource" and not definition.abstract


EntryTypes = Mapping[str, tuple[str, bool]]
"""Of a Bundle's entries by fullUrl: the type, and whether the fullUrl is the urn:uuid of its own id."""


def urn_links(content: bytes) -> list[str]:
    """Return the references by ``urn:uuid:`` or ``urn:oid:`` in a resource, in document order.

    In one whose references were rewritten these are the ones that lead to nothing that was sent along.
    """
    if b'"urn:' not in content:
        return []
    return [link.decode("utf-8", "replace") for link in _URN_LINKS.findall(content)]


class Head(msgspec.Struct):
    """What identifies a resource."""

    resourceType: str = ""
    id: object = None


class EntryNames:
    """The types of a streamed Bundle's entries by fullUrl: hashes only, 11 bytes an entry."""

    def __init__(self) -> None:
        self._types: dict[str, int] = {}
        self._keys = array("Q")
        self._values = array("H")
        self._is_sorted = True

    def add(self, full_url: str, head: Head) -> None:
        """Note an entry."""
        number = self._types.setdefault(head.resourceType, len(self._types))
        self._keys.append(_hash(full_url))
        self._values.append(2 * number + is_named_by_id(full_url, head.id))
        self._is_sorted = False

    def relevant(self, content: bytes) -> EntryTypes:
        """Return the types of the entries that this entry refers to."""
        if not self._is_sorted:
            self._sort()
        names = list(self._types)
        found: dict[str, tuple[str, bool]] = {}
        for link in {link.decode("utf-8", "replace") for link in _LINKS.findall(content)}:
            plain = link.partition("/_history/")[0].partition("#")[0]
            key = _hash(plain)
            at = bisect_left(self._keys, key)
            if at < len(self._keys) and self._keys[at] == key:
                found[plain] = (names[self._values[at] // 2], bool(self._values[at] % 2))
        return found

    def _sort(self) -> None:
        order = sorted(range(len(self._keys)), key=self._keys.__getitem__)
        self._keys = array("Q", (self._keys[at] for at in order))
        self._values = array("H", (self._values[at] for at in order))
        self._is_sorted = True


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def is_named_by_id(full_url: str, resource_id: object) -> bool:
    """Return whether the fullUrl says no more than the id: urn:uuid:X of a resource with id X."""
    return isinstance(resource_id, str) and full_url == f"urn:uuid:{resource_id}"


def named(link: str) -> tuple[str, str] | None:
    """Return the type and id that a link names, relative or absolute; None where it names none."""
    relative, absolute = _RELATIVE.fullmatch(link), _ABSOLUTE.fullmatch(link)
    if relative is not None:
        type_name, own_id = relative.groups()
    elif absolute is not None:
        _, type_name, own_id = absolute.groups()
    else:
        return None
    return (type_name, own_id) if is_type(type_name) else None


def original_name(source: str, full_url: str, type_name: str, resource_id: object) -> str:
    """Return what the source calls the resource: "Type/id", or its fullUrl; "" when it has neither."""
    own = f"{type_name}/{resource_id}" if isinstance(resource_id, str) and is_fhir_id(resource_id) else ""
    if not full_url or is_named_by_id(full_url, resource_id):
        return own
    found = _ABSOLUTE.fullmatch(full_url)
    if found is not None and found[1] == source.rstrip("/"):
        return f"{found[2]}/{found[3]}"
    return full_url


class References:
    """Gives the reference that replaces one found in a resource of `source`.

    Args:
        source: the source's URI.
        full_url: of the resource that refers, "" when it has none.
        types: of the Bundle it is in, None outside one.
        links: links whose target is known already; "" leaves one as it is.
        same: by what the source calls a resource, the "Type/id" that it has here under another name.
    """

    def __init__(
        self,
        source: str,
        full_url: str = "",
        types: EntryTypes | None = None,
        links: Mapping[str, str | None] | None = None,
        same: Mapping[str, str] | None = None,
    ) -> None:
        self._same = same or {}
        self._source = source
        self._types = types
        self._links = links or {}
        self._is_plain = not (full_url or types or links)
        rooted = _ABSOLUTE.fullmatch(full_url)
        self._root = rooted[1] if rooted is not None else ""

    def rewritten(self, link: str) -> str | None:
        """Return "Type/derived id", or None for a link that does not lead into this source."""
        if link in self._links:
            return self._links[link] or None
        if link.startswith("urn:"):
            return self._by_full_url(link)
        found = _RELATIVE.fullmatch(link)
        if found is not None:
            return self._relative(found)
        found = _ABSOLUTE.fullmatch(link)
        if found is None or not is_type(found[2]):
            return None
        if found[1] == self._source.rstrip("/"):
            return self._local(found[2], f"{found[2]}/{found[3]}")
        plain = f"{found[1]}/{found[2]}/{found[3]}"
        if found[1] == self._root:
            return self._local(found[2], plain)
        return self._by_full_url(plain)

    def _relative(self, found: re.Match[str]) -> str | None:
        if not is_type(found[1]):
            return None
        name = f"{found[1]}/{found[2]}"
        if self._root and f"{self._root}/{name}" in self._links:
            return self._links[f"{self._root}/{name}"] or None
        if self._root and self._root != self._source.rstrip("/"):
            return self._local(found[1], f"{self._root}/{name}")
        return self._local(found[1], name)

    def _by_full_url(self, full_url: str) -> str | None:
        if full_url in self._links:
            return self._links[full_url] or None
        found = None if self._types is None else self._types.get(full_url)
        if found is None:
            return None
        type_name, named_by_id = found
        return self._local(type_name, f"{type_name}/{full_url[9:]}" if named_by_id else full_url)

    def _local(self, type_name: str, original: str) -> str:
        return self._same.get(original) or f"{type_name}/{derived_id(self._source, original)}"

    def splice(self, content: bytes) -> bytes:
        """Return the bytes with every reference into this source replaced, all else untouched."""
        if b'"reference"' in content:
            content = _LINK.sub(self._replacement, content)
        if b"Binary/" in content:
            content = _BINARY.sub(self._replacement, content)
        return content

    def _replacement(self, found: re.Match[bytes]) -> bytes:
        text = found[2]
        if self._is_plain:
            target = _plain_target(self._source, text)
        else:
            link = _unescaped(text)
            target = None if link is None else self.rewritten(link)
        return found[0] if target is None else found[1] + b'"' + target.encode() + b'"'


def _unescaped(text: bytes) -> str | None:
    """Return the string that stands between quotes in JSON, None when it is malformed."""
    try:
        return str(json.loads(b'"' + text + b'"')) if b"\\" in text else text.decode()
    except ValueError:
        return None


@lru_cache(maxsize=1 << 15)
def _plain_target(source: str, text: bytes) -> str | None:
    """Return the new form of a link outside any Bundle: the same ones come again and again."""
    link = _unescaped(text)
    return None if link is None else References(source).rewritten(link)


def rewrite_parsed(node: Any, references: References) -> Any:  # Any: JSON
    """Return the parsed resource with references replaced, for content not read from JSON (XML)."""
    if isinstance(node, dict):
        return {
            key: (references.rewritten(value) or value)
            if key == "reference" and isinstance(value, str)
            else rewrite_parsed(value, references)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [rewrite_parsed(item, references) for item in node]
    return node
