"""How people wish to hear that there is a notice, and which messages are due (schema 0180).

A message holds nothing of the notice, so that one is for all that wait. Whoever sends claims a way first, in
a transaction of its own: no row is held while a server is asked.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from salus.core.access import Grant, Outcome
from salus.store.ledger import append, leaf_of
from salus.store.postgres import Database
from salus.store.record_seal import record_of, record_seal_of

BACKOFF_FIRST, BACKOFF_LONGEST = timedelta(minutes=1), timedelta(hours=6)
FAILURES_MAX = 12
"""After so many failures in a row a way rests until there is another notice."""
LEASE = timedelta(minutes=5)
"""A claim whose process died is another's after this time."""
LISTED_MAX = 1_000
_QUIET = """
(way.quiet OR (way.holder = '' AND EXISTS (
    SELECT FROM notice_channel chosen WHERE chosen.patient = way.patient AND chosen.quiet
)))
"""
_CLAIM = f"""
UPDATE notice_way way SET waits = false, attempt_at = $1::timestamptz + $3::interval
FROM (
    SELECT patient, holder FROM notice_way
    WHERE attempt_at <= $1 AND channel = ANY ($4)
        AND (sent_at IS NULL OR sent_at <= $1::timestamptz - $2::interval)
    ORDER BY attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
) AS due
WHERE (way.patient, way.holder) = (due.patient, due.holder)
RETURNING way.patient, way.holder, way.channel, way.language, {_QUIET} AS quiet, way.failures
"""  # noqa: S608  (constants only)
_SENT = """
UPDATE notice_way SET sent_at = $3, failures = 0, failure = '',
    attempt_at = CASE WHEN waits THEN $3::timestamptz END
WHERE (patient, holder) = ($1, $2)
"""
_FAILED = """
UPDATE notice_way
SET failures = failures + 1, failure = $3, waits = $4::timestamptz IS NOT NULL, attempt_at = $4
WHERE (patient, holder) = ($1, $2)
"""
_END = "DELETE FROM notice_way WHERE patient = ANY ($1) AND holder = $2"
_ADDRESS = "SELECT address FROM notice_way WHERE patient = ANY ($1) AND holder = $2 LIMIT 1"
_OF = """
SELECT channel, address, language, quiet, failures, failure, sent_at FROM notice_way
WHERE patient = ANY ($1) AND holder = $2 ORDER BY patient LIMIT 1
"""
_CHOOSE = """
INSERT INTO notice_way AS way (patient, holder, channel, address, language, quiet, chosen_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (patient, holder) DO UPDATE SET
    channel = $3, address = $4, language = $5, quiet = $6, chosen_at = $7, failures = 0, failure = ''
"""
_STATE = """
SELECT patient, holder, channel, failures, failure, attempt_at FROM notice_way
WHERE attempt_at IS NOT NULL OR failures > 0 ORDER BY failures DESC, attempt_at LIMIT $1
"""


class Way(msgspec.Struct, frozen=True):
    """How one person hears of notices.

    Args:
        channel: the name of a file of `web/channels`.
        address: as the channel needs it, "" where it needs none.
        language: of the message (BCP 47).
        quiet: the message does not say where there is something to read.
        failures: of messages since the last one that went.
        failure: why the last one did not.
        sent_at: when the last one went.
    """

    channel: str
    address: str
    language: str
    quiet: bool
    failures: int = 0
    failure: str = ""
    sent_at: datetime | None = None


class Claimed(msgspec.Struct, frozen=True):
    """A message that this process sends now; `quiet` also by the person's quiet channel."""

    patient: str
    holder: str
    channel: str
    language: str
    quiet: bool
    failures: int


class Waiting(msgspec.Struct, frozen=True):
    """A way at which something waits or failed, for the operator: never the address."""

    patient: str
    holder: str
    channel: str
    failures: int
    failure: str
    attempt_at: datetime | None


async def way_of(grant: Grant, database: Database, holder: str) -> Way | None:
    """Return how the person of the grant, or who acts for them, hears of notices, if at all."""
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_OF, sorted(grant.patients or ()), holder)
    if row is None:
        return None
    return Way(**(dict(row) | {"address": row["address"].decode("utf-8")}))


async def choose_way(grant: Grant, database: Database, holder: str, way: Way) -> None:
    """Keep how the person of the grant, or who acts for them, hears of notices, with its leaf."""
    async with database.writing(grant) as connection:
        seal = record_seal_of(connection)
        records = sorted(grant.patients or ())
        sealed = [seal.close(record_of(record), way.address.encode()) for record in records]
        await seal.settle()
        for record, address in zip(records, sealed, strict=True):
            await connection.execute(
                _CHOOSE, record, holder, way.channel, address, way.language, way.quiet, grant.opened_at
            )
        served = Outcome.SERVED
        what = f"notice-way {way.channel}"
        await append(
            connection, [leaf_of(grant, each, what=what, resources=1, outcome=served) for each in records]
        )


async def end_way(grant: Grant, database: Database, holder: str) -> None:
    """Send nothing more to the person of the grant, or who acts for them."""
    async with database.writing(grant) as connection:
        records = sorted(grant.patients or ())
        await connection.execute(_END, records, holder)
        served = Outcome.SERVED
        await append(
            connection,
            [leaf_of(grant, each, what="notice-way none", resources=1, outcome=served) for each in records],
        )


async def claim(database: Database, channels: list[str], *, at: datetime, pause: timedelta) -> Claimed | None:
    """Return the message that has waited longest and may go now, claimed for this process; None without."""
    async with database.system() as connection:
        row = await connection.fetchrow(_CLAIM, at, pause, LEASE, channels)
    return None if row is None else Claimed(**dict(row))


async def address_of(grant: Grant, database: Database, holder: str) -> str:
    """Return where a message of the person of the grant goes, "" where the way was ended meanwhile."""
    async with database.reading(grant) as connection:
        found = await connection.fetchval(_ADDRESS, sorted(grant.patients or ()), holder)
    return found.decode("utf-8") if found else ""


async def note_sent(database: Database, claimed: Claimed, at: datetime) -> None:
    """Note that a message went; what came since waits for the next one."""
    async with database.system() as connection:
        await connection.execute(_SENT, claimed.patient, claimed.holder, at)


async def note_failed(database: Database, claimed: Claimed, at: datetime, failure: str) -> None:
    """Note why a message did not go, and when it is tried again: later each time, and not for ever."""
    again: datetime | None = None
    if claimed.failures + 1 < FAILURES_MAX:
        again = at + min(BACKOFF_FIRST * 2**claimed.failures, BACKOFF_LONGEST)
    async with database.system() as connection:
        await connection.execute(_FAILED, claimed.patient, claimed.holder, failure[:200], again)


async def forget_way(database: Database, patient: str, holder: str) -> None:
    """End the way of somebody who may no longer act for the person."""
    async with database.system() as connection:
        await connection.execute(_END, [patient], holder)


async def waiting(grant: Grant, database: Database) -> list[Waiting]:
    """Return what waits or failed, the worst first, at most `LISTED_MAX`."""
    assert grant.patients is None
    async with database.reading(grant) as connection:
        rows: list[Any] = await connection.fetch(_STATE, LISTED_MAX)  # Any: asyncpg records
    return [Waiting(**dict(row)) for row in rows]
