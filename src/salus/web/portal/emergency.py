"""Breaking the glass from a patient's page, and the auditor's page of what waits for a second look."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import RedirectResponse, Response

from salus.core.access import Purpose
from salus.core.errors import SalusError
from salus.trust.emergencies import checked_reason, claim, second_look, waiting
from salus.web.emergency import ward_of
from salus.web.portal.patient_context import Stated, in_front, keep
from salus.web.portal.visit import Visit


async def claim_emergency(visit: Visit) -> Response:
    """Open the record of the patient in front of the professional, for the reason they give."""
    found = in_front(visit)
    reason = visit.form.get("reason", "")
    stated = await emergency_stated(visit, found.node, found.person.id, reason, found.stated)
    answer = RedirectResponse(f"{found.path}?language={visit.language}", 303)
    keep(visit, answer, found.node, found.person, Purpose.EMERGENCY, stated)
    return answer


async def emergency_stated(visit: Visit, node: str, patient: str, reason: str, stated: Stated) -> Stated:
    """Return what is stated from now on; a record of this node is opened at once, another one by its home.

    Raises:
        InvalidSearch: no reason is given.
        NotFound: the patient is not here, or closed in emergencies too.
    """
    services, text = visit.services, checked_reason(reason)
    until = services.clock() + timedelta(minutes=services.gatehouse.law.emergency_minutes_max.value)
    if node == services.node:
        until = (await claim(ward_of(services), visit.caller, patient, text)).ends_at
    relationship = "present" if stated.relationship == "present" else "emergency"
    return Stated(relationship, stated.presence_code, text, int(until.timestamp()))


async def reviews(visit: Visit) -> Response:
    """Show what waits for a second look, or keep one."""
    problem, status = "", 200
    if visit.request.method == "POST":
        form = visit.form
        try:
            await second_look(
                ward_of(visit.services), visit.caller, form.get("id", ""), form.get("verdict", ""),
                form.get("note", ""),
            )  # fmt: skip
        except SalusError as error:
            problem, status = visit.tell(error), error.status
    found = await waiting(ward_of(visit.services), visit.caller)
    now = visit.services.clock()
    rows = [{"overdue": now >= each.review_by, "of": each} for each in found]
    return visit.show("reviews.html", visit.say("reviews"), status=status, rows=rows, problem=problem)
