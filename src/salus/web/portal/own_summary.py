"""A citizen's own patient summary, composed now and shown in their language."""

from __future__ import annotations

from starlette.responses import Response

from salus.web.portal.checking import check_document
from salus.web.portal.composing import compose_here
from salus.web.portal.summary import read_summary
from salus.web.portal.visit import Visit


async def own_summary(visit: Visit) -> Response:
    """Compose and show the summary."""
    caller = visit.caller
    document = await compose_here(visit.services, caller, caller.patient or "", (visit.language,))
    return visit.show(
        "summary.html",
        visit.say("my-summary"),
        summary=read_summary(document, visit.language, visit.services.clock()),
        validation=check_document(document),
        banner=None,
        path="/record/summary",
        query="",
        back="",
        save="",
        home_says_notes=[],
    )
