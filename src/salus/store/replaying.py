"""Bringing a restored database up to what the mirror knows (docs/decisions/0031), or refusing to serve it.

Replayed are the leaves in the order in which they were signed, so that the log has the same root again, and
the last state of each row that narrows who may see what. All of it is one transaction, or nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import Conflict, SettingsInvalid
from salus.store.journal_files import JournalFiles, piece_of
from salus.store.journal_frames import moment
from salus.store.ledger import encode_entries, leaf_of
from salus.store.mirror import Event, Marker, Mirror, Record
from salus.store.pool import Connection
from salus.store.postgres import Database
from salus.store.sealing import seal_of
from salus.store.sequencer import LEAVES_PER_ROUND, LOCK, Signer, place

RESTORED = (
    "The database holds {} signed leaves of {}: it was restored from a backup. Run `salus ledger replay` "
    "before the node serves anybody; where the files of the mirror are lost too, `salus ledger gap REASON`."
)
VOUCHED = (
    "The database holds {} signed leaves; {} are signed by this node and cosigned by {}: it was restored "
    "from a backup. Run `salus ledger replay` before the node serves anybody; where the files of the mirror "
    "are lost too, `salus ledger gap REASON`."
)
GAP = "or publish that they are lost: salus ledger gap REASON"
_LAST = "SELECT size, root, settled FROM checkpoint ORDER BY size DESC LIMIT 1"
_SIZE = "SELECT coalesce(max(size), 0) FROM checkpoint"
_HELD = """
SELECT leaf.arrival, leaf.patient, leaf.digest, taken.arrival IS NOT NULL AS placed
FROM leaf LEFT JOIN leaf_index taken ON taken.arrival = leaf.arrival WHERE leaf.digest = ANY ($1)
"""
_APPEND = "SELECT append_leaves($1, $2, $3, $4, $5)"
_REACHED = """
INSERT INTO journal_file (name, reached) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET reached = $2
"""
_COLUMNS = """
SELECT a.attname, a.attnum = ANY (k.conkey) AS is_key
FROM pg_attribute a JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_HIDE = """
UPDATE {table} r SET hidden = true FROM restriction n
WHERE n.type = r.type AND n.id = r.id AND NOT r.hidden
    AND (r.compartment = ANY (records_of_person(n.patient)) OR salus_is_outside(r.compartment, r.type))
"""
_SHOW = "SELECT show_unrestricted($1)"
_AMONG = "SELECT erased_among($1)"
KINDS = frozenset(
    {"restriction", "veil", "opt_out", "proxy", "revoked_token", "app_consent", "account", "health_link"}
)


class Replayed(msgspec.Struct, frozen=True):
    """What was brought back: leaves under the checkpoint, others, changes of rows; the log's size now."""

    leaves: int
    waiting: int
    changes: int
    size: int


async def require_current(database: Database) -> None:
    """Refuse to go on with a database that is behind what the node has signed.

    Raises:
        SettingsInvalid: it was restored.
    """
    newest = None if database.mirror is None else database.mirror.newest()
    if newest is None:
        return
    async with database.system() as connection:
        size = await connection.fetchval(_SIZE)
    if size < newest.size:
        raise SettingsInvalid(RESTORED.format(size, newest.size))


async def require_known(database: Database, vouched: Mapping[str, Sequence[Marker]]) -> None:
    """Refuse to go on with a database that is behind what others have cosigned, and remember what that was.

    Args:
        database: with its mirror.
        vouched: the checkpoints of this node that each member vouches for; the node's own signature holds.

    Raises:
        SettingsInvalid: it was restored.
    """
    mirror = database.mirror
    if mirror is None or not any(vouched.values()):
        return
    async with database.system() as connection:
        size = await connection.fetchval(_SIZE)
    lost = await asyncio.to_thread(mirror.given_up)
    newer = {
        node: [each for each in markers if each.size > size and (each.size, each.root) not in lost]
        for node, markers in vouched.items()
    }
    known = [each for markers in newer.values() for each in markers]
    if known:
        await asyncio.to_thread(mirror.remember, known)
        names = ", ".join(sorted(node for node, markers in newer.items() if markers))
        raise SettingsInvalid(VOUCHED.format(size, max(each.size for each in known), names))


