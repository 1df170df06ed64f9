"""What other nodes are told of rights exercised here (schema 0171; docs/decisions/0038).

An act is written in the transaction of the right; whom to tell is worked out of the audit afterwards, which
makes a notice for each node. A notice waits until the node has signed for it, however long that takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from salus.core.access import Grant
from salus.core.identifiers import new_id
from salus.store.postgres import Connection, Database

RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 15, 6 * 3600
LISTED_MAX = 500
NAMES_MAX = 200
"""Most entries that one notice names."""
ERROR_LENGTH_MAX = 300
_ACT = """
INSERT INTO peer_act (kind, patient, records, names, since, exact, reference, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_ACTS = """
SELECT id, kind, patient, records, names, since, exact, reference, at FROM peer_act ORDER BY id LIMIT $1
"""
_ADDRESSED = "DELETE FROM peer_act WHERE id = ANY ($1) RETURNING id"
_FIRST = """
SELECT w.name, coalesce(
    (SELECT min(v.updated) FROM resource_version v
     WHERE (v.type, v.id) = (split_part(w.name, '/', 1), split_part(w.name, '/', 2))),
    (SELECT r.updated FROM resource r
     WHERE (r.type, r.id) = (split_part(w.name, '/', 1), split_part(w.name, '/', 2)))) AS since,
    EXISTS (SELECT FROM restriction n WHERE n.since < $2
            AND (n.type, n.id) = (split_part(w.name, '/', 1), split_part(w.name, '/', 2))) AS exact
FROM unnest($1::text[]) AS w (name)
"""
_HANDED_OVER = """
SELECT 'MedicationDispense/' || id AS name, node, identifier FROM hand_over
WHERE node <> '' AND 'MedicationDispense/' || id = ANY ($1)
"""
_HIDDEN_AT = """
SELECT node, whom, names FROM peer_notice WHERE patient = $1 AND kind = 'restricted' AND names && $2
"""
_SEND = """
INSERT INTO peer_notice (patient, id, node, kind, whom, names, dispensed, since, reference, at, next_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
_COLUMNS = (
    "patient, id, node, kind, whom, names, dispensed, since, reference, at, tries, tried_at, error, "
    "settled_at, outcome, law, receipt"
)
# A node hears of one person in the order in which it happened.
_DUE = f"""
SELECT {_COLUMNS} FROM peer_notice n WHERE settled_at IS NULL AND next_at <= $1 AND NOT EXISTS (
    SELECT FROM peer_notice e WHERE e.settled_at IS NULL AND e.node = n.node AND e.patient = n.patient
        AND e.arrival < n.arrival)
ORDER BY next_at, arrival LIMIT $2
"""  # noqa: S608  (constants only)
_ANY_DUE = "SELECT EXISTS (SELECT FROM peer_notice WHERE settled_at IS NULL AND next_at <= $1)"
_FAILED = """
UPDATE peer_notice SET tries = tries + 1, tried_at = $3, error = $4, next_at = $5
WHERE patient = $1 AND id = $2 AND settled_at IS NULL
"""
_SETTLED = """
UPDATE peer_notice SET tries = tries + 1, tried_at = $3, settled_at = $3, outcome = $4, law = $5,
    receipt = $6, error = $7
WHERE patient = $1 AND id = $2 AND settled_at IS NULL
"""
# Nothing names a person any more who was erased, once the nodes know.
_NAMELESS = """
UPDATE peer_notice SET patient = '', whom = '{}', names = '{}', dispensed = '{}'
WHERE patient = $1 AND id = $2 AND kind = 'erased' AND names = '{}' AND settled_at IS NOT NULL
"""
_TOLD = """
UPDATE erasure_recipient SET told_at = $3, told_by = $4
WHERE erasure = $1 AND node = $2 AND told_at IS NULL
"""
_OWN = f"SELECT {_COLUMNS} FROM peer_notice WHERE patient = ANY ($1) ORDER BY at DESC, node, id LIMIT $2"  # noqa: S608  (constants only)
_ALL = f"""
SELECT {_COLUMNS} FROM peer_notice WHERE $1 OR settled_at IS NULL ORDER BY at DESC, node, id LIMIT $2
"""  # noqa: S608  (constants only)
_ERASE = "SELECT erase_peer_notices($1, $2)"


class Act(msgspec.Struct, frozen=True):
    """What was done, by which right; see schema 0171. `ids` are its rows, () for what is to be written."""

    kind: str
    patient: str
    records: tuple[str, ...]
    names: tuple[str, ...]
    at: datetime
    since: datetime | None = None
    exact: bool = False
    reference: str = ""
    ids: tuple[int, ...] = ()


class PeerNotice(msgspec.Struct, frozen=True):
    """What one node is told, and how that stands; see schema 0171."""

    patient: str
    id: str
    node: str
    kind: str
    whom: tuple[str, ...]
    names: tuple[str, ...]
    dispensed: tuple[str, ...]
    since: datetime | None
    reference: str
    at: datetime
    tries: int = 0
    tried_at: datetime | None = None
    error: str = ""
    settled_at: datetime | None = None
    outcome: str = ""
    law: str = ""
    receipt: str = ""


class First(msgspec.Struct, frozen=True):
    """Of an entry: when it came, None for one that is gone, and whether something hid it before."""

    name: str
    since: datetime | None
    exact: bool


async def note_act(grant: Grant, connection: Connection, act: Act) -> None:
    """Write down, in the transaction of the act, that nodes with copies are to be told."""
    assert grant.patients is None or act.patient in grant.patients
    await connection.execute(
        _ACT, act.kind, act.patient, list(act.records), list(act.names), act.since, act.exact, act.reference,
        act.at,
    )  # fmt: skip


async def any_acts(connection: Connection) -> bool:
    """Return whether anything waits for whom to tell; says nothing of anybody."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM peer_act)"))


