"""From a request to an open gate: who asks, and what the gate is asked (docs/decisions/0001)."""

from __future__ import annotations

from salus.core.access import Action, Caller
from salus.core.errors import MalformedContent, NotFound
from salus.core.identifiers import is_fhir_id
from salus.standards.fhir.model import resource_types
from salus.store.merged import merges
from salus.trust.gate import Access, Passage, enter
from salus.trust.policy import AccessRequest
from salus.web.services import Services


def known_type(name: str) -> str:
    """Return the name if it is a resource type of R4.

    Raises:
        NotFound: it is none.
    """
    if name not in resource_types():
        raise NotFound("There is no such resource type in FHIR R4; types are case-sensitive.")
    return name


def known_id(text: str) -> str:
    """Return the text if it is a legal id.

    Raises:
        NotFound: it is none, so nothing is stored under it.
    """
    if not is_fhir_id(text):
        raise NotFound("There is nothing under this id.")
    return text


def new_name(text: str) -> str:
    """Return the text if a resource may be stored under it.

    Raises:
        MalformedContent: it is no legal id.
    """
    if not is_fhir_id(text):
        raise MalformedContent(
            "An id has 1 to 64 of the characters A-Z, a-z, 0-9, '-' and '.'; choose another."
        )
    return text


def pass_gate(
    services: Services,
    caller: Caller,
    action: Action,
    kind: str,
    what: str,
    *,
    patients: frozenset[str] | None = None,
    many: bool = False,
    narrows: bool = False,
) -> Passage:
    """Return the way in for this request (`trust.gate.enter`)."""
    asked = AccessRequest(action, kind, what, patients, many, narrows)
    return enter(services.gatehouse, caller, asked)


async def include_merged(services: Services, access: Access) -> None:
    """Open also the records that were merged with those of the persons whom the access opens."""
    if access.grant.patients:
        known = await merges(services.database, services.clock())
        access.include(known.beside(access.grant.patients))
