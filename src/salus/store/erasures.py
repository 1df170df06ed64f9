"""Requests for erasure and their history, and who is told (schema 0119). Each step is a leaf.

What carries one out is `salus.store.erasing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import Conflict, NotFound, Throttled
from salus.store import ledger
from salus.store.notices import Telling, tell
from salus.store.postgres import Connection, Database
from salus.store.record_seal import sealed_words

ANSWERED = "erasure-answered"
LISTED_MAX = 500
WAITING_MAX = 50
"""Most requests of a person that wait at the same time."""
DISPENSATIONS, COPIES = "dispensations", "copies"
_COLUMNS = "patient, id, type, entry, ground, said, asked_by, asked_at, due_at, state"
_WAITING = "SELECT count(*) FROM erasure WHERE patient = ANY ($1) AND state IN ('open', 'extended')"
_ASK = f"INSERT INTO erasure ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"  # noqa: S608  (constants only)
_OWN = f"SELECT {_COLUMNS} FROM erasure WHERE patient = ANY ($1) ORDER BY asked_at DESC, id LIMIT $2"  # noqa: S608  (constants only)
_ALL = f"""
SELECT {_COLUMNS} FROM erasure WHERE $1 OR state IN ('open', 'extended') ORDER BY due_at, id LIMIT $2
"""  # noqa: S608  (constants only)
_ONE = f"SELECT {_COLUMNS} FROM erasure WHERE id = $1"  # noqa: S608  (constants only)
_STEPS = """
SELECT request, at, by, state, said FROM erasure_step
WHERE (patient, request) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY request, number
"""
_STEP = """
INSERT INTO erasure_step (patient, request, number, at, by, state, said)
SELECT $1, $2, 1 + (SELECT count(*) FROM erasure_step WHERE patient = $1 AND request = $2), $3, $4, $5, $6
"""
_CHANGE = """
UPDATE erasure SET state = $3, due_at = $4 WHERE patient = $1 AND id = $2 AND state = $5 RETURNING id
"""
_DISPENSED = "SELECT DISTINCT node, pharmacy FROM hand_over WHERE compartment = ANY ($1) AND node <> ''"
_TO_TELL = """
INSERT INTO erasure_recipient (erasure, node, organisation, holds)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING
"""
_RECIPIENTS = """
SELECT erasure, node, organisation, holds, told_at, told_by FROM erasure_recipient
WHERE $1 OR told_at IS NULL ORDER BY erasure, node, organisation, holds LIMIT $2
"""
_TOLD = """
UPDATE erasure_recipient SET told_at = $3, told_by = $4 WHERE erasure = $1 AND node = $2 AND told_at IS NULL
RETURNING organisation
"""


class Step(msgspec.Struct, frozen=True):
    """One step of a request's history."""

    request: str
    at: datetime
    by: str
    state: str
    said: str


class Erasure(msgspec.Struct, frozen=True):
    """A request: of what ("" for the whole record), on which ground, answered by when, how it stands."""

    patient: str
    id: str
    type: str
    entry: str
    ground: str
    said: str
    asked_by: str
    asked_at: datetime
    due_at: datetime
    state: str
    history: tuple[Step, ...] = ()

    @property
    def name(self) -> str:
        """Return "Type/id" of the entry, "" for the whole record."""
        return f"{self.type}/{self.entry}" if self.entry else ""


class Recipient(msgspec.Struct, frozen=True):
    """Who holds copies of what was erased, and when and by whom they were told."""

    erasure: str
    node: str
    organisation: str
    holds: str
    told_at: datetime | None = None
    told_by: str = ""


async def ask(grant: Grant, database: Database, request: Erasure) -> None:
    """Keep a request.

    Raises:
        Throttled: too many of the person's wait.
    """
    async with database.writing(grant) as connection:
        if await connection.fetchval(_WAITING, sorted(grant.patients or ())) >= WAITING_MAX:
            raise Throttled(f"{WAITING_MAX} of your requests wait for an answer: wait for those first.")
        sealed = await sealed_words(connection, request.patient, request.said)
        kept = msgspec.structs.asdict(request) | {"said": sealed}
        await connection.execute(_ASK, *list(kept.values())[:-1])
        await _step(grant, connection, request, request.state, request.said)


