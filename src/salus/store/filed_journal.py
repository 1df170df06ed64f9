"""The journal of a process that serves: read leaves are durable in a file of it, and in the database soon.

Every turn of the event loop its new leaves go to the writer process as one frame (`store.journal_writer`);
while that flushes, what comes meanwhile gathers in the socket and shares the next flush. Leaves that their
patients are told of go straight to the database, in one transaction with the notice (`store.journal`).
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
import socket
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic

import asyncpg

from salus.core.access import Leaf
from salus.core.clock import Clock
from salus.core.errors import SalusError, StorageUnavailable
from salus.store import journal_writer
from salus.store.journal import LANES, Journal, tell
from salus.store.journal_files import JournalFiles
from salus.store.journal_frames import frame_of
from salus.store.ledger import encode_entries
from salus.store.notices import TOLD
from salus.store.postgres import Database
from salus.store.sealing import Seal

LOG = logging.getLogger("salus.store.filed_journal")
FILE_BYTES_MAX = 64 << 20
"""After so many a new file is begun."""
_BRING_IN_SECONDS = 0.2
_BRING_IN_LEAVES = 1_000
_LOOK_SECONDS = 1.0
_START_AGAIN_SECONDS = 1.0
_END_SECONDS_MAX = 10.0
_ACK_BYTES = 8
_Waiting = list[asyncio.Future[None] | None]
_Request = tuple[Sequence[Leaf], asyncio.Future[None] | None]


class Writer(asyncio.Protocol):
    """A writer process and its file: sends frames, wakes who waits for them once they are durable."""

    def __init__(self, path: Path) -> None:
        """Start the process; `open` connects to it."""
        self.name = path.stem
        self.sent = 0
        self.is_lost = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting: deque[tuple[int, int, _Waiting]] = deque()
        self._received = b""
        self._socket, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-S", journal_writer.__file__, str(theirs.fileno()), str(path)]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  (our own program)
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
            )

    async def open(self) -> None:
        """Connect to the process."""
        self._socket.setblocking(False)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_unix_connection(lambda: self, sock=self._socket)

    def send(self, frame: bytes, leaves: int, waiting: _Waiting) -> None:
        """Send a frame of so many leaves; those who wait are woken when it is durable, or cannot be."""
        self.sent += len(frame)
        self._waiting.append((self.sent, leaves, waiting))
        self._transport.write(frame)

    @property
    def leaves_waiting(self) -> int:
        """How many leaves are not durable so far."""
        return sum(leaves for _, leaves, _ in self._waiting)

    def data_received(self, data: bytes) -> None:
        """Learn how much is durable."""
        self._received += data
        whole = len(self._received) // _ACK_BYTES * _ACK_BYTES
        if not whole:
            return
        durable = int.from_bytes(self._received[whole - _ACK_BYTES : whole], "big")
        self._received = self._received[whole:]
        while self._waiting and self._waiting[0][0] <= durable:
            tell(self._waiting.popleft()[2], None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Refuse what is not durable: the disk takes no more, or the process was ended."""
        self.is_lost = True
        while self._waiting:
            tell(self._waiting.popleft()[2], _refusal())
        if not self.ended.done():
            self.ended.set_result(None)

    async def close(self) -> None:
        """Let the process write what was sent, and end."""
        with suppress(OSError, RuntimeError):  # it is lost
            self._transport.write_eof()
        await asyncio.wait([self.ended], timeout=_END_SECONDS_MAX)
        self._transport.close()
        await asyncio.to_thread(self._process.wait)


def _is_for_the_database(leaf: Leaf) -> bool:
    """Return whether a notice goes with the leaf, or the database might refuse what its row would hold."""
    marked = leaf.marks and TOLD.intersection(leaf.marks)
    return bool(marked) or not (leaf.patient + leaf.request).isprintable()


def _refusal() -> StorageUnavailable:
    return StorageUnavailable("The audit cannot be written now; send the request again.")


