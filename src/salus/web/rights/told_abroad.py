"""Which other nodes were told of what a person had corrected, parted, hidden or erased (GDPR, Art. 19).

The person: GET /rights/told-abroad. The operator: GET /rights/peer-notices, and what others told this node
at /rights/peer-notices-received.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller, Role
from salus.store import peer_notices
from salus.store.peer_notices import PeerNotice
from salus.store.peer_notices_received import HIDDEN_FROM_PROFESSIONALS, HomeSays, all_received
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.own_record import enter_own
from salus.web.peer_notices import TYPE
from salus.web.rights.choices import assisted
from salus.web.services import Services

OWN = "told-abroad"
NOT_DONE = frozenset({"kept", "refused"})


async def told_abroad(services: Services, caller: Caller, *, patient: str = "") -> list[PeerNotice]:
    """Return what other nodes were told of the person's record, the newest first.

    Who acts for them is not told of what is hidden, which may be hidden from them too, nor which entries.
    """
    whose = patient or caller.patient or ""
    asked = AccessRequest(Action.READ, OWN, OWN, frozenset({whose}))
    async with enter_own(services, caller, asked) as access:
        access.record([whose])
        found = await peer_notices.own_notices(access.grant, services.database)
    if caller.role is Role.CITIZEN:
        return found
    shown_to_others = [each for each in found if each.kind not in HIDDEN_FROM_PROFESSIONALS]
    return [msgspec.structs.replace(each, names=(), dispensed=()) for each in shown_to_others]


async def sent(services: Services, caller: Caller, *, settled: bool) -> list[PeerNotice]:
    """Return the notices that wait for a receipt, of all persons; `settled`: the others too."""
    async with enter(services.gatehouse, caller, AccessRequest(Action.READ, TYPE, "notices")) as access:
        found = await peer_notices.all_notices(access.grant, services.database, settled=settled)
        for each in found:
            access.record([each.patient] if each.patient else (), f"notice/{each.id}")
        return found


async def received(services: Services, caller: Caller) -> list[HomeSays]:
    """Return what other nodes told this one, the newest first."""
    async with enter(services.gatehouse, caller, AccessRequest(Action.READ, TYPE, "notices")) as access:
        found = await all_received(access.grant, services.database)
        for each in found:
            access.record([each.patient], f"notice/{each.id}")
        return found


def state_of(each: PeerNotice) -> str:
    """Return how a notice stands, in a word.

    waiting: it was not tried yet. not-reached: it was, and is tried again. told: the node has signed for it.
    not-done: it answered that it does not do this. no-copies: it answered that it got nothing.
    """
    if each.settled_at is None:
        return "not-reached" if each.tries else "waiting"
    if each.outcome == "unknown":
        return "no-copies"
    return "not-done" if each.outcome in NOT_DONE else "told"


def shown(each: PeerNotice) -> dict[str, Any]:  # values of several plain types
    """Return a notice as its person and the operator read it."""
    told: dict[str, Any] = msgspec.to_builtins(each)
    return told | {"state": state_of(each)}


async def handle_own(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Answer what other nodes were told of the person's record."""
    found = await told_abroad(services, caller, patient=assisted(caller, request))
    return JSONResponse({"told": [shown(each) for each in found]})


async def handle_sent(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Answer what waits for a receipt; with `?all=true` also what was signed for."""
    found = await sent(services, caller, settled=request.query_params.get("all") == "true")
    return JSONResponse({"notices": [shown(each) for each in found]})


async def handle_received(
    services: Services, caller: Caller, request: Request, _: dict[str, str]
) -> Response:
    """Answer what other nodes told this one."""
    return JSONResponse({"notices": msgspec.to_builtins(await received(services, caller))})
