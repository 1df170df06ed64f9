"""Before the pages of a patient of this node: what ties the professional to them, where that is asked."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from salus.core.access import Action, Purpose
from salus.core.errors import SalusError
from salus.trust.care import Known
from salus.trust.facts import TIED
from salus.trust.policy import AccessRequest
from salus.trust.treatment import Statement, state_treatment
from salus.web.portal.chart import banner
from salus.web.portal.patient_context import InFront, in_front, speaking
from salus.web.portal.visit import Handler, Visit
from salus.web.rights.choices import weigher_of

_LENGTH_MAX = 200


def treating(handler: Handler) -> Handler:
    """Return the page, or instead of it the one that asks what ties the professional to the patient."""

    async def page(visit: Visit) -> Response:
        if visit.services.care.known is Known.ORGANISATION:
            return await handler(visit)
        found = in_front(visit)
        if found.node != visit.services.node or await _is_tied(visit, found):
            return await handler(visit)
        return _ask(visit, found)

    return page


async def state(visit: Visit) -> Response:
    """Keep what the professional states or was shown, and go to the patient's page."""
    found = in_front(visit)
    stated = Statement(
        *(visit.form.get(name, "")[:_LENGTH_MAX].strip() for name in ("reason", "code", "document"))
    )
    services = visit.services
    try:
        await state_treatment(weigher_of(services), services.care, visit.caller, found.person.id, stated)
    except SalusError as error:
        return _ask(visit, found, problem=visit.tell(error), status=error.status)
    return RedirectResponse(f"{found.path}?language={visit.language}", 303)


async def show_code(visit: Visit, patient: str, code: str) -> None:
    """Keep that the patient showed the professional their code. Raises as `state_treatment` does."""
    services = visit.services
    shown = Statement(presence_code=code)
    await state_treatment(weigher_of(services), services.care, visit.caller, patient, shown)


async def _is_tied(visit: Visit, found: InFront) -> bool:
    patient, knows = found.person.id, visit.services.gatehouse.knows
    assert knows is not None, "a running node knows what is in force"
    asked = AccessRequest(Action.READ, "Patient", f"Patient/{patient}", frozenset({patient}))
    facts = await knows(speaking(visit, found), asked)
    runs = found.purpose is Purpose.EMERGENCY and facts.emergency_reason is not None
    return runs or facts.relationship in TIED


def _ask(visit: Visit, found: InFront, *, problem: str = "", status: int = 200) -> Response:
    return visit.show(
        "treatment.html",
        visit.say("treatment-none"),
        status=status,
        banner=banner(visit, found),
        path=found.path,
        word_is_taken=visit.services.care.known is Known.DECLARED,
        problem=problem,
    )
