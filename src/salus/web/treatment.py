"""A professional of this node says that they treat a patient (Regulation (EU) 2025/327, Art. 11(1)).

POST /treatment {patient or identifier, reason or presence_code or document} keeps it for a day and answers a
token that opens that patient's record and ends with the token that asked. DELETE /treatment/[patient] ends
it. Each is a leaf; without anything that shows it the patient is told, with the reason.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Caller, Purpose
from salus.core.errors import InvalidSearch
from salus.trust.identity import present
from salus.trust.tokens import issue_like
from salus.trust.treatment import Statement, finish_treatment, state_treatment
from salus.web.bodies import read_body
from salus.web.portal.lookup import patient_of
from salus.web.rights.choices import weigher_of
from salus.web.services import Face, Services
from salus.web.token_door import Addresses, Parts, token_door

PREFIX = "/treatment"
_Text = Annotated[str, Meta(max_length=1_000)]


class Stated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom, by the logical id here or by one identifier ("system|value"), and what shows it or why."""

    patient: _Text = ""
    identifier: _Text = ""
    reason: _Text = ""
    presence_code: _Text = ""
    document: _Text = ""


def face(services: Services) -> Face:
    """Return the door of treatments."""
    return token_door(services, (PREFIX,), ADDRESSES)


async def _state(services: Services, caller: Caller, request: Request, _: Parts) -> Response:
    asked = await read_body(request, Stated)
    if bool(asked.patient) == bool(asked.identifier):
        raise InvalidSearch("Name the patient by `patient`, the logical id here, or by `identifier`.")
    held = present(services.doorkeeper, request.headers.get("authorization"))
    patient = asked.patient or await patient_of(services, caller, asked.identifier)
    stated = Statement(asked.reason, asked.presence_code, asked.document)
    proven, until = await state_treatment(weigher_of(services), services.care, caller, patient, stated)
    now = services.clock()
    scopes = tuple(f"patient/{scope.partition('/')[2]}" for scope in caller.scopes) or ("patient/*.cruds",)
    speaking = msgspec.structs.replace(caller, purpose=Purpose.TREATMENT, patient=patient, scopes=scopes)
    token, seconds = issue_like(held, services.keys.token, speaking, services.terms, now=now)
    answer = {
        "patient": patient,
        "proven": proven,
        "until": until.isoformat(),
        "access_token": token,
        "token_type": "bearer",
        "expires_in": seconds,
    }
    return JSONResponse(answer, 201, headers={"cache-control": "no-store", "pragma": "no-cache"})


async def _finish(services: Services, caller: Caller, _: Request, parts: Parts) -> Response:
    await finish_treatment(weigher_of(services), services.care, caller, parts["patient"])
    return Response(status_code=204)


ADDRESSES: Addresses = {
    "/treatment": {"POST": _state},
    "/treatment/{patient}": {"DELETE": _finish},
}
