"""Complaints: the person's page, with the evidence to take along, and the auditor's list."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from salus.core.errors import SalusError
from salus.primary.rights.rectification import TEXT_LENGTH_MAX
from salus.web.portal.visit import Visit
from salus.web.rights import complaints
from salus.web.rights.complaints import ABOUT_LENGTH_MAX, ACCESS, ORGANISATION, OTHER, Asked

KINDS = (ACCESS, ORGANISATION, OTHER)


async def my_complaints(visit: Visit) -> Response:
    """Show the person's complaints and the form; a POST sends one."""
    problem, status = "", 200
    about = visit.form.get("about", "") or visit.request.query_params.get("access", "")
    if visit.request.method == "POST":
        kind = visit.form.get("kind", "")
        chosen = kind if kind in KINDS else OTHER
        named = "" if chosen == OTHER else about[:ABOUT_LENGTH_MAX]
        try:
            asked = Asked(visit.form.get("said", ""), chosen, named)  # type: ignore[arg-type]  # one of KINDS
            await complaints.complain(visit.services, visit.caller, asked)
        except SalusError as error:
            problem, status = visit.tell(error), error.status
        else:
            return RedirectResponse(f"/my-rights/complaints?language={visit.language}", 303)
    rows = await complaints.own(visit.services, visit.caller)
    authorities = visit.services.gatehouse.law.complaint_authorities.value
    return visit.show(
        "my-complaints.html", visit.say("complaint-title"), status=status, rows=rows, problem=problem,
        kinds=KINDS, about=about[:ABOUT_LENGTH_MAX], about_max=ABOUT_LENGTH_MAX, said_max=TEXT_LENGTH_MAX,
        authorities=authorities,
    )  # fmt: skip


async def take_evidence(visit: Visit) -> Response:
    """Answer the evidence for a complaint as one file."""
    number = complaints.number_in(visit.request.path_params["number"])
    return await complaints.evidence(visit.services, visit.caller, number)


async def staff_complaints(visit: Visit) -> Response:
    """Show the auditor what people complain of."""
    rows = await complaints.everybodys(visit.services, visit.caller)
    return visit.show("complaints.html", visit.say("complaints-staff"), rows=rows)
