"""A person's apps: what each may see, the end of it, and opening one (SMART App Launch 2.2, EHR launch)."""

from __future__ import annotations

import secrets
from datetime import timedelta
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from salus.core.access import Action
from salus.core.errors import MalformedContent, NotFound
from salus.federation.apps import PEOPLE
from salus.standards.smart.launch import answer_address
from salus.store import resources
from salus.store.apps import Consent, consents, end_consent, offer_launch
from salus.store.federation import Client, list_apps
from salus.store.revocations import of_consent
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.app_tokens import last_expiry
from salus.web.app_words import allowed
from salus.web.portal.chart import banner
from salus.web.portal.face import page_route
from salus.web.portal.patient_context import InFront, kept_in_front
from salus.web.portal.rendering import moment
from salus.web.portal.session import Sessions
from salus.web.portal.visit import Visit

LAUNCH_SECONDS = 300
CONSENT = "app-consent"


def routes(sessions: Sessions) -> list[Route]:
    """Return the addresses of these pages."""
    return [
        page_route(sessions, "/apps", list_own, PEOPLE),
        page_route(sessions, "/apps/end", end, PEOPLE, "POST"),
        page_route(sessions, "/apps/open", open_app, PEOPLE, "POST"),
    ]


async def list_own(visit: Visit) -> Response:
    """Show what the visitor allows, and which apps they can open."""
    services, caller = visit.services, visit.caller
    found = _in_front(visit, visit.request.query_params.get("patient", ""))
    looking = _request(Action.READ, "apps", caller.patient or "")
    async with enter(services.gatehouse, caller, looking) as access:
        held = await consents(access.grant, services.database)
        access.record([caller.patient] if caller.patient else [], count=len(held))
    is_for_somebody = bool(caller.patient or found)
    listed = [app for app in await list_apps(services.database) if app.launch and is_for_somebody]
    return visit.show(
        "apps.html",
        visit.say("apps"),
        to_open=listed,
        patient=found.person.id if found else "",
        banner=banner(visit, found) if found else None,
        allowed=[_shown(each, visit.language) for each in held],
        done=bool(visit.request.query_params.get("done")),
    )


async def end(visit: Visit) -> Response:
    """End what the visitor allows an app, and all its tokens, in every process of the node."""
    services, caller = visit.services, visit.caller
    consent, until = visit.form.get("consent", ""), last_expiry(visit.services)
    ending = _request(Action.DELETE, "app", caller.patient or "")
    async with enter(services.gatehouse, caller, ending) as access:
        await end_consent(access.grant, services.database, consent, until=until)
    services.doorkeeper.revoked[of_consent(consent)] = until  # here at once, elsewhere by notification
    return RedirectResponse(f"/apps?{urlencode({'language': visit.language, 'done': 'yes'})}", 303)


async def open_app(visit: Visit) -> Response:
    """Open an app for the patient in front: themselves, or whom a professional treats."""
    services, caller = visit.services, visit.caller
    app = await _app(visit, visit.form.get("client", ""))
    found = _in_front(visit, visit.form.get("patient", ""))
    patient = caller.patient or (found.person.id if found else "")
    if not patient:
        raise MalformedContent("Open the app from the page of a patient.")
    named = frozenset({patient})
    asked = AccessRequest(Action.READ, "Patient", f"Patient/{patient}", named)
    async with enter(services.gatehouse, caller, asked) as access:
        opened = await resources.read(access.grant, services.database, "Patient", patient)
        access.record(opened.patients)
    launch = secrets.token_urlsafe(24)
    expires_at = services.clock() + timedelta(seconds=LAUNCH_SECONDS)
    await offer_launch(services.database, launch, app.id, caller, patient, expires_at=expires_at)
    address = answer_address(app.launch, {"iss": services.fhir_base, "launch": launch})
    return visit.show(
        "app-open.html",
        visit.say("app-opens", app=app.name),
        app=app,
        address=address,
        banner=banner(visit, found) if found else None,
    )


def _in_front(visit: Visit, patient: str) -> InFront | None:
    """Return the patient of this node whom a professional has in front, None where none is named.

    Raises:
        Conflict: as `kept_in_front`; no app is opened for another patient than the one found last.
    """
    if visit.caller.patient or not patient:
        return None
    return kept_in_front(visit, visit.services.node, patient)


async def _app(visit: Visit, client: str) -> Client:
    listed = await list_apps(visit.services.database)
    found = next((app for app in listed if app.id == client and app.launch), None)
    if found is None:
        raise NotFound("There is no such app to open.")
    return found


def _request(action: Action, what: str, patient: str) -> AccessRequest:
    return AccessRequest(action, CONSENT, what, frozenset({patient}) if patient else None)


def _shown(consent: Consent, language: str) -> dict[str, object]:
    return {
        "id": consent.id,
        "name": consent.name or consent.client,
        "lines": allowed(consent.scopes, language),
        "since": moment(consent.allowed_at, language),
        "used": moment(consent.used_at, language),
    }
