"""What an interaction answers, and how it is put on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from salus.core.access import Caller
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_as_written, parse_json, write_json
from salus.standards.fhir.codec.splice import splice_meta
from salus.store.rows import StoredResource
from salus.store.shares import LARGE_BYTES, Share, Shares, beside
from salus.web.fhir.compression import BYTES_MIN, accepts_gzip, compress
from salus.web.fhir.negotiation import Format
from salus.web.fhir.request import FhirRequest
from salus.web.problems import issue, outcome
from salus.web.services import Send

UNLIMITED = Limits(body_bytes_max=2**40, depth_max=1_000)
"""For our own bytes, which were within the limits when they came."""

Headers = list[tuple[bytes, bytes]]
JSON_TYPE = Format.JSON.content_type
WITHHELD = "(kept by the node)"
"""Stands for the value of a Subscription's header in an answer; sent back, it leaves the value as it is."""
CUT_OFF = (b"salus-trust", b"cut-off")
XML_WEIGHT = 4
"""A byte of an answer takes so many times longer to turn into XML than a byte of a body to read."""


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer.

    Args:
        status: the HTTP status.
        body: FHIR JSON unless `headers` say otherwise; b"" for none.
        headers: beyond Content-Type and Content-Length of a FHIR answer.
        raw: the body is not FHIR JSON: `headers` hold its Content-Type and it is sent as it is.
        format, pretty: how to write it, where the body of a search said so, not the address.
        share: of the caller whose processor time a large answer's format takes, None for nobody's.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    raw: bool = False
    format: Format | None = None
    pretty: bool = False
    share: Share | None = None


def marked(answer: Answer, caller: Caller) -> Answer:
    """Return the answer, marked where the federation's anchor could not be asked about who gets it."""
    if not caller.cut_off:
        return answer
    return msgspec.structs.replace(answer, headers=(*answer.headers, CUT_OFF))


def resource_bytes(resource: StoredResource) -> bytes:
    """Return a stored resource as a read returns it: the bytes received with id and meta spliced in.

    The headers of a Subscription, which may hold the subscriber's secrets, are named without their values.
    """
    return splice_meta(
        _without_secrets(resource.content) if resource.type == "Subscription" else resource.content,
        id=resource.id,
        version=resource.version,
        updated=resource.updated,
        source=resource.source or None,
        original_id=original_id(resource) if resource.source_id else None,
    )


def _without_secrets(content: bytes) -> bytes:
    subscription = parse_json(content, UNLIMITED) if content else {}
    if "header" not in subscription.get("channel", {}):
        return content
    return write_json(withheld(subscription))


def withheld(subscription: dict[str, Any]) -> dict[str, Any]:  # Any: FHIR content is open JSON
    """Return a Subscription with the headers of its channel named, without their values."""
    channel = subscription.get("channel", {})
    if "header" not in channel:
        return subscription
    lines = [f"{str(line).partition(':')[0]}: {WITHHELD}" for line in channel["header"]]
    return {**subscription, "channel": {**channel, "header": lines}}


def original_id(resource: StoredResource) -> str | None:
    """Return the id the resource had at its source, None where it is the node's own."""
    return resource.source_id.rpartition("/")[2].removeprefix("urn:uuid:") or None


DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
MONTHS = tuple(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())


def http_date(moment: datetime) -> bytes:
    """Return a moment as HTTP writes it (RFC 9110, 5.6.7)."""
    at = moment.astimezone(UTC)
    return b"%b, %02d %b %04d %02d:%02d:%02d GMT" % (
        DAYS[at.weekday()], at.day, MONTHS[at.month - 1], at.year, at.hour, at.minute, at.second
    )  # fmt: skip


def version_headers(resource: StoredResource) -> Headers:
    """Return ETag and Last-Modified of a version."""
    return [
        (b"etag", b'W/"%d"' % resource.version),
        (b"last-modified", http_date(resource.updated)),
    ]


