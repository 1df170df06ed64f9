"""Data permits and the keys of their pseudonyms (schema 0181). Each change is a leaf in its transaction.

A key is made before its permit commits and destroyed after its end commits: a crash between leaves a key that
nothing names, or one that the next sweep destroys; never a name that nobody can trace to a permit.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import Conflict, KeyMissing, NotFound, StorageUnavailable
from salus.store.keystore import KeyStore
from salus.store.ledger import append, leaf_of
from salus.store.postgres import Connection, Database

LISTED_MAX = 1_000
_COLUMNS = """
id, holder, purposes, categories, starts_at, ends_at, issued_at, issued_by, extended_at, ended_at, reason,
key_gone_at
"""
_KEEP = """
INSERT INTO permit (id, holder, purposes, categories, starts_at, ends_at, issued_at, issued_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_LIST = f"SELECT {_COLUMNS} FROM permit ORDER BY issued_at DESC, id LIMIT $1"  # noqa: S608  (constants only)
_ONE = f"SELECT {_COLUMNS} FROM permit WHERE id = $1"  # noqa: S608
_LOCKED = f"{_ONE} FOR UPDATE"
_EXTEND = "UPDATE permit SET ends_at = $2, extended_at = $3 WHERE id = $1"
_END = "UPDATE permit SET ended_at = $2, reason = $3 WHERE id = $1"
_GONE = "UPDATE permit SET key_gone_at = $2 WHERE id = $1 AND key_gone_at IS NULL RETURNING id"
_DUE = """
SELECT id FROM permit WHERE key_gone_at IS NULL AND (ended_at IS NOT NULL OR ends_at <= $1)
ORDER BY id LIMIT $2
"""
_AGAIN = "SELECT id FROM permit WHERE key_gone_at IS NOT NULL AND id = ANY ($1) ORDER BY id"


class Permit(msgspec.Struct, frozen=True):
    """One data permit; schema 0181 says what the fields mean."""

    id: str
    holder: str
    purposes: tuple[str, ...]
    categories: tuple[str, ...]
    starts_at: datetime
    ends_at: datetime
    issued_at: datetime
    issued_by: str
    extended_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    key_gone_at: datetime | None = None

    def is_in_force(self, at: datetime) -> bool:
        """Return whether it permits anything at a moment."""
        return self.ended_at is None and self.starts_at <= at < self.ends_at


def key_name(permit: str) -> str:
    """Return under which name the key store keeps a permit's key."""
    return f"permit/{permit}"


async def issue_permit(grant: Grant, database: Database, permit: Permit) -> None:
    """Keep a new permit and make the key of its pseudonyms."""
    keys = _keys_of(database)
    wrapped, _ = await asyncio.to_thread(keys.make, key_name(permit.id))
    await asyncio.to_thread(keys.keep, [wrapped])
    async with database.writing(grant) as connection:
        await connection.execute(
            _KEEP, permit.id, permit.holder, list(permit.purposes), list(permit.categories),
            permit.starts_at, permit.ends_at, permit.issued_at, permit.issued_by,
        )  # fmt: skip
        await _write_down(grant, connection, permit.id, "issued", "key made")


async def extend_permit(grant: Grant, database: Database, identity: str, ends_at: datetime) -> None:
    """Let a permit end later, once.

    Raises:
        NotFound: there is none of that id.
        Conflict: it has ended, was extended, or would not end later.
    """
    async with database.writing(grant) as connection:
        permit = await _locked(connection, identity)
        if permit.ended_at is not None or permit.ends_at <= grant.opened_at:
            raise Conflict(f"Permit {identity} has ended and its key is destroyed; issue another one.")
        if permit.extended_at is not None:
            raise Conflict(f"Permit {identity} was extended once, as often as the law lets it be.")
        if ends_at <= permit.ends_at:
            raise Conflict(f"Permit {identity} ends at {permit.ends_at.isoformat()}; name a later time.")
        await connection.execute(_EXTEND, identity, ends_at, grant.opened_at)
        await _write_down(grant, connection, identity, "extended")


async def end_permit(grant: Grant, database: Database, identity: str, reason: str) -> None:
    """End a permit before its time, and destroy the key of its pseudonyms.

    Raises:
        NotFound: there is none of that id.
        Conflict: it has ended.
    """
    async with database.writing(grant) as connection:
        permit = await _locked(connection, identity)
        if permit.ended_at is not None or permit.ends_at <= grant.opened_at:
            raise Conflict(f"Permit {identity} has ended already.")
        await connection.execute(_END, identity, grant.opened_at, reason)
        await _write_down(grant, connection, identity, "ended")
    await _destroy(grant, database, identity)


async def destroy_keys_of_ended(grant: Grant, database: Database) -> int:
    """Destroy the keys of permits that are over, and of those that a restored key store brought back.

    Return how many permits lost their key now.
    """
    async with database.reading(grant) as connection:
        due = [row["id"] for row in await connection.fetch(_DUE, grant.opened_at, LISTED_MAX)]
        revived = await _revived(database, connection)
    for identity in due:
        await _destroy(grant, database, identity)
    await database.contents.destroy([key_name(identity) for identity in revived])
    return len(due)


async def is_any_over(database: Database, at: datetime) -> bool:
    """Return whether a permit that is over still has its key, or has it again."""
    async with database.system() as connection:
        return bool(await connection.fetch(_DUE, at, 1) or await _revived(database, connection))


async def _revived(database: Database, connection: Connection) -> list[str]:
    """Return the permits whose destroyed key a restored backup of the key store brought back."""
    there = [name.partition("/")[2] for name in await database.contents.begin_with(key_name(""))]
    return [row["id"] for row in await connection.fetch(_AGAIN, there)]


async def permits(grant: Grant, database: Database) -> list[Permit]:
    """Return the permits, newest first."""
    async with database.reading(grant) as connection:
        return [_permit(row) for row in await connection.fetch(_LIST, LISTED_MAX)]


async def key_of_permit(grant: Grant, database: Database, identity: str) -> bytes:
    """Return the key of a permit's pseudonyms (32 bytes).

    Raises:
        NotFound: there is no such permit.
        Conflict: it is not in force: it gives no pseudonyms.
        KeyMissing: the key store does not hold its key.
    """
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_ONE, identity)
    if row is None:
        raise NotFound(f"There is no permit {identity}; see: salus permit list")
    if not _permit(row).is_in_force(grant.opened_at):
        raise Conflict(f"Permit {identity} is not in force: it gives no pseudonyms.")
    found = await asyncio.to_thread(_keys_of(database).of, key_name(identity))
    if found is None:
        raise KeyMissing(f"The key store has no key of permit {identity}; end it and issue another one.")
    return found[1]


async def _destroy(grant: Grant, database: Database, identity: str) -> None:
    await database.contents.destroy([key_name(identity)])
    async with database.writing(grant) as connection:
        if await connection.fetchval(_GONE, identity, grant.opened_at):
            await _write_down(grant, connection, identity, "key destroyed")


async def _locked(connection: Connection, identity: str) -> Permit:
    row = await connection.fetchrow(_LOCKED, identity)
    if row is None:
        raise NotFound(f"There is no permit {identity}; see: salus permit list")
    return _permit(row)


async def _write_down(grant: Grant, connection: Connection, identity: str, *events: str) -> None:
    leaves = [
        leaf_of(grant, "", what=f"permit/{identity} {event}", resources=1, outcome=Outcome.SERVED)
        for event in events
    ]
    await append(connection, leaves)


def _keys_of(database: Database) -> KeyStore:
    if database.contents.keys is None:
        raise StorageUnavailable("The node has no key store, which the keys of permits are kept in.")
    return database.contents.keys


def _permit(row: object) -> Permit:
    values = dict(row)  # type: ignore[call-overload]  # a row of _COLUMNS
    return Permit(**(values | {name: tuple(values[name]) for name in ("purposes", "categories")}))
