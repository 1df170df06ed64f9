"""Loading files: parser and validator processes up to the cores, one database writer, everything counted.

Chunks of units go to the workers and come back in order; each is one transaction, which also says how far
its files have come, so that a killed load goes on where it stood. Loading the same again changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import time
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import BinaryIO

import msgspec

from salus.core.access import Grant
from salus.core.errors import StorageUnavailable
from salus.core.limits import Limits
from salus.core.tally import System
from salus.intake.counting import Counting
from salus.intake.files import SourceFile, open_file
from salus.intake.formats import table
from salus.intake.formats.format import Unit
from salus.intake.formats.registry import find
from salus.intake.prepare import Prepared, prepare
from salus.intake.report import Report
from salus.intake.setting import Setting
from salus.intake.writer import Lookup, Part, Settle, Writer
from salus.standards.tabular.mapping import TableMapping
from salus.store.postgres import Database
from salus.store.tallies import write_tallies

CHUNK_BYTES = 2 << 20
ALONE_BYTES = 64 << 10
"""Less input than this is not worth starting worker processes for."""

_HEAD_BYTES = 1 << 16
UNKNOWN = "is neither NDJSON, FHIR JSON, FHIR XML, CDA nor HL7 v2; a table (CSV) needs --mapping FILE."
_PIECE_BYTES = 512
_ANALYZE_FROM = 2_000


class Plan(msgspec.Struct, frozen=True):
    """How to load.

    Args:
        key: the node's secret for search hashes.
        limits: the node's.
        lookup: resolves conditional references.
        lenient: split Bundles that should stand or fall as one.
        workers: processes that parse and validate; 0: one for each core.
        chunk_units: most units of one transaction.
        overwrite: what was edited or deleted here gives way to the files.
        default_denies: the law of the node's country opens nothing that no Consent permits.
        settle: brings prescriptions that were sent again to what was handed over on them.
        mapping: the files are tables, and this says what their columns are; None: they are not.
        systems: registered systems by their source, for the counts of who conforms.
    """

    key: bytes
    limits: Limits
    lookup: Lookup
    lenient: bool = False
    workers: int = 0
    chunk_units: int = 1_000
    overwrite: bool = False
    default_denies: bool = False
    settle: Settle | None = None
    mapping: TableMapping | None = None
    systems: Mapping[str, System] = {}


class Chunk(msgspec.Struct, frozen=True):
    """Units with the number of their file; `finished`: files that end in it; `group`: all of one Bundle."""

    units: list[tuple[int, Unit]]
    finished: list[int]
    group: bool
    read_bytes: int


Told = Callable[[int, Report], None]
Prepare = Callable[[Chunk], "asyncio.Future[list[Prepared]]"]


def prepare_units(settings: dict[int, Setting], units: list[tuple[int, Unit]]) -> list[Prepared]:
    """Prepare units, each with the setting of its file; in a worker process."""
    return [prepare(unit, settings[file]) for file, unit in units]


async def load_files(
    grant: Grant,
    database: Database,
    files: Sequence[SourceFile],
    plan: Plan,
    *,
    told: Told = lambda _read_bytes, _report: None,
) -> Report:
    """Load the files and say what became of every resource.

    Args:
        grant: for `Action.LOAD`.
        database: the node's.
        files: from `find_files`.
        plan: how.
        told: is told the bytes read (as on disk) and the report so far, after each transaction.
    """
    started = time.monotonic()
    async with database.system() as connection:
        await database.parameters.refresh(connection)
    added = database.parameters.added
    settings = [
        Setting(
            file.source,
            file.path,
            plan.key,
            grant.opened_at,
            plan.limits,
            plan.lenient,
            added=added,
            sealing=database.contents.for_workers(),
            mapping=plan.mapping,
        )
        for file in files
    ]
    workers = plan.workers or os.cpu_count() or 1
    small = sum(file.size_bytes for file in files if file.fingerprint) < ALONE_BYTES
    small = small and all(file.fingerprint for file in files)
    writing = Writer(
        grant,
        database,
        files,
        settings,
        plan.lookup,
        overwrite=plan.overwrite,
        default_denies=plan.default_denies,
        settle=plan.settle,
        counting=Counting(plan.key, plan.systems),
    )
    async with writing as writer:
        skipped = [await writer.begin(number) for number in range(len(files))]
        chunks = _chunks(files, skipped, plan)
        with _preparer(settings, 0 if small else workers) as prepare_chunk:
            await _drain(writer, chunks, prepare_chunk, 1 if small else 2 * workers + 1, told)
        await writer.finish()
        await write_tallies(database, writer.counting.tallies)
        report = writer.report
        if report.stored >= _ANALYZE_FROM:
            await writer.analyze()
    report.seconds = round(time.monotonic() - started, 3)
    done = report.read - report.resumed
    report.resources_per_second = round(done / max(report.seconds, 0.001), 1)
    return report


async def _drain(
    writer: Writer, chunks: Iterator[Chunk], prepare_chunk: Prepare, depth: int, told: Told
) -> None:
    """Keep `depth` chunks with the workers and write what comes back, in order."""
    waiting: deque[tuple[Chunk, asyncio.Future[list[Prepared]]]] = deque()
    exhausted = False

    def fill() -> None:
        nonlocal exhausted
        while not exhausted and len(waiting) < depth:
            chunk = next(chunks, None)
            if chunk is None:
                exhausted = True
            else:
                waiting.append((chunk, prepare_chunk(chunk)))

    async def take() -> tuple[Chunk, list[Part]]:
        chunk, future = waiting.popleft()
        prepared = await future
        fill()
        return chunk, [Part(file, unit, one) for (file, unit), one in zip(chunk.units, prepared, strict=True)]

    async def group(first: list[Part], ended: bool) -> AsyncIterator[list[Part]]:
        yield first
        while not ended:
            chunk, parts = await take()
            told(chunk.read_bytes, writer.report)
            ended = bool(chunk.finished)
            yield parts

    fill()
    while waiting:
        chunk, parts = await take()
        if chunk.group:
            await writer.write_group(group(parts, bool(chunk.finished)))
        else:
            await writer.write(parts, chunk.finished)
        told(chunk.read_bytes, writer.report)


@contextmanager
def _preparer(settings: list[Setting], workers: int) -> Iterator[Prepare]:
    """Yield what prepares a chunk: in worker processes, or with 0 workers in this one."""
    if workers == 0:

        def alone(chunk: Chunk) -> asyncio.Future[list[Prepared]]:
            future: asyncio.Future[list[Prepared]] = asyncio.get_running_loop().create_future()
            future.set_result(prepare_units(dict(enumerate(settings)), chunk.units))
            return future

        yield alone
        return
    context = get_context("forkserver")
    context.set_forkserver_preload(["salus.intake.prepare"])
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_leave_with_parent) as pool:
        loop = asyncio.get_running_loop()

        def submit(chunk: Chunk) -> asyncio.Future[list[Prepared]]:
            needed = {file: settings[file] for file, _ in chunk.units}
            return loop.run_in_executor(pool, prepare_units, needed, chunk.units)

        try:
            yield submit
        except BrokenProcessPool as error:
            raise StorageUnavailable(
                "A worker process was killed, perhaps for want of memory. Run the same load again with fewer "
                "--workers: it goes on where it stood."
            ) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _leave_with_parent() -> None:
    """End this worker when the process that started it is killed."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _chunks(files: Sequence[SourceFile], skipped: Sequence[int], plan: Plan) -> Iterator[Chunk]:
    """Yield the files' units in chunks: of several small files, never of two Bundles streamed whole."""
    units: list[tuple[int, Unit]] = []
    finished: list[int] = []
    size = before = 0
    for number, file in enumerate(files):
        with open_file(file) as (stream, position):
            is_group = False
            for unit in _units(file, stream, plan):
                if unit.number < skipped[number]:
                    continue
                if unit.group and not is_group and not plan.lenient:
                    is_group = True
                    if units or finished:
                        yield Chunk(units, finished, False, before)
                        units, finished, size = [], [], 0
                units.append((number, unit))
                size += len(unit.content)
                if len(units) >= plan.chunk_units or size >= CHUNK_BYTES:
                    yield Chunk(units, finished, is_group, before + position())
                    units, finished, size = [], [], 0
        finished.append(number)
        before += file.size_bytes
        if is_group:
            yield Chunk(units, finished, True, before)
            units, finished, size = [], [], 0
    if units or finished:
        yield Chunk(units, finished, False, before)


def _head(stream: BinaryIO) -> bytes:
    """Return the first bytes, by which a format is recognised; fewer where the file cannot be read as far."""
    head = b""
    try:
        while len(head) < _HEAD_BYTES and (piece := stream.read(_PIECE_BYTES)):
            head += piece
    except (EOFError, zlib.error):
        pass  # reading the units says so
    return head


def _units(file: SourceFile, stream: BinaryIO, plan: Plan) -> Iterator[Unit]:
    """Yield the file's units; what breaks its reading (a gzip cut off) is a unit with a problem."""
    number = 0
    try:
        if plan.mapping is not None:
            for unit in table.read(stream, plan.limits, plan.mapping):
                number = unit.number + 1
                yield unit
            return
        head = _head(stream)
        stream.seek(0)
        found = find(file.path, head)
        if found is None:
            yield Unit(0, 1, head, problem=f"{file.path} {UNKNOWN}")
            return
        for unit in found.read(stream, plan.limits):
            number = unit.number + 1
            yield unit
    except (EOFError, zlib.error, OSError) as error:
        problem = (
            f"{file.path} cannot be read to its end: {error}. What stands before was read: {number:,} "
            "resources (or Bundles)."
        )
        yield Unit(number, 0, b"", problem=problem)
