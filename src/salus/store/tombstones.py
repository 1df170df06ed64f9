"""What was erased, as salted hashes (schema 0121): in the database, and in a file that no restore takes away.

The file holds a JSON object a line: the salt first, then a tombstone each. No personal data.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from salus.core.errors import Conflict, SettingsInvalid
from salus.store.postgres import Connection, Database

FILE = "erased.jsonl"
RESTORED = (
    f"{FILE} names what was erased and the database does not know of: it was restored from a backup. Run "
    "`salus erase --again` before the node serves anybody."
)
_SALT = "SELECT salt FROM erased_salt"
_DIGESTS = """
SELECT sha256((SELECT salt FROM erased_salt) || convert_to(name, 'UTF8')) FROM unnest($1::text[]) AS name
"""
_KEEP = """
INSERT INTO erased (digest, erasure, at, whole, ground)
SELECT * FROM unnest($1::bytea[], $2::text[], $3::timestamptz[], $4::boolean[], $5::text[])
ON CONFLICT (digest) DO UPDATE SET at = greatest(erased.at, excluded.at)
"""
_ALL = "SELECT digest, erasure, at, whole, ground FROM erased ORDER BY at, digest"
_ADOPT = "UPDATE erased_salt SET salt = $1 WHERE NOT EXISTS (SELECT FROM erased)"
_ANYTHING = "SELECT erased_anything()"
_AMONG = "SELECT erased_among($1)"


class Tombstone(msgspec.Struct, frozen=True):
    """That something was erased.

    Args:
        digest: SHA-256 of the node's salt and "Patient/id" of a whole record, or "Type/id".
        erasure: id of the request.
        at: when.
        whole: a whole record.
        ground: of the law.
    """

    digest: bytes
    erasure: str
    at: datetime
    whole: bool
    ground: str


class _Salt(msgspec.Struct):
    salt: bytes


async def digests_of(connection: Connection, names: Sequence[str]) -> list[bytes]:
    """Return the digests of the names, in their order."""
    return [row[0] for row in await connection.fetch(_DIGESTS, list(names))]


async def keep_tombstones(connection: Connection, stones: Sequence[Tombstone]) -> None:
    """Keep tombstones in the caller's transaction."""
    if stones:
        columns = zip(*(msgspec.structs.astuple(one) for one in stones), strict=True)
        await connection.execute(_KEEP, *(list(column) for column in columns))


async def is_anything_erased(connection: Connection) -> bool:
    """Return whether there is a tombstone at all."""
    return bool(await connection.fetchval(_ANYTHING))


async def erased_among(connection: Connection, names: Iterable[str]) -> frozenset[str]:
    """Return those of the names ("Patient/id" of a record, "Type/id") that were erased."""
    return frozenset(row[0] for row in await connection.fetch(_AMONG, list(names)))


async def mirror(database: Database, folder: Path) -> None:
    """Write the tombstones that the file in `folder` lacks to it, durably.

    Raises:
        SettingsInvalid: the file is of another database, or one that was restored: replay it first.
    """
    async with database.system() as connection:
        salt = await connection.fetchval(_SALT)
        stones = [Tombstone(*row) for row in await connection.fetch(_ALL)]
    path = folder / FILE
    found = read_file(path)
    if found is not None and found[0] != salt:
        raise SettingsInvalid(RESTORED)
    known = set() if found is None else {(one.digest, one.at) for one in found[1]}
    lines = [] if found is not None else [msgspec.json.encode(_Salt(salt))]
    lines += [msgspec.json.encode(one) for one in stones if (one.digest, one.at) not in known]
    if lines:
        _append(path, lines)


async def require_replayed(database: Database, folder: Path) -> None:
    """Refuse to go on with a database that was restored and does not know yet what was erased since.

    Raises:
        SettingsInvalid: the file has tombstones that the database lacks.
    """
    found = read_file(folder / FILE)
    if found is None or not found[1]:
        return
    async with database.system() as connection:
        known = {(row["digest"], row["at"]) for row in await connection.fetch(_ALL)}
    newest = {one.digest: one.at for one in sorted(found[1], key=lambda one: one.at)}
    if not newest.items() <= known:
        raise SettingsInvalid(RESTORED)


async def replay(database: Database, folder: Path) -> int:
    """Bring the tombstones of the file into a database that lacks them; return how many those were.

    Raises:
        Conflict: the database has tombstones of another salt: the file is not of this node.
    """
    found = read_file(folder / FILE)
    if found is None:
        return 0
    salt, stones = found
    async with database.system() as connection, connection.transaction():
        if await connection.fetchval(_SALT) != salt:
            await connection.execute(_ADOPT, salt)
            if await connection.fetchval(_SALT) != salt:
                raise Conflict(f"{FILE} is not of this database: its tombstones have another salt.")
        before = await connection.fetchval("SELECT count(*) FROM erased")
        newest = {one.digest: one for one in sorted(stones, key=lambda one: one.at)}
        await keep_tombstones(connection, list(newest.values()))
        return int(await connection.fetchval("SELECT count(*) FROM erased")) - int(before)


def read_file(path: Path) -> tuple[bytes, list[Tombstone]] | None:
    """Return the salt and the tombstones of a file, None where there is none. A torn last line is left out.

    Raises:
        SettingsInvalid: it cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    if len(lines) == 1:  # a crash tore its first line: nothing was in it yet
        return None
    try:
        salt = msgspec.json.decode(lines[0], type=_Salt).salt
        return salt, [msgspec.json.decode(line, type=Tombstone) for line in lines[1:-1] if line]
    except msgspec.DecodeError as error:
        raise SettingsInvalid(
            f"{path.name} cannot be read: {error}. Restore it from its own backup."
        ) from error


def _append(path: Path, lines: Sequence[bytes]) -> None:
    """Append lines durably, one process at a time; the rest of a line that a crash tore is removed first."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        length = os.fstat(handle).st_size
        whole = _end_of_last_line(handle, length)
        os.ftruncate(handle, whole)
        body = b"".join(line + b"\n" for line in lines)
        while body:
            body = body[os.write(handle, body) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _end_of_last_line(handle: int, length: int) -> int:
    body = os.pread(handle, length, 0)
    return body.rfind(b"\n") + 1
