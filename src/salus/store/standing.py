"""What is in force of a person (schema 0061, 0062), in every process's memory, for the gate to decide by.

Read before there is a grant, because the grant depends on it; it holds no health data. A change is told to
all processes as it commits; a person about whom nothing is known is not in memory and costs nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta

import asyncpg
import msgspec

from salus.core.clock import Clock
from salus.store.consents import Consents, consents_of
from salus.store.listening import heard
from salus.store.postgres import Connection, Database, storage_errors

DECLARED = "declared"
"""The evidence of a presence that is only stated."""
_CHANNEL = "salus_standing"
_RETRY_SECONDS = 1.0
_LIFE_SECONDS = 60
_LIVES_MAX = 10_000
# $1: one patient, or null for all. Powers that have ended are read too: a decision tells them apart.
_OPT_OUTS = """
SELECT DISTINCT ON (patient, kind) patient, kind, opted_out FROM opt_out
WHERE $1::text IS NULL OR patient = $1 ORDER BY patient, kind, number DESC
"""
_EMERGENCIES = """
SELECT patient, id, subject, node, reason, began_at, ends_at FROM emergency
WHERE ends_at > $2 AND ($1::text IS NULL OR patient = $1)
"""
_PRESENCES = """
SELECT patient, node, subject, evidence, until FROM presence
WHERE until > $2 AND ($1::text IS NULL OR patient = $1) ORDER BY until
"""
_ASSISTED = """
SELECT patient, subject, until FROM assisted
WHERE until > $2 AND ($1::text IS NULL OR patient = $1) ORDER BY until
"""
_POWERS = """
SELECT patient, id, holder, kind, types, starts_at, ends_at, confirmed_at, ended_at, disputed_at FROM proxy
WHERE confirmed_at IS NOT NULL AND ($1::text IS NULL OR patient = $1)
"""
_CONSENTING = """
SELECT DISTINCT compartment FROM resource
WHERE type = 'Consent' AND NOT deleted AND ($1::text IS NULL OR compartment = $1)
"""
_LIFE = "SELECT content FROM resource WHERE compartment = $1 AND type = 'Patient' AND id = $1 AND NOT deleted"


class Rescue(msgspec.Struct, frozen=True):
    """An emergency access that runs: whose it is, why, and until when."""

    id: str
    subject: str
    node: str
    reason: str
    began_at: datetime
    ends_at: datetime


class Power(msgspec.Struct, frozen=True):
    """A proxy's confirmed power; `types` are resource types, None for all. Schema 0062 tells the rest."""

    id: str
    holder: str
    kind: str
    types: frozenset[str] | None
    starts_at: datetime
    ends_at: datetime | None
    ended_at: datetime | None
    disputed_at: datetime | None


class Person(msgspec.Struct):
    """What is in force of one person.

    Args:
        has_consents: they have said something, in force or not.
        opted_out: of what.
        rescues: emergency accesses to their record.
        presences: until when a professional was shown to be with them, by node ("" here) and subject.
        stated: until when a professional of this node stated that they treat them, by subject.
        assisted: until when a member of staff at a desk helps them, by subject.
        powers: of those who act for them.
    """

    has_consents: bool = False
    opted_out: set[str] = msgspec.field(default_factory=set)
    rescues: list[Rescue] = msgspec.field(default_factory=list)
    presences: dict[tuple[str, str], datetime] = msgspec.field(default_factory=dict)
    stated: dict[str, datetime] = msgspec.field(default_factory=dict)
    assisted: dict[str, datetime] = msgspec.field(default_factory=dict)
    powers: list[Power] = msgspec.field(default_factory=list)


class _Life(msgspec.Struct):
    """What a Patient says of death."""

    deceasedBoolean: bool = False
    deceasedDateTime: str = ""


