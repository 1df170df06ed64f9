"""Withholding from a citizen who made certain accesses, for a time, where two decided it (EHDS 9(3)).

The citizen still sees that there was an access, when, and that its author is withheld until when: the log's
chain stays whole, and the node does not lie by silence. Auditors, incidents and the watch see everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from salus.core.access import Grant, Leaf, Outcome, Role
from salus.core.errors import Conflict, NotFound
from salus.store import ledger
from salus.store.postgres import Connection, Database

WITHHELD = "withheld"
_SHOWN_TO_ALL = frozenset({Role.AUDITOR, Role.OPERATOR})
_IN_FORCE = """
SELECT patient, subject, until FROM withholding
WHERE patient = ANY ($1) AND agreed_at IS NOT NULL AND lifted_at IS NULL AND until > $2
"""
_COLUMNS = (
    "id, patient, subject, reason, until, asked_by, asked_at, agreed_by, agreed_at, lifted_by, lifted_at"
)
_LIST = f"SELECT {_COLUMNS} FROM withholding ORDER BY id DESC LIMIT $1"  # noqa: S608  (constants only)
_ASK = """
INSERT INTO withholding (patient, subject, reason, until, asked_by, asked_at)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
"""
_ONE = f"SELECT {_COLUMNS} FROM withholding WHERE id = $1 FOR UPDATE"  # noqa: S608  (constants only)
_AGREE = "UPDATE withholding SET agreed_by = $2, agreed_at = $3 WHERE id = $1"
_LIFT = "UPDATE withholding SET lifted_by = $2, lifted_at = $3 WHERE id = $1"


class Withholding(msgspec.Struct, frozen=True):
    """A decision: whose accesses (`subject`) to whose record, why, until when; who asked, agreed, lifted."""

    id: int
    patient: str
    subject: str
    reason: str
    until: datetime
    asked_by: str
    asked_at: datetime
    agreed_by: str | None
    agreed_at: datetime | None
    lifted_by: str | None
    lifted_at: datetime | None


class Withheld(msgspec.Struct, frozen=True):
    """What is withheld from whom a grant reads for: until when, by patient and subject."""

    until: dict[tuple[str, str], datetime]

    def until_of(self, leaf: Leaf) -> datetime | None:
        """Return until when the author of an access is withheld, None where it is told."""
        return self.until.get((leaf.patient, leaf.subject))

    def shown(self, leaf: Leaf) -> Leaf:
        """Return the leaf as the reader is shown it."""
        if self.until_of(leaf) is None:
            return leaf
        return msgspec.structs.replace(
            leaf,
            subject="",
            name=WITHHELD,
            organisation="",
            organisation_id="",
            app="",
            request="",
            asked="",
            marks=(),
        )


async def withheld_from(grant: Grant, connection: Connection, patients: Sequence[str]) -> Withheld:
    """Return what is withheld from the reader at this moment: nothing from auditors."""
    if grant.caller.role in _SHOWN_TO_ALL or not patients:
        return Withheld({})
    rows = await connection.fetch(_IN_FORCE, list(patients), grant.opened_at)
    return Withheld({(row["patient"], row["subject"]): row["until"] for row in rows})


async def list_withholdings(grant: Grant, database: Database, *, count: int) -> list[Withholding]:
    """Return the decisions, the newest first; a grant over named patients gets none."""
    if grant.patients is not None:
        return []
    async with database.reading(grant) as connection:
        return [Withholding(*row) for row in await connection.fetch(_LIST, count)]


async def ask_withholding(
    grant: Grant, database: Database, *, patient: str, subject: str, reason: str, until: datetime
) -> int:
    """Ask that somebody's accesses to a record be withheld; nothing is until another agrees."""
    async with database.writing(grant) as connection:
        number = await connection.fetchval(
            _ASK, patient, subject, reason, until, grant.caller.subject, grant.opened_at
        )
        await _write_down(grant, connection, patient, f"withholding/{number} asked")
    return int(number)


async def agree_to_withholding(grant: Grant, database: Database, number: int) -> None:
    """Put a withholding in force.

    Raises:
        NotFound: there is none of that number.
        Conflict: the same person asked for it, or it is decided, over or lifted.
    """
    async with database.writing(grant) as connection:
        found = await _locked(connection, number)
        if found.asked_by == grant.caller.subject:
            raise Conflict("Somebody other than who asked for it must agree to a withholding.")
        if found.agreed_at or found.lifted_at or found.until <= grant.opened_at:
            raise Conflict(f"Withholding {number} is decided already, over or lifted.")
        await connection.execute(_AGREE, number, grant.caller.subject, grant.opened_at)
        await _write_down(grant, connection, found.patient, f"withholding/{number} agreed")


async def lift_withholding(grant: Grant, database: Database, number: int) -> None:
    """End a withholding, or a wish for one; who is withheld is told from now on.

    Raises:
        NotFound: there is none of that number.
        Conflict: it is lifted already.
    """
    async with database.writing(grant) as connection:
        found = await _locked(connection, number)
        if found.lifted_at:
            raise Conflict(f"Withholding {number} is lifted already.")
        await connection.execute(_LIFT, number, grant.caller.subject, grant.opened_at)
        await _write_down(grant, connection, found.patient, f"withholding/{number} lifted")


async def _locked(connection: Connection, number: int) -> Withholding:
    row = await connection.fetchrow(_ONE, number)
    if row is None:
        raise NotFound(f"There is no withholding {number}; GET /ledger/withholdings lists them.")
    return Withholding(*row)


async def _write_down(grant: Grant, connection: Connection, patient: str, what: str) -> None:
    leaf = ledger.leaf_of(grant, patient, what=what, resources=0, outcome=Outcome.SERVED)
    await ledger.append(connection, [leaf])
