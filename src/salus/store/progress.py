"""How far the load of a file has come: written in the same transaction as the data it speaks of."""

from __future__ import annotations

import msgspec

from salus.store.postgres import Connection

_GET = """
SELECT units, stored, unchanged, kept, rejected, finished FROM load_progress
WHERE source = $1 AND file = $2 AND fingerprint = $3
"""
_PUT = """
INSERT INTO load_progress (source, file, fingerprint, units, stored, unchanged, rejected, finished, kept)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (source, file) DO UPDATE SET
    fingerprint = excluded.fingerprint, units = excluded.units, stored = excluded.stored,
    unchanged = excluded.unchanged, rejected = excluded.rejected, finished = excluded.finished,
    kept = excluded.kept
"""


class FileProgress(msgspec.Struct):
    """Units of a file that are done, and what became of their resources."""

    units: int = 0
    stored: int = 0
    unchanged: int = 0
    kept: int = 0
    rejected: int = 0
    finished: bool = False


async def get(connection: Connection, source: str, file: str, fingerprint: str) -> FileProgress:
    """Return the progress of an unfinished load of the same content; of a finished one: nothing done yet."""
    row = await connection.fetchrow(_GET, source, file, fingerprint)
    if row is None or row["finished"]:
        return FileProgress()
    return FileProgress(**dict(row))


async def put(
    connection: Connection, source: str, file: str, fingerprint: str, progress: FileProgress
) -> None:
    """Write the progress, in the caller's transaction."""
    await connection.execute(
        _PUT, source, file, fingerprint, progress.units, progress.stored, progress.unchanged,
        progress.rejected, progress.finished, progress.kept,
    )  # fmt: skip
