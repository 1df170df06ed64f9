"""What a transaction or batch Bundle asks for, and in which order (http://hl7.org/fhir/R4/http.html#transaction).

Pure: nothing is looked up and nothing is stored here. `plan_bundle` reads the entries, `splice_references`
rewrites links between them in the bytes as received, so that decimals, spacing and signatures of all
other content stay as they came.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from salus.core.errors import InvalidResource, MalformedContent, NotSupported, TooLarge
from salus.core.identifiers import is_fhir_id

Resource = dict[str, Any]  # FHIR content is open JSON
Lookup = Callable[[str], str | None]

ALONE = -1
"""The place of an entry that is in no Bundle."""
METHODS = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
LINK_KEYS = frozenset({"reference", "url", "uri", "valueUri", "valueUrl", "valueOid", "valueUuid"})
LINK = re.compile(
    rb'("(?:reference|url|uri|valueUri|valueUrl|valueOid|valueUuid)"\s*:\s*)"((?:[^"\\]|\\.)*)"'
)
NARRATIVE_LINK = re.compile(r"""((?:href|src)\s*=\s*)("|')([^"'<>]*)\2""")
TYPE_NAME = re.compile(r"[A-Z][A-Za-z]{1,63}", re.ASCII)
RESTFUL = re.compile(r"(https?://[^?#\s]+?)/([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})", re.ASCII)


class Entry(msgspec.Struct, frozen=True):
    """One entry of a transaction or batch.

    Args:
        index: its place in the Bundle, from 0; `ALONE` when it is a request of its own.
        full_url: how other entries refer to it, "" when absent.
        method: DELETE, POST, PUT, PATCH, GET or HEAD.
        url: the request's address, relative to the FHIR base.
        type: resource type of the address, "" for a system-level request.
        id: logical id of the address, "" when it has none.
        condition: the query that selects the resource (conditional update, patch or delete, or
            ifNoneExist), None when there is none.
        if_match, if_none_match, if_modified_since: the request's fields, "" when absent.
        resource: the parsed resource, None when the entry has none.
        content: the resource's bytes as received, b"" when the entry has none.
    """

    index: int
    full_url: str
    method: str
    url: str
    type: str
    id: str
    condition: str | None
    if_match: str
    if_none_match: str
    if_modified_since: str
    resource: Resource | None
    content: bytes

    @property
    def path(self) -> str:
        """Return the FHIRPath expression of the entry, or of the resource sent alone, for messages."""
        return self.type if self.index == ALONE else f"Bundle.entry[{self.index}]"

    @property
    def is_interaction(self) -> bool:
        """Return whether the address is that of a type or an instance, not of an operation or search."""
        return "$" not in self.url and "/_" not in self.url and bool(self.type)


class Plan(msgspec.Struct, frozen=True):
    """The entries of a Bundle as they came; `kind` is transaction or batch.

    `refusals` holds the entries of a batch that make no sense, by their place; in a transaction the first
    of them refuses it all.
    """

    kind: str
    entries: tuple[Entry, ...]
    refusals: dict[int, InvalidResource] = {}

    def ordered(self) -> list[Entry]:
        """Return the entries in processing order: DELETE, POST, PUT and PATCH, GET and HEAD."""
        return sorted(self.entries, key=lambda entry: METHODS[entry.method])


class RawEntry(msgspec.Struct):
    """An entry of which only the resource's bytes are taken."""

    resource: msgspec.Raw = msgspec.Raw(b"")


class RawBundle(msgspec.Struct):
    """A Bundle of which only the resources' bytes are taken."""

    entry: list[RawEntry] = []


RAW_BUNDLE = msgspec.json.Decoder(RawBundle)


def entry_contents(body: bytes) -> list[bytes]:
    """Return the bytes of each entry's resource, b"" for an entry without one.

    Raises:
        MalformedContent: `entry` is no array of objects.
    """
    try:
        return [bytes(entry.resource) for entry in RAW_BUNDLE.decode(body).entry]
    except msgspec.ValidationError as error:
        raise MalformedContent("Bundle.entry must be an array of objects.") from error


def split_address(url: str, fhir_base: str, where: str) -> tuple[str, str, str, str | None]:
    """Return the relative address, type, id and query of an entry's request.url.

    Raises:
        InvalidResource: it points outside the FHIR base, or is no FHIR address.
    """
    relative = relative_address(url, fhir_base)
    path, mark, query = relative.partition("?")
    segments = path.split("/") if path else []
    dangerous = "\\" in path or "%" in path or ":" in path or not relative.isprintable()
    if not path or dangerous or any(part in ("", ".", "..") for part in segments) or len(segments) > 4:
        raise refused(where, "request.url must be an address below the node's FHIR base, such as Patient/1")
    kind = segments[0] if segments and TYPE_NAME.fullmatch(segments[0]) else ""
    if segments and not kind and segments[0][0] not in "$_" and segments[0] != "metadata":
        raise refused(where, "request.url does not start with a resource type")
    has_id = bool(kind) and len(segments) > 1 and segments[1][0] not in "$_"
    if has_id and not is_fhir_id(segments[1]):
        raise refused(where, "request.url holds an id that FHIR does not allow")
    return relative, kind, segments[1] if has_id else "", query if mark else None


def relative_address(url: str, fhir_base: str) -> str:
    """Return an address relative to the FHIR base: what is below the base, or below its path or the root."""
    root = "/" + fhir_base.partition("://")[2].partition("/")[2] + "/"
    for start in (fhir_base + "/", root, "/"):
        if url.startswith(start) and not url.startswith("//"):
            return url[len(start) :]
    return url


def refused(where: str, message: str) -> InvalidResource:
    """Return the error for a Bundle whose entry at `where` breaks a rule."""
    return InvalidResource(f"{where}: {message}.")


def text_of(holder: Mapping[str, Any], name: str, where: str) -> str:
    """Return a string field, "" when it is absent.

    Raises:
        InvalidResource: it is no string.
    """
    found = holder.get(name, "")
    if not isinstance(found, str):
        raise refused(where, f"{name} must be a string")
    return found


def read_entry(index: int, entry: object, content: bytes, fhir_base: str) -> Entry:
    """Return one planned entry.

    Raises:
        InvalidResource: its request is missing, has no known method, or points outside the base.
    """
    where = f"Bundle.entry[{index}]"
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(request, dict):
        raise refused(where, "an entry of a transaction or batch needs a request with method and url")
    method, url = text_of(request, "method", where), text_of(request, "url", where)
    if method not in METHODS:
        raise refused(where, "request.method must be one of " + ", ".join(METHODS))
    relative, kind, identity, query = split_address(url, fhir_base, where)
    resource = entry.get("resource")
    if resource is not None and not isinstance(resource, dict):
        raise refused(where, "resource must be an object")
    check_shape(where, method, kind, identity, query, resource)
    condition = text_of(request, "ifNoneExist", where) or None if method == "POST" else query
    if condition is not None:
        condition = condition.removeprefix(kind).removeprefix("?")
    return Entry(
        index=index,
        full_url=text_of(entry, "fullUrl", where),
        method=method,
        url=relative,
        type=kind,
        id=identity,
        condition=condition if method in ("POST", "PUT", "PATCH", "DELETE") and not identity else None,
        if_match=text_of(request, "ifMatch", where),
        if_none_match=text_of(request, "ifNoneMatch", where),
        if_modified_since=text_of(request, "ifModifiedSince", where),
        resource=resource,
        content=content,
    )


def check_shape(
    where: str, method: str, kind: str, identity: str, query: str | None, resource: Resource | None
) -> None:
    """Refuse an entry whose method, address and resource do not belong together.

    Raises:
        InvalidResource: with the rule that is broken.
    """
    writes = method in ("POST", "PUT", "PATCH")
    if writes and resource is None:
        raise refused(where, f"a {method} entry needs a resource")
    if method == "POST" and identity:
        raise refused(where, "a POST entry goes to a type, not to an instance; use PUT or PATCH for that")
    if method in ("PUT", "PATCH", "DELETE") and not kind:
        raise refused(where, f"a {method} entry needs a resource type in its url")
    if method in ("PUT", "PATCH", "DELETE") and not identity and not query:
        raise refused(where, f"a {method} entry needs an id or a condition in its url, such as {kind}/1")
    if method == "PUT" and resource is not None:
        if resource.get("resourceType") != kind:
            raise refused(where, "the resource is of another type than request.url")
        if identity and resource.get("id") != identity:
            raise refused(where, "the resource needs the id that is in request.url")


def plan_bundle(bundle: Resource, contents: list[bytes], *, fhir_base: str, entries_max: int) -> Plan:
    """Return what a parsed Bundle asks for.

    Args:
        bundle: the parsed Bundle.
        contents: the bytes of each entry's resource (`entry_contents`).
        fhir_base: the node's FHIR base; absolute addresses must start with it.
        entries_max: most entries.

    Raises:
        TooLarge: it has more entries.
        NotSupported: it is no transaction and no batch.
        InvalidResource, MalformedContent: an entry of a transaction is wrong, or two contradict each other.
    """
    if bundle.get("resourceType") != "Bundle":
        raise MalformedContent("Only a Bundle is taken at the FHIR base: send a transaction or batch Bundle.")
    kind = bundle.get("type")
    if kind not in ("transaction", "batch"):
        raise NotSupported("The node processes Bundles of type transaction and batch at this address.")
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise MalformedContent("Bundle.entry must be an array.")
    if len(entries) > entries_max:
        raise TooLarge(f"The Bundle has more than {entries_max} entries: split it.")
    planned: list[Entry] = []
    refusals: dict[int, InvalidResource] = {}
    for index, (entry, content) in enumerate(zip(entries, contents, strict=True)):
        try:
            planned.append(read_entry(index, entry, content, fhir_base))
        except InvalidResource as error:
            if kind == "transaction":
                raise
            refusals[index] = error
    if kind == "transaction":
        refuse_duplicates(planned)
        refuse_dangling(planned)
    return Plan(kind, tuple(planned), refusals)


def refuse_dangling(entries: Sequence[Entry]) -> None:
    """Refuse a reference by ``urn:uuid:`` or ``urn:oid:`` to a resource that is not sent along.

    Entries of a batch are requests of their own: none finds another (R4 http.html#transaction).

    A Bundle that is an entry's resource, such as a document, refers within itself.

    Raises:
        InvalidResource: naming the entry and the reference.
    """
    known = {entry.full_url for entry in entries if entry.resource is not None}
    for entry in entries:
        resource = entry.resource
        if resource is None or b"urn:" not in entry.content or resource.get("resourceType") == "Bundle":
            continue
        for link in links(resource):
            if link.startswith(("urn:uuid:", "urn:oid:")) and link.partition("#")[0] not in known:
                message = (
                    f"the reference {link[:80]!a} leads to no entry sent along: send both in one transaction"
                )
                raise refused(entry.path, f"{message}, or refer by identifier")


def refuse_duplicates(entries: Sequence[Entry]) -> None:
    """Refuse two entries with the same fullUrl, or that change the same resource.

    Raises:
        InvalidResource: naming both entries.
    """
    seen: dict[tuple[str, str], int] = {}
    for entry in entries:
        keys = []
        if entry.full_url and entry.resource is not None:
            keys.append(("fullUrl", entry.full_url))
        if entry.method in ("PUT", "PATCH", "DELETE") and entry.id:
            keys.append(("resource", f"{entry.type}/{entry.id}"))
        elif entry.condition:
            keys.append(("condition", f"{entry.type}?{entry.condition}"))
        for key in keys:
            if key in seen:
                raise refused(entry.path, f"it names the same {key[0]} as entry[{seen[key]}]")
            seen[key] = entry.index


def links(node: object) -> Iterator[str]:
    """Yield every literal `reference` in a resource, in document order."""
    if isinstance(node, dict):
        for key, member in node.items():
            if key == "reference" and isinstance(member, str):
                yield member
            elif isinstance(member, (dict, list)):
                yield from links(member)
    elif isinstance(node, list):
        for member in node:
            if isinstance(member, (dict, list)):
                yield from links(member)


def conditional_references(resource: Resource) -> list[str]:
    """Return the references that are searches, such as ``Patient?identifier=system|1``."""
    return [text for text in links(resource) if is_conditional(text)]


def is_conditional(reference: str) -> bool:
    """Return whether a reference is a search to be replaced by its one match."""
    kind, mark, _ = reference.partition("?")
    return bool(mark) and TYPE_NAME.fullmatch(kind) is not None


def lookup_for(entry: Entry, targets: Mapping[str, str]) -> Lookup:
    """Return the function that gives the new form of a link of this entry, None to leave it.

    A relative link of an entry whose fullUrl is ``root/Type/id`` is looked up below that root
    (http://hl7.org/fhir/R4/bundle.html#references).
    """
    rooted = RESTFUL.fullmatch(entry.full_url)
    if rooted is None:
        return targets.get
    root = rooted[1]

    def lookup(link: str) -> str | None:
        return targets.get(link) or targets.get(f"{root}/{link}")

    return lookup


def rewrite_links(resource: Resource, lookup: Lookup) -> int:
    """Replace links of a parsed resource in place; return how many were replaced."""
    replaced = 0
    waiting: list[Any] = [resource]  # Any: JSON
    while waiting:
        node = waiting.pop()
        if type(node) is list:
            waiting.extend(member for member in node if type(member) is dict or type(member) is list)
            continue
        for key, member in node.items():
            kind = type(member)
            if kind is dict or kind is list:
                waiting.append(member)
            elif kind is str and (key in LINK_KEYS or key == "div"):
                changed = rewrite_narrative(member, lookup) if key == "div" else lookup(member)
                if changed is not None and changed != member:
                    node[key] = changed
                    replaced += 1
    return replaced


def rewrite_narrative(div: str, lookup: Lookup) -> str:
    """Return a narrative with its href and src replaced."""
    return NARRATIVE_LINK.sub(
        lambda found: f"{found[1]}{found[2]}{lookup(found[3]) or found[3]}{found[2]}", div
    )


def splice_links(content: bytes, lookup: Lookup) -> tuple[bytes, int]:
    """Replace links in a resource's bytes; return the bytes and how many were replaced."""
    replaced = 0

    def replacement(found: re.Match[bytes]) -> bytes:
        nonlocal replaced
        text = found[2]
        link = json.loads(b'"' + text + b'"') if b"\\" in text else text.decode("utf-8")
        target = lookup(link)
        if target is None:
            return found[0]
        replaced += 1
        return found[1] + b'"' + target.encode("utf-8") + b'"'

    return LINK.sub(replacement, content), replaced


def splice_references(
    content: bytes, resource: Resource, lookup: Lookup, write: Callable[[Resource], bytes]
) -> bytes:
    """Rewrite the links of a resource: in place in the parsed form, spliced in the bytes.

    Args:
        content: the bytes as received.
        resource: the same, parsed; it is changed.
        lookup: new form of a link, None to leave it (`lookup_for`).
        write: writes the parsed form, for the rare content whose links cannot be spliced
            (a key written with an escape, a link in the narrative).
    """
    expected = rewrite_links(resource, lookup)
    if not expected:
        return content
    spliced, replaced = splice_links(content, lookup)
    return spliced if replaced == expected else write(resource)


ETAG = re.compile(r'\s*(?:(?:W/)?"([^"]*)"|([0-9]+))\s*', re.ASCII)


def version_of_etag(text: str) -> int | None:
    """Return the version of ``W/"3"`` (``"3"`` and ``3`` too), None for ``*`` or no tag at all.

    A tag that no version has is -1.

    Raises:
        MalformedContent: it is no entity tag.
    """
    if text.strip() in ("", "*"):
        return None
    found = ETAG.fullmatch(text)
    if found is None:
        raise MalformedContent('If-Match takes one version, as W/"3".')
    number = found[1] or found[2] or ""
    return int(number) if number.isascii() and number.isdecimal() and len(number) <= 9 else -1


def names_version(text: str, version: int) -> bool:
    """Return whether an If-None-Match names a version: by ``*``, or in its list of entity tags."""
    tags = [tag.strip() for tag in text.split(",")]
    return "*" in tags or f'W/"{version}"' in tags or f'"{version}"' in tags
