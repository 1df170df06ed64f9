"""The leaves of one request, found by its id."""

from __future__ import annotations

from salus.core.access import Grant, Leaf
from salus.store.ledger import leaf_in
from salus.store.postgres import Database
from salus.store.withholding import withheld_from

_OF_PATIENTS = """
SELECT entry FROM leaf
WHERE patient = ANY ($3) AND (request = $2 OR request IS NULL AND position($1::bytea IN entry) > 0)
ORDER BY arrival LIMIT 1000
"""
_OF_ALL = """
SELECT entry FROM leaf WHERE request = $2 OR request IS NULL AND position($1::bytea IN entry) > 0
ORDER BY arrival LIMIT 1000
"""


async def leaves_of_request(grant: Grant, database: Database, request: str) -> list[Leaf]:
    """Return the leaves of a request, oldest first, at most 1,000: of the grant's patients, or of everybody.

    Of everybody it reads the whole log, since leaves are not kept by request.
    """
    needle = request.encode()
    await database.bring_in()
    async with database.reading(grant) as connection:
        if grant.patients is None:
            rows = await connection.fetch(_OF_ALL, needle, request)
        else:
            rows = await connection.fetch(_OF_PATIENTS, needle, request, sorted(grant.patients))
        leaves = [leaf_in(connection, row["entry"]) for row in rows]
        withheld = await withheld_from(grant, connection, sorted(grant.patients or ()))
    # The request's id would tell whose it was, to who has seen it elsewhere.
    return [leaf for leaf in leaves if leaf.request == request and withheld.until_of(leaf) is None]
