"""Telling other nodes what became of what they got, and the door by which they tell this one (GDPR, Art. 19).

POST /peer-notices takes a signed notice from the home node of a patient and answers with a signed receipt.
`work_once` is the node's round: whom to tell of what was done here, and telling them. docs/decisions/0038.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from salus.core.access import Action, Caller, Leaf, Purpose, Role
from salus.core.access import Outcome as Ended
from salus.core.errors import Conflict, SalusError, TooLarge
from salus.federation.membership_list import Member
from salus.federation.notifying import (
    NOTICE_BYTES_MAX,
    PATH,
    RECORDS_MAX,
    Kind,
    Notice,
    Outcome,
    Receipt,
    read_notice,
    sign_receipt,
    tell_member,
)
from salus.primary.rights.copies_abroad import Entry, Holder, holders
from salus.store import peer_notices
from salus.store.access_log import access_log
from salus.store.peer_notices import NAMES_MAX, Act, PeerNotice
from salus.store.peer_notices_received import HomeSays, Wish, receive
from salus.store.postgres import Connection
from salus.store.witness import turn
from salus.trust.gate import Access, enter
from salus.trust.policy import AccessRequest
from salus.web.addresses import find, methods_of
from salus.web.services import Face, Receive, Scope, Send, Services

TYPE = "peer-notice"
NAME = "Salus, telling other nodes"
TELLING = 0x54454C4C
ACTS_AT_ONCE = 20
NOTICES_AT_ONCE = 50
PAGE_COUNT, ACCESSES_MAX = 1_000, 50_000
"""Accesses to a record that are looked through for who got something, the newest first."""
KNOWN_WITHIN = 1_000
"""Accesses among which one of this node's own must be, so that it knows the person."""


def face(services: Services) -> Face:
    """Return the door for other nodes."""

    async def application(scope: Scope, receive_: Receive, send: Send) -> None:
        handler, _ = find(ADDRESSES, scope["method"], scope["path"])
        answer = await handler(services, Request(scope, receive_))
        await answer(scope, receive_, send)

    return Face((PATH,), application, methods_of(ADDRESSES), tuple(ADDRESSES))


