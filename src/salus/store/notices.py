"""What a person is told of the use of their data, and what of it they have read (schema 0061).

A notice names who, when and where; never health data. It commits with the leaf that it tells of. Whoever
sends notices on (letter, e-mail) takes them from here; for a person who chose the quiet channel only that
there is news.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from salus.core.access import Grant, Leaf, Outcome
from salus.core.errors import NotFound
from salus.store.postgres import Connection, Database

EMERGENCY, UNPROVEN, CUT_OFF = "emergency", "unproven", "cut-off"
EMERGENCY_UNJUSTIFIED = "emergency-unjustified"
"""What the second look found of an emergency access (`store.emergencies.review`)."""
ASSISTED = "assisted"
"""Staff at a desk did something in the person's name; one a day of each member of staff."""
ACCOUNT_BOUND, ACCOUNT_CODE = "account-bound", "account-code"
PROXY_CONFIRMED = "proxy-confirmed"
"""Others can reach the record in a new way: an account, a code to bind one, a proxy that staff confirmed."""
BREACH = "breach"
"""Of an incident that concerns their data; `store.incident_people` has the words."""
ACCESS = "access"
"""Of any access, to who wishes it (`store.wished`)."""
TOLD = frozenset({EMERGENCY, UNPROVEN, CUT_OFF, ASSISTED})
"""Marks of a leaf that its patient is told of."""
_NOT_IN_THEIR_NAME = ("Patient/", "proxy", "account-code", "code to bind", "assistance ended")
"""What staff at a desk do without acting as the person, or what has a notice of its own."""
WITHHELD = "withheld"
LISTED_MAX = 500
_TELL = "SELECT tell($1, $2, $3, $4, $5, $6, $7, $8)"
_LIST = """
SELECT n.id, n.at, n.kind, n.key, n.subject, n.who, n.place, n.request, n.read_at,
    coalesce(e.reason, d.reason, '') AS reason,
    EXISTS (
        SELECT FROM withholding w WHERE w.patient = n.patient AND w.subject = n.subject
            AND w.agreed_at IS NOT NULL AND w.lifted_at IS NULL AND w.until > $3
    ) AS withheld
FROM notice n LEFT JOIN emergency e
    ON n.kind IN ('emergency', 'emergency-unjustified') AND e.patient = n.patient AND e.id = n.key
LEFT JOIN LATERAL (
    SELECT p.reason FROM presence p
    WHERE p.patient = n.patient AND p.node = '' AND p.subject = n.subject AND p.reason <> ''
        AND p.since <= n.at AND n.at < p.since + interval '1 day'
    ORDER BY p.since DESC LIMIT 1
) d ON n.kind = 'unproven'
WHERE n.patient = ANY ($1) ORDER BY n.id DESC LIMIT $2
"""
_READ = "UPDATE notice SET read_at = coalesce(read_at, $3) WHERE patient = ANY ($1) AND id = $2 RETURNING id"
_NEWS = "SELECT count(*) FROM notice WHERE patient = ANY ($1) AND read_at IS NULL"
_CHANNEL = """
SELECT coalesce(bool_or(quiet), false) AS quiet, coalesce(bool_or(every), false) AS every
FROM notice_channel WHERE patient = ANY ($1)
"""
_CHOOSE = """
INSERT INTO notice_channel AS chosen (patient, quiet, every)
SELECT patient, coalesce($2, false), coalesce($3, false) FROM unnest($1::text[]) AS own (patient)
ON CONFLICT (patient) DO UPDATE SET quiet = coalesce($2, chosen.quiet), every = coalesce($3, chosen.every)
"""


class Telling(msgspec.Struct, frozen=True):
    """A notice before it is kept; the same `kind` and `key` of a patient are kept once."""

    patient: str
    at: datetime
    kind: str
    key: str
    subject: str
    who: str
    place: str
    request: str


class Notice(msgspec.Struct, frozen=True):
    """A notice as the person sees it.

    Args:
        request: finds the access in their log.
        reason: that was stated.
        language, text, categories: of an incident, what the person is told and of which data (`Words`).
    """

    id: int
    at: datetime
    kind: str
    who: str
    place: str
    request: str
    read_at: datetime | None
    reason: str = ""
    language: str = ""
    text: str = ""
    categories: tuple[str, ...] = ()


class KeptNotice(msgspec.Struct, frozen=True):
    """A notice with its key, which finds what belongs to it."""

    key: str
    notice: Notice


