"""In whose name a document comes, and what of it is taken: by who sent it, not by what it says of itself."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from salus.core.access import Action, Caller, Role
from salus.intake.admission import Admission
from salus.store.federation import find_client
from salus.trust.identity import present
from salus.trust.policy import writable_types
from salus.web.fhir.provenance import own_source
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


class Sending(msgspec.Struct, frozen=True):
    """Where a document comes from.

    Args:
        source: URI of the system, as it is stored: what a source sends replaces what it sent before.
        system: the one that it names and may name, "" for none.
    """

    source: str
    system: str = ""


async def sending_of(services: Services, request: FhirRequest, caller: Caller, claimed: str) -> Sending:
    """Return in whose name a document comes that claims this `meta.source` ("" for none).

    A node and a citizen are who they are. The operator names any system, a registered client those of its
    registration (`salus client register --source`). Any other name stays readable behind the sender's own,
    and makes none of the other's entries theirs.
    """
    own = own_source(caller)
    if own:
        return Sending(own)
    if claimed and (caller.role is Role.OPERATOR or claimed in await _registered(services, request)):
        return Sending(claimed, claimed)
    sender = f"urn:salus:client:{quote(caller.subject, safe=':/')}"
    return Sending(f"{sender}#{quote(claimed, safe='')}" if claimed else sender)


async def _registered(services: Services, request: FhirRequest) -> tuple[str, ...]:
    """Return the sources of the client that the request's token was issued to."""
    held = present(services.doorkeeper, request.header("authorization"), request.proven_key)
    client = await find_client(services.database, held.client) if held.client else None
    return () if client is None else client.sources


def admission_of(services: Services, caller: Caller) -> Admission:
    """Return what may be taken out of a document of this caller's."""
    law = services.gatehouse.law
    return Admission(
        writable_types(caller, Action.CREATE, None, law),
        writable_types(caller, Action.UPDATE, None, law),
        confirms=caller.role is Role.OPERATOR,
    )
