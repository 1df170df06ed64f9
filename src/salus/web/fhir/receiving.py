"""POST [base] of a Bundle of type document (R4 documents.html): it is kept, and taken apart as it arrives.

For the node's own systems, whose grant is over the whole node. Who is bound to one patient publishes a
DocumentReference with the document inside (MHD ITI-105), by which it is known whose record it is for.
"""

from __future__ import annotations

from salus.core.access import Action, Caller
from salus.core.errors import AccessRefused
from salus.intake.admission import Admission, told
from salus.intake.documents import ReceivedDocument, receive_document
from salus.standards.fhir.bundle import Resource
from salus.store import resources
from salus.web.checked import check_received, system_of
from salus.web.fhir.answer import Answer, written
from salus.web.fhir.door import pass_gate
from salus.web.fhir.negotiation import Format
from salus.web.fhir.provenance import own_source, source_of
from salus.web.fhir.request import FhirRequest
from salus.web.fhir.sending import admission_of, sending_of
from salus.web.services import Services

WHAT = "Bundle of type document"


async def receive(
    services: Services, request: FhirRequest, caller: Caller, bundle: Resource, body: bytes, form: Format
) -> Answer:
    """Answer 201 with the DocumentReference of a document that is new, 200 with that of one that was here.

    Raises:
        AccessRefused: the caller is bound to a patient.
        InvalidResource: the document is not valid R4; nothing of it is kept.
    """
    async with pass_gate(services, caller, Action.CREATE, "", WHAT) as access:
        if access.grant.patients is not None or own_source(caller):
            raise AccessRefused(
                "This access is for one patient: publish the document inside a DocumentReference "
                "(POST DocumentReference with attachment.data)."
            )
        sending = await sending_of(services, request, caller, source_of(bundle, ""))
        admission = admission_of(services, caller)
        received = await receive_document(
            access.grant,
            services.database,
            body,
            form.value,
            source=sending.source,
            key=services.keys.search,
            limits=services.limits,
            admission=admission,
            default_denies=services.gatehouse.law.default_denies,
        )
        stored = await resources.read(
            access.grant, services.database, "DocumentReference", received.reference
        )
    await check_received(services, sending.system or system_of(caller), body, form.value)
    note = note_of(received, admission)
    status = 201 if received.created else 200
    return written(request, stored, services.fhir_base, status=status, note=note)


def note_of(received: ReceivedDocument, admission: Admission) -> str:
    """Return in words what became of a document, and what was not taken out of it."""
    note = "The document is kept as it came." if received.created else "The same document was here already."
    return " ".join(filter(None, (note, told(received.left_out, admission))))
