"""Cross-origin requests (Fetch standard, CORS protocol): from the pages of registered public apps only.

An app that runs in a browser asks from its own origin. It sends a token in a header; cookies are never
allowed, so that the portal's session opens nothing here.
"""

from __future__ import annotations

from collections.abc import Awaitable, MutableMapping
from datetime import datetime, timedelta
from typing import Any

from salus.core.errors import SalusError
from salus.standards.smart.launch import origin_of
from salus.store.federation import list_apps
from salus.web.services import Application, Receive, Scope, Send, Services

AGE_MAX = timedelta(seconds=1)
OPEN = ("/fhir", "/oauth/par", "/oauth/token", "/oauth/revoke", "/.well-known/")
"""Prefixes of what an app may ask across origins."""
METHODS = b"GET, POST, PUT, PATCH, DELETE"
SENT = (
    b"accept, authorization, content-type, dpop, if-match, if-modified-since, if-none-exist, if-none-match, "
    b"prefer"
)
SHOWN = (
    b"content-location, etag, last-modified, location, retry-after, www-authenticate, x-progress, "
    b"x-request-id"
)
PREFLIGHT_SECONDS = b"600"


class Origins:
    """The origins of public apps, as they were registered at most a second ago."""

    __slots__ = ("_known", "_read_at", "_services")

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: frozenset[bytes] = frozenset()
        self._read_at: datetime | None = None

    async def allow(self, origin: bytes) -> bool:
        """Return whether the pages of the origin may ask."""
        now = self._services.clock()
        if self._read_at is None or abs(now - self._read_at) > AGE_MAX:
            try:
                listed = await list_apps(self._services.database)
            except SalusError:
                return False
            addresses = (address for app in listed if not app.keys for address in app.redirects)
            self._known = frozenset(origin_of(address).encode() for address in addresses) - {b""}
            self._read_at = now
        return origin in self._known


def cross_origin(services: Services, inner: Application) -> Application:
    """Return the application with the headers that let an app's page read its answers."""
    origins = Origins(services)

    def application(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        origin = _origin(scope) if scope["type"] == "http" else b""
        if not origin or not scope["path"].startswith(OPEN):
            return inner(scope, receive, send)
        return share(origin, scope, receive, send)

    async def share(origin: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        if not await origins.allow(origin):
            await inner(scope, receive, send)
            return
        shared = [(b"access-control-allow-origin", origin), (b"vary", b"origin")]
        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": [*shared, *_preflight()]})
            await send({"type": "http.response.body", "body": b""})
            return

        async def send_shared(message: MutableMapping[str, Any]) -> None:  # Any: ASGI's own shape
            if message["type"] == "http.response.start":
                shown = [*shared, (b"access-control-expose-headers", SHOWN)]
                message = {**message, "headers": [*message.get("headers", ()), *shown]}
            await send(message)

        await inner(scope, receive, send_shared)

    return application


def _origin(scope: Scope) -> bytes:
    for name, text in scope["headers"]:
        if name == b"origin":
            return bytes(text)
    return b""


def _preflight() -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", SENT),
        (b"access-control-max-age", PREFLIGHT_SECONDS),
    )