class FiledJournal(Journal):
    """Makes the leaves of reads durable in files. Made by `open_filed_journal`; belongs to one event loop."""

    def __init__(self, database: Database, files: JournalFiles, seal: Seal, clock: Clock, *, leaves_max: int):
        """Take where leaves go in the end, the files, and how entries are sealed."""
        super().__init__(database, leaves_max=leaves_max)
        self._files = files
        self._seal = seal
        self._clock = clock
        self._writer: Writer | None = None
        self._started_at = -_START_AGAIN_SECONDS
        self._requests: list[_Request] = []
        self._gathered = 0
        self._begun = 0
        self._filed = 0
        self._filed_some = asyncio.Event()
        self._filed_many = asyncio.Event()
        self._closing_writers: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    def _post(self, leaves: Sequence[Leaf], durable: asyncio.Future[None] | None) -> None:
        if any(_is_for_the_database(leaf) for leaf in leaves):
            super()._post(leaves, durable)
            return
        if self._closing or self._writer is None or self._gathered + len(leaves) > self._leaves_max:
            raise StorageUnavailable("The audit cannot keep up; send the request again in a moment.")
        if not self._requests:
            self._loop.call_soon(self._send)
        self._requests.append((leaves, durable))
        self._gathered += len(leaves)

    def _send(self) -> None:
        """Send what this turn of the event loop has brought to the writer."""
        requests, self._requests = self._requests, []
        gathered, self._gathered = self._gathered, 0
        writer = self._writer
        if writer is None or writer.is_lost or writer.leaves_waiting > self._leaves_max:
            tell([durable for _, durable in requests], _refusal())
            return
        try:
            self.file_away(writer, requests)
        except ValueError:  # what one request says has no bytes: it is not to lose the others'
            for request in requests:
                try:
                    self.file_away(writer, [request])
                except ValueError:
                    tell([request[1]], _refusal())
        self._filed += gathered
        self._filed_some.set()
        if self._filed >= _BRING_IN_LEAVES:
            self._filed_many.set()

    def file_away(self, writer: Writer, requests: Sequence[_Request]) -> None:
        """Seal the leaves and send them off."""
        leaves = [leaf for each, _ in requests for leaf in each]
        entries = encode_entries(leaves)
        sealed = self._seal.close(entries)
        sha256 = hashlib.sha256
        frame = frame_of(
            (leaf.patient, leaf.at, closed, sha256(entry).digest(), leaf.request)
            for leaf, closed, entry in zip(leaves, sealed, entries, strict=True)
        )
        writer.send(frame, len(leaves), [durable for _, durable in requests])

    async def start(self) -> None:
        """Begin a file; what the one before has is still written."""
        before, self._started_at = self._writer, monotonic()
        self._begun += 1
        name = f"{self._clock():%Y%m%dT%H%M%S.%f}-{self._begun:06}-{os.getpid()}-{secrets.token_hex(4)}"
        writer = Writer(self._files.path_of(name))
        await writer.open()
        self._writer = writer
        if before is not None:
            self._filed_some.set()
            task = asyncio.create_task(before.close())
            self._closing_writers.add(task)
            task.add_done_callback(self._closing_writers.discard)

    async def tend(self) -> None:
        """Keep a writer running, whatever befalls it, and begin a new file after the most bytes of one."""
        while not self._closing:
            writer = self._writer
            assert writer is not None
            if writer.is_lost or writer.sent > FILE_BYTES_MAX:
                if writer.is_lost:
                    LOG.error("the writer of the audit's journal has ended; a new one is started")
                await self._start_or_wait()
            await asyncio.wait([writer.ended], timeout=_LOOK_SECONDS)

    async def _start_or_wait(self) -> None:
        await asyncio.sleep(max(0.0, self._started_at + _START_AGAIN_SECONDS - monotonic()))
        with suppress(OSError):
            await self.start()

    async def bring_in(self) -> None:
        """Bring what is in the files into the database, again and again, until cancelled."""
        looked_at = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._filed_some.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(_BRING_IN_SECONDS):
                    await self._filed_many.wait()
            self._filed = 0
            self._filed_some.clear()
            self._filed_many.clear()
            try:
                looked_at = await self._bring_in_once(looked_at)
            except SalusError as error:  # the files keep it
                LOG.warning("the audit's journal waits in its files: %s", error.message)
            except (asyncpg.PostgresError, OSError) as error:
                LOG.error("the audit's journal is not brought in: %s", type(error).__name__)

    async def _bring_in_once(self, looked_at: float) -> float:
        """Bring in this process's file; now and then those of others too, who may have ended."""
        async with self._database.system() as connection:
            if monotonic() - looked_at > _LOOK_SECONDS:
                await self._files.bring_in(connection)
                return monotonic()
            if self._writer is not None:
                await self._files.bring_in_of(connection, self._writer.name)
        return looked_at

    async def end(self) -> None:
        """Write what was accepted, and bring it in where the database can be reached."""
        self.close()
        self._send()
        if self._writer is not None:
            await self._writer.close()
        await asyncio.gather(*self._closing_writers)
        with suppress(SalusError, asyncpg.PostgresError):
            await self._bring_in_once(-_LOOK_SECONDS)


@asynccontextmanager
async def open_filed_journal(
    database: Database, files: JournalFiles, seal: Seal, clock: Clock, *, leaves_max: int = 20_000
) -> AsyncIterator[FiledJournal]:
    """Run a journal that makes leaves durable in files; on leaving, what was accepted is written first.

    Args:
        database: where the leaves are brought.
        files: the node's, in a folder on a disk that outlives the process.
        seal: of entries.
        clock: what time it is, in the files' names.
        leaves_max: most leaves that may wait for one flush.

    Raises:
        StorageUnavailable: the folder cannot be written to.
    """
    try:
        files.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(f"{files.folder} cannot be made: {error.strerror}.") from error
    journal = FiledJournal(database, files, seal, clock, leaves_max=leaves_max)
    await journal.start()
    steps = [journal.tend(), journal.bring_in()]
    background = [asyncio.create_task(step, name="journal") for step in steps]
    lanes = [asyncio.create_task(journal.run(), name="journal") for _ in range(LANES)]
    try:
        yield journal
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await journal.end()
        await asyncio.gather(*lanes, return_exceptions=True)
