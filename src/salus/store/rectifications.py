"""Requests for rectification and their history (schema 0098). Each step is a leaf in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import Conflict, NotFound, Throttled
from salus.store import ledger
from salus.store.notices import Telling, tell
from salus.store.peer_notices import Act, note_act
from salus.store.postgres import Connection, Database
from salus.store.record_seal import sealed_words

ANSWERED = "rectification-answered"
LISTED_MAX = 500
WAITING_MAX = 50
"""Most requests of a person that wait at the same time."""
_COLUMNS = "patient, id, kind, type, entry, version, said, other, asked_at, due_at, state"
_WAITING = "SELECT count(*) FROM rectification WHERE patient = ANY ($1) AND state IN ('open', 'extended')"
_ASK = f"INSERT INTO rectification ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"  # noqa: S608  (constants only)
_OWN = f"SELECT {_COLUMNS} FROM rectification WHERE patient = ANY ($1) ORDER BY asked_at DESC, id LIMIT $2"  # noqa: S608  (constants only)
_ALL = f"""
SELECT {_COLUMNS} FROM rectification WHERE $1 OR state IN ('open', 'extended') ORDER BY due_at, id LIMIT $2
"""  # noqa: S608  (constants only)
_ONE = f"SELECT {_COLUMNS} FROM rectification WHERE id = $1"  # noqa: S608  (constants only)
_STEPS = """
SELECT request, at, by, state, said, corrected FROM rectification_step
WHERE (patient, request) IN (SELECT * FROM unnest($1::text[], $2::text[])) ORDER BY request, number
"""
_STEP = """
INSERT INTO rectification_step (patient, request, number, at, by, state, said, corrected)
SELECT $1, $2, 1 + (SELECT count(*) FROM rectification_step WHERE patient = $1 AND request = $2),
    $3, $4, $5, $6, $7
"""
_CHANGE = """
UPDATE rectification SET state = $3, due_at = $4
WHERE patient = $1 AND id = $2 AND state = $5 RETURNING id
"""


class Step(msgspec.Struct, frozen=True):
    """One step of a request's history."""

    request: str
    at: datetime
    by: str
    state: str
    said: str
    corrected: str


class Rectification(msgspec.Struct, frozen=True):
    """A request: which entry as the person saw it, what they say, by when it is answered, how it stands."""

    patient: str
    id: str
    kind: str
    type: str
    entry: str
    version: int
    said: str
    other: str
    asked_at: datetime
    due_at: datetime
    state: str
    history: tuple[Step, ...] = ()


async def ask(grant: Grant, database: Database, request: Rectification) -> None:
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
        await _step(grant, connection, request, request.state, request.said, "")


async def own(grant: Grant, database: Database) -> list[Rectification]:
    """Return the requests of the person of the grant, newest first, with their history."""
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_OWN, sorted(grant.patients or ()), LISTED_MAX)
        return await _with_history(connection, [_kept(row) for row in rows])


async def waiting(grant: Grant, database: Database, *, answered: bool) -> list[Rectification]:
    """Return the requests that wait for an answer, the most pressing first; `answered`: those too."""
    assert grant.patients is None
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_ALL, answered, LISTED_MAX)
        return await _with_history(connection, [_kept(row) for row in rows])


async def one(grant: Grant, database: Database, identity: str) -> Rectification:
    """Return a request. Raises NotFound."""
    async with database.reading(grant) as connection:
        row = await connection.fetchrow(_ONE, identity)
        if row is None:
            raise NotFound("There is no such request; see /rights/requests.")
        return (await _with_history(connection, [_kept(row)]))[0]


async def answer(
    grant: Grant,
    database: Database,
    request: Rectification,
    *,
    state: str,
    due_at: datetime,
    said: str,
    corrected: str = "",
    others: Sequence[str] = (),
) -> None:
    """Keep an answer, or that it takes longer; the person is told, and nodes that got what was corrected.

    `corrected` is what is right now, `others` the other records of the person.

    Raises:
        Conflict: somebody answered it meanwhile.
    """
    async with database.writing(grant) as connection:
        changed = await connection.fetchval(
            _CHANGE, request.patient, request.id, state, due_at, request.state
        )
        if changed is None:
            raise Conflict("Somebody answered this request meanwhile; look at it again.")
        await _step(grant, connection, request, state, said, corrected)
        if "/_history/" in corrected:
            name, reference = f"{request.type}/{request.entry}", f"rectification/{request.id}"
            owners = (request.patient, *others)
            act = Act(
                "rectified", request.patient, owners, (name,), grant.opened_at, reference=reference
            )  # fmt: skip
            await note_act(grant, connection, act)
        caller = grant.caller
        told = Telling(
            request.patient, grant.opened_at, ANSWERED, f"{request.id} {state}", caller.subject, caller.name,
            caller.organisation, grant.request,
        )  # fmt: skip
        await tell(connection, [told])


async def _step(
    grant: Grant, connection: Connection, request: Rectification, state: str, said: str, corrected: str
) -> None:
    sealed = await sealed_words(connection, request.patient, said)
    await connection.execute(
        _STEP, request.patient, request.id, grant.opened_at, grant.caller.name, state, sealed, corrected
    )
    what = f"rectification/{request.id} {state}"
    leaf = ledger.leaf_of(grant, request.patient, what=what, resources=1, outcome=Outcome.SERVED)
    await ledger.append(connection, [leaf])


def _kept(row: Any) -> Rectification:  # Any: an asyncpg record of `_COLUMNS`
    return Rectification(**{**row, "said": row["said"].decode()})


async def _with_history(connection: Connection, found: list[Rectification]) -> list[Rectification]:
    rows = await connection.fetch(_STEPS, [each.patient for each in found], [each.id for each in found])
    steps = [Step(**{**row, "said": row["said"].decode()}) for row in rows]
    return [
        msgspec.structs.replace(each, history=tuple(step for step in steps if step.request == each.id))
        for each in found
    ]
