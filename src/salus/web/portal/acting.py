"""Who may act for the citizen, and for whom they act: one page, and the change of the session to act."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from salus.core.access import Caller
from salus.core.errors import AccessRefused, NotFound, SalusError
from salus.store.proxies import Proxy
from salus.trust import powers
from salus.trust.facts import Relationship
from salus.web.emergency import ward_of
from salus.web.portal.lookup import person_in_context
from salus.web.portal.session import go_on_as
from salus.web.portal.visit import Visit

KINDS = ("carer", "executor")


async def acting(visit: Visit) -> Response:
    """Show the powers over the citizen and those they hold; a POST appoints somebody."""
    problem, status = "", 200
    if visit.request.method == "POST":
        try:
            await _appoint(visit)
        except SalusError as error:
            problem, status = visit.tell(error), error.status
    ward, own = ward_of(visit.services), visit.caller.patient or ""
    listed = await powers.powers(ward, visit.caller, own)
    rows = [await _row(visit, each, own) for each in listed]
    return visit.show(
        "acting.html", visit.say("acting"), status=status, rows=rows, kinds=KINDS, problem=problem,
        by_a_court=powers.BY_A_COURT,
    )  # fmt: skip


async def _row(visit: Visit, power: Proxy, own: str) -> dict[str, object]:
    """Return a power and its state; `name` is of whom it is over, while the citizen may act for them."""
    state, is_held = await powers.state_of(ward_of(visit.services), power), power.holder == own
    name = await _represented(visit, power) if is_held and state is Relationship.OWN else ""
    return {"of": power, "state": state.value, "held": is_held, "name": name}


async def _represented(visit: Visit, power: Proxy) -> str:
    """Return the name of whom the power is over, "" where the policy or a deletion keeps it back."""
    proxy = powers.as_proxy(visit.caller, power)
    try:
        return (await person_in_context(visit.services, proxy, power.patient)).name
    except (AccessRefused, NotFound):
        return ""


async def change_power(visit: Visit) -> Response:
    """End or dispute a power, or begin to act by one."""
    identity, change = visit.request.path_params["id"], visit.request.path_params["change"]
    ward = ward_of(visit.services)
    if change == "act":
        return await _switched(visit, await powers.acting(ward, visit.caller, identity))
    if change == "end":
        await powers.end(ward, visit.caller, identity)
    elif change == "dispute":
        await powers.dispute(ward, visit.caller, identity)
    else:
        raise NotFound("There is no such change.")
    return RedirectResponse(f"/acting?language={visit.language}", 303)


async def _switched(visit: Visit, caller: Caller) -> Response:
    answer = RedirectResponse(f"/record?language={visit.language}", 303)
    await go_on_as(visit.sessions, answer, visit.caller, caller)
    return answer


async def _appoint(visit: Visit) -> None:
    kind = visit.form.get("kind", "")
    asked = powers.Appointment(
        visit.form.get("code", "")[:40],
        visit.form.get("name", ""),
        "executor" if kind == "executor" else "carer",
    )
    await powers.appoint(ward_of(visit.services), visit.services.keys.search, visit.caller, asked)
