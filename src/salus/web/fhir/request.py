"""A FHIR request as the interactions see it: read once from ASGI, strictly.

Paths are taken from the raw bytes, so that an encoded slash, a NUL or a dot segment cannot pass for
another address; ids are case-sensitive (http://hl7.org/fhir/R4/http.html#general).
"""

from __future__ import annotations

import re
from collections.abc import Collection, MutableMapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from salus.core.errors import MalformedContent, NotFound, NotSupported, TooLarge
from salus.standards.fhir.query_string import Pairs, parse_pairs
from salus.web.fhir.negotiation import Format, answer_format, is_fhir
from salus.web.services import Receive, Scope

ONCE = frozenset(
    {
        "authorization",
        "content-type",
        "content-length",
        "if-match",
        "if-none-match",
        "if-none-exist",
        "if-modified-since",
        "dpop",
    }
)
SEGMENT_CHARS_MAX = 128
SEGMENTS_MAX = 6
# What nearly every address is made of: nothing to decode, no segment too long, empty or of dots.
_PLAIN_PATH = re.compile(rb"[A-Za-z0-9$_-]{1,128}(?:/[A-Za-z0-9$_-]{1,128}){0,5}")


class Preference(msgspec.Struct, frozen=True):
    """The Prefer header (RFC 7240, http://hl7.org/fhir/R4/http.html#ops)."""

    returned: str = "representation"
    strict: bool = False
    lenient: bool = False
    asynchronous: bool = False


NO_PREFERENCE = Preference()


class FhirRequest(msgspec.Struct, frozen=True):
    """One request to the FHIR base.

    Args:
        method: the HTTP method, as sent: GET is none but GET.
        segments: decoded path segments below the base, e.g. ("Patient", "1").
        pairs: decoded query parameters in order, without `_format` and `_pretty`.
        headers: by lower-case name; a header that may come once comes once.
        format: the format of the answer.
        pretty: whether to indent a JSON answer.
        preference: the Prefer header.
        request_id: id of the request in log and audit.
        receive: ASGI's stream of the body.
        body_bytes_max: most bytes the body may have.
        has_format: `_format` named the format, not the Accept header.
        proven_key: thumbprint of the key that the request proves to hold (RFC 9449), "" for none.
        asked: id of the request at the node that sent it, as its proof says, "" for none.
    """

    method: str
    segments: tuple[str, ...]
    pairs: Pairs
    headers: dict[str, str]
    format: Format
    pretty: bool
    preference: Preference
    request_id: str
    receive: Receive
    body_bytes_max: int
    has_format: bool = False
    proven_key: str = ""
    asked: str = ""

    def header(self, name: str) -> str:
        """Return a header by its lower-case name, "" when absent."""
        return self.headers.get(name, "")


def decode_segment(raw: bytes) -> str:
    """Return one decoded path segment.

    Raises:
        NotFound: it is a dot segment, or holds a slash, a control character or bad UTF-8.
    """
    if b"%" in raw:
        raw = unquote_to_bytes(raw)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotFound("The address is not valid UTF-8.") from error
    if text in ("", ".", "..") or len(text) > SEGMENT_CHARS_MAX or "/" in text or not text.isprintable():
        raise NotFound("There is nothing at this address.")
    return text


def path_segments(raw_path: bytes, prefix: bytes) -> tuple[str, ...]:
    """Return the decoded segments of a path below `prefix`.

    Raises:
        NotFound: the path lies outside the base or holds a segment that no address has.
    """
    below = raw_path[len(prefix) :]
    if not raw_path.startswith(prefix) or (below and below[:1] != b"/"):
        raise NotFound("There is nothing at this address.")
    below = below.strip(b"/") if below in (b"", b"/") else below[1:].removesuffix(b"/")
    if not below:
        return ()
    if _PLAIN_PATH.fullmatch(below):
        return tuple(below.decode("ascii").split("/"))
    parts = below.split(b"/", SEGMENTS_MAX)
    if len(parts) > SEGMENTS_MAX:
        raise NotFound("There is nothing at this address.")
    return tuple(map(decode_segment, parts))


