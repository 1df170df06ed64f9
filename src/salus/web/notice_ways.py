"""How messages come to a person, or to who acts for them: GET, PUT and DELETE /notices/way.

Each chooses one way: the person, and each proxy for themselves. Staff at a desk choose for a person whom
they assist.
"""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller, Role
from salus.core.errors import InvalidSearch
from salus.core.identifiers import is_fhir_id
from salus.store.notice_ways import Way, choose_way, end_way, way_of
from salus.trust.policy import AccessRequest
from salus.web.bodies import read_body
from salus.web.channel import channels, texts
from salus.web.own_record import enter_own
from salus.web.services import Services
from salus.web.token_door import Addresses, Parts

WAY = "notice-way"


class WayWished(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a message is to come: `address` as the channel needs it, `language` the node's first by default."""

    channel: str
    address: str = ""
    language: str = ""
    quiet: bool = False


async def way(services: Services, caller: Caller, *, patient: str = "") -> Way | None:
    """Return how messages come to the caller, or to the person whom a desk assists; None: none is sent."""
    whose = patient or caller.patient or ""
    async with enter_own(services, caller, _asked_way(Action.READ, whose)) as access:
        access.record([whose] if whose else [])
        return await way_of(access.grant, services.database, holder_of(caller))


async def choose_how(services: Services, caller: Caller, wished: WayWished, *, patient: str = "") -> Way:
    """Keep how messages come.

    Raises:
        InvalidSearch, InvalidResource: there is no such channel here, or the address is none of it.
    """
    channel = channels().get(wished.channel)
    if channel is None or not channel.is_offered(services):
        raise InvalidSearch(f"Choose one of the channels: {', '.join(offered(services))}.")
    language = wished.language or services.languages[0]
    if language not in texts():
        raise InvalidSearch(f"Messages are written in {', '.join(texts())}.")
    chosen = Way(channel.name, channel.check(services, wished.address.strip()), language, wished.quiet)
    whose = patient or caller.patient or ""
    async with enter_own(services, caller, _asked_way(Action.UPDATE, whose)) as access:
        await choose_way(access.grant, services.database, holder_of(caller), chosen)
    return chosen


async def end_how(services: Services, caller: Caller, *, patient: str = "") -> None:
    """Send no more messages."""
    whose = patient or caller.patient or ""
    async with enter_own(services, caller, _asked_way(Action.UPDATE, whose)) as access:
        await end_way(access.grant, services.database, holder_of(caller))


def offered(services: Services) -> list[str]:
    """Return the names of the channels that this node has."""
    return [name for name, channel in channels().items() if channel.is_offered(services)]


def holder_of(caller: Caller) -> str:
    """Return for whom a way is: the record of who acts for the person, "" for the person."""
    return caller.subject if caller.role is Role.PROXY else ""


def _asked_way(action: Action, patient: str) -> AccessRequest:
    return AccessRequest(action, WAY, WAY, frozenset({patient}) if patient else None)


async def _way(services: Services, caller: Caller, request: Request, _: Parts) -> Response:
    found = await way(services, caller, patient=_patient(request))
    return JSONResponse({"way": msgspec.to_builtins(found), "channels": offered(services)})


async def _choose_way(services: Services, caller: Caller, request: Request, _: Parts) -> Response:
    wished = await read_body(request, WayWished)
    chosen = await choose_how(services, caller, wished, patient=_patient(request))
    return JSONResponse({"way": msgspec.to_builtins(chosen), "channels": offered(services)})


async def _end_way(services: Services, caller: Caller, request: Request, _: Parts) -> Response:
    await end_how(services, caller, patient=_patient(request))
    return JSONResponse({"way": None, "channels": offered(services)})


def _patient(request: Request) -> str:
    named = request.query_params.get("patient", "")
    if named and not is_fhir_id(named):
        raise InvalidSearch("`patient` is the logical id of a Patient.")
    return named


ADDRESSES: Addresses = {"/notices/way": {"GET": _way, "PUT": _choose_way, "DELETE": _end_way}}
