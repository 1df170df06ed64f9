"""Binary: raw bytes in and out (R4 binary.html#rest), and received documents (MHD ITI-68)."""

from __future__ import annotations

import base64

from salus.core.access import Action, Caller
from salus.core.errors import MalformedContent, NotAcceptable, NotFound
from salus.primary.reading.document import read_document
from salus.primary.reading.html import page
from salus.primary.reading.pdf import PDF, print_pdf
from salus.primary.reading.received import document_in, may_be_read
from salus.primary.wording.catalogue import ENGLISH, LANGUAGES
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.store import documents, resources
from salus.store.documents import Document
from salus.store.rows import StoredResource
from salus.store.shares import LARGE_BYTES
from salus.web.fhir import create as creating
from salus.web.fhir import update as updating
from salus.web.fhir.answer import UNLIMITED, Answer, http_date, resource_bytes, version_headers
from salus.web.fhir.door import include_merged, known_id, pass_gate
from salus.web.fhir.negotiation import NAMES, Format, body_media, parse_media, quality, weight_of
from salus.web.fhir.read import is_known, read_version
from salus.web.fhir.request import FhirRequest, first, read_body
from salus.web.services import Services

OF_FHIR = frozenset(form.value for form in Format)
ASKING = frozenset(name for name in NAMES if "*" not in name)
SAFE = ((b"content-security-policy", b"default-src 'none'; sandbox"),)
HTML = "text/html"
FORMS = frozenset({HTML, PDF})
READ_SAFELY = ((b"content-security-policy", b"sandbox"), (b"x-content-type-options", b"nosniff"))
"""Beside the page's own policy, which names its style sheet."""


