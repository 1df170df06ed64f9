"""What other nodes told this one of their patients, and what it does with its own copies (schema 0171).

Its own are the hand-overs on prescriptions from there (`store.dispensed_abroad`): whatever else its
professionals read abroad, it did not keep. Nothing is touched but what is kept of patients of the node that
tells: they are named "node:id".
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from salus.core.access import Grant, Outcome
from salus.core.errors import Conflict
from salus.core.identifiers import derived_id
from salus.store import ledger
from salus.store.postgres import Connection, Database
from salus.store.record_seal import record_of
from salus.store.resources import transact

LISTED_MAX = 500
SHOWN_MAX = 20
HIDDEN_FROM_PROFESSIONALS = frozenset({"restricted", "released"})
"""Kinds that would tell a professional of a restriction (EHDS, Art. 8)."""
_COLUMNS = "patient, node, id, kind, names, since, at, received_at, outcome, copies, law, digest"
_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('peer notices of ' || $1, 0))"
_KNOWN = f"SELECT {_COLUMNS} FROM peer_notice_received WHERE node = $1 AND id = $2 AND patient = ANY ($3)"  # noqa: S608  (constants only)
_KEEP = f"""
INSERT INTO peer_notice_received ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""  # noqa: S608  (constants only)
_LINES = """
SELECT system, value FROM dispensed_abroad
WHERE patient = $1 AND state IN ('recorded', 'discarded') AND ($4::timestamptz IS NULL OR begun >= $4)
    AND ($2::text[] = '{}' OR 'MedicationRequest/' || prescription = ANY ($2)
        OR system || '|' || value = ANY ($3))
"""
_SET = "SELECT set_restriction(ARRAY[$1], $2, $3, $4)"
_ERASE = "SELECT erase_of_abroad($1, $2, $3, $4, $5)"
_OF = f"""
SELECT {_COLUMNS} FROM peer_notice_received WHERE patient = $1 AND kind <> ALL ($2)
ORDER BY at DESC, id LIMIT $3
"""  # noqa: S608  (constants only)
_ALL = f"SELECT {_COLUMNS} FROM peer_notice_received ORDER BY received_at DESC, id LIMIT $1"  # noqa: S608  (constants only)


class HomeSays(msgspec.Struct, frozen=True):
    """What the home of a patient told this node, and what was done; see schema 0171."""

    patient: str
    node: str
    id: str
    kind: str
    names: tuple[str, ...]
    since: datetime | None
    at: datetime
    received_at: datetime
    outcome: str = ""
    copies: int = 0
    law: str = ""
    digest: str = ""


class Wish(msgspec.Struct, frozen=True):
    """What is to be done with copies.

    Args:
        action: mark, hide, erase or keep as the law of this country has it; show, for what was hidden.
        dispensed: dispense ids that are meant besides those on prescriptions named.
    """

    action: str
    dispensed: tuple[str, ...]


_OUTCOMES = {
    "mark": "marked", "hide": "hidden", "erase": "erased", "keep": "kept", "show": "released",
}  # fmt: skip


async def receive(grant: Grant, database: Database, told: HomeSays, wish: Wish) -> HomeSays:
    """Do what a notice asks, once: the same again is answered as it was.

    Raises:
        Conflict: another notice had this id.
    """
    assert grant.patients is not None
    assert told.patient in grant.patients
    assert told.patient.startswith(f"{told.node}:")

    async def work(connection: Connection) -> HomeSays:
        await connection.execute(_TURN, told.patient)
        row = await connection.fetchrow(_KNOWN, told.node, told.id, [told.patient])
        if row is not None:
            known = msgspec.convert(dict(row), HomeSays)
            if known.digest != told.digest:
                raise Conflict("Another notice had this id.")
            return known
        copies = await _carry_out(connection, told, wish)
        done = msgspec.structs.replace(
            told, outcome=_OUTCOMES[wish.action] if copies else "none", copies=copies
        )
        await connection.execute(_KEEP, *msgspec.structs.astuple(done))
        what = f"notice/{told.id} {told.kind}"
        leaf = ledger.leaf_of(grant, told.patient, what=what, resources=copies, outcome=Outcome.SERVED)
        await ledger.append(connection, [leaf])
        return done

    return await transact(grant, database, work)


async def _carry_out(connection: Connection, told: HomeSays, wish: Wish) -> int:
    """Do it, and return how many copies it meant."""
    here, names = told.patient, list(told.names)
    rows = await connection.fetch(_LINES, here, names, list(wish.dispensed), told.since)
    lines = [f"{row['system']}|{row['value']}" for row in rows]
    records = [f"MedicationDispense/{derived_id(here, line)}" for line in lines]
    if wish.action == "erase":
        if names and not records:
            return 0
        gone = await connection.fetchval(
            _ERASE, here, record_of(here), records if names else [], lines, told.received_at
        )
        return int(gone or 0)
    if wish.action in ("hide", "show"):
        for record in records:
            await connection.fetchval(_SET, here, record, wish.action == "hide", told.received_at)
    return len(records)


async def home_says(grant: Grant, database: Database, patient: str) -> tuple[HomeSays, ...]:
    """Return what a professional is told who asks for a patient of another node, the newest first.

    What the person hides is not told (EHDS, Art. 8).
    """
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_OF, patient, sorted(HIDDEN_FROM_PROFESSIONALS), SHOWN_MAX)
    found = [msgspec.convert(dict(row), HomeSays) for row in rows]
    # Of two persons who were parted home tells twice, once for each.
    return tuple({(each.kind, each.at, each.since, each.names): each for each in found}.values())


async def all_received(grant: Grant, database: Database) -> list[HomeSays]:
    """Return what other nodes told this one, the newest first."""
    assert grant.patients is None
    async with database.reading(grant) as connection:
        rows = await connection.fetch(_ALL, LISTED_MAX)
    return [msgspec.convert(dict(row), HomeSays) for row in rows]


def shown_to_professionals(found: Sequence[HomeSays]) -> list[dict[str, object]]:
    """Return what home says as an answer carries it: kind, entries, times."""
    return [
        {
            "kind": each.kind, "names": list(each.names), "at": each.at.isoformat(),
            "since": None if each.since is None else each.since.isoformat(),
            "received_at": each.received_at.isoformat(), "copies_here": each.outcome,
        }
        for each in found
    ]  # fmt: skip
