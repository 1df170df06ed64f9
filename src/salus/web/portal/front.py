"""The front page."""

from __future__ import annotations

from starlette.responses import Response

from salus.core.errors import NotFound
from salus.store.statistics import count
from salus.web.portal.visit import Visit


async def home(visit: Visit) -> Response:
    """Show what the node is, holds and belongs to; nothing here is about a person."""
    if visit.request.url.path != "/":
        raise NotFound("There is no page at this address.")
    services = visit.services
    current = services.membership.current
    now = services.clock()
    members = [
        {
            "node": member.node,
            "name": member.name,
            "country": member.country,
            "base_url": member.base_url,
            "state": current.state(member.node, now),
        }
        for member in (current.members if current else ())
        if current
    ]
    return visit.show(
        "home.html",
        visit.say("front-page"),
        members=members,
        counts=await count(services.database),
    )
