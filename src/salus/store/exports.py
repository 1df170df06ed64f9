"""Bulk exports: the jobs, their files, and the pages of resources that fill them (Bulk Data Access 2.0).

A job outlives the request that asked for it and may be done by another process of the node. Its files outlive
a restriction: what a citizen hides after they were made is left out when they are read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from salus.core.access import Caller, Grant
from salus.core.errors import NotFound
from salus.store import resources
from salus.store.asker import asker_of, is_shown_hidden, sees_hidden
from salus.store.narrowed import fill_page, keeping
from salus.store.postgres import Database
from salus.store.readable import require_open, require_readable
from salus.store.record_seal import EXPORTS, export_of
from salus.store.rows import StoredResource, patients_of
from salus.store.shares import beside

_INSERT = """
INSERT INTO export_job (id, subject, issuer, caller, wish, status, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, 'accepted', $6, $7)
"""
_JOB = """
SELECT id, status, message, created_at, expires_at, wish FROM export_job
WHERE id = $1 AND subject = $2 AND issuer = $3 AND status <> 'cancelled' AND expires_at > $4
"""
_READ_FILE = """
SELECT caller, type, content, patients, counts FROM export_file JOIN export_job ON id = job
WHERE job = $1 AND number = $2 AND subject = $3 AND issuer = $4 AND status = 'complete' AND expires_at > $5
"""
_HIDDEN = (
    "SELECT id, compartment, others FROM resource WHERE type = $1 AND id = ANY ($2::text[])"
    " AND hidden AND NOT salus_shows(type, id, $3::jsonb)"
)
_OF_THESE = (
    "SELECT id, compartment, others FROM resource WHERE type = $1 AND id = ANY ($2::text[])"
    " AND (compartment IN (SELECT unnest($3::text[])) OR others && $3)"
)
_WANTED = "UPDATE export_job SET taken_at = $2 WHERE id = $1 AND status = 'running' RETURNING id"
_TAKE = """
UPDATE export_job SET status = 'running', taken_at = $1, attempts = attempts + 1 WHERE id = (
    SELECT id FROM export_job
    WHERE status = 'accepted' OR (status = 'running' AND taken_at < $2)
    ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id, caller, wish, created_at, attempts
"""
_GIVE_UP = """
UPDATE export_job SET status = 'error', message = $3, finished_at = $1
WHERE attempts >= $4 AND (status = 'accepted' OR (status = 'running' AND taken_at < $2))
"""
_GIVE_BACK = """
UPDATE export_job SET status = 'accepted', attempts = attempts - $2 WHERE id = $1 AND status = 'running'
"""
_FILE = """
INSERT INTO export_file (job, number, type, resources, content, patients, counts)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (job, number) DO UPDATE SET type = $3, resources = $4, content = $5, patients = $6, counts = $7
"""
_FINISH = """
UPDATE export_job SET status = $2, message = $3, finished_at = $4 WHERE id = $1 AND status = 'running'
"""
_COLUMNS = "compartment, type, id, version, updated, deleted, others, source, source_id, content"
_PAGE = f"""
SELECT {_COLUMNS} FROM resource
WHERE type = $1 AND id > $2 AND NOT deleted AND (NOT hidden OR salus_shows(type, id, $3::jsonb))
  AND ($4::timestamptz IS NULL OR updated >= $4) AND updated <= $5
  AND ($6::text[] IS NULL OR compartment = ANY ($6)) AND ($7 OR compartment <> type || '/' || id)
  AND compartment NOT IN (SELECT unnest($8::text[])) AND (others = '{{}}' OR NOT others && $8)
ORDER BY id LIMIT $9
"""  # noqa: S608  (constants only)
TAKEN_AGAIN_AFTER = timedelta(minutes=10)
"""A job whose worker went silent is done again."""
ATTEMPTS_MAX = 3
SCANNED_MAX = 10_000_000
"""Rows passed for one page of an export that scopes narrow: it runs beside requests, and takes its time."""
FAILED = f"The export failed {ATTEMPTS_MAX} times and was given up; the reason is in the node's log."


class Wish(msgspec.Struct, frozen=True):
    """What an export was asked for.

    Args:
        request: the request's address, for the manifest.
        types: resource types, in the order of the files.
        since: only versions from then on, None for all.
        patients: only these patients' compartments, None for every one.
        shared: also resources about no patient.
        left_out: types that were asked for, or go without saying, and that the caller may not export.
        members_left_out: members of the Group, as it names them, that lead to no one Patient here.
    """

    request: str
    types: tuple[str, ...]
    since: datetime | None
    patients: tuple[str, ...] | None
    shared: bool
    left_out: tuple[str, ...] = ()
    members_left_out: tuple[str, ...] = ()


class Job(msgspec.Struct, frozen=True):
    """A job as the one who asked for it sees it."""

    id: str
    status: str
    message: str
    created_at: datetime
    expires_at: datetime
    wish: Wish


class Taken(msgspec.Struct, frozen=True):
    """A job that this process does now."""

    id: str
    caller: Caller
    wish: Wish
    created_at: datetime


class File(msgspec.Struct, frozen=True):
    """A file of a job, without its content.

    `resources` is None for whom restrictions hide: the number of lines of a file that was made before one
    would tell that there is one.
    """

    number: int
    type: str
    resources: int | None


class _Line(msgspec.Struct):
    id: str


def _wish(raw: bytes) -> Wish:
    return msgspec.json.decode(raw, type=Wish)


async def ask(
    database: Database, job: str, caller: Caller, wish: Wish, *, at: datetime, expires: datetime
) -> None:
    """Note a new job; some process of the node will take it."""
    async with database.system() as connection:
        await connection.execute(
            _INSERT,
            job,
            caller.subject,
            caller.issuer,
            msgspec.json.encode(caller),
            msgspec.json.encode(wish),
            at,
            expires,
        )


async def look(database: Database, job: str, caller: Caller, *, at: datetime) -> tuple[Job, list[File]]:
    """Return a job of this caller and its files.

    Raises:
        NotFound: there is none, it is another's, it was cancelled, or its time is over.
    """
    async with database.system() as connection:
        row = await connection.fetchrow(_JOB, job, caller.subject, caller.issuer, at)
        if row is None:
            raise NotFound("There is no such export; it may have expired.")
        files = await connection.fetch(
            "SELECT number, type, resources FROM export_file WHERE job = $1 ORDER BY number", job
        )
    found = Job(row[0], row[1], row[2], row[3], row[4], _wish(row[5]))
    counted = is_shown_hidden(caller)
    return found, [File(number, kind, count if counted else None) for number, kind, count in files]


async def read_file(
    grant: Grant, database: Database, job: str, number: int, *, without: Collection[str] = ()
) -> tuple[bytes, dict[str, int]]:
    """Return a finished export's file, and how many resources of each patient it holds ("" for nobody).

    What was restricted since, and the grant does not see, is left out, and what is about the patients of
    `without`.

    Raises:
        NotFound: there is none, it is another's, it was made with a token for another patient, or its time is
            over.
        AccessRefused: the grant does not let its type be read.
    """
    caller = grant.caller
    async with database.system() as connection:
        row = await connection.fetchrow(
            _READ_FILE, job, number, caller.subject, caller.issuer, grant.opened_at
        )
    asker = None if row is None else msgspec.json.decode(row["caller"], type=Caller)
    if asker is None or asker.patient != caller.patient:
        raise NotFound("There is no such file; the export may have expired.")
    # A file that scopes narrowed is for the same scopes only.
    require = require_open if asker.scopes == caller.scopes else require_readable
    require(grant, (row["type"],), "use a token like that of the export")
    content, counts = bytes(row["content"]), dict(zip(row["patients"], row["counts"], strict=True))
    if sees_hidden(grant) and not without:
        return content, counts
    ids = await beside(len(content), _ids, content)
    async with database.system() as connection:
        hidden = await connection.fetch(_HIDDEN, row["type"], ids, asker_of(grant))
        if without:
            hidden += await connection.fetch(_OF_THESE, row["type"], ids, list(without))
    for one in {one["id"]: one for one in hidden}.values():
        for patient in patients_of(one["compartment"], one["others"]) or ("",):
            counts[patient] = counts.get(patient, 1) - 1
    if hidden:
        content = await beside(len(content), _without, content, ids, {one["id"] for one in hidden})
    return content, {patient: count for patient, count in counts.items() if count > 0}


def _ids(content: bytes) -> list[str]:
    """Return the id of the resource in each line of a file."""
    return [line.id for line in msgspec.json.Decoder(_Line).decode_lines(content)]


def _without(content: bytes, ids: Sequence[str], hidden: Set[str]) -> bytes:
    """Return a file without the lines of the hidden ones."""
    lines = zip(content.splitlines(keepends=True), ids, strict=True)
    return b"".join(line for line, identity in lines if identity not in hidden)


async def discard(database: Database, job: str, caller: Caller, *, at: datetime) -> None:
    """Cancel a job and remove its files.

    Raises:
        NotFound: there is none, or it is another's.
    """
    await look(database, job, caller, at=at)
    async with database.system() as connection, connection.transaction():
        await connection.execute("UPDATE export_job SET status = 'cancelled' WHERE id = $1", job)
        await connection.execute("DELETE FROM export_file WHERE job = $1", job)
    await database.contents.destroy([export_of(job)])


async def expire(database: Database, *, at: datetime) -> None:
    """Remove jobs and files past their time, and the keys of jobs that are not there any more."""
    async with database.system() as connection:
        await connection.execute("DELETE FROM export_job WHERE expires_at < $1", at)
    await forget_keys(database)


async def forget_keys(database: Database) -> None:
    """Destroy the keys of jobs that are not there any more: no backup opens their files then."""
    keyed = await database.contents.begin_with(EXPORTS)
    if keyed:
        async with database.system() as connection:
            there = {export_of(row[0]) for row in await connection.fetch("SELECT id FROM export_job")}
        await database.contents.destroy([one for one in keyed if one not in there])


async def take(database: Database, *, at: datetime) -> Taken | None:
    """Take the oldest job that waits, so that no other process does; None when none waits.

    A job that failed or fell silent `ATTEMPTS_MAX` times is an error. What an earlier attempt left is
    removed.
    """
    silent = at - TAKEN_AGAIN_AFTER
    async with database.system() as connection, connection.transaction():
        await connection.execute(_GIVE_UP, at, silent, FAILED, ATTEMPTS_MAX)
        row = await connection.fetchrow(_TAKE, at, silent)
        if row is None:
            return None
        await connection.execute("DELETE FROM export_file WHERE job = $1", row[0])
    return Taken(row[0], msgspec.json.decode(row[1], type=Caller), _wish(row[2]), row[3])


async def give_back(database: Database, job: str, *, counts: bool) -> None:
    """Let a job that this process could not do wait again; `counts`: it was an attempt that failed."""
    async with database.system() as connection:
        await connection.execute(_GIVE_BACK, job, 0 if counts else 1)


async def keep_file(
    database: Database, job: str, file: File, content: bytes, patients: dict[str, int], *, at: datetime
) -> bool:
    """Store a file, and show that the work goes on; return whether the job is still wanted.

    `patients` says how many resources of each the file holds, "" for nobody.
    """
    async with database.system() as connection, connection.transaction():
        # The row stays locked, so that a cancellation comes before the file, or after and removes it.
        if await connection.fetchval(_WANTED, job, at) is None:
            return False
        seal = database.contents
        sealed = await beside(len(content), seal.close, export_of(job), content)
        await seal.settle()
        await connection.execute(
            _FILE,
            job,
            file.number,
            file.type,
            file.resources,
            sealed,
            list(patients),
            list(patients.values()),
        )
    return True


async def finish(database: Database, job: str, *, at: datetime, failure: str = "") -> None:
    """End a job: complete, or with the reason it failed."""
    async with database.system() as connection:
        await connection.execute(_FINISH, job, "error" if failure else "complete", failure, at)


async def page(
    grant: Grant,
    database: Database,
    kind: str,
    wish: Wish,
    *,
    after: str,
    until: datetime,
    count: int,
    without: Collection[str] = (),
) -> Sequence[StoredResource]:
    """Return the next `count` resources of a type, by id; nothing of whom `without` names.

    `after` is the id of the last one of the page before, "" for the first page; nothing newer than `until`
    is returned, so that all pages show one moment.

    Raises:
        AccessRefused: the grant does not let the type be read.
    """
    require_open(grant, (kind,), "name other types in _type")
    patients: Any = None if wish.patients is None else list(wish.patients)  # Any: an argument of asyncpg
    left_out = list(without)

    async def fetch(last: asyncpg.Record | None) -> Sequence[asyncpg.Record]:
        here = after if last is None else last["id"]
        rows: list[asyncpg.Record] = await connection.fetch(
            _PAGE, kind, here, asker_of(grant), wish.since, until, patients, wish.shared, left_out, count
        )
        return rows

    async with database.reading(grant) as connection:
        rows = await fill_page(fetch, keeping(grant), count=count, scanned_max=SCANNED_MAX)
    return [resources.stored(row) for row in rows]