async def replay(grant: Grant, database: Database, signer: Signer, at: datetime) -> Replayed:
    """Bring back what the mirror has and the database lacks.

    Args:
        grant: to load.
        database: opened with the roles of `LOADING`, with its mirror and journal files.
        signer: writes the log.
        at: the present.

    Raises:
        Conflict: the files lack a leaf, or do not lead to the checkpoint that was signed; nothing is changed.
    """
    mirror, files = database.mirror, database.journals
    assert mirror is not None
    assert files is not None
    newest = mirror.newest()
    async with database.loading(grant) as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        size = await connection.fetchval(_SIZE)
        leaves = 0
        if newest is not None and size < newest.size:
            leaves = await _replay_leaves(connection, signer, at, mirror, files, size, newest)
            size = newest.size
        waiting = await _bring_in_rest(connection, files)
        changes = await _replay_changes(connection, list(mirror.changes()))
    return Replayed(leaves, waiting, changes, size)


async def publish_gap(
    grant: Grant, database: Database, signer: Signer, at: datetime, reason: str
) -> tuple[Replayed, Marker]:
    """Sign a leaf that says how many signed leaves are lost and why, and go on from there.

    Leaves and changes that the mirror has all the same are brought in after it. Arguments as of `replay`.

    Raises:
        Conflict: the database lacks no leaf that was signed.
    """
    mirror, files = database.mirror, database.journals
    assert mirror is not None
    assert files is not None
    newest = mirror.newest()
    async with database.loading(grant) as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        last = await connection.fetchrow(_LAST)
        size, settled = (last["size"], last["settled"]) if last is not None else (0, 0)
        if newest is None or newest.size <= size:
            raise Conflict("The database lacks no leaf that was signed: there is no gap.")
        what = f"gap of {newest.size - size} leaves: {reason}"
        leaf = leaf_of(grant, "", what=what, resources=newest.size - size, outcome=Outcome.FAILED)
        (entry,) = encode_entries([leaf])
        (sealed,) = seal_of(connection).close([entry])
        record = ("", leaf.at, sealed, hashlib.sha256(entry).digest(), leaf.request)
        await _append(connection, [record])
        rows = list((await _held(connection, [record[3]])).values())
        made = await place(connection, signer, at, rows, size=size, settled=settled)
        waiting = await _bring_in_rest(connection, files)
        changes = await _replay_changes(connection, list(mirror.changes()))
        mirror.keep(size, [record[3]], [record])
    mirror.mark_anew(made)
    return Replayed(0, waiting, changes, made.size), made


async def _replay_leaves(
    connection: Connection,
    signer: Signer,
    at: datetime,
    mirror: Mirror,
    files: JournalFiles,
    size: int,
    newest: Marker,
) -> int:
    wanted = mirror.digests(size, newest.size)
    if len(wanted) < newest.size - size:
        raise Conflict(f"The mirror's order of the leaves ends early: restore {mirror.folder}, {GAP}.")
    known = _records(mirror, files, frozenset(wanted))
    settled = await connection.fetchval("SELECT settled FROM checkpoint ORDER BY size DESC LIMIT 1") or 0
    for start in range(0, len(wanted), LEAVES_PER_ROUND):
        part = wanted[start : start + LEAVES_PER_ROUND]
        held = await _held(connection, part)
        lacking = [digest for digest in part if digest not in held]
        lost = sum(digest not in known for digest in lacking)
        if lost:
            raise Conflict(f"{lost} leaves are in no file of the mirror: restore its files, {GAP}.")
        await _append(connection, [known[digest] for digest in lacking])
        held |= await _held(connection, lacking)
        rows = [held[digest] for digest in part]
        if any(row["placed"] for row in rows):
            raise Conflict(f"The database has leaves in another order than was signed: {GAP}.")
        made = await place(connection, signer, at, rows, size=size + start, settled=settled)
    if made.root != newest.root:
        raise Conflict(f"The leaves of the mirror do not lead to the checkpoint that was signed: {GAP}.")
    return len(wanted)


async def _held(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, Any]:
    rows = await connection.fetch(_HELD, list(digests)) if digests else []
    return {row["digest"]: row for row in rows}


