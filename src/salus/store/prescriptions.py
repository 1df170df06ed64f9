"""A prescription and what was dispensed on it, held still for the rest of a transaction."""

from __future__ import annotations

from collections.abc import Sequence

from salus.core.access import Grant
from salus.core.errors import TooCostly
from salus.store import resources
from salus.store.postgres import Connection, hidden_setting, patients_setting, sees_hidden
from salus.store.rows import StoredResource

DISPENSATIONS_MAX = 1_000
_COLUMNS = "compartment, type, id, version, updated, deleted, others, source, source_id, content"
_PRESCRIPTION = f"""
SELECT {_COLUMNS} FROM resource
WHERE type = 'MedicationRequest' AND id = $1 AND NOT deleted AND (NOT hidden OR $2)
"""  # noqa: S608  (constants only)
# The id may be written with escapes; then the bytes do not tell, and the reader decides.
_DISPENSATIONS = f"""
SELECT {_COLUMNS} FROM resource
WHERE compartment = ANY ($1::text[]) AND type = 'MedicationDispense' AND NOT deleted
  AND (position($2::bytea IN content) > 0 OR position('\\x5c75'::bytea IN content) > 0)
LIMIT $3
"""  # noqa: S608  (constants only)
_SEE = "SELECT set_config('salus.patients', $1, true), set_config('salus.sees_hidden', $2, true)"


async def hold_prescription(grant: Grant, connection: Connection, prescription: str) -> StoredResource | None:
    """Lock the MedicationRequest until the transaction ends and return it; None when there is none to see.

    The lock is the one that every writer of the resource takes (`resources.change`), so that two
    dispensations on one prescription follow each other.
    """
    await connection.execute(resources.LOCK, [f"MedicationRequest/{prescription}"])
    row = await connection.fetchrow(_PRESCRIPTION, prescription, sees_hidden(grant))
    return None if row is None else resources.stored(row)


async def records_of_person(connection: Connection, patient: str) -> frozenset[str]:
    """Return the record and those that are merged with it, either way, as this transaction sees them."""
    return frozenset(await connection.fetchval("SELECT records_of_person($1)", patient))


async def dispensations_on(
    grant: Grant, connection: Connection, prescription: StoredResource, records: Sequence[str]
) -> list[StoredResource]:
    """Return what was dispensed on the person's records and may name the prescription.

    It is to be counted and not shown: what the citizen restricts, and what is in a record of the person that
    the grant does not open, must not be handed over again.

    Raises:
        TooCostly: there are more than can be counted at once.
    """
    await connection.execute(_SEE, ",".join(records), "yes")
    rows = await connection.fetch(_DISPENSATIONS, list(records), prescription.id.encode(), DISPENSATIONS_MAX)
    await connection.execute(_SEE, patients_setting(grant), hidden_setting(grant))
    if len(rows) >= DISPENSATIONS_MAX:
        raise TooCostly(f"More than {DISPENSATIONS_MAX} dispensations name one prescription; end it first.")
    return [resources.stored(row) for row in rows]
