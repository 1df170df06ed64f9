"""The front page and the test logins."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from salus.core.access import Role
from salus.core.errors import NotFound
from salus.store.statistics import count
from salus.web.portal.lookup import find_citizens
from salus.web.portal.personas import persona_caller, personas, require_demo
from salus.web.portal.session import local_path, log_in, log_out
from salus.web.portal.visit import Visit

HOMES = {Role.CITIZEN: "/record", Role.CLINICIAN: "/patient", Role.PHARMACIST: "/patient"}


async def home(visit: Visit) -> Response:
    """Show what the node is, holds and belongs to; nothing here is about a person."""
    if visit.request.url.path != "/":
        raise NotFound("There is no page at this address.")
    services = visit.services
    current = services.membership.current
    now = services.clock()
    members = [
        {
            "node": member.node,
            "name": member.name,
            "country": member.country,
            "base_url": member.base_url,
            "state": current.state(member.node, now),
        }
        for member in (current.members if current else ())
        if current
    ]
    return visit.show(
        "home.html",
        "Front page",
        members=members,
        counts=await count(services.database),
    )


async def login(visit: Visit) -> Response:
    """Offer the test logins, or log the chosen one in."""
    if visit.request.method == "GET":
        return _login_page(visit)
    services = visit.services
    require_demo(demo=services.demo)
    chosen = visit.form.get("persona", "")
    if chosen == "citizen":
        found = await find_citizens(services, visit.form.get("identifier", ""))
        if len(found) != 1:
            wrong = visit.say("login-several" if found else "login-none", n=len(found))
            return _login_page(visit, problem=wrong, status=422)
        caller = persona_caller(Role.CITIZEN, services.country, patient=found[0].id, name=found[0].name)
    elif chosen in personas(services.country):
        caller = persona_caller(Role(chosen), services.country)
    else:
        return _login_page(visit, problem=visit.say("login-choose"), status=422)
    where = local_path(visit.form.get("next", "")) or f"{HOMES[caller.role]}?language={visit.language}"
    answer = RedirectResponse(where, 303)
    log_in(visit.sessions, answer, caller)
    return answer


async def logout(visit: Visit) -> Response:
    """End the session."""
    answer = RedirectResponse("/", 303)
    await log_out(visit.sessions, answer, visit.caller)
    return answer


def _login_page(visit: Visit, *, problem: str = "", status: int = 200) -> Response:
    listed = [{"key": key, **_fields(persona)} for key, persona in personas(visit.services.country).items()]
    return visit.show(
        "login.html",
        visit.say("log-in"),
        status=status,
        personas=listed,
        problem=problem,
        identifier=visit.form.get("identifier", ""),
        next=local_path(visit.form.get("next", "") or visit.request.query_params.get("next", "")),
    )


def _fields(persona: object) -> dict[str, str]:
    return {name: getattr(persona, name) for name in ("name", "describes", "organisation")}