async def any_due(connection: Connection, now: datetime) -> bool:
    """Return whether anybody is to be told now; says nothing of anybody."""
    return bool(await connection.fetchval(_ANY_DUE, now))


async def waiting_acts(grant: Grant, database: Database, count: int) -> list[Act]:
    """Return acts of which nobody has worked out yet whom to tell, the oldest first; one for one act.

    What a restriction takes along is written apart from what it names.
    """
    assert grant.patients is None
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_ACTS, count)
    found: list[Act] = []
    for row in rows:
        act = msgspec.convert({**row, "ids": [row["id"]]}, Act)
        if found and _is_same(found[-1], act):
            first = found.pop()
            act = msgspec.structs.replace(first, names=first.names + act.names, ids=first.ids + act.ids)
        found.append(act)
    return found


def _is_same(one: Act, other: Act) -> bool:
    alike = all(
        getattr(one, name) == getattr(other, name)
        for name in ("kind", "patient", "records", "at", "reference")
    )
    return alike and bool(one.names and other.names) and len(one.names) + len(other.names) <= NAMES_MAX


async def firsts(grant: Grant, connection: Connection, names: Sequence[str], at: datetime) -> list[First]:
    """Return of each entry ("Type/id") when it came, and whether something hid it before `at`."""
    assert grant.patients is None
    return [First(**row) for row in await connection.fetch(_FIRST, list(names), at)]


async def handed_over_by(
    grant: Grant, connection: Connection, names: Sequence[str]
) -> dict[tuple[str, str], str]:
    """Return the dispense ids of hand-overs among the names, by (node, name)."""
    assert grant.patients is None
    rows = await connection.fetch(_HANDED_OVER, list(names))
    return {(row["node"], row["name"]): row["identifier"] for row in rows}


