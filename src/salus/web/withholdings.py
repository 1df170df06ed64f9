"""Decisions to withhold from a citizen who made certain accesses (EHDS 9(3)), for the node's auditors.

One asks, another agrees; each ends by itself. `store.withholding` says what the citizen then sees.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from salus.core.access import Action
from salus.core.errors import InvalidSearch, MalformedContent, NotFound, TooLarge
from salus.store.withholding import (
    agree_to_withholding,
    ask_withholding,
    lift_withholding,
    list_withholdings,
)
from salus.trust.gate import Access, enter
from salus.trust.identity import authenticate
from salus.trust.policy import AccessRequest
from salus.web.proof import proven
from salus.web.services import Services

KIND = "access-withholding"
DAYS_MAX = 180
LISTED_MAX = 500
BODY_BYTES_MAX = 16 * 1024
PATH = "/ledger/withholdings"
JSON = "application/json"
Handler = Callable[[Services, Request], Awaitable[Response]]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one auditor asks for: whose accesses to whose record, why, until when."""

    patient: _Id
    subject: _Id
    reason: Annotated[str, msgspec.Meta(min_length=10, max_length=2_000)]
    until: Annotated[datetime, msgspec.Meta(tz=True)]


@asynccontextmanager
async def _let_in(services: Services, request: Request, action: Action, what: str) -> AsyncIterator[Access]:
    caller = authenticate(services.doorkeeper, request.headers.get("authorization"), proven(request.scope))
    async with enter(services.gatehouse, caller, AccessRequest(action, KIND, what)) as access:
        yield access


async def _list(services: Services, request: Request) -> Response:
    async with _let_in(services, request, Action.AUDIT, "withholdings") as access:
        found = await list_withholdings(access.grant, services.database, count=LISTED_MAX)
    return Response(msgspec.json.encode({"withholdings": found}), media_type=JSON)


async def _ask(services: Services, request: Request) -> Response:
    async with _let_in(services, request, Action.CREATE, "withholding") as access:
        wish, now = await _wish(request), services.clock()
        if not now < wish.until <= now + timedelta(days=DAYS_MAX):
            raise InvalidSearch(f"until must be in the future, and at most {DAYS_MAX} days from now.")
        number = await ask_withholding(
            access.grant, services.database, patient=wish.patient, subject=wish.subject,
            reason=wish.reason, until=wish.until,
        )  # fmt: skip
    return Response(msgspec.json.encode({"withholding": number}), 201, media_type=JSON)


async def _agree(services: Services, request: Request) -> Response:
    number = _number(request)
    async with _let_in(services, request, Action.UPDATE, f"withholding/{number}") as access:
        await agree_to_withholding(access.grant, services.database, number)
    return Response(msgspec.json.encode({"withholding": number, "agreed": True}), media_type=JSON)


async def _lift(services: Services, request: Request) -> Response:
    number = _number(request)
    async with _let_in(services, request, Action.UPDATE, f"withholding/{number}") as access:
        await lift_withholding(access.grant, services.database, number)
    return Response(msgspec.json.encode({"withholding": number, "lifted": True}), media_type=JSON)


async def _wish(request: Request) -> Wish:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            raise TooLarge(f"A wish to withhold has at most {BODY_BYTES_MAX} bytes.")
    try:
        return msgspec.json.decode(bytes(body), type=Wish)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedContent(f"Send patient, subject, reason and until as JSON: {error}") from error


def _number(request: Request) -> int:
    text = request.url.path.removeprefix(f"{PATH}/").partition("/")[0]
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise NotFound("A withholding has a number; GET /ledger/withholdings lists them.")
    return int(text)


ADDRESSES: Mapping[str, Mapping[str, Handler]] = {
    PATH: {"GET": _list, "POST": _ask},
    f"{PATH}/{{number}}/agree": {"POST": _agree},
    f"{PATH}/{{number}}/lift": {"POST": _lift},
}
