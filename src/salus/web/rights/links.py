"""SMART Health Links of a citizen: /rights/links (EHDS, Art. 7; GDPR, Art. 20).

What the link leads to is composed when it is made, encrypted with a key that only the link holds, and kept
so. The link is therefore shown once.
"""

from __future__ import annotations

import os
import secrets
from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller, Role
from salus.core.errors import InvalidSearch, Throttled, TooLarge
from salus.core.identifiers import new_id
from salus.standards.fhir.codec.json import write_json
from salus.standards.healthlinks.files import FHIR, File, seal_file
from salus.standards.healthlinks.link import (
    KEY_BYTES,
    LABEL_LENGTH_MAX,
    URL_LENGTH_MAX,
    HealthLink,
    write_link,
)
from salus.standards.healthlinks.manifest import PASSCODE_LENGTH_MAX, WRONG_PASSCODES_MAX, digest_passcode
from salus.store import health_links
from salus.store.health_links import Link, NewLink
from salus.store.shares import beside
from salus.store.standing import Person
from salus.trust.policy import AccessRequest
from salus.trust.standing import holds_power
from salus.web.bodies import read_body
from salus.web.fhir.operations.summary import composed
from salus.web.own_record import enter_own
from salus.web.rights.archive import record_bundle
from salus.web.rights.choices import assisted
from salus.web.services import Services

PREFIX = "/health-links"
HOURS_MAX, HOURS_DEFAULT = 24 * 365, 24 * 7
OPENINGS_MAX, OPENINGS_DEFAULT = 1_000, 20
PASSCODE_LENGTH_MIN = 6
CONTENT_BYTES_MAX = 16 * 1024 * 1024
TYPE = "transmission"


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a citizen wishes a link to be; `openings_max` 1 is a one-time link."""

    content: Literal["summary", "record"] = "summary"
    label: Annotated[str, msgspec.Meta(max_length=LABEL_LENGTH_MAX)] = ""
    passcode: str = ""
    hours: Annotated[int, msgspec.Meta(ge=1, le=HOURS_MAX)] = HOURS_DEFAULT
    openings_max: Annotated[int, msgspec.Meta(ge=1, le=OPENINGS_MAX)] = OPENINGS_DEFAULT


async def make(
    services: Services, caller: Caller, wish: Wish, language: str, *, patient: str = ""
) -> tuple[str, str]:
    """Make a link; return its id and itself.

    Raises:
        InvalidSearch: the passcode is too short or too long, or this node's address too long for a link.
        Throttled: the person has too many that are still good.
        TooLarge: the record is too large for a link.
    """
    whose, now = patient or caller.patient or "", services.clock()
    secret, key, salt = secrets.token_urlsafe(32), os.urandom(KEY_BYTES), os.urandom(16)
    url = f"{services.base_url}{PREFIX}/{secret}"
    _check(wish, url)
    expires = now + timedelta(hours=wish.hours)
    flag = "P" if wish.passcode else ""
    link = HealthLink(url, key, flag, wish.label, expires.timestamp())
    async with enter_own(services, caller, _asked(Action.CREATE, whose)) as access:
        content = await _content(services, caller, whose, wish, language)
        sealed = await beside(len(content), seal_file, File(FHIR, content), key)
        digest = await beside(2**20, digest_passcode, wish.passcode, salt) if wish.passcode else None
        new = NewLink(
            whose, new_id(), health_links.hash_of(secret), wish.content, wish.label, now, caller.name,
            expires, digest, salt, WRONG_PASSCODES_MAX, wish.openings_max, sealed.encode(),
            caller.subject if caller.role is Role.PROXY else None,
        )  # fmt: skip
        if not await health_links.make_link(access.grant, services.database, new):
            raise Throttled(f"You have {health_links.GOOD_MAX} links that are still good: end one first.")
    return new.id, write_link(link)


async def links(services: Services, caller: Caller, *, patient: str = "") -> list[Link]:
    """Return the person's links, newest first."""
    whose = patient or caller.patient or ""
    async with enter_own(services, caller, _asked(Action.READ, whose)) as access:
        access.record([whose])
        found = await health_links.links(access.grant, services.database)
    return [
        msgspec.structs.replace(each, suspended=not await stands(services, whose, each.holder))
        for each in found
    ]


async def stands(services: Services, patient: str, holder: str | None) -> bool:
    """Return whether a link of a patient that somebody made by a power still stands: their power does."""
    if holder is None:
        return True
    died = await services.standing.has_died(patient)
    person = services.standing.persons.get(patient, Person())
    return holds_power(person, holder, services.clock(), services.gatehouse.law, has_died=died)


async def end(services: Services, caller: Caller, identity: str, *, patient: str = "") -> None:
    """End a link. Raises NotFound: the person has no such link."""
    whose = patient or caller.patient or ""
    async with enter_own(services, caller, _asked(Action.UPDATE, whose)) as access:
        await health_links.end_link(access.grant, services.database, identity)


def _asked(action: Action, patient: str) -> AccessRequest:
    return AccessRequest(action, TYPE, "health-link", frozenset({patient}) if patient else None)


def _check(wish: Wish, url: str) -> None:
    if wish.passcode and not PASSCODE_LENGTH_MIN <= len(wish.passcode) <= PASSCODE_LENGTH_MAX:
        raise InvalidSearch(f"A passcode has {PASSCODE_LENGTH_MIN} to {PASSCODE_LENGTH_MAX} characters.")
    if len(url) > URL_LENGTH_MAX:
        raise InvalidSearch("This node's address is too long for a SMART Health Link; ask its operator.")


async def _content(services: Services, caller: Caller, patient: str, wish: Wish, language: str) -> bytes:
    if wish.content == "summary":
        languages = tuple(dict.fromkeys((language, *services.languages)))
        content = write_json(await composed(services, caller, patient, languages))
    else:
        content = await record_bundle(services, caller, patient, bytes_max=CONTENT_BYTES_MAX)
    if len(content) > CONTENT_BYTES_MAX:
        raise TooLarge("The record is too large for a link: share the summary, or send the downloaded file.")
    return content


async def handle_make(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Answer the new link, once."""
    wish = await read_body(request, Wish)
    whose = assisted(caller, request)
    identity, link = await make(services, caller, wish, services.languages[0], patient=whose)
    return JSONResponse({"id": identity, "link": link}, 201)


async def handle_list(services: Services, caller: Caller, request: Request, _: dict[str, str]) -> Response:
    """Answer the links, without themselves."""
    found = await links(services, caller, patient=assisted(caller, request))
    now = services.clock()
    told: list[dict[str, Any]] = [msgspec.to_builtins(each) | {"good": each.is_good(now)} for each in found]
    return JSONResponse({"links": told})


async def handle_end(services: Services, caller: Caller, request: Request, parts: dict[str, str]) -> Response:
    """End one."""
    await end(services, caller, parts["id"], patient=assisted(caller, request))
    return JSONResponse({"id": parts["id"], "ended": True})
