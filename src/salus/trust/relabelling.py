"""A new version of the table of sensitive codes is heard for what lies here already (docs/decisions/0039).

Labels are worked out when a person's Consents are compared with their record, and kept as the veils that come
of it. So all veils are worked out anew, a person after the other, each in a transaction with its leaf.
"""

from __future__ import annotations

import msgspec

from salus.core.access import Action, Caller, Outcome, Purpose, Role
from salus.core.errors import OverBudget
from salus.standards.sensitivity.table import version
from salus.store import ledger
from salus.store.labelling import labelled_by, note_labelled, take, veiled_after
from salus.store.postgres import Database
from salus.trust.consent.hanging import renew
from salus.trust.gate import Gatehouse, enter
from salus.trust.policy import AccessRequest

NAME = "Salus, labels of what is sensitive"
WHAT = "restriction"
_PAGE = 100


class Relabelled(msgspec.Struct, frozen=True):
    """Over how many records veils were worked out anew, and over how many not: they say too much."""

    records: int = 0
    left: int = 0


async def relabel(gatehouse: Gatehouse, database: Database, *, issuer: str) -> Relabelled:
    """Work out all veils anew if they hang by another version of the table.

    One process does it; what fails half-way is begun again. Records that are left keep the veils of before.
    """
    wanted = version()
    if await labelled_by(database) == wanted or not await take(database, wanted, gatehouse.clock()):
        return Relabelled()
    caller = Caller("salus-labels", NAME, Role.OPERATOR, "", issuer, Purpose.OPERATIONS)
    count, left, last = 0, 0, ""
    while page := await veiled_after(database, last, _PAGE):
        for patient in page:
            try:
                await _relabel_one(gatehouse, database, caller, patient)
                count += 1
            except OverBudget:
                left += 1
        last = page[-1]
        await take(database, wanted, gatehouse.clock(), going_on=True)
    await note_labelled(database, wanted)
    return Relabelled(count, left)


async def _relabel_one(gatehouse: Gatehouse, database: Database, caller: Caller, patient: str) -> None:
    asked = AccessRequest(Action.UPDATE, "Consent", WHAT)
    async with enter(gatehouse, caller, asked) as access, database.writing(access.grant) as connection:
        await renew(access.grant, connection, patient, default_denies=gatehouse.law.default_denies)
        leaf = ledger.leaf_of(access.grant, patient, what=WHAT, resources=0, outcome=Outcome.SERVED)
        await ledger.append(connection, [leaf])
