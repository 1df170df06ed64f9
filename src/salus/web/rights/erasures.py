"""Erasure (GDPR, Art. 17): a person asks, the law of the country rules at once, the node's operator answers.

The person: GET and POST /rights/erasures. The operator, who is not who asked: GET /rights/erasure-requests,
POST /rights/erasure-requests/ID/answer; accepting erases. GET /rights/erasure-recipients: whom to tell.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller, Grant
from salus.core.errors import AccessRefused, Conflict, InvalidSearch
from salus.core.identifiers import new_id
from salus.primary.rights.rectification import (
    ACCEPTED,
    EXTENDED,
    EXTENSION_MONTHS,
    OPEN,
    REFUSED,
    WAITING,
    checked_text,
    months_later,
)
from salus.store import erasing, erasures, resources, tombstones
from salus.store.access_log import access_log
from salus.store.erasing import Erased, Held, Order
from salus.store.erasures import Erasure, Recipient
from salus.store.merged import forget, merges
from salus.store.postgres import Connection
from salus.trust.erasure import Ruling, rule_on_erasure
from salus.trust.gate import Access, enter
from salus.trust.jurisdictions.law import Ground
from salus.trust.policy import AccessRequest
from salus.web.bodies import read_body
from salus.web.fhir.door import known_id, known_type
from salus.web.own_record import enter_own
from salus.web.rights.choices import assisted
from salus.web.services import Services

TYPE, ANSWER = "erasure", "erasure-answer"
WHOLE = "record"
PAGE_COUNT, ACCESSES_MAX = 1_000, 50_000


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be erased: `entry` is "Type/id", or "record" for the whole."""

    entry: Annotated[str, msgspec.Meta(max_length=200)]
    ground: Ground
    said: str


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the operator answers; accepting erases at once and for good."""

    state: Literal["accepted", "refused", "extended"]
    said: str


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node that was told of an erasure."""

    erasure: str
    node: str


class Asking(msgspec.Struct, frozen=True):
    """A request, and how the law rules on it as things are."""

    request: Erasure
    ruling: Ruling


class Answered(msgspec.Struct, frozen=True):
    """A request as it stands, and what went where it was accepted."""

    request: Erasure
    erased: Erased | None = None


async def ask(services: Services, caller: Caller, asked: Asked, *, patient: str = "") -> Asking:
    """Keep a request about the whole record, or an entry that the person sees.

    Raises:
        NotFound: there is no such entry in their record.
        InvalidSearch: they do not say why.
    """
    whose, now = patient or caller.patient or "", services.clock()
    whole = asked.entry == WHOLE
    kind, _, identity = ("Patient", "", whose) if whole else asked.entry.partition("/")
    known_type(kind), known_id(identity)
    if kind == "Patient" and not whole:
        raise InvalidSearch(f'A Patient goes with the whole record only: ask for "{WHOLE}".')
    look = AccessRequest(Action.READ, kind, f"{kind}/{identity}", frozenset({whose}))
    async with enter_own(services, caller, look) as access:
        found = await resources.read(access.grant, services.database, kind, identity)
        access.record(found.patients)
    due = months_later(now, services.gatehouse.law.rights_answered_months.value)
    of_type, of_id = ("", "") if whole else (kind, identity)
    request = Erasure(
        whose, new_id(), of_type, of_id, asked.ground.value, checked_text(asked.said), caller.subject, now,
        due, OPEN,
    )  # fmt: skip
    async with enter_own(services, caller, _own(Action.CREATE, whose)) as access:
        await erasures.ask(access.grant, services.database, request)
        return Asking(request, await ruling_of(services, access.grant, request))


async def ruling_of(services: Services, grant: Grant, request: Erasure) -> Ruling:
    """Return how the law of the country rules on a request, as things are."""
    records = await _records(services, request)
    async with services.database.system() as connection:
        held = await erasing.held(grant, connection, records, request.name)
    return _rule(services, request, held)


def _rule(services: Services, request: Erasure, held: Held) -> Ruling:
    return rule_on_erasure(held, Ground(request.ground), services.gatehouse.law, services.clock())


async def own(services: Services, caller: Caller, *, patient: str = "") -> list[Asking]:
    """Return the person's requests, newest first, each with the ruling."""
    whose = patient or caller.patient or ""
    async with enter_own(services, caller, _own(Action.READ, whose)) as access:
        access.record([whose])
        found = await erasures.own(access.grant, services.database)
        return [Asking(each, await ruling_of(services, access.grant, each)) for each in found]


async def requests(services: Services, caller: Caller, *, answered: bool) -> list[Asking]:
    """Return what waits for the operator's answer, the most pressing first, each with the ruling."""
    async with enter(services.gatehouse, caller, _staff(Action.READ)) as access:
        found = await erasures.waiting(access.grant, services.database, answered=answered)
        for each in found:
            access.record([each.patient], f"erasure/{each.id}")
        return [Asking(each, await ruling_of(services, access.grant, each)) for each in found]


async def answer(services: Services, caller: Caller, identity: str, said: Answer) -> Answered:
    """Keep an answer; one that accepts erases, in the same transaction.

    Raises:
        NotFound: there is no such request.
        Conflict: it was answered, or the law does not let it go.
        AccessRefused: who answers is who asked.
        InvalidSearch: no reason is given.
    """
    text = checked_text(said.said)
    async with enter(services.gatehouse, caller, _staff(Action.UPDATE)) as access:
        grant, database = access.grant, services.database
        found = await erasures.one(grant, database, identity)
        if found.state not in WAITING or (said.state == EXTENDED and found.state == EXTENDED):
            raise Conflict("This request was answered, or extended before; its history says how.")
        if found.asked_by == caller.subject:
            raise AccessRefused("You asked for this erasure yourself: somebody else answers it.")
        if said.state == ACCEPTED:
            return await _carry_out(services, access, found, text)
        due = months_later(found.due_at, EXTENSION_MONTHS) if said.state == EXTENDED else found.due_at
        async with database.writing(grant) as connection:
            await erasures.answer(grant, connection, found, state=said.state, due_at=due, said=text)
        return Answered(await erasures.one(grant, database, identity))