async def _take(services: Services, request: Request) -> Response:
    """Take a notice; 404, with a receipt too, where this node got nothing about such a person."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > NOTICE_BYTES_MAX:
            raise TooLarge(f"A notice has at most {NOTICE_BYTES_MAX} bytes.")
    now = services.clock()
    found = await read_notice(
        body.decode("ascii", "replace"), services.membership, services.database,
        audience=f"{services.base_url}{PATH}", now=now,
    )  # fmt: skip
    await services.chains.require_live(found.member)
    done = [await receive_about(services, found.member, found.notice, whom) for whom in found.notice.whom]
    receipt = _receipt_of(found.notice, [each for each in done if each is not None])
    token = sign_receipt(services.keys.federation, services.node, found.member.node, receipt, now=now)
    return PlainTextResponse(token, 404 if receipt.outcome is Outcome.UNKNOWN else 200)


async def receive_about(services: Services, member: Member, notice: Notice, whom: str) -> HomeSays | None:
    """Do what a notice asks about one of the ids of the person; None where this node knows nobody by it."""
    here, law = f"{member.node}:{whom}", services.gatehouse.law.copies_from_abroad
    caller = Caller(
        subject=member.node, name=f"node {member.node}", role=Role.NODE, organisation="",
        issuer=services.base_url, purpose=Purpose.PATIENT_REQUEST, node=member.node,
    )  # fmt: skip
    told = HomeSays(
        here, member.node, notice.id, notice.kind.value, notice.names, notice.since, notice.at,
        services.clock(), law=law.source, digest=hashlib.sha256(msgspec.json.encode(notice)).hexdigest(),
    )  # fmt: skip
    asked = AccessRequest(Action.UPDATE, TYPE, f"notice/{notice.id}", frozenset((here,)))
    async with enter(services.gatehouse, caller, asked) as access:
        if not await _is_known(services, access, here):
            return None
        wish = Wish(_action(services, notice.kind), notice.dispensed)
        return await receive(access.grant, services.database, told, wish)


async def _is_known(services: Services, access: Access, here: str) -> bool:
    """Return whether anybody of this node ever got something about the patient."""
    found = await access_log(access.grant, services.database, here, count=KNOWN_WITHIN)
    return any(_is_own(each.leaf) for each in found)


def _is_own(leaf: Leaf) -> bool:
    return not leaf.node and leaf.outcome is Ended.SERVED


def _action(services: Services, kind: Kind) -> str:
    law = services.gatehouse.law.copies_from_abroad.value
    if kind is Kind.RELEASED:
        return "show" if law.restricted == "hide" else law.restricted
    actions = {
        Kind.RECTIFIED: law.rectified, Kind.UNMERGED: law.unmerged, Kind.RESTRICTED: law.restricted,
        Kind.ERASED: law.erased,
    }  # fmt: skip
    return actions[kind]


def _receipt_of(notice: Notice, done: Sequence[HomeSays]) -> Receipt:
    """Return what was done about all ids of the person together."""
    if not done:
        return Receipt(notice.id, Outcome.UNKNOWN, 0, "")
    touched = [each for each in done if each.copies] or list(done)
    return Receipt(notice.id, Outcome(touched[0].outcome), sum(each.copies for each in done), touched[0].law)


ADDRESSES = {PATH: {"POST": _take}}


async def work_once(services: Services) -> int:
    """Work out whom to tell of what was done here, tell who is due, and return how many signed for it."""
    async with turn(services.database, TELLING) as mine:
        if not mine:
            return 0
        await _address_acts(services)
        return await _tell_due(services)


def _node_itself(services: Services) -> Caller:
    return Caller(
        subject="salus-peer-notices", name=NAME, role=Role.OPERATOR, organisation="",
        issuer=services.base_url, purpose=Purpose.OPERATIONS,
    )  # fmt: skip


async def _address_acts(services: Services) -> None:
    """Put a notice for each node that got something in place of each act."""
    async with services.database.system() as connection:
        if not await peer_notices.any_acts(connection):
            return
    asked = AccessRequest(Action.READ, TYPE, "whom to tell")
    async with enter(services.gatehouse, _node_itself(services), asked) as access:
        for act in await peer_notices.waiting_acts(access.grant, services.database, ACTS_AT_ONCE):
            notices = await _notices_of(services, access, act)
            await peer_notices.address(access.grant, services.database, act, notices)
            access.record([act.patient], f"{TYPE} {act.kind}", count=0)  # nothing of the record leaves


async def _notices_of(services: Services, access: Access, act: Act) -> list[PeerNotice]:
    async with services.database.reading(access.grant) as connection:
        dispensed = await peer_notices.handed_over_by(access.grant, connection, act.names)
        if act.kind == Kind.RELEASED:
            hidden = await peer_notices.hidden_at(access.grant, connection, act.patient, act.names)
            found = [
                Holder(node, tuple(sorted(whom)), tuple(sorted(names.intersection(act.names))))
                for node, (whom, names) in sorted(hidden.items())
            ]
        else:
            entries = await _entries(access, connection, act)
    if act.kind != Kind.RELEASED:
        leaves = [leaf for record in act.records for leaf in await _accesses(services, access, record)]
        since = act.since if act.kind == Kind.UNMERGED else None
        found = holders(leaves, entries, until=act.at, since=since)
    return [
        notice for each in found if each.node != services.node for notice in _notices_to(act, each, dispensed)
    ]


def _notices_to(act: Act, holder: Holder, dispensed: Mapping[tuple[str, str], str]) -> list[PeerNotice]:
    """Return the notices of an act to one node: several where it knows more names than one takes."""
    node, found = holder.node, []
    for first in range(0, len(holder.whom), RECORDS_MAX):
        whom = holder.whom[first : first + RECORDS_MAX]
        for start in range(0, len(holder.names) or 1, NAMES_MAX):
            names = holder.names[start : start + NAMES_MAX]
            ids = [dispensed[node, name] for name in names if (node, name) in dispensed]
            found.append(peer_notices.notice_of(act, node, whom, names, ids))
    return found


async def _entries(access: Access, connection: Connection, act: Act) -> list[Entry]:
    known = await peer_notices.firsts(access.grant, connection, act.names, act.at)
    return [Entry(each.name, each.since or act.since, each.exact or act.exact) for each in known]


async def _accesses(services: Services, access: Access, record: str) -> list[Leaf]:
    found: list[Leaf] = []
    before: int | None = None
    while len(found) < ACCESSES_MAX:
        page = await access_log(access.grant, services.database, record, count=PAGE_COUNT, before=before)
        found += [each.leaf for each in page]
        if len(page) < PAGE_COUNT:
            break
        before = page[-1].arrival
    return found


async def _tell_due(services: Services) -> int:
    """Tell every node that is due, each by itself, so that a silent one keeps nobody waiting."""
    async with services.database.system() as connection:
        if not await peer_notices.any_due(connection, services.clock()):
            return 0
    async with enter(
        services.gatehouse, _node_itself(services), AccessRequest(Action.READ, TYPE, "notices that are due")
    ) as access:
        waiting = await peer_notices.due(access.grant, services.database, NOTICES_AT_ONCE)
        access.record((), count=len(waiting))
        by_node: dict[str, list[PeerNotice]] = {}
        for each in waiting:
            by_node.setdefault(each.node, []).append(each)
        told = await asyncio.gather(*(_tell_node(services, access, each) for each in by_node.values()))
    return sum(told)


async def _tell_node(services: Services, access: Access, notices: Sequence[PeerNotice]) -> int:
    """Tell one node what it is due, until it does not answer."""
    told, silent = 0, ""
    for each in notices:
        now = services.clock()
        try:
            if silent:
                await peer_notices.note_failed(access.grant, services.database, each, silent, now)
                continue
            settled = await _told(services, each)
        except Conflict as error:
            settled = msgspec.structs.replace(each, outcome="refused", error=error.message, settled_at=now)
        except SalusError as error:
            silent = error.message
            await peer_notices.note_failed(access.grant, services.database, each, silent, now)
            continue
        await peer_notices.note_settled(access.grant, services.database, settled)
        told += bool(settled.receipt)
    return told


async def _told(services: Services, each: PeerNotice) -> PeerNotice:
    now = services.clock()
    member = services.membership.admitted(each.node, now)
    await services.chains.vouched(member)
    notice = Notice(
        each.id, Kind(each.kind), each.whom, each.at, each.names, each.dispensed,
        each.since if each.kind == Kind.UNMERGED else None,
    )  # fmt: skip
    receipt = await tell_member(
        services.client, member, services.keys.federation, services.node, notice, now=now
    )
    return msgspec.structs.replace(
        each, outcome=receipt.outcome.value, law=receipt.law, receipt=receipt.token, settled_at=now
    )
