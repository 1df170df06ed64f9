"""Binary: raw bytes in and out (R4 binary.html#rest), and received documents (MHD ITI-68)."""

from __future__ import annotations

import base64

from salus.core.access import Action, Caller
from salus.core.errors import MalformedContent, NotFound
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.store import documents, resources
from salus.store.documents import Document
from salus.store.rows import StoredResource
from salus.web.fhir import create as creating
from salus.web.fhir import update as updating
from salus.web.fhir.answer import UNLIMITED, Answer, http_date, resource_bytes, version_headers
from salus.web.fhir.door import known_id, pass_gate
from salus.web.fhir.negotiation import NAMES, body_media, parse_media
from salus.web.fhir.read import is_known
from salus.web.fhir.request import FhirRequest, first, read_body
from salus.web.services import Services

SAFE = ((b"content-security-policy", b"default-src 'none'; sandbox"),)


async def read(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer a document byte for byte, or a Binary: as itself, or as a resource where FHIR is asked for."""
    identity = known_id(request.segments[1])
    async with pass_gate(services, caller, Action.READ, "Binary", f"Binary/{identity}") as access:
        try:
            kept = await documents.retrieve(access.grant, services.database, identity)
        except NotFound:
            stored = await resources.read(access.grant, services.database, "Binary", identity)
            access.record(stored.patients)
        else:
            access.record((kept.patient,))
            return answer_document(request, kept)
    return answer_binary(request, stored)


def wants_resource(request: FhirRequest) -> bool:
    """Return whether the caller asks for FHIR: by name in Accept, not by a wildcard."""
    accepted = [parse_media(part).name for part in request.header("accept").split(",")]
    return any(name.startswith("application/fhir+") for name in accepted)


def answer_document(request: FhirRequest, document: Document) -> Answer:
    """Return a received document as it came; as a Binary resource only where FHIR is asked for."""
    native = document.media_type.partition(";")[0].strip().lower() in NAMES
    headers = (
        (b"content-type", header_text(document.media_type)),
        (b"last-modified", http_date(document.received_at)),
        (b"etag", b'"' + document.digest.hex().encode("ascii") + b'"'),
        *SAFE,
    )
    if native or not wants_resource(request):
        return Answer(200, document.content, headers, raw=True)
    data = base64.b64encode(document.content).decode("ascii")
    found = {"resourceType": "Binary", "id": document.id, "contentType": document.media_type, "data": data}
    return Answer(200, write_json(found))


def header_text(media_type: str) -> bytes:
    """Return a media type as a header; one that no header can carry becomes plain bytes."""
    fits = media_type.isascii() and media_type.isprintable() and "/" in media_type
    return media_type.encode("ascii") if fits else b"application/octet-stream"


def answer_binary(request: FhirRequest, stored: StoredResource) -> Answer:
    """Return a stored Binary."""
    headers = tuple(version_headers(stored))
    if is_known(request, stored):
        return Answer(304, b"", headers)
    if wants_resource(request) or first(request.pairs, "_summary") is not None:
        return Answer(200, resource_bytes(stored), headers)
    resource = parse_json(stored.content, UNLIMITED)
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