async def _append(connection: Connection, records: Sequence[Record]) -> None:
    if records:
        patients, times, entries, digests, requests = (list(each) for each in zip(*records, strict=True))
        await connection.execute(_APPEND, patients, times, entries, digests, requests)


async def _bring_in_rest(connection: Connection, files: JournalFiles) -> int:
    """Bring in what the journal files have besides, and note that they were brought in."""
    brought = 0
    for name in files.names():
        for records, end in _pieces(files.path_of(name)):
            held = await _held(connection, [record[3] for record in records])
            lacking = [record for record in records if record[3] not in held]
            await _append(connection, lacking)
            await connection.execute(_REACHED, name, end)
            brought += len(lacking)
    return brought


def _records(mirror: Mirror, files: JournalFiles, wanted: frozenset[bytes]) -> dict[bytes, Record]:
    paths = [*(files.path_of(name) for name in files.names()), *mirror.files()]
    return {
        record[3]: record
        for path in paths
        for records, _ in _pieces(path)
        for record in records
        if record[3] in wanted
    }


def _pieces(path: Path) -> Iterator[tuple[list[Record], int]]:
    """Yield the records of a file, piece by piece, each with where it ends."""
    end = 0
    while True:
        (patients, times, entries, digests, requests), length = piece_of(path, end)
        if not length:
            return
        end += length
        yield list(zip(patients, map(moment, times), entries, digests, requests, strict=True)), end


async def _replay_changes(connection: Connection, events: Sequence[Event]) -> int:
    """Bring each row to its last known state, and hide and show what follows from that."""
    last: dict[tuple[str, tuple[str, ...]], tuple[Event, dict[str, Any]]] = {}
    shapes: dict[str, list[Any]] = {}
    for event in events:
        if event.kind not in KINDS:
            continue
        if event.kind not in shapes:
            shapes[event.kind] = await connection.fetch(_COLUMNS, event.kind)
        row = msgspec.json.decode(event.content)
        key = event.kind, tuple(str(row[each["attname"]]) for each in shapes[event.kind] if each["is_key"])
        last.pop(key, None)
        last[key] = event, row
    erased = await _erased(connection, {str(row.get("patient") or "") for _, row in last.values()})
    kept = [(event, row) for event, row in last.values() if f"Patient/{row.get('patient')}" not in erased]
    for event, _ in kept:
        await connection.execute(_statement(event, shapes[event.kind]), bytes(event.content).decode())
    shown = [
        f"{row['type']}/{row['id']}" for event, row in kept if event.kind == "restriction" and event.gone
    ]
    for table in ("resource", "resource_version"):
        await connection.execute(_HIDE.format(table=table))
    await connection.execute(_SHOW, shown)
    await connection.execute("DELETE FROM mirror_event")  # what this made itself
    return len(kept)


async def forget_erased(database: Database) -> None:
    """Drop from the mirror's changes those of persons who were erased."""
    mirror = database.mirror
    if mirror is None:
        return
    patients = await asyncio.to_thread(mirror.patients)
    async with database.system() as connection:
        erased = await _erased(connection, patients)
    if erased:
        await asyncio.to_thread(mirror.forget, frozenset(each.removeprefix("Patient/") for each in erased))


async def _erased(connection: Connection, patients: Iterable[str]) -> frozenset[str]:
    rows = await connection.fetch(_AMONG, [f"Patient/{each}" for each in patients if each])
    return frozenset(row[0] for row in rows)


def _statement(event: Event, shape: Sequence[Any]) -> str:
    """Return the statement that brings a row of a table of `KINDS` to a state."""
    names = [f'"{each["attname"]}"' for each in shape]
    keys = [f'"{each["attname"]}"' for each in shape if each["is_key"]]
    row = f"jsonb_populate_record(NULL::{event.kind}, $1::text::jsonb)"
    if event.gone:
        matched = " AND ".join(f"t.{key} = new.{key}" for key in keys)
        return f"DELETE FROM {event.kind} t USING {row} AS new WHERE {matched}"  # noqa: S608  (our own names)
    values = ", ".join(f"{name} = excluded.{name}" for name in names)
    return (
        f"INSERT INTO {event.kind} ({', '.join(names)}) OVERRIDING SYSTEM VALUE "  # noqa: S608  (our own names)
        f"SELECT {', '.join(names)} FROM {row} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {values}"
    )
