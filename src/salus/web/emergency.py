"""Emergency access over HTTP (Regulation (EU) 2025/327, Art. 11(5)), and the second look at it.

POST /emergency {patient or identifier, reason} opens one patient's record to a professional for at most an
hour and answers a token that opens nothing else. It ends with the token that asked; who asks again with
another is given one for the rest of the hour. GET /emergencies lists what waits for a second look, the
auditor's; POST /emergencies/[id]/review keeps it. Each is a leaf, and the patient has a notice.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Caller, Purpose
from salus.core.errors import AccessRefused, Conflict, MalformedContent, NotFound
from salus.store.emergencies import Emergency
from salus.store.federation import find_client
from salus.trust.emergencies import Ward, claim, second_look, waiting
from salus.trust.identity import present
from salus.trust.tokens import AccessToken, issue_like
from salus.web.bodies import read_body
from salus.web.portal.lookup import patients_of
from salus.web.services import Face, Services
from salus.web.token_door import Addresses, Parts, token_door

PREFIXES = ("/emergency", "/emergencies")
_Text = Annotated[str, Meta(max_length=1_000)]


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose record, by the logical id here or by one identifier ("system|value"), and why it cannot wait."""

    reason: _Text
    patient: _Text = ""
    identifier: _Text = ""


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the second look found: justified or unjustified, and why."""

    verdict: _Text
    note: _Text


def face(services: Services) -> Face:
    """Return the door of emergencies."""
    return token_door(services, PREFIXES, ADDRESSES)


def ward_of(services: Services) -> Ward:
    """Return where this node's emergency accesses are opened."""
    return Ward(services.gatehouse, services.database, services.standing)


async def _claim(services: Services, caller: Caller, request: Request, _: Parts) -> Response:
    asked = await read_body(request, Claim)
    if caller.node is not None:
        raise AccessRefused(
            "A professional abroad states the emergency and its reason when their node asks for a token "
            "(extensions, salus.reason)."
        )
    held = present(services.doorkeeper, request.headers.get("authorization"))
    await _require_registered(services, held)
    patient = asked.patient or await _named(services, caller, asked.identifier)
    opened = await claim(ward_of(services), caller, patient, asked.reason)
    now = services.clock()
    terms = msgspec.structs.replace(services.terms, seconds=int((opened.ends_at - now).total_seconds()))
    scopes = tuple(f"patient/{scope.partition('/')[2]}" for scope in caller.scopes) or ("patient/*.rs",)
    speaking = msgspec.structs.replace(
        caller, purpose=Purpose.EMERGENCY, patient=opened.patient, scopes=scopes
    )
    token, seconds = issue_like(held, services.keys.token, speaking, terms, now=now)
    answer = {
        "id": opened.id,
        "patient": opened.patient,
        "began_at": opened.began_at.isoformat(),
        "ends_at": opened.ends_at.isoformat(),
        "access_token": token,
        "token_type": "bearer",
        "expires_in": seconds,
    }
    return JSONResponse(answer, 201, headers={"cache-control": "no-store", "pragma": "no-cache"})


async def _named(services: Services, caller: Caller, identifier: str) -> str:
    if not identifier:
        raise MalformedContent("Name the patient by `patient`, the logical id here, or by `identifier`.")
    looking = msgspec.structs.replace(caller, purpose=Purpose.EMERGENCY)
    found = await patients_of(services, looking, identifier)
    if not found:
        raise NotFound("No patient has this identifier here; check it.")
    if len(found) > 1:
        among = ", ".join(sorted(one.id for one in found))
        raise Conflict(
            f"Several patients have this identifier here: {among}. Name the right one by `patient`; search "
            "Patient by `identifier` to see who each is."
        )
    return found[0].id


async def _require_registered(services: Services, held: AccessToken) -> None:
    """Refuse a system that speaks for professionals and was not registered for emergencies."""
    client = await find_client(services.database, held.client) if held.client else None
    if client is not None and Purpose.EMERGENCY not in client.purposes and not held.caller.app:
        raise AccessRefused(
            "This system is not registered for emergencies: its node's operator registers it for the purpose "
            "ETREAT, or the professional logs in at the node."
        )


async def _waiting(services: Services, caller: Caller, request: Request, _: Parts) -> Response:
    everything = request.query_params.get("all") == "true"
    found = await waiting(ward_of(services), caller, reviewed=everything)
    return JSONResponse({"emergencies": [shown(each, services) for each in found]})


async def _review(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    asked = await read_body(request, Verdict)
    found = await second_look(ward_of(services), caller, parts["id"], asked.verdict, asked.note)
    return JSONResponse({"id": found.id, "verdict": found.verdict, "ends_at": found.ends_at.isoformat()})


def shown(found: Emergency, services: Services) -> dict[str, Any]:  # Any: JSON values
    """Return an emergency access as JSON; `overdue` where nobody has looked at it in time."""
    fields: dict[str, Any] = msgspec.to_builtins(found)
    overdue = found.reviewed_at is None and services.clock() >= found.review_by
    return fields | {"overdue": overdue}


ADDRESSES: Addresses = {
    "/emergency": {"POST": _claim},
    "/emergencies": {"GET": _waiting},
    "/emergencies/{id}/review": {"POST": _review},
}
