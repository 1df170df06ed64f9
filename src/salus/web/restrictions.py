"""A citizen's restrictions (Regulation (EU) 2025/327, Art. 8): what no professional is shown.

GET /restrictions lists them. GET /restrictions/[type]/[id] says what goes with a resource, and the risk; PUT
hides it, DELETE shows it again. Each is an access like any other, with a leaf of its own. A professional is
not told that something is restricted. A proxy restricts what they may see; staff at a desk name the `patient`
whom they assist.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from salus.core.access import Action, Caller, Role
from salus.core.errors import Conflict, NotFound
from salus.core.identifiers import is_fhir_id
from salus.standards.fhir.model import resource_types
from salus.store.restrictions import Restriction, lift, limited, preview, restrict, restrictions
from salus.trust.gate import Access
from salus.trust.policy import AccessRequest
from salus.web.own_record import enter_own
from salus.web.rights.choices import assisted
from salus.web.services import Face, Services
from salus.web.token_door import Addresses, Parts, token_door

PREFIX = "/restrictions"
TYPE = "restriction"
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
        is_limited: whether a Consent hides it from some all the same; only the citizen is told.
    """

    resources: int
    hidden_with: str
    is_limited: bool


def face(services: Services) -> Face:
    """Return the door of restrictions."""
    return token_door(services, (PREFIX,), ADDRESSES, takes_bound=True)


async def set_restricted(
    services: Services,
    caller: Caller,
    resource_type: str,
    resource_id: str,
    *,
    hidden: bool,
    patient: str = "",
) -> int:
    """Restrict a resource of the citizen's own record, or lift that; return how many resources it reaches.

    `patient` is whom staff at a desk assist, "" for who decides for themselves or acts for somebody.

    Raises:
        NotFound: their record holds no such resource, or none that the caller may see.
        Conflict: it is the Patient by which the record is found; that is not restricted.
        AccessRefused: the caller is neither the citizen, nor may restrict for them.
    """
    asked = _asked(caller, Action.UPDATE, resource_type, resource_id, patient)
    async with enter_own(services, caller, asked) as access:
        if hidden:
            _keep_findable(access, resource_type, resource_id)
        change = restrict if hidden else lift
        return await change(access.grant, services.database, resource_type, resource_id)


async def show_again(
    services: Services, caller: Caller, resource_type: str, resource_id: str, *, patient: str = ""
) -> Shown:
    """Lift a restriction, and return what the resource is now. Raises as `set_restricted` does."""
    asked = _asked(caller, Action.UPDATE, resource_type, resource_id, patient)
    async with enter_own(services, caller, asked) as access:
        grant, database = access.grant, services.database
        count = await lift(grant, database, resource_type, resource_id)
        others = roots(await restrictions(grant, database))
        ruled = caller.role is Role.CITIZEN and (resource_type, resource_id) in await limited(grant, database)
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
    services: Services, caller: Caller, resource_type: str, resource_id: str, *, patient: str = ""
) -> dict[str, int]:
    """Return how many resources, by type, go when this one is restricted. Raises as `set_restricted` does."""
    asked = _asked(caller, Action.READ, resource_type, resource_id, patient)
    async with enter_own(services, caller, asked) as access:
        _keep_findable(access, resource_type, resource_id)
        return await preview(access.grant, services.database, resource_type, resource_id)


async def restricted(services: Services, caller: Caller, *, patient: str = "") -> list[Restriction]:
    """Return what the citizen restricts, oldest first, as far as the caller is told of it.

    Staff at a desk are told of what was asked for by name, which is what they can lift.
    """
    asked = AccessRequest(Action.READ, TYPE, TYPE, _whose(caller, patient))
    async with enter_own(services, caller, asked) as access:
        found = await restrictions(access.grant, services.database)
    return [each for each in found if not each.cause] if caller.role is Role.DESK else found


async def limited_by_rules(services: Services, caller: Caller) -> frozenset[tuple[str, str]]:
    """Return what of their record, (type, id), the citizen hides from some by a Consent."""
    asked = AccessRequest(Action.READ, TYPE, TYPE, _whose(caller, ""))
    async with enter_own(services, caller, asked) as access:
        return await limited(access.grant, services.database)


def _keep_findable(access: Access, resource_type: str, resource_id: str) -> None:
    if resource_type == "Patient" and resource_id in (access.grant.patients or ()):
        raise Conflict(IDENTITY)


def _asked(
    caller: Caller, action: Action, resource_type: str, resource_id: str, patient: str
) -> AccessRequest:
    if resource_type not in resource_types() or not is_fhir_id(resource_id):
        raise NotFound("Your record holds no such resource.")
    return AccessRequest(action, TYPE, f"{resource_type}/{resource_id}", _whose(caller, patient))


def _whose(caller: Caller, patient: str) -> frozenset[str] | None:
    whose = patient or caller.patient
    return frozenset({whose}) if whose else None


async def _preview(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    whose = assisted(caller, request)
    hides = await would_hide(services, caller, parts["type"], parts["id"], patient=whose)
    return JSONResponse({**parts, "hides": hides, "risk": RISK})


async def _hide(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    whose = assisted(caller, request)
    count = await set_restricted(services, caller, parts["type"], parts["id"], hidden=True, patient=whose)
    return JSONResponse({**parts, "restricted": True, "resources": count})


async def _show(services: Services, caller: Caller, request: Request, parts: Parts) -> Response:
    now = await show_again(services, caller, parts["type"], parts["id"], patient=assisted(caller, request))
    told = {"limited": now.is_limited} if caller.role is Role.CITIZEN else {}
    return JSONResponse(
        {**parts, "restricted": bool(now.hidden_with), "with": now.hidden_with, "resources": now.resources}
        | told
    )


async def _list(services: Services, caller: Caller, request: Request, _: Parts) -> Response:
    found = await restricted(services, caller, patient=assisted(caller, request))
    listed = [
        {"type": each.type, "id": each.id, "since": each.since.isoformat(), "with": each.cause}
        for each in found
    ]
    return JSONResponse({"restrictions": listed})


ADDRESSES: Addresses = {
    "/restrictions": {"GET": _list},
    "/restrictions/{type}/{id}": {"GET": _preview, "PUT": _hide, "DELETE": _show},
}
