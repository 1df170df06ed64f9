"""SMART Health Links: kept, opened, ended (schema 0097).

What counts against a link (wrong passcodes, openings) is counted in the transaction that decides, one request
of a link after the other, whichever process of the node is asked.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import Conflict, NotFound
from salus.standards.healthlinks.manifest import (
    LinkState,
    ManifestDecision,
    ManifestRequest,
    Verdict,
    decide,
)
from salus.store import ledger
from salus.store.notices import Telling, tell
from salus.store.postgres import Database
from salus.store.referring import await_restrictions

OPENED = "link-opened"
LISTED_MAX = 200
GOOD_MAX = 50
"""Most links of a person that are good at the same time."""
_GOOD = """
SELECT count(*) FROM health_link WHERE patient = ANY ($1) AND content IS NOT NULL AND expires_at > $2
"""
_RECORDS = "SELECT records_of_person($1)"
_MAKE = """
INSERT INTO health_link (patient, id, address, kind, label, made_at, made_by, expires_at, passcode, salt,
    wrong_max, uses_max, content, holder)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
"""
_LIST = """
SELECT id, kind, label, made_at, made_by, expires_at, passcode IS NOT NULL, wrong, wrong_max, uses, uses_max,
    ended_at, holder
FROM health_link WHERE patient = ANY ($1) ORDER BY made_at DESC, id LIMIT $2
"""
_OPENINGS = """
SELECT link, at, recipient FROM health_link_opening WHERE patient = ANY ($1) ORDER BY at DESC LIMIT $2
"""
_END = """
UPDATE health_link SET ended_at = coalesce(ended_at, $3), content = NULL
WHERE patient = ANY ($1) AND id = $2 RETURNING patient
"""
_FIND = """
SELECT patient, id, holder FROM health_link
WHERE address = $1 AND ended_at IS NULL AND expires_at > $2 AND wrong < wrong_max AND uses < uses_max
    AND content IS NOT NULL
"""
_LOCK = """
SELECT passcode, salt, extract(epoch FROM expires_at)::float8 AS expires, ended_at IS NOT NULL AS ended,
    wrong, wrong_max, uses, uses_max, made_at, content
FROM health_link WHERE patient = $1 AND id = $2 FOR UPDATE
"""
_WRONG = """
UPDATE health_link SET wrong = wrong + 1, content = CASE WHEN wrong + 1 < wrong_max THEN content END
WHERE patient = $1 AND id = $2
"""
_USED = "UPDATE health_link SET uses = uses + 1 WHERE patient = $1 AND id = $2 RETURNING uses"
_NOTE = """
INSERT INTO health_link_opening (patient, link, number, at, recipient) VALUES ($1, $2, $3, $4, $5)
"""
_TICKET = """
INSERT INTO health_link_ticket (digest, patient, link, recipient, expires_at) VALUES ($1, $2, $3, $4, $5)
"""
_TAKE = """
DELETE FROM health_link_ticket WHERE digest = $1 AND expires_at > $2 RETURNING patient, link, recipient,
    (SELECT holder FROM health_link l WHERE (l.patient, l.id) = (health_link_ticket.patient, link)) AS holder
"""
_CONTENT = """
SELECT content FROM health_link
WHERE patient = $1 AND id = $2 AND ended_at IS NULL AND expires_at > $3 AND content IS NOT NULL
"""
_FORGET = (
    "UPDATE health_link SET content = NULL WHERE expires_at <= $1 AND content IS NOT NULL",
    """
    UPDATE health_link l SET ended_at = coalesce(ended_at, $1), content = NULL
    WHERE holder IS NOT NULL AND content IS NOT NULL AND NOT EXISTS (
        SELECT FROM proxy p WHERE (p.patient, p.holder) = (l.patient, l.holder) AND p.ended_at IS NULL
            AND (p.ends_at IS NULL OR p.ends_at > $1))
    """,
    "DELETE FROM health_link_ticket WHERE expires_at <= $1",
)


class NewLink(msgspec.Struct, frozen=True):
    """A link to be kept; `content` is a JWE, `address` the hash of the secret in its url.

    `holder`: the Patient of who makes it by a power to act for this one, None for the patient's own.
    """

    patient: str
    id: str
    address: bytes
    kind: str
    label: str
    made_at: datetime
    made_by: str
    expires_at: datetime
    passcode: bytes | None
    salt: bytes
    wrong_max: int
    uses_max: int
    content: bytes
    holder: str | None = None


class Opening(msgspec.Struct, frozen=True):
    """One opening: of which link, when, by whom as they said."""

    link: str
    at: datetime
    recipient: str


class Link(msgspec.Struct, frozen=True):
    """A link as its maker sees it; the link itself was shown once, and is not kept.

    `suspended`: it was made under a power to act that is not in force.
    """

    id: str
    kind: str
    label: str
    made_at: datetime
    made_by: str
    expires_at: datetime
    has_passcode: bool
    wrong: int
    wrong_max: int
    uses: int
    uses_max: int
    ended_at: datetime | None
    holder: str | None = None
    openings: tuple[Opening, ...] = ()
    suspended: bool = False

    def is_good(self, now: datetime) -> bool:
        """Return whether it can still be opened."""
        return (
            self.ended_at is None
            and not self.suspended
            and now < self.expires_at
            and self.wrong < self.wrong_max
            and self.uses < self.uses_max
        )


class Found(msgspec.Struct, frozen=True):
    """The link at an address: whose, its id, under whose power it was made (see `NewLink.holder`)."""

    patient: str
    id: str
    holder: str | None
    recipient: str = ""


class Opened(msgspec.Struct, frozen=True):
    """What became of a request; `content` (a JWE) and `made_at` where it is served."""

    decision: ManifestDecision
    content: str = ""
    made_at: datetime | None = None


def hash_of(secret: str) -> bytes:
    """Return what is kept of a secret of 32 random bytes."""
    return hashlib.sha256(secret.encode()).digest()


async def make_link(grant: Grant, database: Database, link: NewLink) -> bool:
    """Keep a link, with a leaf; return False where the person has too many good ones.

    Raises:
        Conflict: it was composed of records that are no longer one person's.
    """
    async with database.writing(grant) as connection:
        own = sorted(grant.patients or ())
        await await_restrictions(connection, own)  # who parts records holds them
        if not set(own) <= set(await connection.fetchval(_RECORDS, link.patient)):
            raise Conflict("Records that were one person's were parted meanwhile; make the link again.")
        if await connection.fetchval(_GOOD, own, grant.opened_at) >= GOOD_MAX:
            return False
        await connection.execute(_MAKE, *msgspec.structs.astuple(link))
        what = f"health-link/{link.id} made"
        leaf = ledger.leaf_of(grant, link.patient, what=what, resources=1, outcome=Outcome.SERVED)
        await ledger.append(connection, [leaf])
    return True


async def links(grant: Grant, database: Database) -> list[Link]:
    """Return the person's links, newest first, each with who opened it."""
    own = sorted(grant.patients or ())
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_LIST, own, LISTED_MAX)
        opened = [Opening(*row) for row in await connection.fetch(_OPENINGS, own, LISTED_MAX)]
    found = [Link(*row) for row in rows]
    return [
        msgspec.structs.replace(link, openings=tuple(one for one in opened if one.link == link.id))
        for link in found
    ]


