"""The one writer of a load: each chunk of prepared units is one transaction, with its leaves and progress."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import msgspec

from salus.core.access import Grant
from salus.intake.check import refusal
from salus.intake.documents import keep_received
from salus.intake.files import SourceFile
from salus.intake.formats.format import Unit
from salus.intake.prepare import Prepared, Setting, prepare
from salus.intake.report import Report
from salus.store import bulk, persons, quarantine
from salus.store import progress as store_progress
from salus.store.postgres import Connection, Database
from salus.store.progress import FileProgress
from salus.store.quarantine import Rejection

Lookup = Callable[[Connection, str], Awaitable[str]]
"""Returns "Type/id" of the only resource that a condition "Type?query" selects, "" for none or several."""

_NOT_WHOLE = "The Bundle stands or falls as one, and another of its entries was refused."
_WAITED_ROUNDS_MAX = 2


class Part(msgspec.Struct, frozen=True):
    """A unit of file number `file` that came back from a worker."""

    file: int
    unit: Unit
    prepared: Prepared


class Writer:
    """Writes parts in the order they come, on one connection; use it as a context manager.

    Args:
        grant: for `Action.LOAD`.
        database: the node's.
        files: in the order in which parts number them.
        settings: of each file; when the node gets another search parameter, they are changed in place.
        lookup: resolves conditional references.
    """

    def __init__(
        self,
        grant: Grant,
        database: Database,
        files: Sequence[SourceFile],
        settings: list[Setting],
        lookup: Lookup,
    ) -> None:
        self.report = Report()
        self._grant = grant
        self._database = database
        self._files = files
        self._settings = settings
        self._lookup = lookup
        self._progress = [FileProgress() for _ in files]
        self._waiting: list[Part] = []
        self._patients_changed = False
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        loading = self._database.loading(self._grant)
        self._connection = await self._stack.enter_async_context(loading)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def begin(self, file: int) -> int:
        """Return how many units of the file an earlier, killed run has done."""
        named = self._files[file]
        if not named.fingerprint:
            return 0
        done = await store_progress.get(self._connection, named.source, named.path, named.fingerprint)
        self._progress[file] = done
        self.report.add(done)
        self.report.resumed += done.stored + done.unchanged + done.rejected
        return done.units

    async def write(self, parts: Sequence[Part], finished: Sequence[int] = ()) -> None:
        """Store parts of files that are read resource by resource; `finished` are files that end here."""
        async with self._connection.transaction():
            changed = await self._store(parts)
            waiting = {part.file for part in self._waiting}
            for file in finished:
                self._progress[file].finished = file not in waiting
            for file in {*changed, *finished} - waiting:
                await self._put_progress(file)

    async def write_group(self, chunks: Any) -> None:  # Any: AsyncIterator of list[Part]
        """Store a Bundle that comes in several chunks, all of it or nothing, in one transaction."""
        transaction = self._connection.transaction()
        await transaction.start()
        refused: list[Rejection] = []
        others = 0
        counts: dict[int, FileProgress] = {}
        try:
            async for parts in chunks:
                refused += [one for part in parts for one in part.prepared.rejections]
                others += sum(part.prepared.resources for part in parts if not part.prepared.rejections)
                if not refused:
                    for part, done in await self._rows(parts, continued=True):
                        _add(counts.setdefault(part.file, FileProgress()), done)
        except BaseException:
            await transaction.rollback()
            raise
        if not refused:
            await transaction.commit()
            for done in counts.values():
                self.report.add(done)
            return
        await transaction.rollback()
        await self._reject([*refused, _rest_of(refused[0], others)] if others else refused)

    async def finish(self) -> None:
        """Store or reject what waited for the targets of its conditions, and link merged Patients again."""
        late = {part.file for part in self._waiting}
        for _ in range(_WAITED_ROUNDS_MAX):
            waiting, self._waiting = self._waiting, []
            for part in waiting:
                links = {
                    condition: await self._lookup(self._connection, condition)
                    for condition in part.prepared.conditions
                }
                setting = self._settings[part.file]
                known = msgspec.structs.replace(setting, links={**setting.links, **links})
                self._settings[part.file] = known
                again = msgspec.structs.replace(part, prepared=prepare(part.unit, known))
                async with self._connection.transaction():
                    await self._store([again])
        async with self._connection.transaction():
            for file in late:
                self._progress[file].finished = True
                await self._put_progress(file)
        if self._patients_changed:
            key = self._settings[0].key
            await persons.restore_merges(self._grant, self._connection, self._database, key=key)

    async def analyze(self) -> None:
        """Bring the planner's statistics up to date after much has changed."""
        await self._connection.execute("ANALYZE resource, resource_range, resource_string")

    async def _store(self, parts: Sequence[Part]) -> set[int]:
        """Store in the caller's transaction; return the files whose progress changed."""
        self._waiting += [part for part in parts if part.prepared.conditions]
        ready = [part for part in parts if not part.prepared.conditions]
        await self._reject([one for part in ready for one in part.prepared.rejections])
        for part, done in await self._rows(ready):
            self.report.add(done)
            progress = self._progress[part.file]
            rejected = sum(one.resources for one in part.prepared.rejections)
            _add(progress, msgspec.structs.replace(done, rejected=rejected))
            progress.units = part.prepared.number + 1
        return {part.file for part in ready}

    async def _rows(
        self, parts: Sequence[Part], *, continued: bool = False
    ) -> list[tuple[Part, FileProgress]]:
        """Store the rows and documents; return for each part what became of its resources."""
        parts = await self._indexed(parts)
        rows = [row for part in parts for row in part.prepared.encoded]
        stored = iter(await bulk.load(self._grant, self._connection, rows, continued=continued))
        results = []
        for part in parts:
            flags = [next(stored) for _ in part.prepared.encoded]
            patients = (row.type == "Patient" for row in part.prepared.encoded)
            self._patients_changed |= any(
                is_patient and flag for is_patient, flag in zip(patients, flags, strict=True)
            )
            for received in part.prepared.received:
                await keep_received(self._grant, self._connection, received)
            # The DocumentReference, last, is ours and not one of the resources read.
            read = flags[: len(flags) - len(part.prepared.received)]
            # What ifNoneExist found is there already, and has no row.
            matched = max(0, part.prepared.resources - len(read) - len(part.prepared.rejections))
            existing = matched if not part.prepared.rejections else 0
            results.append((part, FileProgress(stored=sum(read), unchanged=len(read) - sum(read) + existing)))
        return results

    async def _indexed(self, parts: Sequence[Part]) -> Sequence[Part]:
        """Return the parts indexed by the parameters of this moment, which the transaction then holds."""
        parameters = self._database.parameters
        await parameters.hold(self._connection)
        added = parameters.added
        if added != self._settings[0].added:
            self._settings[:] = [msgspec.structs.replace(one, added=added) for one in self._settings]
        return [
            part
            if part.prepared.generation == added.generation or not part.prepared.encoded
            else msgspec.structs.replace(part, prepared=prepare(part.unit, self._settings[part.file]))
            for part in parts
        ]

    async def _reject(self, rejections: Sequence[Rejection]) -> None:
        """Put into quarantine, in the caller's transaction or in one of its own."""
        days = self._settings[0].limits.quarantine_days
        kept = await quarantine.put(self._grant, self._connection, rejections, days=days)
        self.report.quarantine += len(kept)
        self.report.add(FileProgress(rejected=sum(one.resources for one in rejections)))

    async def _put_progress(self, file: int) -> None:
        named = self._files[file]
        if named.fingerprint:
            await store_progress.put(
                self._connection, named.source, named.path, named.fingerprint, self._progress[file]
            )


def _add(progress: FileProgress, done: FileProgress) -> None:
    progress.stored += done.stored
    progress.unchanged += done.unchanged
    progress.rejected += done.rejected


def _rest_of(refused: Rejection, resources: int) -> Rejection:
    """Return the rejection of the sound entries of a Bundle; they stay in their file."""
    return msgspec.structs.replace(
        refused,
        line=1,
        entry=-1,
        patient="",
        type="Bundle",
        outcome=refusal("processing", _NOT_WHOLE),
        content=b"",
        resources=resources,
    )
