"""The journal files of a node, and how their leaves come into the database (docs/decisions/0031).

Each file is written by one process, and any process of the node brings any file in: the place that a file
has been brought in to is kept in the same transaction as its leaves (schema 0151), so each comes once.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from salus.store.journal_frames import HEAD_BYTES, Columns, columns_of, length_of
from salus.store.pool import Connection

FOLDER = "journal"
_SUFFIX = ".leaves"
_PIECE_BYTES = 256 * 1024
_APPEND = "SELECT append_filed($1, $2, $3, $4, $5, $6, $7, $8)"
_REACHED = "SELECT name, reached FROM journal_file WHERE name = ANY ($1)"


class JournalFiles:
    """The files in one folder. Belongs to one event loop."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it need not be there."""
        self.folder = folder
        self._reached: dict[str, int] = {}
        self._whole: set[str] = set()
        self._turn = asyncio.Lock()

    def path_of(self, name: str) -> Path:
        """Return the path of a file, by its name without the suffix."""
        return self.folder / (name + _SUFFIX)

    def names(self) -> list[str]:
        """Return the names of all files, in the order in which they were begun."""
        with suppress(FileNotFoundError):
            return sorted(found.stem for found in self.folder.glob("*" + _SUFFIX))
        return []

    async def bring_in(self, connection: Connection) -> int:
        """Bring in what any process has made durable; return how many leaves those were."""
        waiting = [name for name in self.names() if name not in self._whole]
        if not waiting:
            return 0
        async with self._turn:
            self._reached |= {
                row["name"]: row["reached"] for row in await connection.fetch(_REACHED, waiting)
            }
            brought = 0
            for name in waiting:
                is_ended = _is_ended(self.path_of(name))  # asked first: what it wrote before is read below
                brought += await self._bring_in(connection, name)
                if is_ended:
                    self._whole.add(name)
            return brought

    async def bring_in_of(self, connection: Connection, name: str) -> int:
        """Bring in what one file has; return how many leaves those were."""
        async with self._turn:
            return await self._bring_in(connection, name)

    async def forget(self, connection: Connection, before: datetime) -> int:
        """Remove the files that were last written to before a time and brought in whole; return how many."""
        names = self.names()
        rows = await connection.fetch(_REACHED, names)
        reached = {row["name"]: row["reached"] for row in rows}
        old = [
            path
            for name in names
            if (path := self.path_of(name)).stat().st_mtime < before.timestamp()
            and _is_ended(path)
            and not piece_of(path, reached.get(name, 0))[1]
        ]
        for path in old:
            path.unlink()
        return len(old)

    async def _bring_in(self, connection: Connection, name: str) -> int:
        brought = 0
        while True:
            since = self._reached.get(name, 0)
            columns, length = piece_of(self.path_of(name), since)
            if not length:
                return brought
            reached = await connection.fetchval(_APPEND, name, since, since + length, *columns)
            self._reached[name] = reached
            if reached == since + length:
                brought += len(columns.patients)


def piece_of(path: Path, since: int) -> tuple[Columns, int]:
    """Return the leaves of the next frames of a file from a place on, and how many bytes those frames are."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return columns_of(b"")
    try:
        first = length_of(os.pread(handle, HEAD_BYTES, since))
        return columns_of(os.pread(handle, max(first, _PIECE_BYTES), since) if first else b"")
    finally:
        os.close(handle)


def _is_ended(path: Path) -> bool:
    """Return whether nobody writes the file any more."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True
