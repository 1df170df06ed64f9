"""A citizen's rights (Regulation (EU) 2025/327): restrict (Art. 8), see and check accesses (Art. 9).

Each call is an access of the citizen to their own record, through the gate and into the log.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import AccessRefused
from salus.standards.merkle.checkpoint import open_checkpoint
from salus.standards.merkle.note import VerifierKey
from salus.standards.merkle.proof import verify_inclusion
from salus.standards.merkle.tree import leaf_hash
from salus.store.access_log import LoggedAccess, access_log, inclusion_proof
from salus.store.postgres import Database
from salus.store.restrictions import lift, restrict
from salus.store.sequencer import last_checkpoint
from salus.trust.gate import Gatehouse, enter
from salus.trust.policy import AccessRequest

RESTRICTION = "restriction"


class CheckedAccess(msgspec.Struct, frozen=True):
    """One access to the citizen's record.

    Args:
        access: who, what, why, and the bytes that the log hashes.
        is_proven: whether the line is in the tree under the signed checkpoint; None while it is so new
            that no checkpoint covers it.
    """

    access: LoggedAccess
    is_proven: bool | None


class Citizen(msgspec.Struct, frozen=True):
    """From where a citizen exercises their rights: themselves and the node's gate and database."""

    caller: Caller
    gatehouse: Gatehouse
    database: Database

    @property
    def patient(self) -> str:
        """Return the logical id of their own Patient.

        Raises:
            AccessRefused: the caller has no record here.
        """
        if not self.caller.patient:
            raise AccessRefused("Only the citizen exercises these rights; you have no record here.")
        return self.caller.patient


async def restrict_resource(citizen: Citizen, resource_type: str, resource_id: str, *, hidden: bool) -> int:
    """Hide a resource of the citizen's own record from every professional, or show it again.

    Returns:
        How many resources that are: a document takes along what was extracted from it.

    Raises:
        NotFound: their record holds no such resource.
        AccessRefused: the caller is not the citizen.
    """
    what, own = f"{resource_type}/{resource_id}", frozenset({citizen.patient})
    asked = AccessRequest(Action.UPDATE, RESTRICTION, what, own)
    async with enter(citizen.gatehouse, citizen.caller, asked) as access:
        change = restrict if hidden else lift
        return await change(access.grant, citizen.database, resource_type, resource_id)


async def own_accesses(
    citizen: Citizen, log: VerifierKey, *, count: int = 50, before: int | None = None
) -> list[CheckedAccess]:
    """Return the accesses to the citizen's record, newest first, each checked against the signed log.

    Args:
        citizen: who looks.
        log: the public key of the node's log.
        count: at most so many lines.
        before: `arrival` of the last line seen, for the next page.

    Raises:
        MalformedContent: the checkpoint is not signed by the log's key.
    """
    asked = AccessRequest(Action.AUDIT, "AuditEvent", "access log", frozenset({citizen.patient}))
    async with enter(citizen.gatehouse, citizen.caller, asked) as access:
        lines = await access_log(access.grant, citizen.database, citizen.patient, count=count, before=before)
        access.record([citizen.patient], count=len(lines))
    return await check_accesses(citizen.database, log, lines)


async def check_accesses(
    database: Database, log: VerifierKey, lines: Sequence[LoggedAccess]
) -> list[CheckedAccess]:
    """Check lines of an access log: signature of the newest checkpoint, then the proof of each line."""
    newest = await last_checkpoint(database)
    if newest is None:
        return [CheckedAccess(each, None) for each in lines]
    signed = open_checkpoint(newest[2], log)
    checked = []
    for each in lines:
        if each.index is None or each.index >= signed.size:
            checked.append(CheckedAccess(each, None))
            continue
        proof = await inclusion_proof(database, each.index, signed.size)
        proven = verify_inclusion(leaf_hash(each.entry), each.index, signed.size, proof, signed.root)
        checked.append(CheckedAccess(each, proven))
    return checked
