"""The documents of a record: listed for the professional, read as a page, handed on byte for byte (MHD).

A FHIR document is read as a page (`web.portal.letters`). What has another format is saved, never shown in the
page's own origin, and nothing is said of what it holds.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from starlette.responses import Response

from salus.core.access import Action, Caller
from salus.core.errors import MalformedContent, NotFound, SalusError
from salus.core.identifiers import is_fhir_id
from salus.primary.cross_border import fetch_document, list_documents
from salus.primary.reading.entry import read_entry
from salus.primary.reading.received import document_in, may_be_read
from salus.primary.rights.archive import ending_of
from salus.standards.fhir.codec.json import parse_json
from salus.store import resources
from salus.store.documents import retrieve
from salus.store.merged import merges
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.abroad import desk_of
from salus.web.fhir.binary import header_text
from salus.web.own_record import enter_own
from salus.web.portal.chart import banner
from salus.web.portal.images import OWN, pictures_in
from salus.web.portal.letters import TO_SAVE, send_pdf, show_letter
from salus.web.portal.lookup import find
from salus.web.portal.patient_context import InFront, in_front, speaking
from salus.web.portal.prescribed import abroad
from salus.web.portal.visit import Visit

ROWS_MAX = 500
NO_DOCUMENT = "There is no such document in this record now."
Resource = dict[str, Any]  # FHIR content is open JSON, hence Any


async def documents(visit: Visit) -> Response:
    """Show the patient's current documents, or why they are not known."""
    found = in_front(visit)
    unknown, status = "", 200
    listed: list[Resource] = []
    complete = True
    try:
        listed, complete = await _listed(visit, found)
    except SalusError as error:
        unknown, status = visit.tell(error), error.status
    return visit.show(
        "documents.html",
        visit.say("documents"),
        status=status,
        banner=banner(visit, found),
        path=f"{found.path}/documents",
        back=found.path,
        rows=[_row(each, visit) for each in listed],
        complete=complete,
        unknown=unknown,
    )


async def document(visit: Visit) -> Response:
    """Answer the bytes of a listed document as they came, to be saved."""
    body, media_type = await _fetched(visit, in_front(visit))
    return _saved(visit, body, media_type)


async def letter(visit: Visit) -> Response:
    """Show a listed FHIR document as a page.

    Raises:
        MalformedContent: it is none; it can be saved.
    """
    found = in_front(visit)
    body, media_type = await _fetched(visit, found)
    path = f"{found.path}/documents"
    is_here = found.node == visit.services.node
    whose = (speaking(visit, found), found.person.id, f"{found.path}/images") if is_here else None
    return await _shown(visit, body, media_type, path, banner(visit, found), whose)


async def letter_pdf(visit: Visit) -> Response:
    """Send a listed FHIR document as a PDF. Raises as `letter` does."""
    body, media_type = await _fetched(visit, in_front(visit))
    return await send_pdf(visit, document_in(body, media_type, visit.services.limits))


async def own_document(visit: Visit) -> Response:
    """Answer the bytes of a document of the person's own record, to be saved."""
    body, media_type = await _own(visit)
    return _saved(visit, body, media_type)


async def own_letter(visit: Visit) -> Response:
    """Show a FHIR document of the person's own record as a page. Raises as `letter` does."""
    body, media_type = await _own(visit)
    whose = (visit.caller, visit.caller.patient or "", OWN)
    return await _shown(visit, body, media_type, "/record/documents", None, whose)


async def own_letter_pdf(visit: Visit) -> Response:
    """Send a FHIR document of the person's own record as a PDF. Raises as `letter` does."""
    body, media_type = await _own(visit)
    return await send_pdf(visit, document_in(body, media_type, visit.services.limits))


async def _own(visit: Visit) -> tuple[bytes, str]:
    """Return the bytes and the media type of a document of the own record. Raises as `_kept` does."""
    services, caller, wanted = visit.services, visit.caller, visit.request.path_params["document"]
    patient = caller.patient or ""
    asked = AccessRequest(Action.READ, "DocumentReference", "DocumentReference", frozenset({patient}))
    if not is_fhir_id(wanted):
        raise NotFound(NO_DOCUMENT)
    async with enter_own(services, caller, asked) as access:
        stored = await resources.read(access.grant, services.database, "DocumentReference", wanted)
        access.record(stored.patients)
    return await _kept(visit, caller, patient, parse_json(stored.content, services.limits))


def _saved(visit: Visit, body: bytes, media_type: str) -> Response:
    """Return a document as a file to save."""
    named = header_text(media_type).decode("ascii")
    file = f"document-{visit.request.path_params['document']}.{ending_of(named)}"
    disposition = f'attachment; filename="{file}"'
    return Response(body, headers={**TO_SAVE, "content-type": named, "content-disposition": disposition})


