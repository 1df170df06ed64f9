"""A listening connection that dies without a word is noticed, and what it missed is read anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import asyncpg
from tests.conftest import NOW

from salus.store.listening import heard
from salus.store.revocations import follow_revocations, revoke


class Way:
    """A way to the database that can be blocked: what is sent into it is lost, and nothing is closed."""

    def __init__(self, socket: str) -> None:
        self.socket = socket
        self.blocked: set[int] = set()
        self._came = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def block(self) -> None:
        """Lose what goes over the connections that there are now."""
        self.blocked = set(range(self._came))

    async def come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self._came = self._came, self._came + 1
        back, forth = await asyncio.open_unix_connection(self.socket)
        for source, target in ((reader, forth), (back, writer)):
            task = asyncio.create_task(self._carry(number, source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, number: int, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65_536):
            if number not in self.blocked:
                target.write(data)
                await target.drain()
        if number not in self.blocked:
            target.close()


class Elsewhere:
    """A database whose listening connections go over a way of their own."""

    def __init__(self, database, folder: str, name: str) -> None:
        self.system = database.system
        self._folder, self._name = folder, name

    async def listening(self):
        return await asyncpg.connect(
            host=self._folder, user="salus_app", database=self._name, server_settings={"role": "salus_wide"}
        )


@asynccontextmanager
async def elsewhere(database, url, folder) -> AsyncIterator[tuple[Elsewhere, Way]]:
    parts = urlsplit(url)
    way = Way(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432")
    folder.mkdir(mode=0o777)
    async with await asyncio.start_unix_server(way.come, folder / ".s.PGSQL.5432"):
        yield Elsewhere(database, str(folder), parts.path[1:]), way


async def test_a_revocation_is_known_though_the_connection_died_without_a_word(
    database, database_url, tmp_path
):
    async with (
        elsewhere(database, database_url, tmp_path / "way") as (far, way),
        follow_revocations(far) as revoked,
    ):
        way.block()
        await revoke(database, "t-1", NOW + timedelta(hours=1))
        async with asyncio.timeout(30):
            while "t-1" not in revoked:  # noqa: ASYNC110  (nothing tells it)
                await asyncio.sleep(0.05)


async def test_news_are_passed_on_and_a_quiet_connection_stays_open(database):
    connection = await database.listening()
    news: asyncio.Queue[str] = asyncio.Queue()
    news.put_nowait("one")
    assert await heard(connection, news.get()) == "one"
    assert await heard(connection, news.get()) is None
    assert not connection.is_closed()
    await connection.close()
