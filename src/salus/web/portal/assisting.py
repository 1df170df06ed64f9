"""Staff at a desk help somebody without an eID or a telephone, in a session of that person.

EHDS, Art. 4(4). The session is bound to the one person, ends by itself, and each leaf of it is marked
"assisted". What was shown as proof is in the leaf that begins it: its kind, never its number.
"""

from __future__ import annotations

import msgspec
from starlette.responses import RedirectResponse, Response

from salus.core.access import Caller, Role
from salus.core.identifiers import is_fhir_id
from salus.trust.assisting import Shown
from salus.trust.login.binding import DOCUMENT_LENGTH_MAX, PROOFS
from salus.web.login.desk_page import show_found
from salus.web.portal.session import go_on_as
from salus.web.portal.visit import Handler, Visit
from salus.web.rights import assisted


async def desk_begin(visit: Visit) -> Response:
    """Find a person by the number on their document, show who it is; with the proof seen, begin."""
    patient = visit.form.get("patient", "")
    if is_fhir_id(patient):
        return await _begin(visit, patient)
    identifier = visit.form.get("identifier", "")
    if not identifier:
        return _page(visit)
    return await show_found(visit, identifier, _page)


async def desk_end(visit: Visit) -> Response:
    """End the session of the person; the staff member's own goes on."""
    caller = visit.caller
    if caller.patient:
        await assisted.end(visit.services, caller, caller.patient)
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


async def _begin(visit: Visit, patient: str) -> Response:
    shown = Shown(
        patient, document=visit.form.get("proof", ""), number=visit.form.get("number", ""),
        code=visit.form.get("code", "").strip(),
    )  # fmt: skip
    await assisted.begin(visit.services, _alone(visit.caller), shown)
    answer = RedirectResponse(f"/my-rights?language={visit.language}", 303)
    assisting = msgspec.structs.replace(_alone(visit.caller), patient=patient)
    await go_on_as(visit.sessions, answer, visit.caller, assisting)
    return answer


def _alone(caller: Caller) -> Caller:
    return msgspec.structs.replace(caller, patient=None, token_id="")


def _page(visit: Visit, *, status: int = 200, **more: object) -> Response:
    shown: dict[str, object] = {
        "person": None, "problem": "", "proofs": PROOFS,
        "number_max": DOCUMENT_LENGTH_MAX,
    }  # fmt: skip
    return visit.show("assist.html", visit.say("assist-title"), status=status, **(shown | more))
