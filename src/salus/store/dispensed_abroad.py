"""What this node dispensed on prescriptions of other nodes, line by line (docs/decisions/0002)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Grant
from salus.core.errors import TooLarge
from salus.standards.fhir.codec.json import write_json
from salus.store import resources
from salus.store.changes import Operation
from salus.store.postgres import Connection, Database
from salus.store.record_seal import record_of
from salus.store.rows import make_row

UNANSWERED_MAX = 100
LINES_MAX = 500
_COLUMNS = (
    "patient, system, value, prescription, message, begun, pharmacy, relationship, settled, state, note"
)
_BEGIN = f"""
INSERT INTO dispensed_abroad
    (patient, system, value, prescription, message, begun, pharmacy, relationship, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'open')
ON CONFLICT (patient, system, value) DO UPDATE
SET prescription = $4, message = $5, begun = $6, pharmacy = $7, relationship = $8,
    state = 'open', settled = NULL, note = ''
WHERE dispensed_abroad.state = 'refused'
RETURNING {_COLUMNS}
"""  # noqa: S608  (constants only)
_GET = f"SELECT {_COLUMNS} FROM dispensed_abroad WHERE patient = $1 AND system = $2 AND value = $3"  # noqa: S608  (constants only)
_AT = f"""
SELECT {_COLUMNS} FROM dispensed_abroad
WHERE system = $2 AND value = $3 AND split_part(patient, ':', 1) = split_part($1, ':', 1)
ORDER BY patient <> $1 LIMIT 1
"""  # noqa: S608  (constants only)
_MOVE = """
UPDATE dispensed_abroad SET state = $5, note = $6, settled = $7, relationship = $8
WHERE patient = $1 AND system = $2 AND value = $3 AND state = $4
RETURNING true
"""
_OF_PATIENT = f"""
SELECT {_COLUMNS} FROM dispensed_abroad WHERE patient = $1 AND pharmacy = $2 ORDER BY begun DESC LIMIT $3
"""  # noqa: S608  (constants only)
_UNANSWERED = f"""
SELECT {_COLUMNS} FROM dispensed_abroad
WHERE state IN ('open', 'abandoning', 'discarding') AND pharmacy = ANY ($1)
ORDER BY begun LIMIT $2
"""  # noqa: S608  (constants only)
_KNOWN = "SELECT true FROM resource WHERE compartment = $1 AND type = $2 AND id = $3"


class DispensedAbroad(msgspec.Struct, frozen=True):
    """One line.

    Args:
        patient: "node:id".
        system, value: the dispense id.
        prescription: id of the MedicationRequest at the patient's home node.
        message: the MedicationDispense as sent.
        begun: when it was first sent.
        pharmacy: whose hand-over it is; "" for a line of before that was written down.
        relationship: what its pharmacist last stated of the patient.
        settled: when the home node answered, None while it has not.
        state: open, recorded, refused, abandoning, discarding or discarded (`primary.dispensing`).
        note: what the home node said against it.
    """

    patient: str
    system: str
    value: str
    prescription: str
    message: bytes
    begun: datetime
    pharmacy: str
    relationship: str
    settled: datetime | None = None
    state: str = "open"
    note: str = ""


class Record(msgspec.Struct, frozen=True):
    """The resource that is kept of a line; `search_key` is the node's secret for search hashes."""

    resource: dict[str, Any]  # Any: FHIR content is open JSON
    search_key: bytes


async def begin(grant: Grant, database: Database, line: DispensedAbroad) -> tuple[DispensedAbroad, bool]:
    """Write the line down before it is sent; return it, and whether it is begun by this call.

    A line already begun is returned as it is; one that was refused is begun anew.
    """
    message = database.contents.close(record_of(line.patient), line.message)
    await database.contents.settle()
    async with database.writing(grant) as connection:
        row = await connection.fetchrow(
            _BEGIN, line.patient, line.system, line.value, line.prescription, message, line.begun,
            line.pharmacy, line.relationship,
        )  # fmt: skip
        begun = row is not None
        if row is None:
            row = await connection.fetchrow(_GET, line.patient, line.system, line.value)
    assert row is not None
    return DispensedAbroad(*row), begun


async def line_of(
    grant: Grant, database: Database, patient: str, system: str, value: str
) -> DispensedAbroad | None:
    """Return the line of a dispense id, None when there is none."""
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_GET, patient, system, value)
    return None if row is None else DispensedAbroad(*row)


async def line_at(
    grant: Grant, database: Database, patient: str, system: str, value: str
) -> DispensedAbroad | None:
    """Return the line of a dispense id at the patient's node, this patient's first; None for none."""
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_AT, patient, system, value)
    return None if row is None else DispensedAbroad(*row)


async def move(
    grant: Grant,
    database: Database,
    line: DispensedAbroad,
    after: DispensedAbroad,
    record: Record | None = None,
) -> bool:
    """Bring a line from the state of `line` to that of `after`, and this node's own record with it.

    Returns:
        False, and nothing is changed, when it is in another state than `line` meanwhile.
    """
    async with database.writing(grant) as connection:
        moved = await connection.fetchval(
            _MOVE, line.patient, line.system, line.value, line.state,
            after.state, after.note, after.settled, after.relationship,
        )  # fmt: skip
        if moved is not None and record is not None:
            await _keep(grant, database, connection, line.patient, record)
    return moved is not None


async def _keep(
    grant: Grant, database: Database, connection: Connection, patient: str, record: Record
) -> None:
    """Store the record in the patient's compartment, with its leaf; the same again changes nothing."""
    await database.parameters.hold(connection)
    kind, identity = str(record.resource["resourceType"]), str(record.resource["id"])
    index = database.parameters.indexer(kind, record.search_key)(record.resource)
    index = msgspec.structs.replace(index, compartments=(patient,))
    row = make_row(kind, identity, write_json(record.resource), index=index)
    await connection.execute(resources.LOCK, [f"{kind}/{identity}"])
    known = await connection.fetchval(_KNOWN, patient, kind, identity)
    operation = Operation("update" if known else "create", kind, identity, row)
    await resources.apply(grant, connection, [operation])


async def unanswered_lines(
    grant: Grant, database: Database, pharmacies: Collection[str]
) -> list[DispensedAbroad]:
    """Return the lines of the pharmacies whose answer is still missing, oldest first, at most 100."""
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_UNANSWERED, list(pharmacies), UNANSWERED_MAX)
    return [DispensedAbroad(*row) for row in rows]


async def lines_of(grant: Grant, database: Database, patient: str, pharmacy: str) -> list[DispensedAbroad]:
    """Return what a pharmacy handed over here to a patient ("node:id"), newest first.

    Raises:
        TooLarge: more than `LINES_MAX`; a part is not shown for the whole.
    """
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_OF_PATIENT, patient, pharmacy, LINES_MAX + 1)
    if len(rows) > LINES_MAX:
        raise TooLarge(f"More than {LINES_MAX} hand-overs to this patient are recorded; none is listed.")
    return [DispensedAbroad(*row) for row in rows]
