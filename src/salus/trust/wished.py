"""Telling those who wish it of each access of others: on their behalf, and written down as any reading is."""

from __future__ import annotations

from salus.core.access import Action, Caller, Purpose, Role
from salus.store.postgres import Database
from salus.store.wished import begin_round, tell_of_accesses
from salus.trust.gate import Gatehouse, enter
from salus.trust.policy import AccessRequest

NAME = "Salus, notices that you wish"


async def tell_wished(gatehouse: Gatehouse, database: Database, *, issuer: str) -> int:
    """Look at what is new in the log, and tell those who wish it; return how many accesses were told of."""
    async with database.system() as connection, connection.transaction():
        begin, end, patients = await begin_round(connection)
    count = 0
    for patient in patients:
        caller = Caller(
            subject="salus-notices", name=NAME, role=Role.CITIZEN, organisation="", issuer=issuer,
            purpose=Purpose.PATIENT_REQUEST, patient=patient,
        )  # fmt: skip
        asked = AccessRequest(Action.AUDIT, "AuditEvent", "notices", frozenset({patient}))
        async with enter(gatehouse, caller, asked) as access:
            told = await tell_of_accesses(access.grant, database, begin, end)
            access.record([patient], count=told)
        count += told
    return count
