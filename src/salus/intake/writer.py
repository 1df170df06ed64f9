"""The one writer of a load: each chunk of prepared units is one transaction, with its leaves and progress."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import msgspec

from salus.core.access import Grant
from salus.intake.check import refusal
from salus.intake.counting import Counting
from salus.intake.documents import is_erased, keep_received
from salus.intake.files import SourceFile
from salus.intake.formats.format import Unit
from salus.intake.prepare import Prepared, prepare
from salus.intake.replacement import KIND, follow_loaded
from salus.intake.report import Report
from salus.intake.setting import Setting
from salus.intake.succession import STAY, Arrival, arrive, outdated_row
from salus.store import bulk, persons, quarantine, resources
from salus.store import progress as store_progress
from salus.store.copying import Encoded, encode_row
from salus.store.postgres import Connection, Database
from salus.store.progress import FileProgress
from salus.store.quarantine import Rejection
from salus.store.received import Fate, Rule
from salus.store.record_seal import seal_of_worker
from salus.store.rows import patients_of
from salus.store.same_source import propose_loaded
from salus.store.source_deletions import note_deletions
from salus.trust.consent.hanging import hang_loaded, renew

Lookup = Callable[[Connection, str], Awaitable[str | None]]
"""Returns "Type/id" of the only resource that a condition "Type?query" selects, "" where it selects none,
None where it selects several or is no search."""

Settle = Callable[[Connection, Sequence[tuple[str, str]]], Awaitable[None]]
"""Brings the MedicationRequests just stored, by patient and id, to what was handed over on them."""

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
        overwrite: what was edited or deleted here gives way to the files.
        default_denies: the law of the node's country opens nothing that no Consent permits.
        settle: brings prescriptions that were sent again to what was handed over on them.
        counting: counts what is checked on arrival.
    """

    def __init__(
        self,
        grant: Grant,
        database: Database,
        files: Sequence[SourceFile],
        settings: list[Setting],
        lookup: Lookup,
        *,
        overwrite: bool = False,
        default_denies: bool = False,
        settle: Settle | None = None,
        counting: Counting | None = None,
    ) -> None:
        self.report = Report()
        self.counting = counting or Counting(settings[0].key if settings else b"", {})
        self._grant = grant
        self._database = database
        self._files = files
        self._settings = settings
        self._lookup = lookup
        self._overwrite = overwrite
        self._default_denies = default_denies
        self._settle = settle
        self._heard: set[str] = set()
        self._pages: dict[str, dict[str, None]] = {"self": {}, "next": {}}
        self._progress = [FileProgress() for _ in files]
        self._waiting: list[Part] = []
        self._patients: list[str] = []
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
        self.report.resumed += done.stored + done.unchanged + done.kept + done.rejected
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
        self.report.add_pages([url for url in self._pages["next"] if url not in self._pages["self"]])
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
        for patient in sorted(self._heard):
            async with self._connection.transaction():
                await renew(self._grant, self._connection, patient, default_denies=self._default_denies)
        if self._patients:
            key = self._settings[0].key
            self.report.alike = await propose_loaded(self._grant, self._connection, self._patients, key=key)
            await persons.restore_merges(self._grant, self._connection, self._database, key=key)

    async def analyze(self) -> None:
        """Bring the planner's statistics up to date after much has changed."""
        await self._connection.execute("ANALYZE resource, resource_range")

    async def _store(self, parts: Sequence[Part]) -> set[int]:
        """Store in the caller's transaction; return the files whose progress changed."""
        for part in parts:
            for relation, url in part.prepared.pages:
                self._pages[relation][url] = None
        self._waiting += [part for part in parts if part.prepared.conditions]
        ready = [part for part in parts if not part.prepared.conditions]
        await self._reject([one for part in ready for one in part.prepared.rejections])
        deletions = [one for part in ready for one in part.prepared.deletions]
        await note_deletions(self._grant, self._connection, deletions)
        for part, done in await self._rows(ready):
            self.report.add(done)
            progress = self._progress[part.file]
            await self._count_check(part)
            rejected = sum(one.resources for one in part.prepared.rejections)
            _add(progress, msgspec.structs.replace(done, rejected=rejected))
            progress.units = part.prepared.number + 1
        return {part.file for part in ready}

    async def _rows(
        self, parts: Sequence[Part], *, continued: bool = False
    ) -> list[tuple[Part, FileProgress]]:
        """Store the rows and documents; return for each part what became of its resources."""
        results = []
        for run in _runs(await self._indexed(parts)):
            arrivals = [await self._arrival(part) for part in run]
            run = [self._known_again(part, arrival) for part, arrival in zip(run, arrivals, strict=True)]
            chosen = [self._chosen(part, arrival) for part, arrival in zip(run, arrivals, strict=True)]
            rows = [row for own, _ in chosen for row in own]
            rules = [rule for own, rule in chosen for _ in own]
            judged = await bulk.load(self._grant, self._connection, rows, continued=continued, rules=rules)
            fates = iter(judged)
            for part, arrival, (own, _) in zip(run, arrivals, chosen, strict=True):
                done = self._counted(part.prepared, arrival, own, [next(fates) for _ in own])
                if arrival is not None and await is_erased(
                    self._connection, part.prepared.received[0].document
                ):
                    done = FileProgress(kept=part.prepared.resources)
                elif arrival is not None and arrival.kept is None:
                    received = part.prepared.received[0]
                    await keep_received(self._grant, self._connection, received, arrival)
                    self.report.documents += 1
                    self.report.withdrawn += len(arrival.changes)
                results.append((part, done))
            if not any(arrivals):
                await self._follow(rows, judged)
            await self._settle_orders(rows, judged)
            await self._hang_veils(rows)
        return results

    async def _count_check(self, part: Part) -> None:
        """Count whether a document follows its profiles."""
        judged = part.prepared.judged
        if judged is not None:
            self.report.checked += 1
            self.report.conformant += not judged.brief.faults
            setting = self._settings[part.file]
            await self.counting.count(self._connection, setting.source, judged, setting.updated)

    async def _settle_orders(self, rows: Sequence[Encoded], fates: Sequence[Fate]) -> None:
        """Bring the prescriptions just stored to what was handed over on them."""
        named = [
            (row.compartment, row.id)
            for row, fate in zip(rows, fates, strict=True)
            if row.type == "MedicationRequest" and fate == "stored"
        ]
        if named and self._settle is not None:
            await self._settle(self._connection, named)

    async def _follow(self, rows: Sequence[Encoded], fates: Sequence[Fate]) -> None:
        """Make what the DocumentReferences just stored replace no longer current."""
        stored: dict[str, set[str]] = {}
        for row, fate in zip(rows, fates, strict=True):
            if row.type == KIND and fate == "stored":
                stored.setdefault(row.compartment, set()).add(row.id)
        if not stored:
            return
        index = self._database.parameters.indexer(KIND, self._settings[0].key)
        changes = await follow_loaded(self._grant, self._connection, stored, index)
        if changes:
            await resources.change(self._grant, self._connection, changes)
        self.report.withdrawn += len(changes)

    async def _hang_veils(self, rows: Sequence[Encoded]) -> None:
        """Hang veils over what was stored, by what its patients say."""
        keys = [(row.compartment, row.type, row.id) for row in rows]
        heard = await hang_loaded(self._grant, self._connection, keys, default_denies=self._default_denies)
        self._heard |= heard

    def _known_again(self, part: Part, arrival: Arrival | None) -> Part:
        """Return a document's part prepared once more, where entries are here under another name."""
        if arrival is None or not arrival.known.same:
            return part
        told = msgspec.structs.replace(self._settings[part.file], known=arrival.known)
        return msgspec.structs.replace(part, prepared=prepare(part.unit, told))

    async def _arrival(self, part: Part) -> Arrival | None:
        """Return what the part's document meets, None when it is none."""
        received = part.prepared.received
        return await arrive(self._grant, self._connection, received[0]) if received else None

    def _chosen(self, part: Part, arrival: Arrival | None) -> tuple[Sequence[Encoded], Rule]:
        """Return the rows of a part to be stored, and under which rule."""
        encoded = part.prepared.encoded
        if arrival is None:
            return encoded, "overwrite" if self._overwrite else "file"
        if arrival.kept is not None:
            return (), "file"
        if arrival.outdated:
            row = outdated_row(part.prepared.received[0])
            setting = self._settings[part.file]
            seal = seal_of_worker(setting.sealing)
            described = encode_row(row, patients_of(row.compartment, row.others), setting.updated, seal)
            return [*(one for one in encoded[:-1] if one.type in STAY), described], "absent"
        return encoded, "document"

    def _counted(
        self, prepared: Prepared, arrival: Arrival | None, rows: Sequence[Encoded], fates: Sequence[Fate]
    ) -> FileProgress:
        """Return what became of a part's resources, each of which counts once."""
        stored = [row for row, fate in zip(rows, fates, strict=True) if fate == "stored"]
        kept = [f"{row.type}/{row.id}" for row, fate in zip(rows, fates, strict=True) if fate == "kept"]
        self._patients += [row.id for row in stored if row.type == "Patient"]
        self.report.search_parameters += sum(row.type == "SearchParameter" for row in stored)
        self.report.add_kept(kept)
        self.report.add_doubtful(prepared.doubtful)
        self.report.add_quality(prepared.quality)
        self.report.remarks += prepared.remarks
        self.report.dangling += prepared.dangling
        if arrival is None:
            # What ifNoneExist found is there already, and has no row.
            refused = sum(one.resources for one in prepared.rejections)
            matched = max(0, prepared.resources - prepared.older - len(rows) - refused)
            unchanged = len(rows) - len(stored) - len(kept) + matched
            return FileProgress(stored=len(stored), unchanged=unchanged, kept=len(kept) + prepared.older)
        if arrival.kept is not None:
            return FileProgress(unchanged=prepared.resources)
        if arrival.outdated or prepared.received[0].own == 1:
            # Outdated or withdrawn: what it says is stored within the document only.
            return FileProgress(stored=prepared.resources)
        # The last ones, Provenance and DocumentReference, are ours and none of the resources read.
        ours = prepared.received[0].own
        read = list(zip(rows, fates, strict=True))[:-ours]
        count = sum(fate == "stored" for _, fate in read)
        kept_count = sum(fate == "kept" for _, fate in read)
        return FileProgress(stored=count, unchanged=prepared.resources - count - kept_count, kept=kept_count)

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


def _runs(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Yield the parts in runs that are stored together: in none two documents speak of one patient."""
    run: list[Part] = []
    patients: set[str] = set()
    for part in parts:
        of = {one.document.patient for one in part.prepared.received}
        if of & patients or (run and bool(of) != bool(run[-1].prepared.received)):
            yield run
            run, patients = [], set()
        run.append(part)
        patients |= of
    if run:
        yield run


def _add(progress: FileProgress, done: FileProgress) -> None:
    progress.stored += done.stored
    progress.unchanged += done.unchanged
    progress.kept += done.kept
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
