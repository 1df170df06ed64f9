"""A prescription and what was dispensed on it, held still for the rest of a transaction."""

from __future__ import annotations

from salus.core.access import Grant
from salus.core.errors import TooCostly
from salus.standards.fhir.search.grammar import parse_query
from salus.store import resources
from salus.store.postgres import Connection, Database, sees_hidden
from salus.store.rows import StoredResource
from salus.store.search import find_ids

DISPENSATIONS_MAX = 500
_CURRENT = """
SELECT compartment, type, id, version, updated, deleted, others, source, source_id, content
FROM resource WHERE type = $1 AND id = ANY ($2::text[]) AND NOT deleted AND (NOT hidden OR $3)
"""


async def hold_prescription(grant: Grant, connection: Connection, prescription: str) -> StoredResource | None:
    """Lock the MedicationRequest until the transaction ends and return it; None when there is none to see.

    The lock is the one that every writer of the resource takes (`resources.change`), so that two
    dispensations on one prescription follow each other.
    """
    await connection.execute(resources.LOCK, [f"MedicationRequest/{prescription}"])
    row = await connection.fetchrow(_CURRENT, "MedicationRequest", [prescription], sees_hidden(grant))
    return None if row is None else resources.stored(row)


async def dispensations_on(
    grant: Grant, connection: Connection, prescription: str, *, database: Database, key: bytes, base: str
) -> list[StoredResource]:
    """Return every MedicationDispense that names the prescription as the one that authorises it.

    Raises:
        TooCostly: there are more than can be counted at once.
    """
    pairs = (("prescription", f"MedicationRequest/{prescription}"),)
    query = parse_query("MedicationDispense", pairs, database.limits, base=base)
    ids = await find_ids(grant, connection, query, key=key, database=database, count_max=DISPENSATIONS_MAX)
    if len(ids) >= DISPENSATIONS_MAX:
        raise TooCostly(f"More than {DISPENSATIONS_MAX} dispensations name one prescription; end it first.")
    rows = await connection.fetch(_CURRENT, "MedicationDispense", ids, sees_hidden(grant))
    return [resources.stored(row) for row in rows]
