"""What this node keeps as a witness of other logs, and what its own witnesses have signed (0017)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec

from salus.standards.merkle.witness import Seen
from salus.store.postgres import Connection, Database

ASKING, COMPARING = 0x41534B57, 0x434D5057
_TURN = "SELECT pg_try_advisory_xact_lock($1)"
_COLUMNS = "node, log_key, witness_key, size, root, note, seen_at"
_ALL = f"SELECT {_COLUMNS} FROM peer_log ORDER BY node"  # noqa: S608  (constants only)
_LOCKED = f"SELECT {_COLUMNS} FROM peer_log WHERE node = $1 FOR UPDATE"  # noqa: S608  (constants only)
_PIN = """
INSERT INTO peer_log (node, log_key, witness_key, pinned_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_UNPIN = "DELETE FROM peer_log WHERE node = $1 RETURNING node"
_SEEN = "UPDATE peer_log SET size = $2, root = $3, note = $4, seen_at = $5 WHERE node = $1"
_COSIGNED = """
INSERT INTO cosignature (size, node, line, signed_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (size, node) DO UPDATE SET line = excluded.line, signed_at = excluded.signed_at
"""
_EVIDENCE = """
INSERT INTO log_evidence (node, found_at, what, known, shown) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING RETURNING id
"""
_KNOWN_TO = "SELECT size FROM cosignature WHERE node = $1 ORDER BY size DESC LIMIT 1"
_NEWEST = """
SELECT checkpoint.size, checkpoint.note, signed.at, signed.lines FROM (
    SELECT size, (array_agg(signed_at ORDER BY signed_at DESC))[$2] AS at,
           array_agg(line ORDER BY node) AS lines
    FROM cosignature
    WHERE node = ANY ($1) GROUP BY size HAVING count(*) >= $2 ORDER BY size DESC LIMIT 1
) AS signed JOIN checkpoint USING (size)
"""
_LINES = "SELECT line FROM cosignature WHERE size = $1 AND node = ANY ($2) ORDER BY node"
_ACCUSED = "SELECT node, found_at, what, known, shown FROM log_evidence ORDER BY id DESC LIMIT $1"


class PeerLog(msgspec.Struct, frozen=True):
    """Another member's log: its keys as pinned, the newest checkpoint that this node vouches for."""

    node: str
    log_key: str
    witness_key: str
    size: int
    root: bytes
    note: str
    seen_at: datetime | None

    @property
    def seen(self) -> Seen:
        """What this node has vouched for."""
        return Seen(self.size, self.root)


class Witnessed(msgspec.Struct, frozen=True):
    """A checkpoint of this node that a quorum signed: size, note with their lines, since when."""

    size: int
    note: str
    at: datetime


class Evidence(msgspec.Struct, frozen=True):
    """Two notes of one log that do not go together: whose, when it was found, what it is, in a sentence."""

    node: str
    found_at: datetime
    what: str
    known: str
    shown: str


@asynccontextmanager
async def turn(database: Database, work: int) -> AsyncIterator[bool]:
    """Yield whether this process may do a recurring work now, which one of the node does at a time."""
    async with database.system() as connection, connection.transaction():
        yield bool(await connection.fetchval(_TURN, work))


async def peer_logs(database: Database) -> dict[str, PeerLog]:
    """Return the logs that this node is a witness of, by node."""
    async with database.system() as connection:
        return {row["node"]: PeerLog(*row) for row in await connection.fetch(_ALL)}


async def pin(database: Database, node: str, log_key: str, witness_key: str, at: datetime) -> None:
    """Keep a member's keys, unless some are kept of it already."""
    async with database.system() as connection:
        await connection.execute(_PIN, node, log_key, witness_key, at)


@asynccontextmanager
async def watched(database: Database, node: str) -> AsyncIterator[tuple[Connection, PeerLog | None]]:
    """Lend a member's log, locked for other submissions until the end, in a transaction."""
    async with database.system() as connection, connection.transaction():
        row = await connection.fetchrow(_LOCKED, node)
        yield connection, None if row is None else PeerLog(*row)


async def vouch(connection: Connection, node: str, seen: Seen, note: str, at: datetime) -> None:
    """Keep what this node now vouches for, before the cosignature leaves it."""
    await connection.execute(_SEEN, node, seen.size, seen.root, note, at)


async def accuse(connection: Connection, evidence: Evidence) -> bool:
    """Keep two notes that do not go together; return whether they are new."""
    kept = await connection.fetchval(
        _EVIDENCE, evidence.node, evidence.found_at, evidence.what, evidence.known, evidence.shown
    )
    return kept is not None


async def keep_cosignature(database: Database, node: str, size: int, line: str, signed_at: datetime) -> None:
    """Keep a witness's signature line over this node's checkpoint of that size."""
    async with database.system() as connection:
        await connection.execute(_COSIGNED, size, node, line, signed_at)


async def size_known_to(database: Database, node: str) -> int:
    """Return the size of the newest checkpoint that a witness signed, 0 when it signed none."""
    async with database.system() as connection:
        return int(await connection.fetchval(_KNOWN_TO, node) or 0)


async def newest_witnessed(database: Database, witnesses: Sequence[str], quorum: int) -> Witnessed | None:
    """Return the newest checkpoint that a quorum of the witnesses signed, None when there is none."""
    async with database.system() as connection:
        row = await connection.fetchrow(_NEWEST, list(witnesses), quorum)
    return None if row is None else Witnessed(row["size"], row["note"] + "".join(row["lines"]), row["at"])


async def cosignatures_of(database: Database, size: int, witnesses: Sequence[str]) -> list[str]:
    """Return the witnesses' signature lines over the checkpoint of that size."""
    async with database.system() as connection:
        return [row["line"] for row in await connection.fetch(_LINES, size, list(witnesses))]


async def unpin(database: Database, node: str) -> bool:
    """Forget a member's keys, and with them what this node vouched for; return whether there were any."""
    async with database.system() as connection:
        return await connection.fetchval(_UNPIN, node) is not None


async def forget_cosignatures(database: Database, before: datetime) -> None:
    """Remove what witnesses signed before a moment."""
    async with database.system() as connection:
        await connection.execute("DELETE FROM cosignature WHERE signed_at < $1", before)


async def evidence(database: Database, count: int) -> list[Evidence]:
    """Return what speaks against other members' logs, the newest first."""
    async with database.system() as connection:
        return [Evidence(*row) for row in await connection.fetch(_ACCUSED, count)]
