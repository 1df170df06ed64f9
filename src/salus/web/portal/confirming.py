"""At a desk: staff confirm with its proof that somebody acts for another, and settle what is in dispute."""

from __future__ import annotations

from typing import get_args

import msgspec
from starlette.responses import Response

from salus.core.access import Caller
from salus.core.errors import InvalidSearch, NotFound, SalusError
from salus.core.identifiers import is_fhir_id
from salus.trust import powers
from salus.web.emergency import ward_of
from salus.web.login.records import find_for_desk, look_at
from salus.web.portal.lookup import Person
from salus.web.portal.visit import Visit

KINDS = get_args(powers.Kind)
CHANGES = {"stands": True, "ends": False}


async def confirming(visit: Visit) -> Response:
    """Find both, show who they are and what is in force; confirm a power, end or settle one."""
    if visit.request.method == "GET":
        return _page(visit, waiting=await _waiting(visit))
    try:
        return await _done(visit)
    except SalusError as error:
        return _page(visit, status=error.status, problem=visit.tell(error))


async def _waiting(visit: Visit) -> list[dict[str, object]]:
    """Return what is in dispute, or waits for a second member of staff."""
    ward = ward_of(visit.services)
    found = [
        *await powers.in_dispute(ward, _staff(visit)),
        *await powers.waiting(ward, _staff(visit)),
    ]
    return [{"of": each, "state": (await powers.state_of(ward, each)).value} for each in found]


async def _done(visit: Visit) -> Response:
    form, ward = visit.form, ward_of(visit.services)
    if form.get("power"):
        await _change(visit, form["power"], form.get("change", ""))
        return _page(visit, done=visit.say("power-changed"))
    if form.get("confirmed") == "yes":
        made = await powers.confirm(
            ward, _staff(visit),
            powers.Confirmation(
                form.get("patient", ""), form.get("holder", ""), form.get("name", ""), _kind(visit),
                form.get("proof", ""),
            ),
        )  # fmt: skip
        done = visit.say("power-confirmed" if made.confirmed_at else "power-entered")
        return _page(visit, done=done, made=made)
    patient = await _person(visit, "patient_number")
    holder = await _person(visit, "holder_number") if form.get("holder_number", "").strip() else None
    listed = await powers.powers(ward, _staff(visit), patient.id)
    rows = [{"of": each, "state": (await powers.state_of(ward, each)).value} for each in listed]
    return _page(visit, patient=patient, holder=holder, rows=rows)


async def _change(visit: Visit, identity: str, change: str) -> None:
    ward = ward_of(visit.services)
    if change in CHANGES:
        await powers.settle(ward, _staff(visit), identity, stands=CHANGES[change])
    elif change == "confirm":
        await powers.agree(ward, _staff(visit), identity)
    elif change == "dispute":
        await powers.dispute(ward, _staff(visit), identity)
    elif change == "end":
        await powers.end(ward, _staff(visit), identity)
    else:
        raise NotFound("There is no such change.")


async def _person(visit: Visit, field: str) -> Person:
    """Return whom a number means, one person; the look is an access."""
    found = await find_for_desk(visit.services, visit.form.get(field, ""))
    if len(found) != 1 or not is_fhir_id(found[0]):
        raise NotFound(visit.say("login-several" if found else "login-none", n=len(found)))
    return await look_at(visit.services, _staff(visit), found[0])


def _staff(visit: Visit) -> Caller:
    """Return who asks as staff, who confirms and settles in their own name also while they help somebody."""
    return msgspec.structs.replace(visit.caller, patient=None)


def _kind(visit: Visit) -> powers.Kind:
    kind = visit.form.get("kind", "")
    for each in KINDS:
        if kind == each:
            chosen: powers.Kind = each
            return chosen
    raise InvalidSearch(f"Choose one of {', '.join(KINDS)}.")


def _page(visit: Visit, *, status: int = 200, **more: object) -> Response:
    nothing: dict[str, object] = {
        "patient": None, "holder": None, "rows": [], "waiting": [], "problem": "", "done": "", "made": None,
        "kinds": KINDS,
    }  # fmt: skip
    numbers = {name: visit.form.get(name, "") for name in ("patient_number", "holder_number")}
    return visit.show(
        "confirming.html", visit.say("confirm-title"), status=status, **(nothing | numbers | more)
    )
