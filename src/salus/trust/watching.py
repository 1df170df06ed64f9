"""Rounds of the watch over new leaves: its place, its memory and what it found are kept together.

A round reads under an auditor's grant and leaves its own leaf, like anybody who reads the ledger.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec

from salus.core.access import Action, Caller, Grant, Leaf, Purpose, Role
from salus.store import findings as store
from salus.store.access_log import leaves_from
from salus.store.emergencies import justified_emergencies
from salus.store.postgres import Connection, Database
from salus.trust.breach.facts import Contact, Facts
from salus.trust.breach.finding import Finding
from salus.trust.breach.memory import Watch
from salus.trust.breach.watch import day_of, see
from salus.trust.gate import Gatehouse, enter
from salus.trust.policy import AccessRequest

SUBJECT = "salus-watch"
ROUND_LEAVES_MAX = 20_000


class Round(msgspec.Struct, frozen=True):
    """What a round did: leaves read, new findings, whether more leaves wait."""

    leaves: int = 0
    found: int = 0
    more: bool = False


async def watch_once(gatehouse: Gatehouse, database: Database, *, issuer: str) -> Round:
    """Read the leaves that are new, if anybody but the watch wrote one, and keep what is found.

    A round that another process has begun is left to it.
    """
    if not await store.has_news(database):
        return Round()
    caller = Caller(SUBJECT, "Salus, watch over the ledger", Role.AUDITOR, "", issuer, Purpose.OPERATIONS)
    asked = AccessRequest(Action.AUDIT, "AuditEvent", "watch")
    async with (
        enter(gatehouse, caller, asked) as access,
        database.writing(access.grant) as connection,
    ):
        return await _round(access.grant, connection)


async def _round(grant: Grant, connection: Connection) -> Round:
    begun = await store.begin_round(grant, connection)
    if begun is None:
        return Round()
    position, memory = begun
    watch = msgspec.msgpack.decode(memory, type=Watch) if memory else Watch()
    leaves = await leaves_from(grant, connection, position, ROUND_LEAVES_MAX)
    facts = await facts_of(grant, connection, watch, [leaf for _, leaf in leaves])
    # In a thread: the process answers others meanwhile, and the day of a large house takes seconds to judge.
    found = await asyncio.to_thread(_read, watch, facts, leaves)
    if leaves:
        position = leaves[-1][0] + 1
    rows = {each.key: (each.score, msgspec.json.encode(each)) for each in found}
    new = await store.end_round(grant, connection, position, msgspec.msgpack.encode(watch), rows)
    return Round(len(leaves), new, len(leaves) == ROUND_LEAVES_MAX)


def _read(watch: Watch, facts: Facts, leaves: list[tuple[int, Leaf]]) -> list[Finding]:
    return [
        finding
        for index, leaf in leaves
        if leaf.subject != SUBJECT
        for finding in see(watch, facts, index, leaf)
    ]


async def facts_of(grant: Grant, connection: Connection, watch: Watch, leaves: list[Leaf]) -> Facts:
    """Return what was marked, and where a day will be judged what was told of the patients seen lately.

    That is their encounters, and the emergency accesses to them that a second look found justified.
    """
    marks = await store.marks(grant, connection)
    kin: dict[str, frozenset[str]] = {}
    for patient, kind, subject in marks:
        if kind == "kin":
            kin[subject] = kin.get(subject, frozenset()) | {patient}
    patients = set()
    if any(day_of(leaf.at) > watch.today for leaf in leaves):
        patients = {leaf.patient for leaf in leaves if leaf.patient} | set(watch.trails)
    periods = await store.encounters(grant, connection, sorted(patients))
    contacts = {
        patient: [contact for period in many if (contact := _contact(period)) is not None]
        for patient, many in periods.items()
    }
    justified: dict[tuple[str, str], list[Contact]] = {}
    for one in await justified_emergencies(grant, connection, sorted(patients)):
        justified.setdefault((one.subject, one.patient), []).append(Contact(one.began_at, one.ends_at))
    return Facts(
        contacts=contacts,
        honey=_of(marks, "honey"),
        protected=_of(marks, "protected"),
        staff={patient: subject for patient, kind, subject in marks if kind == "staff"},
        kin=kin,
        justified=justified,
    )


def _of(marks: list[tuple[str, str, str]], wanted: str) -> frozenset[str]:
    return frozenset(patient for patient, kind, _ in marks if kind == wanted)


def _contact(period: dict[str, Any]) -> Contact | None:  # Any: JSON values
    """Return an encounter's period, None where it has no beginning that can be read."""
    begins, ends = (_moment(period.get(name)) for name in ("start", "end"))
    return None if begins is None else Contact(begins, ends)


def _moment(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)  # a date, or a sender's local time
