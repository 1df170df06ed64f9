"""Who may act for whom (Regulation (EU) 2025/327, Art. 4(2)): /proxies.

GET lists the powers over oneself and those one holds; staff name the `patient`, and without one see what is
in dispute or waits. POST appoints somebody by the one-time code they show (a citizen), or confirms a power
with its proof (staff); what a desk enters waits for POST /proxies/[id]/confirm of a second one. DELETE
/proxies/[id] ends it, POST /dispute suspends it, POST /settle ends the dispute (staff). POST
/proxies/[id]/token gives its holder a token to act.
"""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Caller, Role
from salus.core.errors import NotFound
from salus.core.identifiers import is_fhir_id
from salus.store.proxies import Proxy
from salus.trust import powers
from salus.trust.identity import present
from salus.trust.tokens import issue_like
from salus.web.bodies import read_body
from salus.web.emergency import ward_of
from salus.web.services import Face, Services
from salus.web.token_door import Addresses, Parts, token_door

PREFIX = "/proxies"


class _Settled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stands: bool


def face(services: Services) -> Face:
    """Return the door of proxies."""
    return token_door(services, (PREFIX,), ADDRESSES)


async def _list(services: Services, caller: Caller, request: Request, _: Parts) -> Response:
    patient = caller.patient or request.query_params.get("patient", "")
    ward = ward_of(services)
    if not patient:
        found = [*await powers.in_dispute(ward, caller), *await powers.waiting(ward, caller)]
    elif not is_fhir_id(patient):
        raise NotFound("Name the patient: /proxies?patient=ID.")
    else:
        found = await powers.powers(ward, caller, patient)
    shown = [msgspec.to_builtins(each) | {"state": await _state(services, each)} for each in found]
    return JSONResponse({"proxies": shown})


async def _state(services: Services, proxy: Proxy) -> str:
    state = (await powers.state_of(ward_of(services), proxy)).value
    return "in-force" if state == "own" else state


async def _add(services: Services, caller: Caller, request: Request, _: Parts) -> Response:
    ward = ward_of(services)
    if caller.role is Role.CITIZEN:
        asked = await read_body(request, powers.Appointment)
        made = await powers.appoint(ward, services.keys.search, caller, asked)
    else:
        made = await powers.confirm(ward, caller, await read_body(request, powers.Confirmation))
    fields: dict[str, Any] = msgspec.to_builtins(made)
    return JSONResponse(fields, 201)


async def _end(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    await powers.end(ward_of(services), caller, parts["id"])
    return JSONResponse({"id": parts["id"], "state": "ended"})


async def _confirm(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    await powers.agree(ward_of(services), caller, parts["id"])
    return JSONResponse({"id": parts["id"], "state": "in-force"})


async def _dispute(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    found = await powers.dispute(ward_of(services), caller, parts["id"])
    state = "contested" if found.kind in powers.BY_A_COURT and caller.patient == found.patient else "disputed"
    return JSONResponse({"id": parts["id"], "state": state})


async def _settle(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    asked = await read_body(request, _Settled)
    await powers.settle(ward_of(services), caller, parts["id"], stands=asked.stands)
    return JSONResponse({"id": parts["id"], "stands": asked.stands})


async def _token(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    held = present(services.doorkeeper, request.headers.get("authorization"))
    acting = await powers.acting(ward_of(services), caller, parts["id"])
    now = services.clock()
    token, seconds = issue_like(held, services.keys.token, acting, services.terms, now=now)
    answer = {"access_token": token, "token_type": "bearer", "expires_in": seconds}
    headers = {"cache-control": "no-store", "pragma": "no-cache"}
    return JSONResponse(answer | {"patient": acting.patient}, 201, headers=headers)


ADDRESSES: Addresses = {
    "/proxies": {"GET": _list, "POST": _add},
    "/proxies/{id}": {"DELETE": _end},
    "/proxies/{id}/confirm": {"POST": _confirm},
    "/proxies/{id}/dispute": {"POST": _dispute},
    "/proxies/{id}/settle": {"POST": _settle},
    "/proxies/{id}/token": {"POST": _token},
}
