"""Rectification (GDPR, Art. 16; EHDS, Art. 6): a person says what is wrong, the node's operator answers.

The person: GET and POST /rights/rectifications. The operator: GET /rights/requests, POST
/rights/requests/ID/answer. A professional sees no request: it could name what the citizen hides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller
from salus.core.errors import Conflict, InvalidSearch
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
from salus.store import persons, rectifications, resources
from salus.store.merged import forget, merges
from salus.store.postgres import Connection
from salus.store.rectifications import Rectification
from salus.trust.consent.hanging import renew_persons
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.bodies import read_body
from salus.web.fhir.door import known_id, known_type
from salus.web.own_record import enter_own
from salus.web.rights.choices import assisted
from salus.web.services import Services

TYPE, ANSWER = "rectification", "rectification-answer"


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person says is wrong; `not-mine`: the entry is of somebody else."""

    entry: Annotated[str, msgspec.Meta(max_length=200)]
    said: str
    kind: Literal["entry", "not-mine"] = "entry"


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the operator answers: accepted by a version or an undone merge; refused; later."""

    state: Literal["accepted", "refused", "extended"]
    said: str
    version: int | None = None
    unmerge: bool = False


async def ask(services: Services, caller: Caller, asked: Asked, *, patient: str = "") -> Rectification:
    """Keep a request about an entry that the person sees.

    Raises:
        NotFound: there is no such entry in their record.
        InvalidSearch: they do not say what is wrong.
    """
    whose, now = patient or caller.patient or "", services.clock()
    kind, _, identity = asked.entry.partition("/")
    known_type(kind), known_id(identity)
    look = AccessRequest(Action.READ, kind, asked.entry, frozenset({whose}))
    async with enter_own(services, caller, look) as access:
        found = await resources.read(access.grant, services.database, kind, identity)
        access.record(found.patients)
    merged = (await merges(services.database, now)).beside([whose])
    holds = next((one for one in found.patients if one in merged), "") if asked.kind == "not-mine" else ""
    due = months_later(now, services.gatehouse.law.rights_answered_months.value)
    request = Rectification(
        whose, new_id(), asked.kind, kind, identity, found.version, checked_text(asked.said), holds, now, due,
        OPEN,
    )  # fmt: skip
    async with enter_own(services, caller, _own(Action.CREATE, whose)) as access:
        await rectifications.ask(access.grant, services.database, request)
    return request


async def own(services: Services, caller: Caller, *, patient: str = "") -> list[Rectification]:
    """Return the person's requests, newest first."""
    whose = patient or caller.patient or ""
    async with enter_own(services, caller, _own(Action.READ, whose)) as access:
        access.record([whose])
        return await rectifications.own(access.grant, services.database)


async def requests(services: Services, caller: Caller, *, answered: bool) -> list[Rectification]:
    """Return what waits for the operator's answer, the most pressing first."""
    async with enter(services.gatehouse, caller, _staff(Action.READ)) as access:
        found = await rectifications.waiting(access.grant, services.database, answered=answered)
        for each in found:
            access.record([each.patient], f"rectification/{each.id}")
    return found


async def answer(services: Services, caller: Caller, identity: str, said: Answer) -> Rectification:
    """Keep an answer, undo the merge where that is the answer, and return the request as it stands.

    Raises:
        NotFound: there is no such request, or no merge to undo.
        Conflict: it was answered; or the version named is none after the one that was complained of.
        InvalidSearch: no reason is given.
    """
    text = checked_text(said.said)
    async with enter(services.gatehouse, caller, _staff(Action.UPDATE)) as access:
        grant, database = access.grant, services.database
        found = await rectifications.one(grant, database, identity)
        if found.state not in WAITING or (said.state == EXTENDED and found.state == EXTENDED):
            raise Conflict("This request was answered, or extended before; its history says how.")
        due = months_later(found.due_at, EXTENSION_MONTHS) if said.state == EXTENDED else found.due_at
        corrected = ""
        if said.state == ACCEPTED:
            corrected = await _corrected(services, caller, found, said)
        others = (await merges(database, services.clock())).beside([found.patient])
        await rectifications.answer(
            grant, database, found, state=said.state, due_at=due, said=text, corrected=corrected,
            others=sorted(others),
        )  # fmt: skip
        return await rectifications.one(grant, database, identity)


async def _corrected(services: Services, caller: Caller, found: Rectification, said: Answer) -> str:
    """Return what is right now, after making it so where that is to part two records."""
    if said.unmerge:
        if not found.other:
            raise InvalidSearch("This request names no record that was merged with the person's.")
        await _unmerge(services, caller, found.patient, found.other)
        return f"Patient/{found.other}"
    if said.version is None or said.version <= found.version:
        raise Conflict(
            f"Name the version that is right: one after {found.version} of {found.type}/{found.entry}. "
            "Have its author correct it first; unmerge parts records that were merged wrongly."
        )
    what = f"{found.type}/{found.entry}"
    async with enter(services.gatehouse, caller, AccessRequest(Action.READ, found.type, what)) as access:
        now = await resources.read(access.grant, services.database, found.type, found.entry)
        access.record(now.patients)
    if now.version < said.version:
        raise Conflict(f"{what} has no version {said.version}; its newest is {now.version}.")
    return f"{what}/_history/{said.version}"


async def _unmerge(services: Services, caller: Caller, one: str, other: str) -> None:
    denies = services.gatehouse.law.default_denies
    asked = AccessRequest(Action.UPDATE, "Patient", "persons unmerge")
    async with enter(services.gatehouse, caller, asked) as access:
        grant = access.grant

        async def after(connection: Connection, patients: Sequence[str]) -> None:
            await renew_persons(grant, connection, patients, default_denies=denies)

        await persons.unmerge(grant, services.database, one, other, key=services.keys.search, after=after)
    forget(services.database)


def _own(action: Action, patient: str) -> AccessRequest:
    return AccessRequest(action, TYPE, TYPE, frozenset({patient}) if patient else None)


def _staff(action: Action) -> AccessRequest:
    return AccessRequest(action, ANSWER, ANSWER)


def shown(services: Services, each: Rectification) -> dict[str, Any]:  # values of several plain types
    """Return a request as its person and the operator read it; a refusal says where to complain."""
    told: dict[str, Any] = msgspec.to_builtins(each) | {
        "overdue": each.state in WAITING and services.clock() >= each.due_at
    }
    if each.state == REFUSED:
        authorities = services.gatehouse.law.complaint_authorities.value
        told["complain_to"] = msgspec.to_builtins(authorities)
    return told


async def handle_ask(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Take a request of a person."""
    asked = await read_body(request, Asked)
    kept = await ask(services, caller, asked, patient=assisted(caller, request))
    return JSONResponse(shown(services, kept), 201)


async def handle_own(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Answer the person's requests."""
    found = await own(services, caller, patient=assisted(caller, request))
    return JSONResponse({"rectifications": [shown(services, each) for each in found]})


async def handle_list(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Answer what waits; with `?all=true` also what was answered."""
    every = request.query_params.get("all") == "true"
    found = await requests(services, caller, answered=every)
    return JSONResponse({"requests": [shown(services, each) for each in found]})


async def handle_answer(
    services: Services, caller: Caller, request: Request, parts: dict[str, str]
) -> Response:
    """Keep the operator's answer."""
    said = await read_body(request, Answer)
    return JSONResponse(shown(services, await answer(services, caller, parts["id"], said)))
