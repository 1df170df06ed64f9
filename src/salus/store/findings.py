"""What the watch over the ledger found, what it remembers, and what it was told of patients."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import NotFound
from salus.store import ledger
from salus.store.postgres import Connection, Database
from salus.store.record_seal import SHARED, record_seal_of

_KEEP = """
INSERT INTO finding (key, found_at, score, body)
SELECT key, $1, score, body FROM unnest($2::text[], $3::float8[], $4::bytea[]) AS f (key, score, body)
ON CONFLICT (key) DO NOTHING RETURNING id
"""
_LIST = """
SELECT id, found_at, score, body, incident, dismissed FROM finding
WHERE $1 OR (incident IS NULL AND dismissed IS NULL) ORDER BY id DESC LIMIT $2
"""
_ONE = "SELECT id, found_at, score, body, incident, dismissed FROM finding WHERE id = $1"
_POSITION = """
INSERT INTO watch (position, kept_at, memory) VALUES ($1, $2, $3)
ON CONFLICT (one) DO UPDATE
SET position = excluded.position, kept_at = excluded.kept_at, memory = excluded.memory
"""
_NEWS = """
SELECT max(index) > coalesce((SELECT position FROM watch), -1) FROM leaf_index
"""
_DISMISS = """
UPDATE finding SET dismissed = $2 WHERE id = $1 AND incident IS NULL AND dismissed IS NULL RETURNING id
"""
_MARK = """
INSERT INTO watch_mark (patient, kind, subject, marked_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
_LOCK = 0x57415443
LISTED_MAX = 1_000


class KeptFinding(msgspec.Struct, frozen=True):
    """A finding as it is kept: `body` is JSON; `incident` and `dismissed` say what became of it."""

    id: int
    found_at: datetime
    score: float
    body: bytes
    incident: int | None
    dismissed: str | None


async def has_news(database: Database) -> bool:
    """Say whether more than one leaf is new to the watch: each round leaves one itself."""
    async with database.system() as connection:
        return bool(await connection.fetchval(_NEWS))


async def begin_round(grant: Grant, connection: Connection) -> tuple[int, bytes] | None:
    """Return where the watch stands (next index, memory), b"" for a watch that begins.

    None where another process is at it; the turn is the caller's until the transaction ends.
    """
    if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
        return None
    row = await connection.fetchrow("SELECT position, memory FROM watch")
    return (0, b"") if row is None else (row["position"], row["memory"])


async def end_round(
    grant: Grant,
    connection: Connection,
    position: int,
    memory: bytes,
    found: Mapping[str, tuple[float, bytes]],
) -> int:
    """Keep where the watch stands and its findings (score and JSON by key); return how many are new."""
    seal = record_seal_of(connection)
    sealed = seal.close(SHARED, memory)
    await seal.settle()
    await connection.execute(_POSITION, position, grant.opened_at, sealed)
    scores, bodies = await _sealed(connection, found)
    return len(await connection.fetch(_KEEP, grant.opened_at, list(found), scores, bodies))


async def _sealed(
    connection: Connection, found: Mapping[str, tuple[float, bytes]]
) -> tuple[list[float], list[bytes]]:
    seal = record_seal_of(connection)
    bodies = [seal.close(SHARED, body) for _, body in found.values()]
    await seal.settle()
    return [score for score, _ in found.values()], bodies


async def keep_findings(
    grant: Grant, connection: Connection, found: Mapping[str, tuple[float, bytes]]
) -> int:
    """Keep findings (score and JSON by key) that no round of the watch made; return how many are new."""
    scores, bodies = await _sealed(connection, found)
    return len(await connection.fetch(_KEEP, grant.opened_at, list(found), scores, bodies))


async def findings(grant: Grant, database: Database, *, settled: bool = False) -> list[KeptFinding]:
    """Return the findings, newest first: those that wait for somebody, or all where `settled` ones count."""
    async with database.reading(grant) as connection:
        return [KeptFinding(*row) for row in await connection.fetch(_LIST, settled, LISTED_MAX)]


async def finding(grant: Grant, database: Database, number: int) -> KeptFinding:
    """Return one finding.

    Raises:
        NotFound: there is none of that number.
    """
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_ONE, number)
    if row is None:
        raise NotFound(f"There is no finding {number}; see: salus watch list")
    return KeptFinding(*row)


async def dismiss(grant: Grant, database: Database, number: int, why: str) -> None:
    """Say why a finding is no incident.

    Raises:
        NotFound: there is none of that number that waits.
    """
    async with database.writing(grant) as connection:
        if await connection.fetchval(_DISMISS, number, why) is None:
            raise NotFound(f"No finding {number} waits; see: salus watch list")
        await _write_down(grant, connection, "", f"finding/{number} dismissed")


async def mark(grant: Grant, database: Database, patient: str, kind: str, subject: str) -> None:
    """Tell the watch of a patient: honey, protected, staff (as `subject`) or kin (of `subject`)."""
    async with database.writing(grant) as connection:
        await connection.execute(_MARK, patient, kind, subject, grant.opened_at)
        await _write_down(grant, connection, patient, f"watch mark {kind}")


async def marks(grant: Grant, connection: Connection) -> list[tuple[str, str, str]]:
    """Return what the watch was told: (patient, kind, subject)."""
    return [tuple(row) for row in await connection.fetch("SELECT patient, kind, subject FROM watch_mark")]


async def encounters(grant: Grant, connection: Connection, patients: list[str]) -> dict[str, list[Any]]:
    """Return the periods of the patients' encounters, as FHIR spells them: {start, end} by patient."""
    statement = (
        "SELECT compartment, content FROM resource "
        "WHERE compartment = ANY ($1) AND type = 'Encounter' AND NOT deleted"
    )
    found: dict[str, list[Any]] = {}
    for row in await connection.fetch(statement, patients):
        period = msgspec.json.decode(row["content"]).get("period")
        if isinstance(period, dict):
            found.setdefault(row["compartment"], []).append(period)
    return found


async def _write_down(grant: Grant, connection: Connection, patient: str, what: str) -> None:
    leaf = ledger.leaf_of(grant, patient, what=what, resources=1, outcome=Outcome.SERVED)
    await ledger.append(connection, [leaf])
