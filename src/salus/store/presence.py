"""Evidence that a patient is with a professional abroad (EHDS article 11(1)): a one-time code, or a document.

It is weighed before there is a grant, because what is granted depends on it; nothing of the record is told.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Grant, Outcome
from salus.store import ledger
from salus.store.postgres import Database

CODES_MAX = 5
"""Most codes of a person that are good at the same time."""
DOCUMENT_TYPES = frozenset({"PPN", "DL", "HC", "JHN", "NIIP"})
"""HL7 v2 table 0203: passport, driver's licence, health cards, national insurance payor's card. Numbers by
which patients are looked up (NI, NNxxx, MR) show nothing: whoever looked them up knows them."""
_MAKE = "INSERT INTO presence_code (patient, digest, until) VALUES ($1, $2, $3)"
_GOOD = "SELECT count(*) FROM presence_code WHERE patient = $1 AND until > $2 AND used_at IS NULL"
_OLDEST = """
UPDATE presence_code SET used_at = $2 WHERE patient = $1 AND digest = (
    SELECT digest FROM presence_code WHERE patient = $1 AND until > $2 AND used_at IS NULL
    ORDER BY until LIMIT 1
)
"""
_USE = """
UPDATE presence_code SET used_at = $3
WHERE patient = ANY (records_of_person($1)) AND digest = $2 AND until > $3 AND used_at IS NULL
RETURNING patient
"""
_USE_ANY = """
UPDATE presence_code SET used_at = $2 WHERE digest = $1 AND until > $2 AND used_at IS NULL RETURNING patient
"""
_KEEP = """
INSERT INTO presence (patient, node, subject, evidence, since, until) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT DO NOTHING
"""
_PATIENTS = """
SELECT content FROM resource
WHERE compartment = ANY (records_of_person($1)) AND type = 'Patient' AND id = compartment AND NOT deleted
"""
_COUNT = """
INSERT INTO unproven (node, day, patient) VALUES ($1, $2, $3)
ON CONFLICT (node, day, patient) DO UPDATE SET asked = true
"""
_TRY = """
INSERT INTO unproven AS known (node, day, patient, asked, wrong) VALUES ($1, $2, $3, false, 1)
ON CONFLICT (node, day, patient) DO UPDATE SET wrong = known.wrong + 1 RETURNING wrong
"""
_GIVE_BACK = "UPDATE unproven SET wrong = wrong - 1 WHERE node = $1 AND day = $2 AND patient = $3"
_IN_TURN = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
_COUNTED = "SELECT count(*), bool_or(patient = $3) FROM unproven WHERE node = $1 AND day = $2 AND asked"
_FORGET = (
    "DELETE FROM presence_code WHERE until < $1",
    "DELETE FROM presence WHERE until < $1 AND reason = ''",
    "DELETE FROM unproven WHERE day < $1::date",
    "DELETE FROM written_by WHERE until < $1",
)


async def make_code(grant: Grant, database: Database, patient: str, digest: bytes, until: datetime) -> None:
    """Keep a code's digest for the person; of too many good ones the oldest ends. A leaf of theirs."""
    async with database.writing(grant) as connection:
        if await connection.fetchval(_GOOD, patient, grant.opened_at) >= CODES_MAX:
            await connection.execute(_OLDEST, patient, grant.opened_at)
        await connection.execute(_MAKE, patient, digest, until)
        leaf = ledger.leaf_of(grant, patient, what="presence-code made", resources=1, outcome=Outcome.SERVED)
        await ledger.append(connection, [leaf])


async def use_code(database: Database, patient: str, digest: bytes, now: datetime) -> bool:
    """Use a code up; return whether it was the person's own and good."""
    async with database.system() as connection:
        return await connection.fetchval(_USE, patient, digest, now) is not None


async def use_anybodys_code(database: Database, digest: bytes, now: datetime) -> str | None:
    """Use a code up whoever made it; return whose it was, None where it is nobody's or not good any more."""
    async with database.system() as connection:
        found: str | None = await connection.fetchval(_USE_ANY, digest, now)
    return found


async def has_document(database: Database, patient: str, number: str) -> bool:
    """Return whether the number is that of an identity or insurance document in the person's Patient."""
    wanted = _plain(number)
    if not wanted:
        return False
    async with database.system() as connection:
        rows = await connection.fetch(_PATIENTS, patient)
    return any(wanted in _document_numbers(msgspec.json.decode(row["content"])) for row in rows)


async def knows_document(database: Database, patient: str, kind: str) -> bool:
    """Return whether the person's Patient has the number of a document of this kind (HL7 v2 table 0203)."""
    async with database.system() as connection:
        rows = await connection.fetch(_PATIENTS, patient)
    return any(_numbers(msgspec.json.decode(row["content"]), frozenset({kind})) for row in rows)


async def keep_presence(
    database: Database, patient: str, node: str, subject: str, evidence: str, since: datetime, until: datetime
) -> None:
    """Note that the professional was shown to have the patient in front of them."""
    async with database.system() as connection:
        await connection.execute(_KEEP, patient, node, subject, evidence, since, until)


async def count_unproven(database: Database, node: str, patient: str, now: datetime, most: int) -> bool:
    """Count a patient whom the node asks for without evidence today; return whether it still may."""
    day = now.date()
    async with database.system() as connection, connection.transaction():
        await connection.execute(_IN_TURN, f"unproven patients of {node}")
        counted, known = await connection.fetchrow(_COUNTED, node, day, patient)
        if known:
            return True
        if counted >= most:
            return False
        await connection.execute(_COUNT, node, day, patient)
        return True


async def take_try(database: Database, who: str, patient: str, now: datetime) -> int:
    """Count a code or number that is given for the patient, and return how many were today (UTC).

    `who` is a member node, or a professional of this one. Counted before it is compared, so that none of many
    at once is free; a right one is given back.
    """
    async with database.system() as connection:
        return int(await connection.fetchval(_TRY, who, now.date(), patient))


async def give_back_try(database: Database, who: str, patient: str, now: datetime) -> None:
    """Take a code or number that was right out of the count."""
    async with database.system() as connection:
        await connection.execute(_GIVE_BACK, who, now.date(), patient)


async def forget_presence(database: Database, before: datetime) -> None:
    """Remove codes, presences and counts of days that ended before."""
    async with database.system() as connection:
        for statement in _FORGET:
            await connection.execute(statement, before)


def _document_numbers(patient: dict[str, Any]) -> set[str]:  # Any: JSON of a Patient
    return _numbers(patient, DOCUMENT_TYPES)


def _numbers(patient: dict[str, Any], kinds: frozenset[str]) -> set[str]:  # Any: JSON of a Patient
    found = set()
    for each in patient.get("identifier", ()):
        codes = {coding.get("code") for coding in each.get("type", {}).get("coding", ())}
        if codes & kinds and each.get("value"):
            found.add(_plain(str(each["value"])))
    return found


def _plain(number: str) -> str:
    return "".join(char for char in number.upper() if char.isalnum())