class Standing:
    """The persons of whom something is known. Made by `follow_standing`; belongs to one event loop."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lives: dict[str, tuple[bool, datetime]] = {}
        self.persons: dict[str, Person] = {}

    async def refresh(self, *patients: str) -> None:
        """Read the patients anew: for whoever changed something, so that the next request knows."""
        async with self._database.system() as connection:
            for patient in patients:
                await self.read(connection, patient)

    async def read(self, connection: Connection, patient: str | None) -> None:
        """Read what is in force of one patient, or of all."""
        now = self._clock()
        found: dict[str, Person] = {}
        for row in await connection.fetch(_OPT_OUTS, patient):
            if row["opted_out"]:
                found.setdefault(row["patient"], Person()).opted_out.add(row["kind"])
        for row in await connection.fetch(_EMERGENCIES, patient, now):
            found.setdefault(row["patient"], Person()).rescues.append(Rescue(*tuple(row)[1:]))
        for row in await connection.fetch(_PRESENCES, patient, now):
            person = found.setdefault(row["patient"], Person())
            if row["evidence"] == DECLARED:
                person.stated[row["subject"]] = row["until"]
            else:
                person.presences[row["node"], row["subject"]] = row["until"]
        for row in await connection.fetch(_ASSISTED, patient, now):
            found.setdefault(row["patient"], Person()).assisted[row["subject"]] = row["until"]
        for row in await connection.fetch(_POWERS, patient):
            found.setdefault(row["patient"], Person()).powers.append(_power(row))
        for row in await connection.fetch(_CONSENTING, patient):
            found.setdefault(row["compartment"], Person()).has_consents = True
        if patient is None:
            self.persons.clear()
        else:
            self.persons.pop(patient, None)
        self.persons.update(found)

    async def consents_of(self, patient: str) -> Consents:
        """Return the person's Consents."""
        return await consents_of(self._database, patient)

    async def has_died(self, patient: str) -> bool:
        """Return whether the person's Patient says that they have died, as it did at most a minute ago."""
        now = self._clock()
        known = self._lives.get(patient)
        if known is not None and now < known[1]:
            return known[0]
        async with self._database.system() as connection:
            content = await connection.fetchval(_LIFE, patient)
        died = content is not None and _is_of_the_dead(content)
        if len(self._lives) >= _LIVES_MAX:
            self._lives.clear()
        self._lives[patient] = died, now + timedelta(seconds=_LIFE_SECONDS)
        return died


def _power(row: asyncpg.Record) -> Power:
    types = None if row["types"] is None else frozenset(row["types"])
    return Power(
        row["id"], row["holder"], row["kind"], types, row["starts_at"], row["ends_at"], row["ended_at"],
        row["disputed_at"],
    )  # fmt: skip


def _is_of_the_dead(content: bytes) -> bool:
    try:
        life = msgspec.json.decode(content, type=_Life)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return False
    return life.deceasedBoolean or bool(life.deceasedDateTime)


@asynccontextmanager
async def follow_standing(database: Database, clock: Clock) -> AsyncIterator[Standing]:
    """Yield the standing of persons, kept current while the context is open.

    Raises:
        StorageUnavailable: it cannot be read now.
    """
    standing = Standing(database, clock)
    changed: asyncio.Queue[str | None] = asyncio.Queue()
    with storage_errors():
        connection = await _listen(database, standing, changed)
    task = asyncio.create_task(_follow(database, standing, changed, connection), name="standing")
    try:
        yield standing
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _listen(database: Database, standing: Standing, changed: asyncio.Queue[str | None]) -> Connection:
    connection = await database.listening()

    def hear(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        changed.put_nowait(str(payload))

    # Listen first, then read: what changes in between is heard, read or both.
    await connection.add_listener(_CHANNEL, hear)
    connection.add_termination_listener(lambda _connection: changed.put_nowait(None))
    await standing.read(connection, None)
    return connection


async def _follow(
    database: Database, standing: Standing, changed: asyncio.Queue[str | None], connection: Connection
) -> None:
    """Read anew whoever is named; after a loss of the connection, listen and read all anew."""
    try:
        while True:
            patient = await heard(connection, changed.get())
            if patient is not None and not connection.is_closed():
                try:
                    await standing.read(connection, patient)
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    changed.put_nowait(patient)
                    await asyncio.sleep(_RETRY_SECONDS)
            while connection.is_closed():
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    connection = await _listen(database, standing, changed)
                    break
                await asyncio.sleep(_RETRY_SECONDS)
    finally:
        await connection.close(timeout=1)
