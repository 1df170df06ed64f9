"""A door whose every address asks for an access token: who asks is known before anybody answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from salus.core.access import Caller
from salus.trust.identity import authenticate
from salus.web.addresses import find, methods_of
from salus.web.own_record import check_named
from salus.web.proof import proven
from salus.web.services import Face, Receive, Scope, Send, Services

Parts = dict[str, str]
"""What stands for the names of an address's template."""
Handler = Callable[[Services, Caller, Request, Parts], Awaitable[Response]]
Addresses = Mapping[str, Mapping[str, Handler]]


def token_door(
    services: Services, prefixes: tuple[str, ...], addresses: Addresses, *, takes_bound: bool = False
) -> Face:
    """Return the face of a table of addresses (`web.addresses.find`).

    `takes_bound`: whether tokens that are bound to a key (RFC 9449) open it: not where the answer may be a
    token that is bound to none.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        key = proven(request.scope) if takes_bound else ""
        caller = authenticate(services.doorkeeper, request.headers.get("authorization"), key)
        check_named(caller, request)
        handler, parts = find(addresses, request.method, request.url.path)
        answer = await handler(services, caller, request, parts)
        await answer(scope, receive, send)

    return Face(prefixes, application, methods_of(addresses))
