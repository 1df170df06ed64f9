"""Messages that arrive one by one, into the node: those that wait together are one transaction.

What became of a message is told when it is durable: stored with its leaves, or in quarantine. A message that
cannot be stored at all (the database is away) was not taken, and its sender is told to send it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import NamedTuple

import msgspec

from salus.core.access import Grant
from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.intake.conditions import lookup_in
from salus.intake.files import SourceFile
from salus.intake.formats.format import Unit
from salus.intake.prepare import Prepared, prepare
from salus.intake.setting import Setting
from salus.intake.writer import Part, Settle, Writer
from salus.store.postgres import Database

LOG = logging.getLogger("salus.intake.messages")

BATCH_MAX = 64
"""Most messages of one transaction."""
BATCH_BYTES_MAX = 8 << 20
"""Most bytes of them, save of one that is longer by itself."""

Open = Callable[[int], AbstractAsyncContextManager[Grant]]
"""Opens a grant for `Action.LOAD` by the gate, for so many messages."""
SettlingOf = Callable[[Grant], Settle]


class Fate(StrEnum):
    """What became of a message."""

    STORED = "stored"
    REFUSED = "refused"
    LOST = "not taken"


class Issue(msgspec.Struct, frozen=True):
    """Why a message was refused: an issue of an OperationOutcome, of which no more is read."""

    code: str = ""
    diagnostics: str = ""
    expression: tuple[str, ...] = ()


class Taken(msgspec.Struct, frozen=True):
    """What became of a message, and why it was refused."""

    fate: Fate
    issues: tuple[Issue, ...] = ()


class _Outcome(msgspec.Struct, frozen=True):
    issue: tuple[Issue, ...] = ()


class Way(msgspec.Struct, frozen=True):
    """How messages come in.

    Args:
        source: URI of the system that sends them.
        media: of their format (`Unit.media`).
        key: the node's secret for search hashes.
        limits: the node's.
        default_denies: the law of the node's country opens nothing that no Consent permits.
        settling: what is done with prescriptions that are sent again.
    """

    source: str
    media: str
    key: bytes
    limits: Limits
    default_denies: bool
    settling: SettlingOf | None = None


class _Waiting(NamedTuple):
    content: bytes
    done: asyncio.Future[Taken]


class Taking:
    """Takes messages in the order in which they come, from any number of connections.

    Args:
        open_grant: the gate.
        database: the node's, opened with the roles of a load.
        way: how.
    """

    def __init__(self, open_grant: Open, database: Database, way: Way) -> None:
        self._open_grant = open_grant
        self._database = database
        self._way = way
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(BATCH_MAX)

    async def take(self, content: bytes) -> Taken:
        """Return what became of a message once that is durable."""
        waiting = _Waiting(content, asyncio.get_running_loop().create_future())
        await self._queue.put(waiting)
        return await waiting.done

    async def run(self) -> None:
        """Take what waits, again and again; ends by being cancelled, after what it is at is answered."""
        while True:
            batch = await self._next()
            taken = await asyncio.shield(asyncio.ensure_future(self._take(batch)))
            for waiting, one in zip(batch, taken, strict=True):
                if not waiting.done.done():  # its connection may be gone
                    waiting.done.set_result(one)

    async def _next(self) -> list[_Waiting]:
        batch = [await self._queue.get()]
        size = len(batch[0].content)
        while len(batch) < BATCH_MAX and size < BATCH_BYTES_MAX and not self._queue.empty():
            batch.append(self._queue.get_nowait())
            size += len(batch[-1].content)
        return batch

    async def _take(self, batch: Sequence[_Waiting]) -> list[Taken]:
        """Store the messages together; where that fails, each by itself, so that one harms no other."""
        try:
            return await self._store([one.content for one in batch])
        except Exception as error:  # noqa: BLE001  (the outermost loop: one message must not end the listener)
            if len(batch) == 1:
                return [_lost(error)]
        return [(await self._take([one]))[0] for one in batch]

    async def _store(self, contents: Sequence[bytes]) -> list[Taken]:
        database, way = self._database, self._way
        async with self._open_grant(len(contents)) as grant:
            async with database.system() as connection:
                await database.parameters.refresh(connection)
            setting = Setting(
                way.source, "", way.key, grant.opened_at, way.limits,
                added=database.parameters.added, sealing=database.contents.for_workers(),
            )  # fmt: skip
            units = [Unit(number, 1, content, media=way.media) for number, content in enumerate(contents)]
            prepared = await asyncio.to_thread(_prepared, units, setting)
            writing = Writer(
                grant, database, [SourceFile("", way.source, "", 0)], [setting],
                lookup_in(grant, database, way.key, way.limits),
                default_denies=way.default_denies, settle=way.settling and way.settling(grant),
            )  # fmt: skip
            async with writing as writer:
                parts = [Part(0, unit, one) for unit, one in zip(units, prepared, strict=True)]
                await writer.write(parts)
                await writer.finish()
        return [_taken(one) for one in prepared]


def _prepared(units: Sequence[Unit], setting: Setting) -> list[Prepared]:
    return [prepare(unit, setting) for unit in units]


def _taken(prepared: Prepared) -> Taken:
    if not prepared.rejections:
        return Taken(Fate.STORED)
    outcome = msgspec.json.decode(prepared.rejections[0].outcome, type=_Outcome)
    return Taken(Fate.REFUSED, outcome.issue)


def _lost(error: Exception) -> Taken:
    """Say that a message was not taken; of what nobody foresaw, no more than that."""
    LOG.error("a message was not taken: %s", type(error).__name__)
    text = error.message if isinstance(error, SalusError) else "The node could not store the message."
    return Taken(Fate.LOST, (Issue("exception", f"{text} It was not taken: send it again."),))
