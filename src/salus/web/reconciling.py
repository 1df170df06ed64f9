"""Reconciling accesses across borders: the door for home nodes, and what a node asks for its citizens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from salus.core.access import Action, Caller, Leaf, Outcome, Purpose, Role
from salus.core.errors import TooLarge
from salus.federation.fanout import fan_out
from salus.federation.membership_list import Member
from salus.federation.reconciling import (
    PATH,
    TOLD_MAX,
    Answer,
    Reconciled,
    ask_abroad,
    compare,
    read_request,
    told_of,
)
from salus.federation.witnessing import PEER_MS_MAX
from salus.store.access_log import access_log
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.services import Services

REQUEST_BYTES_MAX = 8_000
_PROFESSIONALS = frozenset({Role.CLINICIAN.value, Role.PHARMACIST.value, Role.EMERGENCY.value})
_ANSWERS_MISSING = "MedicationDispense, answers missing"
Handler = Callable[[Services, Request], Awaitable[Response]]


async def reconcile(
    services: Services, leaves: Sequence[Leaf], records: Sequence[str], *, everywhere: bool = False
) -> list[Reconciled]:
    """Compare a person's accesses from other nodes with what those have written down.

    Args:
        services: the node.
        leaves: of the person's records here.
        records: the logical ids of these.
        everywhere: ask every member, not only those that the leaves name.
    """
    named = {leaf.node for leaf in leaves if leaf.node}
    members = [each for each in services.witnesses.others() if everywhere or each.node in named]

    async def ask(member: Member) -> Reconciled:
        told: list[Answer] = [
            await ask_abroad(
                services.client, member, services.keys.federation, services.node, record, now=services.clock()
            )
            for record in records
        ]
        merged = Answer([each for one in told for each in one.accesses], any(one.more for one in told))
        return compare(member.node, [leaf for leaf in leaves if leaf.node == member.node], merged)

    answers = await fan_out(members, ask, deadline_ms=PEER_MS_MAX)
    silent = [Reconciled(node, silent=reason) for node, reason in answers.silent]
    known = {member.node for member in members}
    gone = [Reconciled(node, silent=f"node {node} is no member now") for node in sorted(named - known)]
    return [*answers.answers.values(), *silent, *gone]


async def _reconcile(services: Services, request: Request) -> Response:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > REQUEST_BYTES_MAX:
            raise TooLarge(f"A request to reconcile has at most {REQUEST_BYTES_MAX} bytes.")
    asked = await read_request(
        body.decode("ascii", "replace"), services.membership, services.database,
        audience=f"{services.base_url}{PATH}", now=services.clock(),
    )  # fmt: skip
    await services.chains.require_live(services.membership.admitted(asked.node, services.clock()))
    here = f"{asked.node}:{asked.patient}"
    caller = Caller(
        subject=asked.node, name=f"node {asked.node}", role=Role.NODE, organisation="",
        issuer=services.base_url, purpose=Purpose.PATIENT_REQUEST, node=asked.node,
    )  # fmt: skip
    wanted = AccessRequest(Action.AUDIT, "AuditEvent", "accesses to reconcile", frozenset((here,)))
    async with enter(services.gatehouse, caller, wanted) as access:
        found = await access_log(access.grant, services.database, here, count=TOLD_MAX)
        access.record([here], count=len(found))
    told = [told_of(each.leaf) for each in found if _crossed(each.leaf)]
    return Response(msgspec.json.encode(Answer(told, len(found) == TOLD_MAX)), media_type="application/json")


def _crossed(leaf: Leaf) -> bool:
    """Return whether an access reached the patient's home: of this node's own professionals (`primary.desk`).

    Its leaf says so. One of an earlier release is known by its words; whatever became of it, it is told where
    it says so, for home may have served what was lost on the way. Who reads this node's audit of it, an
    auditor or that home itself, asks nothing there; nor does who reads what this node keeps itself.
    """
    if leaf.node or leaf.role not in _PROFESSIONALS:
        return False
    if leaf.asked:
        return True
    return leaf.outcome is Outcome.SERVED and (" at " in leaf.what or leaf.what == _ANSWERS_MISSING)


ADDRESSES: Mapping[str, Mapping[str, Handler]] = {PATH: {"POST": _reconcile}}