def location(base: str, resource: StoredResource) -> bytes:
    """Return the address of a version."""
    return f"{base}/{resource.type}/{resource.id}/_history/{resource.version}".encode("ascii")


def written(request: FhirRequest, resource: StoredResource, base: str, *, status: int, note: str) -> Answer:
    """Return the answer to a write, with as much body as the Prefer header wants.

    A create says where the resource is, also when its condition found it there.
    """
    headers = version_headers(resource)
    if status == 201 or request.method == "POST":
        headers.append((b"location", location(base, resource)))
    if request.preference.returned == "minimal":
        return Answer(status, b"", tuple(headers))
    if request.preference.returned == "OperationOutcome":
        body = write_json(outcome([issue("information", "informational", note)]))
    else:
        body = resource_bytes(resource)
    return Answer(status, body, tuple(headers))


def join_bundle(head: dict[str, Any], entries: Iterable[bytes]) -> bytes:  # Any: FHIR content is open JSON
    """Return a Bundle of these fields and of entries that are bytes already."""
    start = write_json(head)
    listed = b",".join(entries)
    return start[:-1] + (b',"entry":[' + listed + b"]}" if listed else b"}")


def text_bytes(text: str) -> bytes:
    """Return a string as a JSON value."""
    return msgspec.json.encode(text)


def needs_encoding(answer: Answer, request: FhirRequest) -> bool:
    """Return whether the body, which is FHIR JSON, was asked for in another form."""
    return answer.pretty or request.pretty or (answer.format or request.format) is not Format.JSON


async def encode(answer: Answer, request: FhirRequest) -> tuple[bytes, bytes]:
    """Return the body in the form that was asked for, where that is not the one it has, and its Content-Type.

    Raises:
        Throttled: the answer is large, and the caller has had their share of this.
    """
    work = beside if answer.share is None else answer.share.beside
    if (answer.format or request.format) is Format.XML:
        return await work(len(answer.body) * XML_WEIGHT, _xml, answer.body), Format.XML.content_type
    return await work(len(answer.body), msgspec.json.format, answer.body, indent=2), JSON_TYPE


def _xml(body: bytes) -> bytes:
    from salus.standards.fhir.codec.xml import write_xml  # lxml is loaded only where XML is asked for

    return write_xml(parse_as_written(body))


def charged(answer: Answer, shares: Shares, caller: Caller) -> Answer:
    """Return an answer whose format is at the caller's charge if it is large."""
    if len(answer.body) * XML_WEIGHT <= LARGE_BYTES:
        return answer
    return msgspec.structs.replace(answer, share=shares.of(caller))


async def send_answer(answer: Answer, request: FhirRequest, send: Send) -> None:
    """Send an answer, a large one in gzip where the client takes it; HEAD gets the headers only."""
    headers = list(answer.headers)
    body = answer.body
    if body and not answer.raw:
        if needs_encoding(answer, request):
            body, content_type = await encode(answer, request)
        else:
            content_type = JSON_TYPE
        headers.append((b"content-type", content_type))
        if len(body) >= BYTES_MIN:
            headers.append((b"vary", b"accept, accept-encoding"))
            if accepts_gzip(request.header("accept-encoding")):
                body = await asyncio.to_thread(compress, body)
                headers.append((b"content-encoding", b"gzip"))
    if answer.status != 204 and answer.status != 304:
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else body})


def json_answer(status: int, resource: dict[str, Any], headers: Headers | None = None) -> Answer:
    """Return an answer with a resource made here."""
    return Answer(status, write_json(resource), tuple(headers or ()))


def plain_json(status: int, body: Any, headers: Headers | None = None) -> Answer:  # Any: JSON that is no FHIR
    """Return an answer of JSON that is no FHIR resource."""
    return Answer(
        status,
        json.dumps(body).encode(),
        ((b"content-type", b"application/json"), *(headers or ())),
        raw=True,
    )
