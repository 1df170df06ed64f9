"""What a person is told of their data: GET /notices, POST /notices/[id]/read, PUT /notices/channel;
how messages come to them is in `web.notice_ways`.

The quiet channel is for who shares a telephone: what is sent says only that there is news.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller
from salus.core.errors import NotFound
from salus.store.incident_people import Words, words_of_incidents
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
from salus.web import notice_ways
from salus.web.bodies import read_body
from salus.web.own_record import enter_own
from salus.web.services import Face, Services
from salus.web.token_door import Addresses, Parts, token_door

PREFIX = "/notices"
TYPE = "notice"


class _Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    quiet: bool | None = None
    every: bool | None = None


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


ADDRESSES: Addresses = {
    "/notices": {"GET": _list},
    "/notices/channel": {"PUT": _choose},
    **notice_ways.ADDRESSES,
    "/notices/{id}/read": {"POST": _read},
}
