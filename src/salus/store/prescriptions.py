"""A prescription and what was dispensed on it, held still for the rest of a transaction (schema 0046)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from salus.core.access import Grant
from salus.core.errors import TooCostly
from salus.store import resources
from salus.store.asker import EVERYTHING, asker_of
from salus.store.granted import named, settings_of
from salus.store.postgres import Connection
from salus.store.rows import StoredResource

DISPENSATIONS_MAX, PRESCRIPTIONS_MAX = 1_000, 1_000
_COLUMNS = "compartment, type, id, version, updated, deleted, others, source, source_id, content"
_PRESCRIPTION = f"""
SELECT {_COLUMNS} FROM resource
WHERE type = 'MedicationRequest' AND id = $1 AND NOT deleted
    AND (NOT hidden OR salus_shows(type, id, $2::jsonb))
"""  # noqa: S608  (constants only)
_DISPENSATIONS = f"""
SELECT {_COLUMNS}, node, pharmacy FROM resource LEFT JOIN hand_over USING (compartment, id)
WHERE compartment = ANY ($1::text[]) AND type = 'MedicationDispense' AND NOT deleted
"""  # noqa: S608  (constants only)
_PRESCRIPTIONS = f"""
SELECT {_COLUMNS}, NOT hidden OR salus_shows(type, id, $2::jsonb) AS shown FROM resource
WHERE compartment = ANY ($1::text[]) AND type = 'MedicationRequest' AND NOT deleted
"""  # noqa: S608  (constants only)
_ESCAPED = re.compile(r'["\\/\x00-\x1f]')
"""What JSON may write in two ways."""
_SAME = "SELECT compartment, id, node, pharmacy, content FROM hand_over_of($1)"
_KEEP = """
INSERT INTO hand_over (compartment, id, identifier, node, pharmacy) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (compartment, id) DO NOTHING
"""
_RECORDERS = "SELECT id, node, pharmacy FROM hand_over WHERE compartment = ANY ($1) AND id = ANY ($2)"
_IS_USED_UP = "SELECT true FROM used_up WHERE compartment = $1 AND id = $2 AND version = $3"
_USE_UP = """
INSERT INTO used_up (compartment, id, version) VALUES ($1, $2, $3)
ON CONFLICT (compartment, id) DO UPDATE SET version = excluded.version
"""
_IS_RECEIVED = """
SELECT received FROM resource WHERE compartment = $1 AND type = 'MedicationRequest' AND id = $2
"""
_SENT_AGAIN = f"""
SELECT {_COLUMNS} FROM resource
WHERE (compartment, id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
    AND type = 'MedicationRequest' AND NOT deleted AND version > 1
    AND (EXISTS (SELECT FROM hand_over WHERE hand_over.compartment = resource.compartment)
         OR EXISTS (SELECT FROM used_up
                    WHERE (used_up.compartment, used_up.id) = (resource.compartment, resource.id)))
ORDER BY id
"""  # noqa: S608  (constants only)
_SEE = "SELECT set_config('salus.patients', $1, true), set_config('salus.asker', $2, true)"


class Beside(msgspec.Struct, frozen=True):
    """Another prescription of the person; `shown`: whether the grant may see it."""

    stored: StoredResource
    shown: bool


class HandOver(msgspec.Struct, frozen=True):
    """A recorded dispensation.

    Args:
        patient: whose record holds it.
        id: its logical id.
        content: its bytes.
        recorder: the node ("" for this one) and the organisation that recorded it by the rules; None for
            one that was loaded.
        source: its meta.source as kept beside it.
    """

    patient: str
    id: str
    content: bytes
    recorder: tuple[str, str] | None
    source: str = ""


async def hold_prescription(grant: Grant, connection: Connection, prescription: str) -> StoredResource | None:
    """Lock the MedicationRequest until the transaction ends and return it; None when there is none to see.

    The lock is the one that every writer of the resource takes (`resources.change`), so that two
    dispensations on one prescription follow each other.
    """
    await connection.execute(resources.LOCK, [f"MedicationRequest/{prescription}"])
    row = await connection.fetchrow(_PRESCRIPTION, prescription, asker_of(grant))
    return None if row is None else resources.stored(row)


async def hold_prescriptions(connection: Connection, prescriptions: Iterable[str]) -> None:
    """Lock MedicationRequests until the transaction ends, in the order in which every writer locks."""
    await connection.execute(resources.LOCK, [f"MedicationRequest/{each}" for each in prescriptions])


async def records_of_person(connection: Connection, patient: str) -> frozenset[str]:
    """Return the record and those that are merged with it, either way, as this transaction sees them."""
    return frozenset(await connection.fetchval("SELECT records_of_person($1)", patient))


async def prescriptions_beside(
    grant: Grant, connection: Connection, ids: Iterable[str], numbers: Iterable[str], records: Sequence[str]
) -> list[Beside]:
    """Return the person's prescriptions that may bear one of the numbers, or replace one of the ids.

    What is handed over on a copy counts also where the copy is restricted; what is not shown is not told.

    Raises:
        TooCostly: there are more than can be looked through at once.
    """
    names, pieces = [each.encode() for each in ids], [_piece_of(each) for each in numbers]

    def may_count(content: bytes) -> bool:
        replaces = b'"priorPrescription"' in content and _may_name(content, names)
        return replaces or _may_name(content, pieces)

    await connection.execute(_SEE, named(connection, ",".join(records), EVERYTHING), EVERYTHING)
    rows = await _those(
        connection,
        _PRESCRIPTIONS,
        list(records),
        asker_of(grant),
        holds=may_count,
        count_max=PRESCRIPTIONS_MAX,
    )
    await connection.execute(_SEE, *settings_of(connection, grant))
    if len(rows) >= PRESCRIPTIONS_MAX:
        raise TooCostly(f"More than {PRESCRIPTIONS_MAX} prescriptions may bear one number; end some first.")
    opened = grant.patients
    return [
        Beside(resources.stored(row), row["shown"] and (opened is None or row["compartment"] in opened))
        for row in rows
    ]


async def dispensations_on(
    grant: Grant, connection: Connection, ids: Iterable[str], numbers: Iterable[str], records: Sequence[str]
) -> list[HandOver]:
    """Return what was dispensed on the person's records and may name a prescription by an id or a number.

    It is to be counted and not shown: what the citizen restricts, and what is in a record of the person that
    the grant does not open, must not be handed over again.

    Raises:
        TooCostly: there are more than can be counted at once.
    """
    await connection.execute(_SEE, named(connection, ",".join(records), EVERYTHING), EVERYTHING)
    wanted = [*(each.encode() for each in ids), *map(_piece_of, numbers)]
    rows = await _those(
        connection,
        _DISPENSATIONS,
        list(records),
        holds=lambda content: _may_name(content, wanted),
        count_max=DISPENSATIONS_MAX,
    )
    await connection.execute(_SEE, *settings_of(connection, grant))
    if len(rows) >= DISPENSATIONS_MAX:
        raise TooCostly(f"More than {DISPENSATIONS_MAX} dispensations name one prescription; end it first.")
    return [
        HandOver(
            row["compartment"],
            row["id"],
            row["content"],
            None if row["node"] is None else (row["node"], row["pharmacy"]),
            row["source"],
        )
        for row in rows
    ]


async def _those(
    connection: Connection,
    statement: str,
    *arguments: object,
    holds: Callable[[bytes], bool],
    count_max: int,
) -> list[Any]:  # Any: asyncpg records
    """Return the rows whose content passes a test, at most so many; read as they come, not all at once."""
    found = []
    async for row in connection.cursor(statement, *arguments):
        if holds(row["content"]):
            found.append(row)
            if len(found) == count_max:
                break
    return found


def _may_name(content: bytes, wanted: Sequence[bytes]) -> bool:
    """Return whether one of the texts may stand in the content; bytes do not tell what escapes say."""
    return rb"\u" in content or any(one in content for one in wanted)


def _piece_of(number: str) -> bytes:
    """Return what is in every JSON that holds the number as a string without an escape by code point.

    Whole and quoted where it can be written in one way only, for a short number is part of much else.
    """
    pieces = _ESCAPED.split(number)
    longest = f'"{number}"' if len(pieces) == 1 else max(pieces, key=len)
    return longest.encode("utf-8", "replace")


async def hold_dispense_id(connection: Connection, identifier: str) -> list[HandOver]:
    """Lock a dispense id until the transaction ends and return what it stands for at this node.

    It is for telling a repeated message from a new one, and not shown: it is found also where the citizen
    restricts it, and in a record that the caller may not read.
    """
    await connection.execute(resources.LOCK, [f"MedicationDispense|{identifier}"])
    rows = await connection.fetch(_SAME, identifier)
    return [
        HandOver(row["compartment"], row["id"], row["content"], (row["node"], row["pharmacy"]))
        for row in rows
    ]


async def keep_recorder(
    connection: Connection, patient: str, identity: str, identifier: str, recorder: tuple[str, str]
) -> None:
    """Write down who recorded a dispensation; the first word stays."""
    await connection.execute(_KEEP, patient, identity, identifier, *recorder)


async def recorders_of(connection: Connection, found: Sequence[StoredResource]) -> dict[str, tuple[str, str]]:
    """Return who recorded the dispensations, by logical id; those that were loaded have no recorder."""
    patients = [patient for each in found for patient in each.patients]
    rows = await connection.fetch(_RECORDERS, patients, [each.id for each in found])
    return {row["id"]: (row["node"], row["pharmacy"]) for row in rows}


async def is_used_up(connection: Connection, prescription: StoredResource) -> bool:
    """Return whether a hand-over completed it, and nobody wrote it since."""
    found = await connection.fetchval(
        _IS_USED_UP, prescription.patients[0], prescription.id, prescription.version
    )
    return found is not None


async def use_up(connection: Connection, prescription: StoredResource, version: int) -> None:
    """Write down that a hand-over completes the prescription in this version."""
    await connection.execute(_USE_UP, prescription.patients[0], prescription.id, version)


async def is_received(connection: Connection, prescription: StoredResource) -> bool:
    """Return whether nobody here wrote the current version, as far as hand-overs did not (schema 0013)."""
    patient = prescription.patients[0]
    return bool(await connection.fetchval(_IS_RECEIVED, patient, prescription.id))


async def sent_again(connection: Connection, named: Iterable[tuple[str, str]]) -> list[StoredResource]:
    """Return those of the prescriptions (patient, id) of several versions that hand-overs may count on."""
    pairs = sorted(named)
    rows = await connection.fetch(_SENT_AGAIN, [each for each, _ in pairs], [each for _, each in pairs])
    return [resources.stored(row) for row in rows]
