"""The door of rights: the addresses of every module of this folder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from salus.core.access import Caller
from salus.trust.identity import authenticate
from salus.web.addresses import find, methods_of
from salus.web.proof import proven
from salus.web.rights import archive, choices, links, recipients, rectifications
from salus.web.services import Face, Receive, Scope, Send, Services

Handler = Callable[[Services, Caller, Request, dict[str, str]], Awaitable[Response]]
ADDRESSES: Mapping[str, Mapping[str, Handler]] = {
    "/rights/archive": {"GET": archive.handle},
    "/rights/links": {"GET": links.handle_list, "POST": links.handle_make},
    "/rights/links/{id}": {"DELETE": links.handle_end},
    "/rights/rectifications": {"GET": rectifications.handle_own, "POST": rectifications.handle_ask},
    "/rights/requests": {"GET": rectifications.handle_list},
    "/rights/requests/{id}/answer": {"POST": rectifications.handle_answer},
    "/rights/recipients": {"GET": recipients.handle_recipients},
    "/rights/complaint": {"GET": recipients.handle_complaint},
    **choices.ADDRESSES,
}


def face(services: Services) -> Face:
    """Return the door of rights."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        caller = authenticate(
            services.doorkeeper, request.headers.get("authorization"), proven(request.scope)
        )
        handler, parts = find(ADDRESSES, request.method, request.url.path)
        answer = await handler(services, caller, request, parts)
        await answer(scope, receive, send)

    return Face((choices.PREFIX,), application, methods_of(ADDRESSES))
