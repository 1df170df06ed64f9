"""The sessions that somebody has open here, to look at and to end (OWASP ASVS 5.0, 7.5.2)."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from salus.core.access import Action, Caller, Role
from salus.core.errors import NotFound
from salus.core.identifiers import is_fhir_id
from salus.store.login_sessions import OpenSession, end_own_sessions, sessions_of
from salus.trust.policy import AccessRequest
from salus.web.own_record import enter_own
from salus.web.portal.session import SESSION_SECONDS
from salus.web.portal.visit import Visit
from salus.web.services import Services

TYPE = "login-session"
ROLES = (Role.CITIZEN, Role.CLINICIAN, Role.PHARMACIST, Role.DESK, Role.OPERATOR, Role.AUDITOR)
ALL = "all"


async def own_sessions(visit: Visit) -> Response:
    """Show the open sessions of whoever visits; end one, or all but the one they look from."""
    if visit.request.method == "POST":
        which = visit.form.get("id", "")
        if which != ALL and not is_fhir_id(which):
            raise NotFound("There is no such session, or it has ended already.")
        await _end(visit.services, visit.caller, "" if which == ALL else which)
        return RedirectResponse(
            f"/login/sessions?{urlencode({'language': visit.language, 'done': 'yes'})}", 303
        )
    found = await _listed(visit.services, visit.caller)
    return visit.show(
        "sessions.html",
        visit.say("my-sessions"),
        sessions=found,
        own=visit.caller.token_id,
        done=bool(visit.request.query_params.get("done")),
    )


async def _listed(services: Services, caller: Caller) -> list[OpenSession]:
    async with enter_own(services, caller, _asked(Action.READ, caller)) as access:
        found = await sessions_of(access.grant, services.database)
        access.record([caller.patient] if caller.patient else [], count=len(found))
    return found


async def _end(services: Services, caller: Caller, which: str) -> None:
    async with enter_own(services, caller, _asked(Action.DELETE, caller)) as access:
        ended = await end_own_sessions(access.grant, services.database, which)
        access.record([caller.patient] if caller.patient else [], count=len(ended))
    until = services.clock() + timedelta(seconds=SESSION_SECONDS)
    services.doorkeeper.revoked.update(dict.fromkeys(ended, until))  # elsewhere by notification
    if which and not ended:
        raise NotFound("There is no such session, or it has ended already.")


def _asked(action: Action, caller: Caller) -> AccessRequest:
    return AccessRequest(action, TYPE, TYPE, frozenset({caller.patient}) if caller.patient else None)
