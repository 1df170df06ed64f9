"""A citizen's own patient summary, composed now and shown in their language."""

from __future__ import annotations

from starlette.responses import Response

from salus.web.portal.composing import compose_here
from salus.web.portal.letters import Resource, chosen, send_pdf, show_letter
from salus.web.portal.visit import Visit


async def own_summary(visit: Visit) -> Response:
    """Compose and show the summary."""
    return await show_letter(
        visit, await _composed(visit), path="/record/summary", title=visit.say("my-summary")
    )


async def own_summary_pdf(visit: Visit) -> Response:
    """Compose the summary and send it as a PDF."""
    return await send_pdf(visit, await _composed(visit))


async def _composed(visit: Visit) -> Resource:
    caller = visit.caller
    return await compose_here(visit.services, caller, caller.patient or "", (chosen(visit),))
