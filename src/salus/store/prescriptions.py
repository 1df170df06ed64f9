"""A prescription and what was dispensed on it, held still for the rest of a transaction."""

from __future__ import annotations

from salus.core.access import Grant
from salus.core.errors import TooCostly
from salus.store import resources
from salus.store.postgres import Connection, hidden_setting, sees_hidden
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
WHERE compartment = $1 AND type = 'MedicationDispense' AND NOT deleted
  AND (position($2::bytea IN content) > 0 OR position('\\x5c75'::bytea IN content) > 0)
LIMIT $3
"""  # noqa: S608  (constants only)
_SEE_HIDDEN = "SELECT set_config('salus.sees_hidden', $1, true)"


async def hold_prescription(grant: Grant, connection: Connection, prescription: str) -> StoredResource | None:
    """Lock the MedicationRequest until the transaction ends and return it; None when there is none to see.

    The lock is the one that every writer of the resource takes (`resources.change`), so that two
    dispensations on one prescription follow each other.
    """
    await connection.execute(resources.LOCK, [f"MedicationRequest/{prescription}"])
    row = await connection.fetchrow(_PRESCRIPTION, prescription, sees_hidden(grant))
    return None if row is None else resources.stored(row)


async def dispensations_on(
    grant: Grant, connection: Connection, prescription: StoredResource
) -> list[StoredResource]:
    """Return what was dispensed to the patient and may name the prescription, to be counted and not shown.

    What the citizen restricts is counted as well: a hidden hand-over must not be handed over again.

    Raises:
        TooCostly: there are more than can be counted at once.
    """
    if not prescription.patients:
        return []
    await connection.execute(_SEE_HIDDEN, "yes")
    rows = await connection.fetch(
        _DISPENSATIONS, prescription.patients[0], prescription.id.encode(), DISPENSATIONS_MAX
    )
    await connection.execute(_SEE_HIDDEN, hidden_setting(grant))
    if len(rows) >= DISPENSATIONS_MAX:
        raise TooCostly(f"More than {DISPENSATIONS_MAX} dispensations name one prescription; end it first.")
    return [resources.stored(row) for row in rows]
