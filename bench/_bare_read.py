"""The ceiling of a read: granian, a bare ASGI function, one fetch, one group-committed insert; nothing else.

`python -m bench._bare_read PORT DATABASE_URL` serves GET /<id> from the table `bare` until its input ends.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import asyncpg
import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

_CONNECTIONS = 16
_SELECT = "SELECT content FROM bare WHERE id = $1"
_INSERT = "INSERT INTO bare_log (id, entry) SELECT * FROM unnest($1::text[], $2::bytea[])"


class _GroupCommit:
    """Rows of concurrent requests in one INSERT; the next batch gathers meanwhile."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._wake = asyncio.Event()
        self._fresh()

    def _fresh(self) -> None:
        self._rows: list[tuple[str, bytes]] = []
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def add(self, row: tuple[str, bytes]) -> asyncio.Future[None]:
        self._rows.append(row)
        self._wake.set()
        return self._done

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            rows, done = self._rows, self._done
            self._fresh()
            await self._connection.execute(_INSERT, [row[0] for row in rows], [row[1] for row in rows])
            done.set_result(None)


async def _main(port: int, url: str) -> None:
    free = [await asyncpg.connect(url) for _ in range(_CONNECTIONS)]
    log = _GroupCommit(await asyncpg.connect(url))
    running = asyncio.create_task(log.run())
    entry = b"x" * 400

    async def application(scope: Any, receive: Any, send: Any) -> None:
        identity = scope["path"].rpartition("/")[2]
        connection = free.pop()
        try:
            content = await connection.fetchval(_SELECT, identity)
        finally:
            free.append(connection)
        await log.add((identity, entry))
        headers = [
            (b"content-type", b"application/fhir+json"),
            (b"content-length", str(len(content)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    server = Server(
        application, "127.0.0.1", port, interface=Interfaces.ASGINL, websockets=False, log_enabled=False
    )
    serving = asyncio.create_task(server.serve())
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.stop()  # type: ignore[no-untyped-call]  # granian does not annotate it
    await serving
    running.cancel()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), sys.argv[2]))
