"""Group commit of read leaves: many concurrent requests' leaves in one INSERT, one flush to disk.

While batches are on their way to the disk the next one gathers. A request waits until its own leaves are
durable; when they cannot be, it fails, so that no data leaves unrecorded.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

import asyncpg

from salus.core.access import Leaf
from salus.core.errors import SalusError, StorageUnavailable
from salus.store.ledger import append
from salus.store.postgres import Database

LANES = 2
"""Batches on their way to the disk: PostgreSQL flushes what two have written together."""
LOG = logging.getLogger("salus.store.journal")


class _Batch:
    """Leaves that share one INSERT: each request's, with who waits for them."""

    __slots__ = ("leaves", "requests")

    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self.requests: list[tuple[Sequence[Leaf], asyncio.Future[None] | None]] = []

    def add(self, leaves: Sequence[Leaf], durable: asyncio.Future[None] | None) -> None:
        """Take the leaves of one request; `durable` ends when they are on disk, or cannot be."""
        self.leaves.extend(leaves)
        self.requests.append((leaves, durable))

    def tell(self, error: SalusError | None) -> None:
        """Wake everybody who still waits for the batch."""
        tell((future for _, future in self.requests), error)


def tell(waiting: Iterable[asyncio.Future[None] | None], error: SalusError | None) -> None:
    """Wake everybody who still waits: the leaves are on disk, or cannot be."""
    for future in waiting:
        if future is None or future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


class Journal:
    """Writes leaves durably. Made by `open_journal`; belongs to one event loop."""

    def __init__(self, database: Database, *, leaves_max: int) -> None:
        self._database = database
        self._leaves_max = leaves_max
        self._next: _Batch | None = None
        self._wake = asyncio.Event()
        self._closing = False

    async def write(self, leaves: Sequence[Leaf]) -> None:
        """Return when the leaves are on disk.

        Raises:
            StorageUnavailable: they are not, or too many already wait; the caller must not answer with data.
        """
        if leaves:
            await self.begin(leaves)

    def begin(self, leaves: Sequence[Leaf]) -> asyncio.Future[None]:
        """Write the leaves with the next batch; what is returned ends when they are on disk (`write`)."""
        durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._post(leaves, durable)
        return durable

    def post(self, leaves: Sequence[Leaf]) -> None:
        """Write the leaves soon, without waiting: for a request that was cancelled and answers nothing."""
        self._post(leaves, None)

    def _post(self, leaves: Sequence[Leaf], durable: asyncio.Future[None] | None) -> None:
        batch = self._next
        if batch is None:
            batch = self._next = _Batch()
            self._wake.set()
        if self._closing or len(batch.leaves) + len(leaves) > self._leaves_max:
            raise StorageUnavailable("The audit cannot keep up; send the request again in a moment.")
        batch.add(leaves, durable)

    async def run(self) -> None:
        """Write batch after batch until `close`; several may run at once."""
        while not (self._closing and self._next is None):
            await self._wake.wait()
            self._wake.clear()
            batch, self._next = self._next, None
            if batch is not None:
                await self._commit(batch)

    async def _commit(self, batch: _Batch) -> None:
        try:
            async with self._database.system() as connection:
                await append(connection, batch.leaves)
        except SalusError as error:
            batch.tell(error)
        except asyncpg.PostgresError as error:
            if len(batch.requests) > 1:  # what it does not take of one request is not to lose the others'
                await self._commit_alone(batch)
                return
            _refuse(batch, error)
        except (asyncpg.InterfaceError, OSError) as error:
            _refuse(batch, error)
        else:
            batch.tell(None)

    async def _commit_alone(self, batch: _Batch) -> None:
        for leaves, durable in batch.requests:
            alone = _Batch()
            alone.add(leaves, durable)
            await self._commit(alone)

    def close(self) -> None:
        """Refuse new leaves; `run` ends after the last batch."""
        self._closing = True
        self._wake.set()


def _refuse(batch: _Batch, error: BaseException) -> None:
    # Not foreseen, so it is logged; but nobody may wait for ever, and the next batch must be tried.
    LOG.error("the audit could not be written: %s", type(error).__name__)
    batch.tell(StorageUnavailable("The audit cannot be written now; send the request again."))


@asynccontextmanager
async def open_journal(database: Database, *, leaves_max: int = 20_000) -> AsyncIterator[Journal]:
    """Run a journal; on leaving, what was accepted is written first.

    Args:
        database: where the leaves go.
        leaves_max: most leaves that may wait for one flush.
    """
    journal = Journal(database, leaves_max=leaves_max)
    tasks = [asyncio.create_task(journal.run(), name="journal") for _ in range(LANES)]
    try:
        yield journal
    finally:
        journal.close()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
