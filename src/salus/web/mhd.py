"""MHD ITI-105 Simplified Publish (EU Health Data API): a DocumentReference with its document inside.

The document is kept byte for byte, its description points at the copy, and what a FHIR document says is
extracted beside it (`intake.documents`). Finding (ITI-67) and retrieving (ITI-68) are the FHIR face's search
of DocumentReference and read of Binary; so is everything here that is no publication. A caller bound to one
patient (a citizen, a professional of a member node) publishes about that patient: the document is kept and
described, and nothing is extracted from it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import InvalidResource, NotFound
from salus.core.identifiers import is_fhir_id
from salus.core.limits import Limits
from salus.intake.admission import Admission
from salus.intake.documents import ReceivedDocument, receive_document
from salus.intake.whose import Match, compare, stated_patient
from salus.standards.fhir.bundle import splice_references
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.store import resources, transaction
from salus.store.rows import StoredResource, first_version
from salus.store.shares import beside
from salus.trust.identity import authenticate
from salus.web.checked import check_received, system_of
from salus.web.fhir import authorship, bodies, writing
from salus.web.fhir import face as fhir
from salus.web.fhir.answer import UNLIMITED, Answer, written
from salus.web.fhir.door import pass_gate
from salus.web.fhir.exchanged import counted
from salus.web.fhir.provenance import is_lay, source_of
from salus.web.fhir.receiving import note_of
from salus.web.fhir.request import FhirRequest, read_body, replayed
from salus.web.fhir.sending import admission_of, sending_of
from salus.web.fhir_door import delegating
from salus.web.services import Face, Services

Resource = dict[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any


def face(services: Services) -> Face:
    """Return the door of document publication."""
    return delegating(services, ("/fhir/DocumentReference",), respond)


async def respond(services: Services, request: FhirRequest) -> Answer:
    """Publish a document, or let the FHIR face answer what is no publication."""
    is_create = request.method == "POST" and request.segments == ("DocumentReference",)
    if not is_create or request.header("if-none-exist"):
        return await fhir.respond(services, request)
    caller = authenticate(
        services.doorkeeper, request.header("authorization") or None, request.proven_key, request.asked
    )
    request = replayed(request, await read_body(request))
    resource, content = await writing.read_resource(request, services.limits)
    writing.check_type(resource, "DocumentReference")
    await beside(len(content), writing.check_valid, resource)
    if not is_publication(resource, services.fhir_base) and caller.node is None:
        return await fhir.respond(services, request)
    if not any("data" in content["attachment"] for content in resource["content"]):
        raise InvalidResource(writing.PUBLISHES)
    writing.check_authors(caller, resource)
    own = transaction.own_links(resource, services.own_bases)
    if own:
        content = splice_references(content, resource, own.get, write_json)
        resource = await beside(len(content), parse_json, content, UNLIMITED)
    if is_lay(caller):
        resource, _ = await beside(len(content), authorship.mark, caller, resource, content, None)
    publication = _published(services, caller, request, resource)
    return await counted(services, caller, request, publication)


async def _published(services: Services, caller: Caller, request: FhirRequest, resource: Resource) -> Answer:
    sending = await sending_of(services, request, caller, source_of(resource, ""))
    admission = admission_of(services, caller)
    system = "" if is_lay(caller) else sending.system or system_of(caller)
    received, stored = await publish(services, caller, resource, sending.source, admission, system)
    status, note = 201 if received.created else 200, note_of(received, admission)
    return written(request, stored, services.fhir_base, status=status, note=note)


def is_publication(resource: Resource, base: str) -> bool:
    """Return whether a DocumentReference holds one document about one patient, as ITI-105 publishes it.

    R4 allows others too: several contents, no subject, a group, a subject named by an identifier. They are
    created like any resource.
    """
    contents = resource["content"]
    return len(contents) == 1 and "data" in contents[0]["attachment"] and bool(_patient_of(resource, base))


def _patient_of(resource: Resource, base: str) -> str:
    """Return the logical id of the Patient that the document is about, "" when it names none of this node."""
    link = str(resource.get("subject", {}).get("reference", "")).removeprefix(f"{base}/")
    kind, _, patient = link.partition("/")
    return patient if kind == "Patient" and is_fhir_id(patient) else ""


async def publish(
    services: Services,
    caller: Caller,
    resource: Resource,
    source: str,
    admission: Admission,
    system: str,
) -> tuple[ReceivedDocument, StoredResource]:
    """Keep the one document inside a DocumentReference; return it with its description as stored.

    It is counted, under the name of `system`, whether it follows its profiles.

    Raises:
        InvalidResource: there is not exactly one, its hash or size is wrong, its patient is not ours, or it
            is about another person.
        NotFound: there is no such patient that the caller may write about.
        TooLarge: the document has more elements than a body may have.
    """
    content, media_type = embedded_document(resource)
    if "json" in media_type or "xml" in media_type:
        bodies.check_counts(content, services.limits)
    patient = _patient_of(resource, services.fhir_base)
    if not patient:
        raise InvalidResource("DocumentReference.subject must be a Patient of this node (Patient/id).")
    passage = pass_gate(services, caller, Action.CREATE, "DocumentReference", "DocumentReference")
    async with passage as access:
        grant, database = access.grant, services.database
        person = await resources.read(grant, database, "Patient", patient)
        match = await beside(len(content), compared, person, content, media_type, services.limits)
        received = await receive_document(
            grant,
            database,
            content,
            media_type,
            source=source,
            key=services.keys.search,
            limits=services.limits,
            admission=admission,
            described={**resource, "subject": {"reference": f"Patient/{patient}"}},
            subject=patient,
            extracts=match is not Match.UNKNOWN,
            default_denies=services.gatehouse.law.default_denies,
        )
        try:
            stored = await resources.read(grant, database, "DocumentReference", received.reference)
        except NotFound:  # The citizen hides it (EHDS 8): answered as what was not there before.
            received = msgspec.structs.replace(received, created=True)
            stored = first_version(received.described, grant.opened_at)
    await check_received(services, system, content, media_type)
    return received, stored


def compared(person: StoredResource, content: bytes, media_type: str, limits: Limits) -> Match:
    """Return how the patient of a document compares with the person in whose record it is to be kept.

    Raises:
        InvalidResource: it is about somebody else.
    """
    stated = stated_patient(content, media_type, limits)
    match = Match.SAME if stated is None else compare(parse_json(person.content, UNLIMITED), stated)
    if match is Match.CONTRADICTED:
        raise InvalidResource(
            "The document is about another person than DocumentReference.subject: national identifier, birth "
            "date or sex differ. Send it for the person it is about, or correct the document."
        )
    return match


def embedded_document(resource: Resource) -> tuple[bytes, str]:
    """Return the document inside the DocumentReference and its media type.

    Raises:
        InvalidResource: naming what is missing or contradicts itself.
    """
    contents = resource.get("content", [])
    attachment = contents[0].get("attachment", {}) if len(contents) == 1 else {}
    if "data" not in attachment or not attachment.get("contentType"):
        raise InvalidResource("Publish one document at a time: content[0].attachment, with its contentType.")
    try:
        content = base64.b64decode("".join(str(attachment["data"]).split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidResource("content[0].attachment.data is not base64.") from error
    if "size" in attachment and int(attachment["size"]) != len(content):
        raise InvalidResource("content[0].attachment.size is not the number of bytes in data.")
    digest = base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()
    if attachment.get("hash", digest) != digest:
        raise InvalidResource("content[0].attachment.hash is not the SHA-1 of data; send the document again.")
    return content, str(attachment["contentType"])
