"""Give stored bytes the id and meta of a read, without touching any other byte.

The stored truth is what was received; logical id, version and time belong to the node (R4, Resource.meta).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from salus.core.errors import MalformedContent
from salus.standards.fhir.codec.json import write_json

ORIGINAL_ID = "urn:salus:original-id"
"""System of the tag that keeps the id which a loaded resource had at its source."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_meta = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode  # Any: the elements of Meta

_BEFORE_VALUE = re.compile(rb'[ \t\r\n]*[{,][ \t\r\n]*"(?:[^"\\]|\\.)*"[ \t\r\n]*:[ \t\r\n]*')
# How nearly every resource starts. When neither id nor meta follows, nothing else needs to be found.
_PLAIN_START = re.compile(
    rb'(\{"resourceType":"[A-Za-z]+",)(?:"id":"[A-Za-z0-9.-]*",)?'
    rb'(?:"meta":\{("profile":\["[^"\\]*"(?:,"[^"\\]*")*\])\},)?(?=")'
)
_BLANK = 0x20
_SECONDS_END = len('"2026-11-24T06:30:00')
_MILLISECONDS_END = len('"2026-11-24T06:30:00.120')
_END = re.compile(rb"[ \t\r\n]*\}[ \t\r\n]*")


class _Replaced(msgspec.Struct):
    """The members that a splice replaces or goes by; whatever else an object has is skipped."""

    resourceType: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    meta: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_replaced_of = msgspec.json.Decoder(_Replaced).decode
_NOTHING = _Replaced()


class Span(NamedTuple):
    """Where a top-level value stands in the bytes: [start, end)."""

    start: int
    end: int


@lru_cache(maxsize=4096)
def _plain_head(key: str) -> bytes:
    """Return what stands before a value whose key is written without blanks and escapes."""
    return b',"%b":' % key.encode()


def top_level_spans(content: bytes) -> dict[str, Span]:
    """Return where the value of each top-level key stands; the values themselves are only skipped.

    Raises:
        MalformedContent: the content is not a JSON object, or has a key twice.
    """
    try:
        members = _members(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedContent("The stored content is not a JSON object.") from error
    spans: dict[str, Span] = {}
    position = 0
    for key, raw in members.items():
        plain = _plain_head(key)
        start = position + len(plain)
        if not content.startswith(plain, position) or content[start] <= _BLANK:
            head = _BEFORE_VALUE.match(content, position)
            if head is None:
                raise MalformedContent("The stored content has a key twice.")
            start = head.end()
        position = start + memoryview(raw).nbytes
        spans[key] = Span(start, position)
    if members and _END.fullmatch(content, position) is None:
        raise MalformedContent("The stored content has a key twice.")
    return spans


def splice_meta(
    content: bytes,
    *,
    id: str,
    version: int,
    updated: datetime,
    source: str | None = None,
    original_id: str | None = None,
) -> bytes:
    """Return the content with its id, meta.versionId and meta.lastUpdated replaced by these.

    Args:
        content: a resource as JSON, as received; it has passed `parse_json` and validation.
        id: the logical id.
        version: counted from 1.
        updated: timezone-aware; written in UTC to the millisecond.
        source: meta.source; None keeps what the content says.
        original_id: the id that the resource had at its source, added as a tag.

    Returns:
        The same bytes but for these values; profile, security, tags and extensions of meta are kept.

    Raises:
        MalformedContent: the content is not a JSON object.
    """
    plain = _PLAIN_START.match(content)
    if plain is not None and not _has_more(content, plain.end()):
        start, profile = plain.groups()
        meta = _origin(source, original_id) if source or original_id else b""
        return b'%b"id":"%b","meta":{%b"versionId":"%d","lastUpdated":%b%b},%b' % (
            start,
            id.encode(),
            profile + b"," if profile else b"",
            version,
            _instant(updated),
            meta,
            content[plain.end() :],
        )
    spans = top_level_spans(content)
    given = _meta(content[slice(*spans["meta"])]) if "meta" in spans else {}
    meta = write_json(_merged(given, version, updated, source, original_id))
    return _with_members(content, spans, {"id": write_json(id), "meta": meta})


def replace_meta(content: bytes, meta: dict[str, Any]) -> bytes:  # Any: the elements of Meta
    """Return the content with this meta in place of its own, or after resourceType.

    Raises:
        MalformedContent: the content is not a JSON object.
    """
    return _with_members(content, top_level_spans(content), {"meta": write_json(meta)})


def _with_members(content: bytes, spans: dict[str, Span], members: dict[str, bytes]) -> bytes:
    """Return the content with these top-level members replaced, or put in after resourceType."""
    edits: list[tuple[int, int, bytes]] = []
    fresh = b""
    for key, value in members.items():
        if key in spans:
            edits.append((*spans[key], value))
        else:
            fresh += b',"' + key.encode() + b'":' + value
    if fresh and "resourceType" in spans:
        end = spans["resourceType"].end
        edits.append((end, end, fresh))
    elif fresh:
        start = content.index(b"{") + 1
        edits.append((start, start, fresh[1:] + (b"," if spans else b"")))
    return _replaced(content, edits)


def _has_more(content: bytes, start: int) -> bool:
    """Return whether the members from `start` on hold an id or a meta of the resource, or are no JSON."""
    try:
        return _replaced_of(b"{" + content[start:]) != _NOTHING
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True


def _origin(source: str | None, original_id: str | None) -> bytes:
    """Return what of meta tells where a resource came from, as members with a comma before each."""
    found = b""
    if source is not None:
        found += b',"source":' + write_json(source)
    if original_id is not None:
        found += b',"tag":[' + write_json({"system": ORIGINAL_ID, "code": original_id}) + b"]"
    return found


def _instant(moment: datetime) -> bytes:
    """Return a moment as a JSON string, in UTC, cut to the millisecond."""
    text = msgspec.json.encode(moment.astimezone(UTC))
    if len(text) > _MILLISECONDS_END:
        return text[:_MILLISECONDS_END] + b'Z"'
    return text[:_SECONDS_END] + b'.000Z"'


def _merged(
    given: dict[str, Any],  # Any: the elements of Meta
    version: int,
    updated: datetime,
    source: str | None,
    original_id: str | None,
) -> dict[str, Any]:
    moment = _instant(updated)[1:-1].decode("ascii")
    meta = given | {"versionId": str(version), "lastUpdated": moment}
    if source is not None:
        meta["source"] = source
    tags = [tag for tag in given.get("tag", ()) if tag.get("system") != ORIGINAL_ID]
    if original_id is not None:
        tags.append({"system": ORIGINAL_ID, "code": original_id})
    meta.pop("tag", None)
    return meta | {"tag": tags} if tags else meta


def _replaced(content: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    parts = []
    position = 0
    for start, end, value in sorted(edits):
        parts += [content[position:start], value]
        position = end
    return b"".join([*parts, content[position:]])