async def hidden_at(
    grant: Grant, connection: Connection, patient: str, names: Sequence[str]
) -> dict[str, tuple[set[str], set[str]]]:
    """Return which nodes were told that some of the names are hidden: the ids of the person, the names."""
    assert grant.patients is None
    found: dict[str, tuple[set[str], set[str]]] = {}
    for row in await connection.fetch(_HIDDEN_AT, patient, list(names)):
        whom, told = found.setdefault(row["node"], (set(), set()))
        whom.update(row["whom"])
        told.update(row["names"])
    return found


async def address(grant: Grant, database: Database, act: Act, notices: Sequence[PeerNotice]) -> bool:
    """Put notices in place of an act; return False, and change nothing, where another process did."""
    assert grant.patients is None
    async with database.writing(grant) as connection:
        if not await connection.fetch(_ADDRESSED, list(act.ids)):
            return False
        for one in notices:
            await connection.execute(
                _SEND, one.patient, one.id, one.node, one.kind, list(one.whom), list(one.names),
                list(one.dispensed), one.since, one.reference, one.at, one.at,
            )  # fmt: skip
    return True


def notice_of(
    act: Act, node: str, whom: Sequence[str], names: Sequence[str], dispensed: Sequence[str]
) -> PeerNotice:
    """Return a new notice of an act for a node."""
    return PeerNotice(
        act.patient, new_id(), node, act.kind, tuple(whom), tuple(names), tuple(dispensed), act.since,
        act.reference, act.at,
    )  # fmt: skip


async def due(grant: Grant, database: Database, count: int) -> list[PeerNotice]:
    """Return notices that are to be sent now, of each person and node the oldest."""
    assert grant.patients is None
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_DUE, grant.opened_at, count)
    return [_notice(row) for row in rows]


async def note_failed(grant: Grant, database: Database, one: PeerNotice, error: str, at: datetime) -> None:
    """Note that a node was not reached; it is tried again, each time twice as long later, up to 6 hours."""
    wait = min(RETRY_SECONDS_MIN * 2 ** min(one.tries, 20), RETRY_SECONDS_MAX)
    async with database.writing(grant) as connection:
        await connection.execute(
            _FAILED, one.patient, one.id, at, error[:ERROR_LENGTH_MAX], at + timedelta(seconds=wait)
        )


async def note_settled(grant: Grant, database: Database, told: PeerNotice) -> None:
    """Keep what a node answered: outcome, law and receipt, at `settled_at`; `error` where it refused."""
    assert told.settled_at is not None
    async with database.writing(grant) as connection:
        await connection.execute(
            _SETTLED, told.patient, told.id, told.settled_at, told.outcome, told.law, told.receipt, told.error
        )
        kind, _, erasure = told.reference.partition("/")
        if kind == "erasure" and told.receipt:
            await connection.execute(_TOLD, erasure, told.node, told.settled_at, f"notice {told.id}")
        await connection.execute(_NAMELESS, told.patient, told.id)


async def own_notices(grant: Grant, database: Database) -> list[PeerNotice]:
    """Return what other nodes were told of the person of the grant, the newest first."""
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_OWN, sorted(grant.patients or ()), LISTED_MAX)
    return [_notice(row) for row in rows]


async def all_notices(grant: Grant, database: Database, *, settled: bool) -> list[PeerNotice]:
    """Return the notices that wait for a receipt, the newest first; `settled`: the others too."""
    assert grant.patients is None
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_ALL, settled, LISTED_MAX)
    return [_notice(row) for row in rows]


async def erase_notices(
    grant: Grant, connection: Connection, records: Sequence[str], names: Sequence[str]
) -> None:
    """Tell nothing else any more of records that are erased, or of entries ("Type/id") of them."""
    assert grant.patients is None
    await connection.execute(_ERASE, list(records), list(names))


def _notice(row: object) -> PeerNotice:
    return msgspec.convert(dict(row), PeerNotice)  # type: ignore[call-overload]  # an asyncpg record
