"""Where SMART Health Links lead (HL7 SMART Health Cards and Links 1.0, "Manifest Request"): POST only.

Whoever has the link asks here, without a token: they say who they are, and the passcode where there is one.
A link that has ended looks like one that never was. Each opening is a leaf that names the recipient, as they
said, and a notice to the citizen. A file that does not fit into the manifest is at an address of its own,
good once and for minutes.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller, Purpose, Role
from salus.core.errors import AccessRefused, NotFound
from salus.standards.healthlinks.files import FHIR
from salus.standards.healthlinks.manifest import (
    ManifestFile,
    Verdict,
    read_request,
    write_manifest,
)
from salus.store import health_links
from salus.store.health_links import Found, Opened
from salus.trust.gate import Passage, enter
from salus.trust.policy import AccessRequest
from salus.web.addresses import find, methods_of
from salus.web.rights.links import PREFIX, stands
from salus.web.services import Face, Receive, Scope, Send, Services

TYPE = "health-link"
FILE_MINUTES = 5
SHARED = {"access-control-allow-origin": "*"}
"""A viewer is a page of anywhere; nothing here is opened by a cookie."""
PREFLIGHT = SHARED | {
    "access-control-allow-methods": "POST, GET",
    "access-control-allow-headers": "content-type",
    "access-control-max-age": "600",
}
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
Parts = dict[str, str]


def face(services: Services) -> Face:
    """Return the door of health links."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        handler, parts = find(ADDRESSES, request.method, request.url.path)
        answer = await handler(services, request, parts)
        await answer(scope, receive, send)

    return Face((PREFIX,), application, methods_of(ADDRESSES), set(ADDRESSES))


class _WrongPasscode(AccessRefused):
    """Passes through the gate, which writes a refusal down."""

    def __init__(self, attempts_left: int) -> None:
        super().__init__("The passcode is wrong.")
        self.attempts_left = attempts_left


async def _manifest(services: Services, request: Request, parts: Parts) -> Response:
    asked = read_request(await request.body())
    found = await _found(services, parts["secret"])
    if found is None:
        raise _nowhere()
    patient, identity = found.patient, found.id
    try:
        async with _enter(services, patient, identity, asked.recipient) as access:
            opened = await health_links.open_link(access.grant, services.database, patient, identity, asked)
            if opened.decision.verdict is Verdict.GONE:
                raise _nowhere()
            if opened.decision.verdict is Verdict.WRONG_PASSCODE:
                raise _WrongPasscode(opened.decision.attempts_left or 0)
            access.record([patient])
            file = _file(services, opened)
            manifest = write_manifest([file], asked)
            if "location" in manifest["files"][0]:
                until = services.clock() + timedelta(minutes=FILE_MINUTES)
                secret = file.location.rpartition("/")[2]
                await health_links.make_ticket(
                    access.grant, services.database, patient, identity, secret, until
                )
    except _WrongPasscode as error:
        return JSONResponse({"remainingAttempts": error.attempts_left}, 401, headers=SHARED)
    return JSONResponse(manifest, headers=SHARED)


def _file(services: Services, opened: Opened) -> ManifestFile:
    assert opened.made_at is not None
    location = f"{services.base_url}{PREFIX}/files/{secrets.token_urlsafe(32)}"
    return ManifestFile(FHIR, opened.content, location, opened.made_at)


async def _content(services: Services, request: Request, parts: Parts) -> Response:
    found = await health_links.take_ticket(services.database, parts["ticket"], services.clock())
    if found is None or not await stands(services, found.patient, found.holder):
        raise _nowhere()
    patient, identity = found.patient, found.id
    async with _enter(services, patient, identity, found.recipient) as access:
        content = await health_links.content_of(access.grant, services.database, patient, identity)
        access.record([patient])
    return Response(content, media_type="application/jose", headers=SHARED)


async def _preflight(services: Services, request: Request, parts: Parts) -> Response:
    return Response(status_code=204, headers=PREFLIGHT)


async def _found(services: Services, secret: str) -> Found | None:
    """Return whose link is at the address, None where none is good.

    That of who has died is not, nor one made under a power to act that is not in force any more.
    """
    found = await health_links.find_link(services.database, secret, services.clock())
    if found is None or await services.standing.has_died(found.patient):
        return None
    return found if await stands(services, found.patient, found.holder) else None


def _enter(services: Services, patient: str, identity: str, recipient: str) -> Passage:
    """Pass the gate as whoever opens the link: known by nothing but the link and what they say."""
    caller = Caller(
        subject=f"health-link/{identity}",
        name=_UNSHOWN.sub(" ", recipient).strip() or "?",
        role=Role.APP,
        organisation="",
        issuer=services.base_url,
        purpose=Purpose.PATIENT_REQUEST,
        patient=patient,
    )
    asked = AccessRequest(Action.READ, TYPE, f"health-link/{identity}", frozenset({patient}))
    return enter(services.gatehouse, caller, asked)


def _nowhere() -> NotFound:
    return NotFound("This link leads nowhere.")


Handler = Callable[[Services, Request, Parts], Awaitable[Response]]
ADDRESSES: Mapping[str, Mapping[str, Handler]] = {
    "/health-links/files/{ticket}": {"GET": _content, "OPTIONS": _preflight},
    "/health-links/{secret}": {"POST": _manifest, "OPTIONS": _preflight},
}