async def own(grant: Grant, database: Database) -> list[Erasure]:
    """Return the requests of the person of the grant, newest first, with their history."""
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_OWN, sorted(grant.patients or ()), LISTED_MAX)
        return await _with_history(connection, [_kept(row) for row in rows])


async def waiting(grant: Grant, database: Database, *, answered: bool) -> list[Erasure]:
    """Return the requests that wait for an answer, the most pressing first; `answered`: those too."""
    assert grant.patients is None
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_ALL, answered, LISTED_MAX)
        return await _with_history(connection, [_kept(row) for row in rows])


async def one(grant: Grant, database: Database, identity: str) -> Erasure:
    """Return a request. Raises NotFound."""
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_ONE, identity)
        if row is None:
            raise NotFound("There is no such request; see /rights/erasure-requests.")
        return (await _with_history(connection, [_kept(row)]))[0]


async def answer(
    grant: Grant, connection: Connection, request: Erasure, *, state: str, due_at: datetime, said: str
) -> None:
    """Keep an answer, or that it takes longer, in the caller's transaction; the person is told.

    Raises:
        Conflict: somebody answered it meanwhile.
    """
    changed = await connection.fetchval(_CHANGE, request.patient, request.id, state, due_at, request.state)
    if changed is None:
        raise Conflict("Somebody answered this request meanwhile; look at it again.")
    await _step(grant, connection, request, state, said)
    caller = grant.caller
    told = Telling(
        request.patient, grant.opened_at, ANSWERED, f"{request.id} {state}", caller.subject, caller.name,
        caller.organisation, grant.request,
    )  # fmt: skip
    await tell(connection, [told])


async def note_recipients(
    connection: Connection, request: Erasure, records: Sequence[str], copies: Sequence[tuple[str, str]]
) -> None:
    """Keep whom to tell: who recorded dispensations, and nodes that read ((node, organisation) each)."""
    rows = [(row[0], row[1], DISPENSATIONS) for row in await connection.fetch(_DISPENSED, list(records))]
    rows += [(node, organisation, COPIES) for node, organisation in copies]
    if rows:
        await connection.execute(_TO_TELL, request.id, *(list(column) for column in zip(*rows, strict=True)))


async def recipients(grant: Grant, database: Database, *, told: bool) -> list[Recipient]:
    """Return who is to be told of erasures; `told`: also who was."""
    assert grant.patients is None
    async with database.reading(grant) as connection:
        return [Recipient(*row) for row in await connection.fetch(_RECIPIENTS, told, LISTED_MAX)]


async def note_told(grant: Grant, database: Database, erasure: str, node: str) -> None:
    """Note that a node was told. Raises NotFound."""
    assert grant.patients is None
    async with database.writing(grant) as connection:
        if not await connection.fetch(_TOLD, erasure, node, grant.opened_at, grant.caller.name):
            raise NotFound("Nobody of this node is to be told of this erasure any more.")
        what = f"erasure/{erasure} told {node}"
        leaf = ledger.leaf_of(grant, "", what=what, resources=0, outcome=Outcome.SERVED)
        await ledger.append(connection, [leaf])


async def _step(grant: Grant, connection: Connection, request: Erasure, state: str, said: str) -> None:
    sealed = await sealed_words(connection, request.patient, said)
    await connection.execute(
        _STEP, request.patient, request.id, grant.opened_at, grant.caller.name, state, sealed
    )
    what = f"erasure/{request.id} {state}"
    leaf = ledger.leaf_of(grant, request.patient, what=what, resources=1, outcome=Outcome.SERVED)
    await ledger.append(connection, [leaf])


def _kept(row: Any) -> Erasure:  # Any: an asyncpg record of `_COLUMNS`
    return Erasure(**{**row, "said": row["said"].decode()})


async def _with_history(connection: Connection, found: list[Erasure]) -> list[Erasure]:
    rows = await connection.fetch(_STEPS, [each.patient for each in found], [each.id for each in found])
    steps = [Step(**{**row, "said": row["said"].decode()}) for row in rows]
    return [
        msgspec.structs.replace(each, history=tuple(step for step in steps if step.request == each.id))
        for each in found
    ]