def collect_headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers by lower-case name.

    Raises:
        MalformedContent: a header that may come once comes twice.
    """
    headers: dict[str, str] = {}
    for key, text in raw:
        name = key.decode("latin-1").lower()
        if name in headers:
            if name in ONCE:
                raise MalformedContent(f"The header {name} comes more than once: send it once.")
            headers[name] += ", " + text.decode("latin-1")
        else:
            headers[name] = text.decode("latin-1")
    return headers


def parse_preference(header: str) -> Preference:
    """Read the Prefer header; what is not understood is ignored (RFC 7240, section 2)."""
    if not header:
        return NO_PREFERENCE
    wishes: dict[str, str] = {}
    for wish in header.replace(";", ",").split(","):
        name, _, chosen = wish.strip().partition("=")
        wishes.setdefault(name.strip().lower(), chosen.strip().strip('"'))
    returned = wishes.get("return", "representation")
    if returned not in {"minimal", "representation", "OperationOutcome"}:
        returned = "representation"
    handling = wishes.get("handling")
    return Preference(returned, handling == "strict", handling == "lenient", "respond-async" in wishes)


def first(pairs: Pairs, name: str) -> str | None:
    """Return the first value of a parameter, None when it is absent."""
    return next((chosen for key, chosen in pairs if key == name), None)


def refuse_unknown(request: FhirRequest, known: Collection[str]) -> None:
    """Refuse parameters that this address does not know, where the client wants that.

    Others get an answer without them; what it was asked for stands in the link self, where it has one.

    Raises:
        NotSupported: with `Prefer: handling=strict`, naming them.
    """
    strange = [name for name, _ in request.pairs if name not in known]
    if strange and request.preference.strict:
        raise unknown(strange, known)


def unknown(names: Collection[str], known: Collection[str]) -> NotSupported:
    """Return the refusal of parameters that are not known."""
    listed = ", ".join(f"{name[:40]!a}" for name in list(names)[:10])
    public = [name for name in known if name != "_cursor"]
    taken = f"it takes {', '.join(public)}" if public else "it takes none"
    return NotSupported(f"This address does not know the parameters {listed}: {taken}.")


def read_request(scope: Scope, receive: Receive, *, prefix: bytes, body_bytes_max: int) -> FhirRequest:
    """Read all of a request but its body.

    Raises:
        NotFound, MalformedContent, NotAcceptable, TooLarge: it cannot be a FHIR request.
    """
    headers = collect_headers(scope["headers"])
    pairs = parse_pairs(scope.get("query_string", b""))
    raw_path = scope.get("raw_path") or scope["path"].encode("utf-8")
    override = first(pairs, "_format") if pairs else None
    segments = path_segments(raw_path.partition(b"?")[0], prefix)
    accept = headers.get("accept", "")
    if override is None and gives_bytes(scope["method"], segments) and not is_fhir(accept):
        accept = ""
    return FhirRequest(
        method=scope["method"],
        segments=segments,
        pairs=pairs and tuple(pair for pair in pairs if pair[0] not in ("_format", "_pretty")),
        headers=headers,
        format=answer_format(accept, override),
        pretty=bool(pairs) and first(pairs, "_pretty") == "true",
        preference=parse_preference(headers.get("prefer", "")),
        request_id=str(scope.get("request_id", "")),
        receive=receive,
        body_bytes_max=body_bytes_max,
        has_format=override is not None,
        proven_key=scope.get("proven_key", ""),
        asked=scope.get("asked", ""),
    )


def gives_bytes(method: str, segments: tuple[str, ...]) -> bool:
    """Return whether an address answers in media types of its own: a Binary, and a file of an export."""
    if method not in ("GET", "HEAD"):
        return False
    is_version = len(segments) == 4 and segments[2] == "_history"
    return (segments[:1] == ("Binary",) and (len(segments) == 2 or is_version)) or (
        segments[:1] == ("$export",) and len(segments) == 3
    )


def replayed(request: FhirRequest, body: bytes) -> FhirRequest:
    """Return the request with a body that can be read any number of times."""

    async def receive() -> MutableMapping[str, Any]:  # Any: ASGI's own shape
        return {"type": "http.request", "body": body, "more_body": False}

    return msgspec.structs.replace(request, receive=receive)


async def read_body(request: FhirRequest) -> bytes:
    """Return the body, never buffering more than its limit.

    Raises:
        TooLarge: it is longer than the limit, by its Content-Length or while it streams.
        MalformedContent: its length is no number, or the client went away.
        NotSupported: it is compressed.
    """
    if request.header("content-encoding") not in ("", "identity"):
        raise NotSupported("The node takes no compressed bodies: send it without Content-Encoding.")
    declared = request.header("content-length")
    if declared and not declared.isdecimal():
        raise MalformedContent("The Content-Length is no number.")
    limit = request.body_bytes_max
    message = f"The body is larger than {limit} bytes: split it, or load it as a file."
    if declared and (len(declared) > 15 or int(declared) > limit):
        raise TooLarge(message)
    chunks: list[bytes] = []
    received = 0
    while True:
        event = await request.receive()
        if event["type"] != "http.request":
            raise MalformedContent("The connection ended before the body did.")
        chunk = event.get("body", b"")
        received += len(chunk)
        if received > limit:
            raise TooLarge(message)
        if chunk:
            chunks.append(chunk)
        if not event.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def parse_instant(text: str, name: str) -> datetime:
    """Return a FHIR instant or dateTime with a zone, e.g. of `_since`, in UTC.

    Raises:
        MalformedContent: it is not one, or lies outside the years 1 to 9999 in UTC.
    """
    try:
        moment = msgspec.convert(text.replace(" ", "+"), datetime)
        if moment.tzinfo is None:
            raise MalformedContent(f"{name} needs a time zone, such as 2026-01-31T12:00:00Z.")
        return moment.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError) as error:
        raise MalformedContent(f"{name} takes an instant such as 2026-01-31T12:00:00Z.") from error


def parse_http_date(text: str) -> datetime | None:
    """Return an HTTP date (RFC 9110, 5.6.7), None when it cannot be read: the header is then ignored."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return moment if moment.tzinfo is not None else None
