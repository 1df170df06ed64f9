"""What a citizen decides about the use of their data (Regulation (EU) 2025/327, Art. 10, 11 and 71).

GET /rights/exchange-opt-out, /rights/secondary-use-opt-out and /rights/results-delay-opt-out (to see at once
the results that the law delays, Art. 3(3)) say whether the law offers it, what it means, the risk and the
history; PUT opts out once the risk was read, DELETE takes that back. POST /rights/presence-code makes the
code by which a professional abroad shows that the citizen is with them. Staff at a desk name the `patient`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller, Role
from salus.core.errors import AccessRefused, InvalidSearch, NotFound
from salus.core.identifiers import is_fhir_id
from salus.store.opt_outs import Change, change_opt_out, opt_out_history
from salus.store.postgres import Connection
from salus.trust.consent.hanging import renew
from salus.trust.policy import AccessRequest
from salus.trust.presence import Weigher, give_code
from salus.trust.standing import EXCHANGE, RESULTS_DELAY, SECONDARY
from salus.web.bodies import read_body
from salus.web.emergency import ward_of
from salus.web.own_record import enter_own
from salus.web.services import Services
from salus.web.token_door import Addresses, Parts

PREFIX = "/rights"
KINDS = (EXCHANGE, SECONDARY, RESULTS_DELAY)
RISK = {
    EXCHANGE: (
        "No professional is shown anything of your record through this node any more, here or abroad, but "
        "your name, birth date and numbers: they may not know of an allergy or a medicine, repeat "
        "examinations, or choose a treatment that something in your "
        "record speaks against. You can take this back at any time."
    ),
    SECONDARY: (
        "Your data will be left out of new permits for research, statistics and public health. That changes "
        "nothing in your care. Results that were worked out before stay as they are. You can take this back "
        "at any time."
    ),
    RESULTS_DELAY: (
        "You see results as soon as they are here, perhaps before a professional has read them or can "
        "explain them to you, and some may be hard to bear alone. You can take this back at any time."
    ),
}
IN_EMERGENCIES = {
    True: "In an emergency a professional can open your record all the same; you are told of it.",
    False: "By the law here it stays closed in an emergency too.",
}


class _Understood(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    risk_understood: bool = False


def weigher_of(services: Services) -> Weigher:
    """Return where this node makes codes and weighs evidence."""
    return Weigher(ward_of(services), services.keys.search, services.limits.unproven_patients_per_day_max)


async def opt_out(
    services: Services, caller: Caller, kind: str, *, patient: str = "", opted_out: bool
) -> bool:
    """Opt out, or take that back; return whether that changed anything.

    Raises:
        AccessRefused: the law does not offer it, or the caller may not decide for the person.
    """
    whose = patient or caller.patient or ""
    async with enter_own(services, caller, _asked(Action.UPDATE, kind, whose)) as access:
        grant = access.grant
        if kind == RESULTS_DELAY and not is_offered(services, kind):
            raise AccessRefused("The law here delays no results: you see them as soon as they are here.")

        async def veil(connection: Connection) -> None:
            if kind == EXCHANGE:
                denies = services.gatehouse.law.default_access.value == "deny"
                await renew(grant, connection, whose, default_denies=denies)

        changed = await change_opt_out(grant, services.database, whose, kind, opted_out=opted_out, after=veil)
    await services.standing.refresh(*(grant.patients or ()))
    return changed


async def opt_outs(services: Services, caller: Caller, kind: str, *, patient: str = "") -> list[Change]:
    """Return the history of an opt-out, newest first. Raises as `opt_out` does."""
    whose = patient or caller.patient or ""
    async with enter_own(services, caller, _asked(Action.READ, kind, whose)) as access:
        access.record([whose], count=1)
        return await opt_out_history(access.grant, services.database, whose, kind)


def is_offered(services: Services, kind: str) -> bool:
    """Return whether the law of the node's country offers the opt-out."""
    law = services.gatehouse.law
    offered = {EXCHANGE: law.exchange_opt_out_offered.value, RESULTS_DELAY: bool(law.delays)}
    return offered.get(kind, True)


def risk_of(services: Services, kind: str) -> str:
    """Return what opting out means and risks, in plain words."""
    if kind != EXCHANGE:
        return RISK[kind]
    return f"{RISK[kind]} {IN_EMERGENCIES[services.gatehouse.law.exchange_opt_out_opened_in_emergency.value]}"


def _asked(action: Action, kind: str, patient: str) -> AccessRequest:
    word = f"{kind}-opt-out"
    return AccessRequest(action, word, word, frozenset({patient}) if patient else None)


async def _read(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    kind = _kind(parts)
    answer: dict[str, Any] = {"kind": kind, "offered": is_offered(services, kind)}
    if answer["offered"]:
        changes = await opt_outs(services, caller, kind, patient=assisted(caller, request))
        answer |= {
            "opted_out": bool(changes) and changes[0].opted_out,
            "risk": risk_of(services, kind),
            "history": msgspec.to_builtins(changes),
        }
    return JSONResponse(answer)


async def _choose(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    kind = _kind(parts)
    if is_offered(services, kind) and not (await read_body(request, _Understood)).risk_understood:
        raise InvalidSearch(
            f'Read the risk first (GET this address), then send {{"risk_understood": true}}. '
            f"{risk_of(services, kind)}"
        )
    await opt_out(services, caller, kind, patient=assisted(caller, request), opted_out=True)
    return JSONResponse({"kind": kind, "opted_out": True})


async def _take_back(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    kind = _kind(parts)
    await opt_out(services, caller, kind, patient=assisted(caller, request), opted_out=False)
    return JSONResponse({"kind": kind, "opted_out": False})


async def _code(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    code, until = await give_code(weigher_of(services), caller)
    return JSONResponse({"code": code, "until": until.isoformat()}, 201)


def _kind(parts: Parts) -> str:
    kind = parts["right"].removesuffix("-opt-out")
    if kind not in KINDS or kind == parts["right"]:
        raise NotFound(f"There are {', '.join(f'{PREFIX}/{each}-opt-out' for each in KINDS)}.")
    return kind


def assisted(caller: Caller, request: Request) -> str:
    """Return whom staff at a desk assist, "" for who decides for themselves."""
    named = request.query_params.get("patient", "")
    if caller.role is not Role.DESK or caller.patient or not is_fhir_id(named):
        return ""
    return named


ADDRESSES: Addresses = {
    "/rights/presence-code": {"POST": _code},
    "/rights/{right}": {"GET": _read, "PUT": _choose, "DELETE": _take_back},
}
