"""A citizen's restrictions (Regulation (EU) 2025/327, Art. 8): what no professional is shown.

GET /restrictions lists them. GET /restrictions/[type]/[id] says what goes with a resource, and the risk; PUT
hides it, DELETE shows it again. Each is an access like any other, with a leaf of its own. A professional is
not told that something is restricted.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller
from salus.core.errors import MethodNotAllowed, NotFound
from salus.core.identifiers import is_fhir_id
from salus.standards.fhir.model import resource_types
from salus.store.restrictions import Restriction, lift, preview, restrict, restrictions
from salus.trust.identity import authenticate
from salus.trust.policy import AccessRequest
from salus.web.own_record import enter_own
from salus.web.services import Face, Receive, Scope, Send, Services

PREFIX = "/restrictions"
TYPE = "restriction"
RISK = (
    "Professionals who treat you will not see this, and are not told that something is missing: they may "
    "repeat an examination, or choose a treatment that what you hide speaks against. You can show it again "
    "at any time."
)


def face(services: Services) -> Face:
    """Return the door of restrictions."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        caller = authenticate(services.doorkeeper, request.headers.get("authorization"))
        answer = await _respond(services, request, caller)
        await answer(scope, receive, send)

    return Face((PREFIX,), application)


async def set_restricted(
    services: Services, caller: Caller, resource_type: str, resource_id: str, *, hidden: bool
) -> int:
    """Restrict a resource of the citizen's own record, or lift that; return how many resources it reaches.

    Raises:
        NotFound: their record holds no such resource.
        AccessRefused: the caller is not the citizen.
    """
    asked = _asked(caller, Action.UPDATE, resource_type, resource_id)
    async with enter_own(services, caller, asked) as access:
        change = restrict if hidden else lift
        return await change(access.grant, services.database, resource_type, resource_id)


async def would_hide(
    services: Services, caller: Caller, resource_type: str, resource_id: str
) -> dict[str, int]:
    """Return how many resources, by type, go when this one is restricted. Raises as `set_restricted` does."""
    asked = _asked(caller, Action.READ, resource_type, resource_id)
    async with enter_own(services, caller, asked) as access:
        return await preview(access.grant, services.database, resource_type, resource_id)


async def restricted(services: Services, caller: Caller) -> list[Restriction]:
    """Return what the citizen restricts, oldest first."""
    asked = AccessRequest(Action.READ, TYPE, TYPE, frozenset({caller.patient}) if caller.patient else None)
    async with enter_own(services, caller, asked) as access:
        return await restrictions(access.grant, services.database)


def _asked(caller: Caller, action: Action, resource_type: str, resource_id: str) -> AccessRequest:
    if resource_type not in resource_types() or not is_fhir_id(resource_id):
        raise NotFound("Your record holds no such resource.")
    patients = frozenset({caller.patient}) if caller.patient else None
    return AccessRequest(action, TYPE, f"{resource_type}/{resource_id}", patients)


async def _respond(services: Services, request: Request, caller: Caller) -> Response:
    rest = request.url.path.removeprefix(PREFIX).strip("/").split("/")
    if rest == [""]:
        if request.method != "GET":
            raise MethodNotAllowed("This address takes GET only; PUT and DELETE name a resource.")
        return await _list(services, caller)
    if len(rest) != 2:
        raise NotFound("A restriction is at /restrictions/[type]/[id].")
    if request.method == "GET":
        hides = await would_hide(services, caller, rest[0], rest[1])
        return JSONResponse({"type": rest[0], "id": rest[1], "hides": hides, "risk": RISK})
    if request.method not in ("PUT", "DELETE"):
        raise MethodNotAllowed("This address takes GET, PUT and DELETE only.")
    hidden = request.method == "PUT"
    count = await set_restricted(services, caller, rest[0], rest[1], hidden=hidden)
    return JSONResponse({"type": rest[0], "id": rest[1], "restricted": hidden, "resources": count})


async def _list(services: Services, caller: Caller) -> Response:
    found = await restricted(services, caller)
    listed = [
        {"type": each.type, "id": each.id, "since": each.since.isoformat(), "with": each.cause}
        for each in found
    ]
    return JSONResponse({"restrictions": listed})