async def read(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer a document byte for byte, or a Binary: as itself, or as a resource where FHIR is asked for."""
    identity = known_id(request.segments[1])
    async with pass_gate(services, caller, Action.READ, "Binary", f"Binary/{identity}") as access:
        await include_merged(services, access)
        kept: Document | None
        try:
            kept = await documents.retrieve(access.grant, services.database, identity)
        except NotFound:
            kept = None
            stored = await resources.read(access.grant, services.database, "Binary", identity)
            access.record(stored.patients)
        else:
            access.record((kept.patient,))
    if kept is None:
        return answer_binary(request, stored)
    form = wanted_form(request, kept.media_type)
    return (
        await answer_reading(services, request, caller, kept, form)
        if form
        else answer_document(request, kept)
    )


async def vread(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer one version of a Binary, as `read` answers the current one."""
    return answer_binary(request, await read_version(services, request, caller))


def wants_resource(request: FhirRequest, media_type: str, *, bytes_first: bool) -> bool:
    """Return whether to answer a Binary resource rather than its bytes (R4 binary.html#rest).

    FHIR must be asked for by name, in Accept or `_format`; a wildcard, or no Accept, takes the bytes. Where
    the bytes are of the very type that is asked for, `bytes_first` decides: a received FHIR document is what
    ITI-68 wants, a Binary that holds FHIR is a Binary.

    Raises:
        NotAcceptable: neither the bytes' own type nor FHIR is accepted.
    """
    if request.has_format:
        return True
    accept = request.header("accept")
    if not accept:
        return False
    own = parse_media(media_type).name
    as_bytes = weight_of(accept, own)
    if bytes_first and own in ASKING:
        same = (name for name in ASKING if NAMES[name] is NAMES[own])
        as_bytes = max(weight_of(accept, name) for name in same)
    ranges = [parse_media(part) for part in accept.split(",")[:32]]
    as_fhir = max((quality(one) for one in ranges if one.name in ASKING), default=0.0)
    if as_bytes <= 0 and as_fhir <= 0:
        raise NotAcceptable(f"This is {media_type[:80]}: accept that, */*, or application/fhir+json.")
    if as_bytes == as_fhir:
        return own in OF_FHIR and not bytes_first
    return as_fhir > as_bytes


def wanted_form(request: FhirRequest, media_type: str) -> str:
    """Return in which form a received FHIR document is asked for to be read: HTML, PDF or "" for none.

    A form must be named in Accept, and be preferred to the document's own type.
    """
    accept = request.header("accept")
    if not may_be_read(media_type) or request.has_format or not accept:
        return ""
    named = {one.name: quality(one) for one in map(parse_media, accept.split(",")[:32]) if one.name in FORMS}
    best = max(named, key=lambda name: named[name], default="")
    return best if best and named[best] > weight_of(accept, parse_media(media_type).name) else ""


async def answer_reading(
    services: Services, request: FhirRequest, caller: Caller, document: Document, form: str
) -> Answer:
    """Return a received FHIR document as a page or as a PDF, in the language that is asked for.

    Raises:
        MalformedContent: it is no document that can be shown; accept its own type.
    """
    share = services.database.shares.of(caller)
    found = await share.beside(
        len(document.content), document_in, document.content, document.media_type, services.limits
    )
    language = spoken(request.header("accept-language"))
    reading = await share.beside(len(document.content), read_document, found, language, services.clock())
    headers = ((b"content-type", form.encode("ascii")), (b"vary", b"accept, accept-language"))
    if form == HTML:
        body = (await share.beside(len(document.content), page, reading)).encode()
        return Answer(200, body, (*headers, *READ_SAFELY), raw=True)
    size = LARGE_BYTES + 1  # another process does the work: never on the event loop
    printed = await share.beside(size, print_pdf, reading, services.clock(), services.limits)
    return Answer(200, printed, (*headers, *SAFE), raw=True)


def spoken(accept_language: str) -> str:
    """Return the first of our languages that a caller asks for, by their wish; English without one."""
    wanted = [parse_media(part.replace("*", "")) for part in accept_language.split(",")[:32] if part.strip()]
    ordered = sorted(wanted, key=quality, reverse=True)
    codes = [one.name.partition("-")[0] for one in ordered]
    return next((code for code in codes if code in LANGUAGES), ENGLISH)


def answer_document(request: FhirRequest, document: Document) -> Answer:
    """Return a received document as it came; as a Binary resource where only FHIR is asked for."""
    if wants_resource(request, document.media_type, bytes_first=True):
        data = base64.b64encode(document.content).decode("ascii")
        found = {"resourceType": "Binary", "id": document.id, "contentType": document.media_type}
        return Answer(200, write_json({**found, "data": data}))
    headers = (
        (b"content-type", header_text(document.media_type)),
        (b"last-modified", http_date(document.received_at)),
        (b"etag", b'"' + document.digest.hex().encode("ascii") + b'"'),
        *SAFE,
    )
    return Answer(200, document.content, headers, raw=True)


def header_text(media_type: str) -> bytes:
    """Return a media type as a header; one that no header can carry becomes plain bytes."""
    fits = media_type.isascii() and media_type.isprintable() and "/" in media_type
    return media_type.encode("ascii") if fits else b"application/octet-stream"


def answer_binary(request: FhirRequest, stored: StoredResource) -> Answer:
    """Return a stored Binary."""
    headers = tuple(version_headers(stored))
    if is_known(request, stored):
        return Answer(304, b"", headers)
    resource = parse_json(stored.content, UNLIMITED)
    media_type = str(resource.get("contentType", ""))
    summary = first(request.pairs, "_summary") is not None
    if summary or wants_resource(request, media_type, bytes_first=False):
        return Answer(200, resource_bytes(stored), headers)
    data = base64.b64decode(str(resource.get("data", "")))
    content_type = header_text(str(resource.get("contentType", "")))
    return Answer(200, data, (*headers, (b"content-type", content_type), *SAFE), raw=True)


async def create(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Store a Binary; a body that is no FHIR becomes its data."""
    return await creating.create(services, await as_fhir(services, request, ""), caller)


async def update(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Store a new version of a Binary; a body that is no FHIR becomes its data."""
    return await updating.update(services, await as_fhir(services, request, request.segments[1]), caller)


async def as_fhir(services: Services, request: FhirRequest, identity: str) -> FhirRequest:
    """Return the request with its body as a Binary resource.

    Raises:
        MalformedContent: X-Security-Context is no reference.
    """
    import msgspec

    media = body_media(request.header("content-type"))
    if media.name in NAMES:
        return request
    resource = {"resourceType": "Binary", "contentType": request.header("content-type")}
    if identity:
        resource["id"] = identity
    context = request.header("x-security-context")
    body: dict[str, object] = dict(resource)
    if context:
        if not context.isprintable():
            raise MalformedContent("X-Security-Context takes a reference such as Patient/1.")
        body["securityContext"] = {"reference": context}
    body["data"] = base64.b64encode(await read_body(request)).decode("ascii")
    content = write_json(body)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": content, "more_body": False}

    return msgspec.structs.replace(
        request,
        headers={
            **request.headers,
            "content-type": "application/fhir+json",
            "content-length": str(len(content)),
        },
        body_bytes_max=2 * request.body_bytes_max,
        receive=receive,
    )
