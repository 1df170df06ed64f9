"""Rejected input: health data like any other, opened under a Grant, kept until it expires."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from salus.core.access import Grant
from salus.core.errors import NotFound
from salus.core.identifiers import derived_id
from salus.store.postgres import Connection, Database
from salus.store.record_seal import record_seal_of, rejected_of
from salus.store.tombstones import erased_among

_PUT = """
INSERT INTO quarantine
    (patient, id, arrived_at, expires_at, source, file, line, entry, type, outcome, content)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::text[],
                     $7::bigint[], $8::bigint[], $9::text[], $10::bytea[], $11::bytea[])
ON CONFLICT (patient, id) DO UPDATE SET expires_at = excluded.expires_at, outcome = excluded.outcome
"""
_COLUMNS = "patient, id, arrived_at, expires_at, source, file, line, entry, type, outcome"
_LIST = f"""
SELECT {_COLUMNS} FROM quarantine WHERE expires_at > $1 AND ($2 = '' OR source = $2)
ORDER BY arrived_at, file, line, entry LIMIT $3
"""  # noqa: S608  (constants only)
_OPEN = f"SELECT {_COLUMNS}, content FROM quarantine WHERE id = $1 AND expires_at > $2"  # noqa: S608
_CLEAR = "DELETE FROM quarantine WHERE source = $1 AND id = ANY($2::text[])"
_NOTE = "UPDATE quarantine SET outcome = $4 WHERE source = $1 AND id = $2 AND patient = $3"
_WHOSE = "SELECT patient, arrived_at FROM quarantine WHERE source = $1 AND id = $2"
LISTED_MAX = 10_000


class Rejection(msgspec.Struct, frozen=True):
    """One piece of input that was refused.

    Args:
        patient: logical id of the patient it seems to be about, "" when it cannot be told.
        line: where it begins in the file, from 1.
        entry: its position in a Bundle, from 0; -1 when it is in none.
        type: its resource type, "" when it cannot be told.
        outcome: why, an OperationOutcome as JSON.
        content: the bytes as received; b"" in a list.
        resources: how many resources it stands for (the entries of a whole Bundle).
    """

    source: str
    file: str
    line: int
    entry: int
    patient: str
    type: str
    outcome: bytes
    content: bytes = b""
    resources: int = 1

    @property
    def id(self) -> str:
        """Return its id: the same input at the same place has the same."""
        digest = hashlib.sha256(self.content).hexdigest()
        return derived_id(self.source, f"{self.file}:{self.line}:{self.entry}:{digest}")


class Kept(msgspec.Struct, frozen=True):
    """A rejection as it is kept."""

    id: str
    arrived_at: datetime
    expires_at: datetime
    rejection: Rejection


async def put(
    grant: Grant, connection: Connection, rejections: Sequence[Rejection], *, days: int
) -> list[str]:
    """Keep the rejections for so many days, in the caller's transaction; return their ids.

    What is about somebody who was erased (`store.tombstones`) is not kept.
    """
    if not rejections:
        return []
    gone = await erased_among(connection, {f"Patient/{one.patient}" for one in rejections if one.patient})
    rejections = [one for one in rejections if f"Patient/{one.patient}" not in gone]
    if not rejections:
        return []
    expires_at = grant.opened_at + timedelta(days=days)
    seal = record_seal_of(connection)
    rows = {}
    for one in rejections:
        whose = rejected_of(one.patient, grant.opened_at)
        rows[one.id] = (
            one.patient, one.id, grant.opened_at, expires_at, one.source, one.file, one.line, one.entry,
            one.type, seal.close(whose, one.outcome), seal.close(whose, one.content),
        )  # fmt: skip
    await seal.settle()
    await connection.execute(_PUT, *[list(column) for column in zip(*rows.values(), strict=True)])
    return list(rows)


def _kept(row: object, content: bytes = b"") -> Kept:
    assert isinstance(row, dict)
    rejection = Rejection(
        row["source"],
        row["file"],
        row["line"],
        row["entry"],
        row["patient"],
        row["type"],
        row["outcome"],
        content,
    )
    return Kept(row["id"], row["arrived_at"], row["expires_at"], rejection)


async def listed(
    grant: Grant, database: Database, *, source: str = "", limit: int = LISTED_MAX
) -> list[Kept]:
    """Return what is in quarantine, oldest first, without contents; of one source if it is named."""
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_LIST, grant.opened_at, source, limit)
    return [_kept(dict(row)) for row in rows]


async def opened(grant: Grant, database: Database, rejection_id: str) -> Kept:
    """Return one rejection with its content. Raises NotFound."""
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_OPEN, rejection_id, grant.opened_at)
    if row is None:
        raise NotFound(f"There is nothing with the id {rejection_id} in quarantine; `salus quarantine list`.")
    return _kept(dict(row), row["content"])


async def clear(grant: Grant, connection: Connection, source: str, ids: Sequence[str]) -> None:
    """Remove rejections that were stored after all, in the caller's transaction."""
    assert grant.patients is None
    await connection.execute(_CLEAR, source, list(ids))


async def note(grant: Grant, connection: Connection, source: str, rejection_id: str, outcome: bytes) -> None:
    """Write another OperationOutcome beside the bytes as received, in the caller's transaction."""
    assert grant.patients is None
    seal = record_seal_of(connection)
    for row in await connection.fetch(_WHOSE, source, rejection_id):
        sealed = seal.close(rejected_of(row["patient"], row["arrived_at"]), outcome)
        await seal.settle()
        await connection.execute(_NOTE, source, rejection_id, row["patient"], sealed)
