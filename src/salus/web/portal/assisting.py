"""Staff at a desk help somebody without an eID or a telephone, in a session of that person.

EHDS, Art. 4(4). The session is bound to the one person, ends by itself, and each leaf of it is marked
"assisted". What was shown as proof is in the leaf that begins it: its kind, never its number.
"""

from __future__ import annotations

import msgspec
from starlette.responses import RedirectResponse, Response

from salus.core.access import Action, Caller, Role
from salus.core.errors import AccessRefused, InvalidSearch
from salus.core.identifiers import is_fhir_id
from salus.trust.gate import enter
from salus.trust.login.binding import PROOFS
from salus.trust.policy import AccessRequest
from salus.web.login.desk_page import show_found
from salus.web.login.records import look_at
from salus.web.portal.session import go_on_as
from salus.web.portal.visit import Handler, Visit

TYPE = "assistance"


async def desk_begin(visit: Visit) -> Response:
    """Find a person by the number on their document, show who it is; with the proof seen, begin."""
    patient = visit.form.get("patient", "")
    if is_fhir_id(patient):
        return await _begin(visit, patient, visit.form.get("proof", ""))
    identifier = visit.form.get("identifier", "")
    if not identifier:
        return _page(visit)
    return await show_found(visit, identifier, _page)


async def desk_end(visit: Visit) -> Response:
    """End the session of the person; the staff member's own goes on."""
    caller = visit.caller
    if caller.patient:
        await _note(visit, caller.patient, "ended")
    answer = RedirectResponse(f"/desk?language={visit.language}", 303)
    await go_on_as(visit.sessions, answer, caller, _alone(caller))
    return answer


def assisted_page(handler: Handler) -> Handler:
    """Return a person's page that staff at a desk see in the session of that person, and only there."""

    async def handle(visit: Visit) -> Response:
        if visit.caller.role is Role.DESK and not visit.caller.patient:
            return RedirectResponse(f"/desk?language={visit.language}", 303)
        return await handler(visit)

    return handle


async def _begin(visit: Visit, patient: str, proof: str) -> Response:
    if proof not in PROOFS:
        raise InvalidSearch("Say which document you saw.")
    if await visit.services.standing.has_died(patient):
        raise AccessRefused("The person has died; an executor acts as their proxy (docs/standing.md).")
    await look_at(visit.services, visit.caller, patient)
    await _note(visit, patient, f"begun, {proof}")
    answer = RedirectResponse(f"/my-rights?language={visit.language}", 303)
    assisting = msgspec.structs.replace(_alone(visit.caller), patient=patient)
    await go_on_as(visit.sessions, answer, visit.caller, assisting)
    return answer


async def _note(visit: Visit, patient: str, step: str) -> None:
    """Write the step down, through the gate, which says whether staff may do this."""
    asked = AccessRequest(Action.READ, TYPE, f"assistance {step}", frozenset({patient}))
    async with enter(visit.services.gatehouse, visit.caller, asked) as access:
        access.record([patient])


def _alone(caller: Caller) -> Caller:
    return msgspec.structs.replace(caller, patient=None, token_id="")


def _page(visit: Visit, *, status: int = 200, **more: object) -> Response:
    shown: dict[str, object] = {"person": None, "problem": "", "proofs": PROOFS}
    return visit.show("assist.html", visit.say("assist-title"), status=status, **(shown | more))
