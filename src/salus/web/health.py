"""`/healthz`: whether this process can serve, and how it stands to its federation: anchor and witnesses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from salus.core.errors import StorageUnavailable
from salus.federation.witnessing import state_of
from salus.web.addresses import find, methods_of
from salus.web.services import Face, Receive, Scope, Send, Services
from salus.web.witness import word_of

PATH = "/healthz"


def face(services: Services) -> Face:
    """Return the door that answers 200 when the database does, else 503."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        answer, _ = find(ADDRESSES, scope["method"], scope["path"])
        status, body = await answer(services)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return Face(tuple(ADDRESSES), application, methods_of(ADDRESSES), tuple(ADDRESSES))


async def _health(services: Services) -> tuple[int, bytes]:
    try:
        async with services.database.system() as connection:
            await connection.fetchval("SELECT 1")
    except StorageUnavailable:
        return 503, b'{"status":"no database"}'
    federation, audit = services.chains.contact().value, word_of(await state_of(services.witnesses))
    return 200, msgspec.json.encode({"status": "ok", "federation": federation, "audit_witnessed": audit})


ADDRESSES: Mapping[str, Mapping[str, Callable[[Services], Awaitable[tuple[int, bytes]]]]] = {
    PATH: {"GET": _health}
}
