"""What this node dispensed on prescriptions of other nodes, line by line, open until they answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Grant
from salus.core.errors import Conflict, TooLarge
from salus.standards.fhir.codec.json import write_json
from salus.store import resources
from salus.store.changes import Operation
from salus.store.postgres import Connection, Database
from salus.store.rows import make_row

OPEN_MAX = 100
LINES_MAX = 500
_COLUMNS = "patient, system, value, prescription, message, begun, settled, state, note"
_BEGIN = """
INSERT INTO dispensed_abroad (patient, system, value, prescription, message, begun, state)
VALUES ($1, $2, $3, $4, $5, $6, 'open')
ON CONFLICT (patient, system, value) DO UPDATE
SET prescription = $4, message = $5, begun = $6, state = 'open', settled = NULL, note = ''
WHERE dispensed_abroad.state = 'refused'
"""
_GET = f"SELECT {_COLUMNS} FROM dispensed_abroad WHERE patient = $1 AND system = $2 AND value = $3"  # noqa: S608  (constants only)
_SETTLE = """
UPDATE dispensed_abroad SET state = $4, note = $5, settled = $6
WHERE patient = $1 AND system = $2 AND value = $3
"""
_OF_PATIENT = f"SELECT {_COLUMNS} FROM dispensed_abroad WHERE patient = $1 ORDER BY begun DESC LIMIT $2"  # noqa: S608  (constants only)
_OPEN = f"SELECT {_COLUMNS} FROM dispensed_abroad WHERE state = 'open' ORDER BY begun LIMIT $1"  # noqa: S608  (constants only)
_KNOWN = "SELECT true FROM resource WHERE compartment = $1 AND type = $2 AND id = $3"


class DispensedAbroad(msgspec.Struct, frozen=True):
    """One line.

    Args:
        patient: "node:id".
        system, value: the dispense id.
        prescription: id of the MedicationRequest at the patient's home node.
        message: the MedicationDispense as sent.
        begun: when it was first sent.
        settled: when the answer came, None while the line is open.
        state: open, recorded, refused or discarded.
        note: why it was refused.
    """

    patient: str
    system: str
    value: str
    prescription: str
    message: bytes
    begun: datetime
    settled: datetime | None = None
    state: str = "open"
    note: str = ""


class Record(msgspec.Struct, frozen=True):
    """The resource that is kept of a line; `search_key` is the node's secret for search hashes."""

    resource: dict[str, Any]  # Any: FHIR content is open JSON
    search_key: bytes


async def begin(grant: Grant, database: Database, line: DispensedAbroad) -> DispensedAbroad:
    """Write the line down before it is sent, and return it.

    A line already begun is returned as it is; one that was refused is begun anew.

    Raises:
        Conflict: the dispense id was used for another prescription.
    """
    async with database.writing(grant) as connection:
        await connection.execute(
            _BEGIN, line.patient, line.system, line.value, line.prescription, line.message, line.begun
        )
        row = await connection.fetchrow(_GET, line.patient, line.system, line.value)
    assert row is not None
    known = DispensedAbroad(*row)
    if known.prescription != line.prescription:
        raise Conflict("this dispense id stands for a hand-over on another prescription; choose a new one")
    return known


async def settle(
    grant: Grant,
    database: Database,
    line: DispensedAbroad,
    state: str,
    *,
    at: datetime,
    note: str = "",
    record: Record | None = None,
) -> None:
    """Write down what the home node answered, and with it this node's own record of the hand-over."""
    async with database.writing(grant) as connection:
        await connection.execute(_SETTLE, line.patient, line.system, line.value, state, note, at)
        if record is not None:
            await _keep(grant, database, connection, line.patient, record)


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


async def open_lines(grant: Grant, database: Database) -> list[DispensedAbroad]:
    """Return the lines whose answer is still missing, oldest first, at most 100."""
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_OPEN, OPEN_MAX)
    return [DispensedAbroad(*row) for row in rows]


async def lines_of(grant: Grant, database: Database, patient: str) -> list[DispensedAbroad]:
    """Return what was handed over here to a patient ("node:id"), newest first.

    Raises:
        TooLarge: more than `LINES_MAX`; a part is not shown for the whole.
    """
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_OF_PATIENT, patient, LINES_MAX + 1)
    if len(rows) > LINES_MAX:
        raise TooLarge(f"More than {LINES_MAX} hand-overs to this patient are recorded; none is listed.")
    return [DispensedAbroad(*row) for row in rows]
