"""The membership list over HTTP: anyone may read it, and anyone may bring a newer one that the anchor signed.

The list proves itself, so bringing one needs no login; this is how the anchor's operator spreads a
revocation without waiting for the nodes to ask.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from salus.core.errors import NotFound, TooLarge
from salus.federation.membership_list import LIST_SIZE_MAX
from salus.store.federation import LIST_FILE, read_file
from salus.web.addresses import find, methods_of
from salus.web.services import Face, Receive, Scope, Send, Services

PATH = "/federation/members"


def face(services: Services) -> Face:
    """Return the door of the membership list."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        handler, _ = find(ADDRESSES, request.method, request.url.path)
        answer = await handler(services, request)
        await answer(scope, receive, send)

    return Face((PATH,), application, methods_of(ADDRESSES), (PATH,))


async def _show(services: Services, request: Request) -> Response:
    text = read_file(services.data, LIST_FILE)
    if text is None:
        raise NotFound("This node has joined no federation yet.")
    return PlainTextResponse(text, media_type="application/jwt")


async def _bring(services: Services, request: Request) -> Response:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LIST_SIZE_MAX:
            raise TooLarge(f"A membership list has at most {LIST_SIZE_MAX} bytes.")
    installed = services.membership.install(body.decode("ascii", "replace"))
    return JSONResponse({"federation": installed.federation, "version": installed.version})


Handler = Callable[[Services, Request], Awaitable[Response]]
ADDRESSES: Mapping[str, Mapping[str, Handler]] = {PATH: {"GET": _show, "POST": _bring}}
