"""A citizen's restrictions (Regulation (EU) 2025/327, Art. 8): what no professional is shown.

GET /restrictions lists them. GET /restrictions/[type]/[id] says what goes with a resource, and the risk; PUT
hides it, DELETE shows it again. Each is an access like any other, with a leaf of its own. A professional is
not told that something is restricted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller
from salus.core.errors import Conflict, NotFound
from salus.core.identifiers import is_fhir_id
from salus.standards.fhir.model import resource_types
from salus.store.restrictions import Restriction, lift, limited, preview, restrict, restrictions
from salus.trust.gate import Access
from salus.trust.identity import authenticate
from salus.trust.policy import AccessRequest
from salus.web.addresses import find, methods_of
from salus.web.own_record import enter_own
from salus.web.proof import proven
from salus.web.services import Face, Receive, Scope, Send, Services

PREFIX = "/restrictions"
TYPE = "restriction"
Parts = dict[str, str]
RISK = (
    "Professionals who treat you will not see this, and are not told that something is missing: they may "
    "repeat an examination, or choose a treatment that what you hide speaks against. You can show it again "
    "at any time."
)
IDENTITY = (
    "Your name and identifiers (Patient) cannot be hidden: nobody could find your record any more, not even "
    "in an emergency. Hide the entries that you do not want shown."
)


class Shown(msgspec.Struct, frozen=True):
    """What became of a resource that the citizen wants shown again.

    Args:
        resources: how many professionals see again.
        hidden_with: "Type/id" of what they restrict still and it stays hidden with; "" when it is shown.
        is_limited: whether a Consent hides it from some all the same.
    """

    resources: int
    hidden_with: str
    is_limited: bool


def face(services: Services) -> Face:
    """Return the door of restrictions."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        caller = authenticate(
            services.doorkeeper, request.headers.get("authorization"), proven(request.scope)
        )
        handler, parts = find(ADDRESSES, request.method, request.url.path)
        answer = await handler(services, caller, parts)
        await answer(scope, receive, send)

    return Face((PREFIX,), application, methods_of(ADDRESSES))


async def set_restricted(
    services: Services, caller: Caller, resource_type: str, resource_id: str, *, hidden: bool
) -> int:
    """Restrict a resource of the citizen's own record, or lift that; return how many resources it reaches.

    Raises:
        NotFound: their record holds no such resource.
        Conflict: it is the Patient by which the record is found; that is not restricted.
        AccessRefused: the caller is not the citizen.
    """
    asked = _asked(caller, Action.UPDATE, resource_type, resource_id)
    async with enter_own(services, caller, asked) as access:
        if hidden:
            _keep_findable(access, resource_type, resource_id)
        change = restrict if hidden else lift
        return await change(access.grant, services.database, resource_type, resource_id)


async def show_again(services: Services, caller: Caller, resource_type: str, resource_id: str) -> Shown:
    """Lift a restriction, and return what the resource is now. Raises as `set_restricted` does."""
    asked = _asked(caller, Action.UPDATE, resource_type, resource_id)
    async with enter_own(services, caller, asked) as access:
        grant, database = access.grant, services.database
        count = await lift(grant, database, resource_type, resource_id)
        others = roots(await restrictions(grant, database))
        ruled = (resource_type, resource_id) in await limited(grant, database)
    return Shown(count, others.get((resource_type, resource_id), ""), ruled)


def roots(found: Iterable[Restriction]) -> dict[tuple[str, str], str]:
    """Return what is hidden, (type, id), each with what was asked for that it goes with; "" for itself."""
    causes: dict[str, str] = {}
    for each in found:
        name = f"{each.type}/{each.id}"
        causes[name] = causes.get(name, each.cause) and each.cause
    hidden: dict[tuple[str, str], str] = {}
    for name in causes:
        root, seen = name, {name}
        while (cause := causes.get(root, "")) and cause not in seen:
            seen.add(cause)
            root = cause
        kind, _, identity = name.partition("/")
        hidden[kind, identity] = root if root != name else causes[name]
    return hidden


async def would_hide(
    services: Services, caller: Caller, resource_type: str, resource_id: str
) -> dict[str, int]:
    """Return how many resources, by type, go when this one is restricted. Raises as `set_restricted` does."""
    asked = _asked(caller, Action.READ, resource_type, resource_id)
    async with enter_own(services, caller, asked) as access:
        _keep_findable(access, resource_type, resource_id)
        return await preview(access.grant, services.database, resource_type, resource_id)


async def restricted(services: Services, caller: Caller) -> list[Restriction]:
    """Return what the citizen restricts, oldest first."""
    asked = AccessRequest(Action.READ, TYPE, TYPE, frozenset({caller.patient}) if caller.patient else None)
    async with enter_own(services, caller, asked) as access:
        return await restrictions(access.grant, services.database)


async def limited_by_rules(services: Services, caller: Caller) -> frozenset[tuple[str, str]]:
    """Return what of their record, (type, id), the citizen hides from some by a Consent."""
    asked = AccessRequest(Action.READ, TYPE, TYPE, frozenset({caller.patient}) if caller.patient else None)
    async with enter_own(services, caller, asked) as access:
        return await limited(access.grant, services.database)


def _keep_findable(access: Access, resource_type: str, resource_id: str) -> None:
    if resource_type == "Patient" and resource_id in (access.grant.patients or ()):
        raise Conflict(IDENTITY)


def _asked(caller: Caller, action: Action, resource_type: str, resource_id: str) -> AccessRequest:
    if resource_type not in resource_types() or not is_fhir_id(resource_id):
        raise NotFound("Your record holds no such resource.")
    patients = frozenset({caller.patient}) if caller.patient else None
    return AccessRequest(action, TYPE, f"{resource_type}/{resource_id}", patients)


async def _preview(services: Services, caller: Caller, parts: Parts) -> Response:
    hides = await would_hide(services, caller, parts["type"], parts["id"])
    return JSONResponse({**parts, "hides": hides, "risk": RISK})


async def _hide(services: Services, caller: Caller, parts: Parts) -> Response:
    count = await set_restricted(services, caller, parts["type"], parts["id"], hidden=True)
    return JSONResponse({**parts, "restricted": True, "resources": count})


async def _show(services: Services, caller: Caller, parts: Parts) -> Response:
    now = await show_again(services, caller, parts["type"], parts["id"])
    return JSONResponse(
        {
            **parts,
            "restricted": bool(now.hidden_with),
            "with": now.hidden_with,
            "limited": now.is_limited,
            "resources": now.resources,
        }
    )


async def _list(services: Services, caller: Caller, _: Parts) -> Response:
    found = await restricted(services, caller)
    listed = [
        {"type": each.type, "id": each.id, "since": each.since.isoformat(), "with": each.cause}
        for each in found
    ]
    return JSONResponse({"restrictions": listed})


Handler = Callable[[Services, Caller, Parts], Awaitable[Response]]
ADDRESSES: Mapping[str, Mapping[str, Handler]] = {
    "/restrictions": {"GET": _list},
    "/restrictions/{type}/{id}": {"GET": _preview, "PUT": _hide, "DELETE": _show},
}
