"""The citizen's rights on one page, each with its way: a copy to take along."""

from __future__ import annotations

from starlette.responses import Response

from salus.web.portal.visit import Visit
from salus.web.rights.archive import archive


async def my_rights(visit: Visit) -> Response:
    """Show what one may ask for."""
    return visit.show("my-rights.html", visit.say("my-rights"))


async def take_record(visit: Visit) -> Response:
    """Answer the whole record as one file."""
    return await archive(visit.services, visit.caller, visit.language)
