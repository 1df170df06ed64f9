"""`/healthz`: whether this process can serve, for supervisors; it tells nothing else."""

from __future__ import annotations

from salus.core.errors import StorageUnavailable
from salus.web.services import Face, Receive, Scope, Send, Services

PATH = "/healthz"


def face(services: Services) -> Face:
    """Return the door that answers 200 when the database does, else 503."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with services.database.system() as connection:
                await connection.fetchval("SELECT 1")
            status, body = 200, b'{"status":"ok"}'
        except StorageUnavailable:
            status, body = 503, b'{"status":"no database"}'
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return Face((PATH,), application, {PATH: ("GET",)}, (PATH,))
