"""What a person is told of their data: GET /notices, POST /notices/[id]/read, PUT /notices/channel,
GET, PUT and DELETE /notices/way.

The quiet channel is for who shares a telephone: what is sent says only that there is news.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller, Role
from salus.core.errors import InvalidSearch, NotFound
from salus.core.identifiers import is_fhir_id
from salus.store.incident_people import Words, words_of_incidents
from salus.store.notice_ways import Way, choose_way, end_way, way_of
from salus.store.notices import (
    BREACH,
    Channel,
    KeptNotice,
    Notice,
    channel_of,
    choose_channel,
    mark_read,
    notices,
    unread,
)
from salus.trust.policy import AccessRequest
from salus.web.bodies import read_body
from salus.web.channel import channels, texts
from salus.web.own_record import enter_own
from salus.web.services import Face, Services
from salus.web.token_door import Addresses, Parts, token_door

PREFIX = "/notices"
TYPE = "notice"
WAY = "notice-way"


class _Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    quiet: bool | None = None
    every: bool | None = None


class WayWished(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a message is to come: `address` as the channel needs it, `language` the node's first by default."""

    channel: str
    address: str = ""
    language: str = ""
    quiet: bool = False


class Told(msgspec.Struct, frozen=True):
    """A person's notices, newest first, how many they have not read, whether their channel is quiet.

    `every`: whether they are told of each access of others, not only of what is out of the ordinary.
    """

    notices: list[Notice]
    unread: int
    quiet: bool
    every: bool


def face(services: Services) -> Face:
    """Return the door of notices."""
    return token_door(services, (PREFIX,), ADDRESSES)


async def told(services: Services, caller: Caller) -> Told:
    """Return what the person was told."""
    async with enter_own(services, caller, _asked(caller, Action.READ)) as access:
        grant, database = access.grant, services.database
        kept = await notices(grant, database)
        incidents = any(each.notice.kind == BREACH for each in kept)
        words = await words_of_incidents(grant, database) if incidents else {}
        found = [_with_words(each, words) for each in kept]
        channel = await channel_of(grant, database)
        return Told(found, await unread(grant, database), channel.quiet, channel.every)


def _with_words(kept: KeptNotice, words: Mapping[str, Words]) -> Notice:
    said = words.get(kept.key) if kept.notice.kind == BREACH else None
    if said is None:
        return kept.notice
    return msgspec.structs.replace(
        kept.notice, language=said.language, text=said.text, categories=said.categories
    )


async def note_read(services: Services, caller: Caller, number: int) -> None:
    """Note that the person has read a notice. Raises NotFound: it is not theirs."""
    async with enter_own(services, caller, _asked(caller, Action.UPDATE)) as access:
        await mark_read(access.grant, services.database, number)


async def choose(
    services: Services, caller: Caller, *, quiet: bool | None = None, every: bool | None = None
) -> Channel:
    """Keep how the person wishes to be told, and return it; None leaves a choice as it is."""
    async with enter_own(services, caller, _asked(caller, Action.UPDATE)) as access:
        await choose_channel(access.grant, services.database, quiet=quiet, every=every)
        return await channel_of(access.grant, services.database)


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


def _asked(caller: Caller, action: Action) -> AccessRequest:
    return AccessRequest(action, TYPE, TYPE, frozenset({caller.patient}) if caller.patient else None)


async def _list(services: Services, caller: Caller, request: Request, _: Parts) -> Response:
    return JSONResponse(msgspec.to_builtins(await told(services, caller)))


async def _read(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    number = parts["id"]
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        raise NotFound("Notices have numbers; see /notices.")
    await note_read(services, caller, int(number))
    return JSONResponse({"id": int(number), "read": True})


async def _choose(services: Services, caller: Caller, request: Request, _: Parts) -> Response:
    asked = await read_body(request, _Channel)
    return JSONResponse(
        msgspec.to_builtins(await choose(services, caller, quiet=asked.quiet, every=asked.every))
    )


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


ADDRESSES: Addresses = {
    "/notices": {"GET": _list},
    "/notices/channel": {"PUT": _choose},
    "/notices/way": {"GET": _way, "PUT": _choose_way, "DELETE": _end_way},
    "/notices/{id}/read": {"POST": _read},
}