async def _carry_out(services: Services, access: Access, found: Erasure, text: str) -> Answered:
    grant, database = access.grant, services.database
    records = await _records(services, found)
    copies = await _copies(services, access, records)

    def check(held: Held) -> None:
        ruling = _rule(services, found, held)
        if not ruling.may:
            raise Conflict(f"{ruling.reason} ({ruling.law}) Refuse the request with this reason.")

    async def told(connection: Connection) -> None:
        await erasures.answer(grant, connection, found, state=ACCEPTED, due_at=found.due_at, said=text)
        await erasures.note_recipients(connection, found, records, copies)

    order = Order(found.id, records, found.name, found.ground)
    erased = await erasing.erase(grant, database, order, check=check, told=told)
    forget(database)
    await services.standing.refresh(*records)
    await tombstones.mirror(database, services.data)
    if found.name:
        return Answered(await erasures.one(grant, database, found.id), erased)
    gone = msgspec.structs.replace(found, said="", state=ACCEPTED, history=())
    return Answered(gone, erased)


async def erase_again(services: Services, caller: Caller) -> tuple[int, list[Erased]]:
    """Bring the tombstones of the file into the database, and erase again what a restore brought back.

    Returns how many tombstones the database lacked, and what went, person by person.
    """
    async with enter(services.gatehouse, caller, _staff(Action.UPDATE)) as access:
        lacked = await tombstones.replay(services.database, services.data)
        erased = await erasing.erase_again(access.grant, services.database)
        await tombstones.mirror(services.database, services.data)
    forget(services.database)
    return lacked, erased


async def recipients(services: Services, caller: Caller, *, told: bool) -> list[Recipient]:
    """Return who holds copies and is to be told of erasures; `told`: also who was."""
    async with enter(services.gatehouse, caller, _staff(Action.READ)) as access:
        access.record(())
        return await erasures.recipients(access.grant, services.database, told=told)


async def note_told(services: Services, caller: Caller, told: Told) -> None:
    """Note that a node was told. Raises NotFound."""
    async with enter(services.gatehouse, caller, _staff(Action.UPDATE)) as access:
        await erasures.note_told(access.grant, services.database, told.erasure, told.node)


async def _records(services: Services, request: Erasure) -> tuple[str, ...]:
    """Return all records of the person of a request."""
    forget(services.database)
    known = await merges(services.database, services.clock())
    return tuple(sorted({request.patient, *known.beside([request.patient])}))


async def _copies(services: Services, access: Access, records: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the other nodes that got something of the records, with the organisation there."""
    found: set[tuple[str, str]] = set()
    for record in records:
        before: int | None = None
        for _ in range(ACCESSES_MAX // PAGE_COUNT):
            page = await access_log(access.grant, services.database, record, count=PAGE_COUNT, before=before)
            found |= {
                (each.leaf.node, each.leaf.organisation)
                for each in page
                if each.leaf.node and each.leaf.resources
            }
            if len(page) < PAGE_COUNT:
                break
            before = page[-1].arrival
    return sorted(found)


def _own(action: Action, patient: str) -> AccessRequest:
    return AccessRequest(action, TYPE, TYPE, frozenset({patient}) if patient else None)


def _staff(action: Action) -> AccessRequest:
    return AccessRequest(action, ANSWER, ANSWER)


def shown(services: Services, each: Asking) -> dict[str, Any]:  # values of several plain types
    """Return a request as its person and the operator read it; a refusal says where to complain."""
    request = each.request
    told: dict[str, Any] = msgspec.to_builtins(request) | {
        "ruling": msgspec.to_builtins(each.ruling),
        "overdue": request.state in WAITING and services.clock() >= request.due_at,
    }
    if request.state == REFUSED:
        told["complain_to"] = msgspec.to_builtins(services.gatehouse.law.complaint_authorities.value)
    return told


async def handle_ask(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Take a request of a person."""
    asked = await read_body(request, Asked)
    kept = await ask(services, caller, asked, patient=assisted(caller, request))
    return JSONResponse(shown(services, kept), 201)


async def handle_own(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Answer the person's requests."""
    found = await own(services, caller, patient=assisted(caller, request))
    return JSONResponse({"erasures": [shown(services, each) for each in found]})


async def handle_list(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Answer what waits; with `?all=true` also what was answered."""
    found = await requests(services, caller, answered=request.query_params.get("all") == "true")
    return JSONResponse({"requests": [shown(services, each) for each in found]})


async def handle_answer(
    services: Services, caller: Caller, request: Request, parts: dict[str, str]
) -> Response:
    """Keep the operator's answer, and erase where it accepts."""
    said = await read_body(request, Answer)
    return JSONResponse(msgspec.to_builtins(await answer(services, caller, parts["id"], said)))


async def handle_recipients(
    services: Services, caller: Caller, request: Request, _: dict[str, str]
) -> Response:
    """Answer whom to tell; with `?all=true` also who was told."""
    found = await recipients(services, caller, told=request.query_params.get("all") == "true")
    return JSONResponse({"recipients": msgspec.to_builtins(found)})


async def handle_told(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Note that a node was told."""
    await note_told(services, caller, await read_body(request, Told))
    return Response(status_code=204)
