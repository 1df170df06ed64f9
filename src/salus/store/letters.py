"""Letters that wait for the desk: of who chose letters, and of an incident for whom nothing else reached.

Each is printed once: whoever prints marks it afterwards, so that a crash prints twice rather than never.
"""

from __future__ import annotations

import msgspec

from salus.core.access import Grant
from salus.store.postgres import Database

LETTERS_MAX = 500
"""Most letters of one printing."""
_CHOSEN = """
SELECT patient, holder, language, quiet, 0::bigint AS incident FROM notice_way
WHERE channel = 'letter' AND attempt_at IS NOT NULL ORDER BY attempt_at, patient LIMIT $1
"""
_OF_INCIDENT = """
SELECT told.patient, '' AS holder, told.language, false AS quiet, told.incident
FROM incident_person told
JOIN notice ON (notice.patient, notice.kind, notice.key)
    = (told.patient, 'breach', 'incident/' || told.incident)
WHERE told.incident = $1 AND told.letter_at IS NULL AND notice.read_at IS NULL AND NOT EXISTS (
    SELECT FROM notice_way way
    WHERE way.patient = told.patient AND way.channel <> 'letter'
        AND way.failures = 0 AND way.sent_at >= told.told_at
)
ORDER BY told.patient LIMIT $2
"""
_PATIENTS = "SELECT id, content FROM resource WHERE type = 'Patient' AND id = ANY ($1) AND NOT deleted"
_UNREAD = """
SELECT told.patient, incident_text.said
FROM incident_person told
JOIN incident_text USING (incident, language)
JOIN notice ON (notice.patient, notice.kind, notice.key)
    = (told.patient, 'breach', 'incident/' || told.incident)
WHERE told.patient = ANY ($1) AND notice.read_at IS NULL ORDER BY told.patient, told.incident
"""
_PRINTED = """
UPDATE notice_way SET sent_at = $3, waits = false, attempt_at = NULL
FROM unnest($1::text[], $2::text[]) AS one (patient, holder)
WHERE (notice_way.patient, notice_way.holder) = (one.patient, one.holder) AND channel = 'letter'
"""
_PRINTED_OF = """
UPDATE incident_person SET letter_at = $3
FROM unnest($1::text[], $2::bigint[]) AS one (patient, incident)
WHERE (incident_person.patient, incident_person.incident) = (one.patient, one.incident)
"""


class Letter(msgspec.Struct, frozen=True):
    """A letter that waits.

    Args:
        patient: whose notices it is about.
        holder: the record of who acts for them and gets it, "" for the person.
        language: to write in.
        quiet: it says not even where there is something to read.
        incident: that it is about, 0 where it was chosen.
    """

    patient: str
    holder: str
    language: str
    quiet: bool
    incident: int


async def letters(grant: Grant, database: Database, incident: int = 0) -> list[Letter]:
    """Return the letters that wait, at most `LETTERS_MAX`: those chosen, or those of an incident."""
    assert grant.patients is None
    async with database.reading(grant) as connection:
        if incident:
            rows = await connection.fetch(_OF_INCIDENT, incident, LETTERS_MAX)
        else:
            rows = await connection.fetch(_CHOSEN, LETTERS_MAX)
    return [Letter(**dict(row)) for row in rows]


async def receivers(grant: Grant, database: Database, patients: list[str]) -> dict[str, bytes]:
    """Return the Patients of the people who get letters, as they are stored."""
    assert grant.patients is None
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_PATIENTS, patients)
    return {row["id"]: row["content"] for row in rows}


async def unread_texts(grant: Grant, database: Database, patients: list[str]) -> dict[str, list[str]]:
    """Return what people were told of incidents and have not read."""
    assert grant.patients is None
    found: dict[str, list[str]] = {}
    async with database.reading(grant) as connection:
        for row in await connection.fetch(_UNREAD, patients):
            found.setdefault(row["patient"], []).append(row["said"].decode("utf-8"))
    return found


async def note_printed(grant: Grant, database: Database, printed: list[Letter]) -> None:
    """Note that letters were printed."""
    assert grant.patients is None
    chosen = [each for each in printed if not each.incident]
    of = [each for each in printed if each.incident]
    async with database.writing(grant) as connection:
        await connection.execute(
            _PRINTED, [each.patient for each in chosen], [each.holder for each in chosen], grant.opened_at
        )
        await connection.execute(
            _PRINTED_OF, [each.patient for each in of], [each.incident for each in of], grant.opened_at
        )
