"""Messages by MLLP: one at a time on each connection, answered when durable (HL7 v2.5.1, 2.9).

A connection that is idle too long, that sends a message too slowly or outside a frame is closed; so are
those beyond the limit. Nothing of a message goes into a log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime

import msgspec

from salus.core.clock import Clock
from salus.core.errors import SalusError, TooLarge
from salus.core.identifiers import new_request_id
from salus.core.limits import Limits
from salus.intake.messages import Fate, Taken
from salus.standards.hl7v2.acknowledgement import Header, Problem, Verdict, answers, header_of
from salus.standards.hl7v2.mllp import Frames, framed
from salus.web.hl7v2.admission import Admission

LOG = logging.getLogger("salus.web.hl7v2")

PIECE_BYTES = 1 << 16
HELD_MESSAGES_MAX = 4
"""As many of the longest messages may be held at once, over all connections."""
REJECTED = frozenset({"not-supported"})
"""Issues for which a message is rejected (AR), not in error (AE): they are of its kind (table 0008)."""

QUARANTINED = "The message is kept in the quarantine of this node."

Take = Callable[[bytes], Awaitable[Taken]]


class Counts(msgspec.Struct):
    """What a listener did since it began."""

    stored: int = 0
    refused: int = 0
    lost: int = 0
    turned_away: int = 0


class Listener:
    """Serves connections.

    Args:
        take: stores a message and says what became of it.
        admission: who may connect.
        limits: the node's.
        clock: what time it is.
    """

    def __init__(self, take: Take, admission: Admission, limits: Limits, clock: Clock) -> None:
        self.counts = Counts()
        self._take = take
        self._admission = admission
        self._limits = limits
        self._clock = clock
        self._open: set[asyncio.Task[None]] = set()
        self._reading: set[asyncio.Task[None]] = set()
        self._closing = False
        self._held_bytes = 0

    async def start(self, host: str, port: int) -> asyncio.Server:
        """Listen; port 0 takes a free one."""
        return await asyncio.start_server(
            self._connected, host, port, ssl=self._admission.tls, limit=PIECE_BYTES,
            ssl_handshake_timeout=self._limits.headers_ms_max / 1000 if self._admission.tls else None,
        )  # fmt: skip

    async def close(self) -> None:
        """End every connection; a message that is being stored is answered first."""
        self._closing = True
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        if peer is None:  # gone already
            writer.close()
            return
        address = peer[0]
        refused = not self._admission.admits(address)
        if refused or len(self._open) >= self._limits.message_connections_max:
            self.counts.turned_away += 1
            why = "its address is not allowed" if refused else "limits.message_connections_max are open"
            LOG.warning("a connection from %s was turned away: %s", address, why)
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with suppress(ConnectionError, TimeoutError):
                await self._converse(task, reader, writer)
        except asyncio.CancelledError:
            if not self._closing:  # else it was waiting for a message, and `close` ended that
                raise
        finally:
            self._open.discard(task)
            writer.close()

    async def _converse(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Take message after message until the sender ends or breaks off."""
        frames = Frames(self._limits.document_bytes_max)
        while not self._closing:
            self._reading.add(task)
            try:
                message = await self._next(reader, frames)
            except SalusError as error:
                self.counts.lost += 1
                await self._say(writer, header_of(frames.begun), "R", (Problem(error.issue, error.message),))
                return
            finally:
                self._reading.discard(task)
            if message is None:
                return
            self._held_bytes += len(message)
            try:
                verdict, problems = self._judged(await self._take(message))
            finally:
                self._held_bytes -= len(message)
            await self._say(writer, header_of(message), verdict, problems)

    def _judged(self, taken: Taken) -> tuple[Verdict, tuple[Problem, ...]]:
        """Count a message; return how it is acknowledged."""
        problems = tuple(
            Problem(one.code, one.diagnostics, next(iter(one.expression), "")) for one in taken.issues
        )
        if taken.fate is Fate.STORED:
            self.counts.stored += 1
            return "A", ()
        if taken.fate is Fate.LOST:
            self.counts.lost += 1
            return "R", problems
        self.counts.refused += 1
        first, *more = problems
        first = msgspec.structs.replace(first, message=f"{first.message} {QUARANTINED}")
        return ("R" if first.code in REJECTED else "E"), (first, *more)

    async def _next(self, reader: asyncio.StreamReader, frames: Frames) -> bytes | None:
        """Return the next message, None at the end of the connection.

        Raises:
            TimeoutError: nothing comes, or it comes too slowly.
            TooLarge: it is too long, or too much is held for all connections together.
            MalformedContent: what comes is in no frame.
        """
        loop, limits = asyncio.get_running_loop(), self._limits
        begun, held = loop.time(), 0
        try:
            while (message := frames.take()) is None:
                allowed = limits.message_idle_ms_max / 1000
                if frames.is_inside:
                    allowed = limits.transfer_grace_ms / 1000 + held / limits.transfer_bytes_per_second_min
                piece = await asyncio.wait_for(reader.read(PIECE_BYTES), begun + allowed - loop.time())
                if not piece:
                    return None
                if not frames.is_inside:
                    begun = loop.time()
                frames.feed(piece)
                self._held_bytes += frames.held_bytes - held
                held = frames.held_bytes
                if held and self._held_bytes > HELD_MESSAGES_MAX * limits.document_bytes_max:
                    raise TooLarge("The node holds too much at the moment; send the message again later.")
        finally:
            self._held_bytes -= held
        return message

    async def _say(
        self, writer: asyncio.StreamWriter, header: Header, verdict: Verdict, problems: tuple[Problem, ...]
    ) -> None:
        at: datetime = self._clock()
        for answer in answers(header, verdict, problems, number=new_request_id()[:20], at=at):
            writer.write(framed(answer))
        await asyncio.wait_for(writer.drain(), self._limits.transfer_grace_ms / 1000)