async def end_link(grant: Grant, database: Database, identity: str) -> None:
    """End a link and remove what it led to, with a leaf.

    Raises:
        NotFound: the person has none of that id.
    """
    async with database.writing(grant) as connection:
        patient = await connection.fetchval(_END, sorted(grant.patients or ()), identity, grant.opened_at)
        if patient is None:
            raise NotFound("You have no such link; see /rights/links.")
        what = f"health-link/{identity} ended"
        leaf = ledger.leaf_of(grant, patient, what=what, resources=1, outcome=Outcome.SERVED)
        await ledger.append(connection, [leaf])


async def find_link(database: Database, secret: str, now: datetime) -> Found | None:
    """Return the link at an address, None where there is none that can still be opened.

    It is asked before there is a grant, as who opens it is decided by it.
    """
    async with database.system() as connection:
        row = await connection.fetchrow(_FIND, hash_of(secret), now)
    return None if row is None else Found(row["patient"], row["id"], row["holder"])


async def open_link(
    grant: Grant, database: Database, patient: str, identity: str, request: ManifestRequest
) -> Opened:
    """Decide on a request and count it; the citizen is told of an opening in the same transaction.

    A passcode is worked out beside the event loop. The gate writes the leaf.
    """
    now = grant.opened_at
    async with database.writing(grant) as connection:
        row = await connection.fetchrow(_LOCK, patient, identity)
        if row is None or row["content"] is None:
            return Opened(ManifestDecision(Verdict.GONE))
        state = LinkState(
            row["passcode"], row["salt"], row["expires"], row["ended"], row["wrong"], row["wrong_max"],
            row["uses"], row["uses_max"],
        )  # fmt: skip
        decision = await asyncio.to_thread(decide, state, request, now=now.timestamp())
        if decision.verdict is Verdict.WRONG_PASSCODE:
            await connection.execute(_WRONG, patient, identity)
        if decision.verdict is not Verdict.SERVE:
            return Opened(decision)
        number = await connection.fetchval(_USED, patient, identity)
        await connection.execute(_NOTE, patient, identity, number, now, grant.caller.name)
        caller = grant.caller
        told = Telling(patient, now, OPENED, grant.request, caller.subject, caller.name, "", grant.request)
        await tell(connection, [told])
    return Opened(decision, row["content"].decode(), row["made_at"])


async def make_ticket(
    grant: Grant, database: Database, patient: str, identity: str, secret: str, until: datetime
) -> None:
    """Keep an address at which the file of a link can be had once."""
    async with database.writing(grant) as connection:
        await connection.execute(_TICKET, hash_of(secret), patient, identity, grant.caller.name, until)


async def take_ticket(database: Database, secret: str, now: datetime) -> Found | None:
    """Use an address up; return the link, None where it is none or old."""
    async with database.system() as connection:
        row = await connection.fetchrow(_TAKE, hash_of(secret), now)
    return None if row is None else Found(row["patient"], row["link"], row["holder"], row["recipient"])


async def content_of(grant: Grant, database: Database, patient: str, identity: str) -> str:
    """Return the JWE behind a link that was opened.

    Raises:
        NotFound: it has ended meanwhile.
    """
    async with database.reading(grant) as connection:
        found = await connection.fetchval(_CONTENT, patient, identity, grant.opened_at)
    if found is None:
        raise NotFound("This link leads nowhere.")
    return bytes(found).decode()


async def forget_links(database: Database, now: datetime) -> None:
    """Remove what ended links led to, and old addresses of files."""
    async with database.system() as connection:
        for statement in _FORGET:
            await connection.execute(statement, now)