async def _shown(
    visit: Visit,
    body: bytes,
    media_type: str,
    path: str,
    head: dict[str, object] | None,
    whose: tuple[Caller, str, str] | None,
) -> Response:
    """Return a FHIR document as a page; `path` is that of the list it was chosen from.

    `whose`: who looks at the images of which patient, and where their list is; None for a record elsewhere.
    """
    found = document_in(body, media_type, visit.services.limits)
    own = f"{path}/{visit.request.path_params['document']}"
    pictures = await pictures_in(visit, found, *whose) if whose else []
    return await show_letter(
        visit, found, path=f"{own}/read", banner=head, back=path, save=own, pictures=pictures
    )


async def _fetched(visit: Visit, found: InFront) -> tuple[bytes, str]:
    """Return the bytes and the media type of a listed document, from here or from the patient's home node."""
    wanted = visit.request.path_params["document"]
    listed, _ = await _listed(visit, found)
    reference = next((each for each in listed if each["id"] == wanted), None)
    if reference is None:
        raise NotFound(NO_DOCUMENT)
    if found.node == visit.services.node:
        return await _kept(visit, speaking(visit, found), found.person.id, reference)
    desk = desk_of(visit.services, speaking(visit, found))
    fetched = await fetch_document(desk, abroad(found), reference)
    return fetched.body, fetched.content_type


async def _listed(visit: Visit, found: InFront) -> tuple[list[Resource], bool]:
    """Return the DocumentReferences that are current, and whether these are all."""
    caller = speaking(visit, found)
    if found.node != visit.services.node:
        answer = await list_documents(desk_of(visit.services, caller), abroad(found))
        return answer.resources, answer.complete
    patient = found.person.id
    asked = AccessRequest(
        Action.SEARCH, "DocumentReference", "DocumentReference?patient", frozenset({patient})
    )
    async with enter(visit.services.gatehouse, caller, asked) as access:
        pairs = [("patient", patient), ("status", "current"), ("_count", str(ROWS_MAX))]
        listed = await find(visit.services, access, "DocumentReference", pairs)
    return listed, len(listed) < ROWS_MAX


async def _kept(visit: Visit, caller: Caller, patient: str, reference: Resource) -> tuple[bytes, str]:
    """Return the bytes and the media type of a document of this node.

    Raises:
        NotFound: it is not kept here.
        MalformedContent: it is kept in a form that cannot be read.
    """
    services, attachment = visit.services, attachment_of(reference)
    kind, _, identity = str(attachment.get("url", "")).removeprefix(f"{services.fhir_base}/").partition("/")
    patients = frozenset({patient})
    asked = AccessRequest(Action.READ, "Binary", "Binary", patients)
    async with enter(services.gatehouse, caller, asked) as access:
        if "data" in attachment:
            access.record(patients)
            return _decoded(attachment)
        if kind != "Binary" or not is_fhir_id(identity):
            raise NotFound("This node keeps the description of this document only; ask its author for it.")
        access.include((await merges(services.database, services.clock())).beside(patients))
        try:
            kept = await retrieve(access.grant, services.database, identity)
        except NotFound:
            stored = await resources.read(access.grant, services.database, "Binary", identity)
            access.record(stored.patients)
            return _decoded(parse_json(stored.content, services.limits))
        access.record((kept.patient,))
        return kept.content, kept.media_type


def _decoded(holder: Resource) -> tuple[bytes, str]:
    """Return the bytes in an Attachment or a Binary, and their media type."""
    try:
        body = base64.b64decode("".join(str(holder.get("data", "")).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedContent("The document is not base64; ask its author to send it again.") from error
    return body, str(holder.get("contentType", ""))


def attachment_of(reference: Resource) -> Resource:
    """Return the first attachment of a DocumentReference, {} where it has none."""
    contents = reference.get("content") or [{}]
    found: Resource = contents[0].get("attachment", {})
    return found


def is_kept(attachment: Resource) -> bool:
    """Return whether a document is kept with its description, or composed when it is fetched."""
    url = str(attachment.get("url", ""))
    return "data" in attachment or "Binary/" in url or url.endswith(("/$document", "/$summary"))


def _row(reference: Resource, visit: Visit) -> dict[str, object]:
    """Return a document in words; `can_be_saved` is False for one that is described only."""
    attachment = attachment_of(reference)
    authors = [str(each["display"]) for each in reference.get("author", ()) if each.get("display")]
    return {
        "id": reference["id"],
        "entry": read_entry(reference, {}, visit.language),
        "title": str(attachment.get("title", "")),
        "authors": ", ".join(authors),
        "media_type": str(attachment.get("contentType", "")),
        "size": attachment.get("size", ""),
        "can_be_saved": is_kept(attachment),
        "can_be_read": is_kept(attachment) and may_be_read(str(attachment.get("contentType", ""))),
    }
