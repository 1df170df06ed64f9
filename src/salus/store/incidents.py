"""Incidents: what happened, whose accesses it is about, what was done. Their entries are only ever added.

Each change is a leaf of the audit in the same transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import Conflict, NotFound
from salus.store import ledger
from salus.store.postgres import Connection, Database

_COLUMNS = """
id, title, subject, since, until, patients, acting, significant, high_risk, aware_at, closed_at, kind,
protection
"""
_OPEN = """
INSERT INTO incident
    (title, subject, since, until, patients, acting, significant, high_risk, aware_at, kind, protection)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id
"""
_LIST = f"SELECT {_COLUMNS} FROM incident ORDER BY id DESC LIMIT $1"  # noqa: S608  (constants only)
_ONE = f"SELECT {_COLUMNS} FROM incident WHERE id = $1"  # noqa: S608
_ENTRIES = "SELECT at, by, kind, notice, body FROM incident_entry WHERE incident = $1 ORDER BY number"
_ADD = """
INSERT INTO incident_entry (incident, number, at, by, kind, notice, body)
SELECT $1, 1 + count(*), $2, $3, $4, $5, $6 FROM incident_entry WHERE incident = $1
"""
LISTED_MAX = 1_000


class Incident(msgspec.Struct, frozen=True):
    """One incident; schemas 0025 and 0179 say what the fields mean. `id` is 0 before it is kept."""

    id: int
    title: str
    subject: str
    since: datetime
    until: datetime
    patients: tuple[str, ...]
    acting: str
    significant: bool
    high_risk: bool
    aware_at: datetime
    closed_at: datetime | None = None
    kind: str = "access"
    protection: str = "unknown"


class Entry(msgspec.Struct, frozen=True):
    """One line of an incident's history: opened, note, notice, reassessed, released or closed."""

    at: datetime
    by: str
    kind: str
    notice: str
    body: str


async def open_incident(grant: Grant, database: Database, incident: Incident, finding: int | None) -> int:
    """Keep a new incident, for a finding where one is named, and return its number.

    Raises:
        NotFound: there is no such finding.
        Conflict: the finding has an incident already.
    """
    fields = incident
    async with database.writing(grant) as connection:
        number = int(
            await connection.fetchval(
                _OPEN, fields.title, fields.subject, fields.since, fields.until, list(fields.patients),
                fields.acting, fields.significant, fields.high_risk, fields.aware_at, fields.kind,
                fields.protection,
            )
        )  # fmt: skip
        if finding is not None:
            await _claim(connection, finding, number)
        await write_down(grant, connection, number, "opened", "", incident.title)
    return number


async def _claim(connection: Connection, finding: int, number: int) -> None:
    row = await connection.fetchrow("SELECT incident FROM finding WHERE id = $1 FOR UPDATE", finding)
    if row is None:
        raise NotFound(f"There is no finding {finding}.")
    if row["incident"] is not None:
        raise Conflict(f"Finding {finding} belongs to incident {row['incident']} already.")
    await connection.execute("UPDATE finding SET incident = $2 WHERE id = $1", finding, number)


async def incidents(grant: Grant, database: Database) -> list[Incident]:
    """Return the incidents, newest first."""
    async with database.reading(grant) as connection:
        return [_incident(row) for row in await connection.fetch(_LIST, LISTED_MAX)]


async def incident(grant: Grant, database: Database, number: int) -> tuple[Incident, list[Entry]]:
    """Return an incident with its history, oldest first.

    Raises:
        NotFound: there is none of that number.
    """
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_ONE, number)
        if row is None:
            raise NotFound(f"There is no incident {number}; see: salus incident list")
        return _incident(row), [Entry(*each) for each in await connection.fetch(_ENTRIES, number)]


async def add_entry(
    grant: Grant, database: Database, number: int, kind: str, body: str, *, notice: str = ""
) -> None:
    """Add to the history of an open incident; kind "closed" closes it.

    Raises:
        NotFound: there is none of that number.
        Conflict: it is closed.
    """
    async with database.writing(grant) as connection:
        await require_open(connection, number)
        if kind == "closed":
            await connection.execute(
                "UPDATE incident SET closed_at = $2 WHERE id = $1", number, grant.opened_at
            )
        await write_down(grant, connection, number, kind, notice, body)


async def reassess(grant: Grant, database: Database, number: int, protection: str, body: str) -> None:
    """Change what is known of the protection of what was taken, and say why in the history.

    Raises:
        NotFound: there is none of that number.
        Conflict: it is closed.
    """
    async with database.writing(grant) as connection:
        await require_open(connection, number)
        await connection.execute("UPDATE incident SET protection = $2 WHERE id = $1", number, protection)
        await write_down(grant, connection, number, "reassessed", protection, body)


async def require_open(connection: Connection, number: int) -> None:
    """Keep an incident as it is until the transaction ends.

    Raises:
        NotFound: there is none of that number.
        Conflict: it is closed.
    """
    row = await connection.fetchrow("SELECT closed_at FROM incident WHERE id = $1 FOR UPDATE", number)
    if row is None:
        raise NotFound(f"There is no incident {number}; see: salus incident list")
    if row["closed_at"] is not None:
        raise Conflict(f"Incident {number} is closed; open another one for what came to light since.")


async def write_down(
    grant: Grant, connection: Connection, number: int, kind: str, notice: str, body: str
) -> None:
    """Add a line to an incident's history and its leaf, in the caller's transaction."""
    await connection.execute(_ADD, number, grant.opened_at, grant.caller.name, kind, notice, body)
    what = " ".join(filter(None, (f"incident/{number}", kind, notice)))
    leaf = ledger.leaf_of(grant, "", what=what, resources=1, outcome=Outcome.SERVED)
    await ledger.append(connection, [leaf])


async def languages_of(grant: Grant, database: Database, patients: list[str]) -> dict[str, str]:
    """Return the language that patients prefer (Patient.communication), for those who say one."""
    statement = "SELECT id, content FROM resource WHERE type = 'Patient' AND id = ANY ($1) AND NOT deleted"
    async with database.reading(grant) as connection:
        rows = await connection.fetch(statement, patients)
    spoken = {row["id"]: _language(msgspec.json.decode(row["content"])) for row in rows}
    return {patient: language for patient, language in spoken.items() if language}


def _language(patient: dict[str, Any]) -> str:  # Any: JSON values
    told = [each for each in patient.get("communication", ()) if isinstance(each, dict)]
    for each in sorted(told, key=lambda one: not one.get("preferred", False)):
        for coding in each.get("language", {}).get("coding", ()):
            if coding.get("code"):
                return str(coding["code"]).split("-")[0]
    return ""


def _incident(row: Any) -> Incident:  # Any: a row of _COLUMNS
    values = dict(row) | {"patients": tuple(row["patients"])}
    return Incident(**values)
