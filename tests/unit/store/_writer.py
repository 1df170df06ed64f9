"""A process that writes until it is killed, and prints every write that was acknowledged.

`python _writer.py FOLDER PATIENT` creates two Observations per transaction, as a Bundle would.
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

from salus.core.access import Action, Caller, Grant, Purpose, Role
from salus.core.identifiers import new_id
from salus.standards.fhir.search.index_row import IndexRow
from salus.store import resources
from salus.store.changes import Operation
from salus.store.postgres import open_database
from salus.store.rows import make_row


async def main(folder, patient):
    caller = Caller("s", "Writer", Role.OPERATOR, "", "test", Purpose.OPERATIONS)
    async with open_database(Path(folder)) as database:
        while True:
            pair = [new_id(), new_id()]
            grant = Grant(pair[0], caller, Action.CREATE, None, "test", datetime.now(UTC))
            index = IndexRow((patient,), None, [1], [(1, 1.0, 2.0)], [])
            rows = [make_row("Observation", one, b"{}", index=index) for one in pair]
            operations = [Operation("create", row.type, row.id, row) for row in rows]

            async def work(connection, grant=grant, operations=operations):
                return await resources.apply(grant, connection, operations, what="Bundle")

            await resources.transact(grant, database, work)
            print(*pair, flush=True)


asyncio.run(main(sys.argv[1], sys.argv[2]))