def is_told(leaf: Leaf) -> bool:
    """Return whether a leaf gives rise to a notice: what was only tried is in the access log.

    An emergency is told of when it is claimed, before anything is opened.
    """
    if not leaf.patient or leaf.outcome is not Outcome.SERVED:
        return False
    return _claimed(leaf) or UNPROVEN in leaf.marks or CUT_OFF in leaf.marks or _assists(leaf)


def notice_of(leaf: Leaf) -> Telling:
    """Return the notice of a marked leaf: one of each emergency, else one a day for each asker."""
    place = ", ".join(part for part in (leaf.organisation, leaf.node) if part)
    if _claimed(leaf):
        kind, key = EMERGENCY, leaf.what.removeprefix("emergency/").partition(" ")[0]
    else:
        mark = next(each for each in (UNPROVEN, CUT_OFF, ASSISTED) if each in leaf.marks)
        kind, key = mark, f"{leaf.at:%Y-%m-%d} {leaf.node} {leaf.subject}"
    return Telling(leaf.patient, leaf.at, kind, key, leaf.subject, leaf.name, place, leaf.request)


def _claimed(leaf: Leaf) -> bool:
    return EMERGENCY in leaf.marks and leaf.what.startswith("emergency/")


def _assists(leaf: Leaf) -> bool:
    return ASSISTED in leaf.marks and not leaf.what.startswith(_NOT_IN_THEIR_NAME)


def told_of(grant: Grant, patient: str, kind: str, key: str, *, place: str = "") -> Telling:
    """Return the notice of what the grant's caller does; `place` is their organisation without one."""
    caller = grant.caller
    return Telling(
        patient, grant.opened_at, kind, key, caller.subject, caller.name, place or caller.organisation,
        grant.request,
    )  # fmt: skip


async def tell(connection: Connection, tellings: Sequence[Telling]) -> None:
    """Keep the notices, in the caller's transaction."""
    if tellings:
        columns = zip(*(msgspec.structs.astuple(each) for each in _ordered(tellings)), strict=True)
        await connection.execute(_TELL, *(list(column) for column in columns))


def _ordered(tellings: Sequence[Telling]) -> list[Telling]:
    """Return them in one order for all, so that no two transactions wait for each other."""
    return sorted(tellings, key=lambda each: (each.patient, each.kind, each.key))


async def notices(grant: Grant, database: Database) -> list[KeptNotice]:
    """Return what the person of the grant was told, newest first; of an author who is withheld, only that."""
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_LIST, sorted(grant.patients or ()), LISTED_MAX, grant.opened_at)
    return [KeptNotice(row["key"], _notice(row)) for row in rows]


def _notice(row: asyncpg.Record) -> Notice:
    if row["withheld"]:
        return Notice(row["id"], row["at"], row["kind"], WITHHELD, "", "", row["read_at"])
    fields = ("id", "at", "kind", "who", "place", "request", "read_at", "reason")
    return Notice(*(row[name] for name in fields))


async def unread(grant: Grant, database: Database) -> int:
    """Return how many notices the person of the grant has not read."""
    async with database.reading(grant) as connection:
        return int(await connection.fetchval(_NEWS, sorted(grant.patients or ())))


async def mark_read(grant: Grant, database: Database, number: int) -> None:
    """Note that the person has read a notice.

    Raises:
        NotFound: there is none of that number for them.
    """
    async with database.writing(grant) as connection:
        own = sorted(grant.patients or ())
        if await connection.fetchval(_READ, own, number, grant.opened_at) is None:
            raise NotFound(f"There is no notice {number} for you; see /notices.")


class Channel(msgspec.Struct, frozen=True):
    """How a person is told: `quiet`, only that there is news; `every`, also of each access of others."""

    quiet: bool
    every: bool


async def channel_of(grant: Grant, database: Database) -> Channel:
    """Return how the person of the grant is told."""
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_CHANNEL, sorted(grant.patients or ()))
    assert row is not None, "an aggregate has one row"
    return Channel(row["quiet"], row["every"])


async def choose_channel(
    grant: Grant, database: Database, *, quiet: bool | None = None, every: bool | None = None
) -> None:
    """Keep how the person wishes to be told; None leaves a choice as it is."""
    async with database.writing(grant) as connection:
        await connection.execute(_CHOOSE, sorted(grant.patients or ()), quiet, every)
