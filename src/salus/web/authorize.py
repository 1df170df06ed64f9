"""The authorization endpoint (SMART App Launch 2.2; RFC 7636, RFC 9207): may this app see my data?

The person is who is logged in to the portal. Nothing is sent to an address that is not registered for the
app; an error goes there by itself only for somebody who has logged in (RFC 9700, 4.11.2), else it is shown.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Router

from salus.core.access import Action, Caller, Role
from salus.core.errors import MalformedContent, OAuthRefused, SalusError
from salus.core.identifiers import new_id
from salus.federation.apps import NAMING, PEOPLE, chosen, held_of, offered, offered_to, speaking_through
from salus.standards.smart.launch import (
    LaunchRequest,
    addressed,
    answer_address,
    once,
    origin_of,
    read_launch,
)
from salus.store import apps
from salus.store.apps import Code, Consent, Session
from salus.store.federation import Client, find_client
from salus.store.revocations import of_consent
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.addresses import find
from salus.web.app_tokens import ONLINE, fhir_user, last_expiry
from salus.web.app_words import choices
from salus.web.oauth import pairs_of, read_pairs
from salus.web.portal.apps import CONSENT, routes
from salus.web.portal.lookup import person_in_context
from salus.web.portal.rendering import POLICY
from salus.web.portal.session import check_form, open_sessions, visitor
from salus.web.portal.visit import Visit, problem
from salus.web.pushed import pushed, secret_of
from salus.web.services import Face, Receive, Scope, Send, Services
from salus.web.smart_discovery import provider

AUTHORIZE, DECISION = "/oauth/authorize", "/oauth/authorize/decision"
PROVIDER = "/.well-known/openid-configuration"
APPS = "/apps"
CODE_SECONDS = 60
FIELDS_MAX = 250
QUERY_LENGTH_MAX = 3_500
"""Room for the path of the log-in that the request goes through (`web.portal.session`)."""


class Asked(msgspec.Struct, frozen=True):
    """A request of a registered app to one of its addresses, not looked at further yet.

    Args:
        app: which asks.
        redirect: where it is answered.
        fields: what it asks.
        query: what the browser brought.
        pushed: secret of the reference of a request that was sent ahead, "" for none.
    """

    app: Client
    redirect: str
    fields: Mapping[str, str]
    query: str
    pushed: str = ""


class Offer(msgspec.Struct, frozen=True):
    """What a person is asked to allow.

    Args:
        app: which asks.
        request: what for.
        scopes: what of it can be given.
        patient: logical id of the patient in context, "" for none.
        opened: whether the portal opened the app.
    """

    app: Client
    request: LaunchRequest
    scopes: tuple[str, ...]
    patient: str
    opened: bool


def face(services: Services) -> Face:
    """Return the door of people who open their data to an app."""
    sessions = open_sessions(services)
    pages = Router(routes(sessions), redirect_slashes=False)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(APPS):
            await pages(scope, receive, send)
            return
        request = Request(scope, receive)
        handler, _ = find(ADDRESSES, scope["method"], scope["path"])
        visit = Visit(services, sessions, request, visitor(sessions, request), {})
        try:
            answer = await handler(visit)
        except SalusError as error:
            answer = problem(visit, error)
        await answer(scope, receive, send)

    return Face((AUTHORIZE, PROVIDER, APPS), application, {PROVIDER: ("GET",)}, (PROVIDER,))


async def _authorize(visit: Visit) -> Response:
    """Ask the person, after they have logged in."""
    if visit.request.method == "POST":  # from the app's page: without the portal's cookie
        sent = await read_pairs(visit.request, fields_max=FIELDS_MAX)
        return RedirectResponse(f"{AUTHORIZE}?{urlencode(sent)}", 303)
    query = visit.request.url.query
    given = pairs_of(query.encode(), fields_max=FIELDS_MAX) if query else []
    pairs = [pair for pair in given if pair[0] != "language"]
    asked = await _asked(visit.services, pairs, urlencode(pairs))
    try:
        return await _ask(visit, asked)
    except OAuthRefused as error:
        return _refused(visit, asked, error)


async def _asked(services: Services, pairs: list[tuple[str, str]], query: str) -> Asked:
    """Return who asks and where the answer may go.

    Raises:
        MalformedContent: no registered app at one of its addresses; there is nobody to answer.
    """
    if len(query) > QUERY_LENGTH_MAX:
        raise MalformedContent(f"The app's request is longer than {QUERY_LENGTH_MAX} characters.")
    fields = once(pairs)
    reference = fields.get("request_uri", "")
    if secret_of(reference):  # what the app sent ahead counts, and nothing beside it (RFC 9126, 4)
        fields = once(await pushed(services, reference, fields.get("client_id", "")))
    client, redirect = addressed(fields)
    app = await find_client(services.database, client)
    if app is None or redirect not in app.redirects:
        raise MalformedContent(
            "No app is registered here that may be answered at this address. Tell whoever made the app; "
            "nothing was sent to it."
        )
    return Asked(app, redirect, fields, query, secret_of(reference))


async def _ask(visit: Visit, asked: Asked) -> Response:
    services = visit.services
    request = read_launch(asked.fields, bases=services.own_bases)
    scopes = offered(asked.app, request)
    if visit.visitor is None:
        there = f"{AUTHORIZE}?{asked.query}"
        return RedirectResponse(f"/login?language={visit.language}&next={quote(there, safe='')}", 303)
    offer = await _offer(services, visit.visitor, asked.app, request, scopes)
    async with enter(services.gatehouse, visit.visitor, _to_allow(Action.READ, offer)) as access:
        known = await apps.current_consent(access.grant, services.database, offer.app.id, offer.patient)
        access.record([offer.patient] if offer.patient else [])
    ticked = held_of(offer.scopes, known.scopes) if known else offer.scopes
    if known and offer.app.keys and not request.asks_again and ticked == offer.scopes:
        return await _give(visit, asked, offer, offer.scopes, allowed=known.scopes)
    return await _page(visit, asked, offer, ticked)


async def _offer(
    services: Services, person: Caller, app: Client, request: LaunchRequest, scopes: tuple[str, ...]
) -> Offer:
    """Return what this person can give.

    Raises:
        OAuthRefused: they can give nothing of it, or the portal did not open the app.
    """
    if person.role not in PEOPLE:
        raise OAuthRefused("access_denied", f"a {person.role.value} opens no data to apps")
    patient, opened = person.patient or "", bool(request.launch and "launch" in request.scopes)
    if opened:
        found = await apps.find_launch(
            services.database, request.launch, app.id, person, now=services.clock()
        )
        if found is None:
            raise OAuthRefused("invalid_request", "launch is unknown or too old; open the app anew")
        patient = found
    known = bool(await fhir_user(services, person)) if NAMING.intersection(scopes) else False
    given = offered_to(scopes, person, patient, is_opened=opened, has_resource=known)
    return Offer(app, request, given, patient, opened)


async def _page(visit: Visit, asked: Asked, offer: Offer, ticked: tuple[str, ...]) -> Response:
    """Ask, and say whose record it is about where that is not the person's own."""
    person, about = visit.caller, None
    if offer.patient and person.role is not Role.CITIZEN:
        about = await person_in_context(visit.services, person, offer.patient)
    answer = visit.show(
        "app.html",
        visit.say("app-asks", app=offer.app.name),
        app=offer.app,
        place=_place(offer.request.redirect),
        choices=choices(offer.scopes, ticked, visit.language),
        knows="openid" in offer.scopes,
        about=about,
        own=bool(person.patient),
        query=asked.query,
        path=AUTHORIZE,
    )
    return _answering(answer, offer.request.redirect)


def _place(redirect: str) -> str:
    """Return where the answer goes as a person may know it: a host, or the scheme of an app."""
    parts = urlsplit(redirect)
    return parts.hostname or parts.scheme


def _answering(answer: Response, redirect: str) -> Response:
    """Let the page's form lead on to the app, and nowhere else but back here."""
    parts = urlsplit(redirect)
    there = origin_of(redirect) or f"{parts.scheme}:"
    policy = POLICY.replace("form-action 'self'", f"form-action 'self' {there}")
    answer.headers["content-security-policy"] = policy
    return answer


async def _decide(visit: Visit) -> Response:
    """Take what the person chose."""
    form = once(await read_pairs(visit.request, fields_max=FIELDS_MAX))
    check_form(visit.sessions, visit.request, form.get("csrf", ""))
    visit = msgspec.structs.replace(visit, form=form)
    query = form.get("request", "")
    asked = await _asked(visit.services, pairs_of(query.encode(), fields_max=FIELDS_MAX), query)
    try:
        if visit.visitor is None:
            return await _ask(visit, asked)
        request = read_launch(asked.fields, bases=visit.services.own_bases)
        scopes = offered(asked.app, request)
        offer = await _offer(visit.services, visit.visitor, asked.app, request, scopes)
        kept = [scope for place, scope in enumerate(offer.scopes) if form.get(f"allow-{place}")]
        wanted = chosen(offer.scopes, kept) if form.get("decision") == "allow" else ()
        if not wanted:
            raise OAuthRefused("access_denied", "the person did not allow it")
        return await _give(visit, asked, offer, wanted, allowed=wanted)
    except OAuthRefused as error:
        return _refused(visit, asked, error)


async def _give(
    visit: Visit, asked: Asked, offer: Offer, scopes: tuple[str, ...], *, allowed: tuple[str, ...]
) -> Response:
    """Keep what the person allows, and send the app a code for the scopes, which are no more than that."""
    services, person, request = visit.services, visit.caller, offer.request
    now = services.clock()
    code = Code(
        secrets.token_urlsafe(32), request.redirect, request.challenge, now + timedelta(seconds=CODE_SECONDS)
    )
    consent = Consent(
        new_id(), offer.app.id, person.subject, person.role.value, offer.patient, allowed, now, now
    )
    session = Session(
        id=new_id(),
        consent=consent.id,
        client=offer.app.id,
        caller=speaking_through(offer.app, person, scopes, offer.patient),
        nonce=request.nonce,
        context=offer.patient if _has_context(scopes) else "",
        login="" if "offline_access" in scopes else person.token_id,
        began_at=now,
        expires_at=now + ONLINE,
    )
    until = last_expiry(services)
    async with enter(services.gatehouse, person, _to_allow(Action.CREATE, offer)) as access:
        ended = await apps.allow(access.grant, services.database, consent, session, code, until=until)
    if asked.pushed:
        await apps.use_request(services.database, asked.pushed)
    if ended:
        services.doorkeeper.revoked[of_consent(ended)] = until
    return _answer(services, request.redirect, {"code": code.secret, "state": request.state})


def _has_context(scopes: tuple[str, ...]) -> bool:
    """Return whether the app is told which patient it is about."""
    return any(scope in ("launch", "launch/patient") or scope.startswith("patient/") for scope in scopes)


def _to_allow(action: Action, offer: Offer) -> AccessRequest:
    named = frozenset({offer.patient}) if offer.patient else None
    return AccessRequest(action, CONSENT, f"app/{offer.app.id}"[:200], named)


def _refused(visit: Visit, asked: Asked, error: OAuthRefused) -> Response:
    """Tell the app, by way of the person when nobody has logged in."""
    answer = {"error": error.error, "error_description": _ascii(error.message)}
    if asked.fields.get("state"):
        answer["state"] = asked.fields["state"]
    if visit.visitor is not None:
        return _answer(visit.services, asked.redirect, answer)
    address = answer_address(asked.redirect, answer | {"iss": visit.services.base_url})
    return visit.show(
        "app-refused.html",
        visit.say("app-wrong"),
        status=400,
        app=asked.app,
        message=error.message,
        back=address,
    )


def _ascii(text: str) -> str:
    """Return a description in the characters that RFC 6749, 4.1.2.1 lets it have."""
    return "".join(char if " " <= char <= "~" and char not in '"\\' else "'" for char in text)


def _answer(services: Services, redirect: str, answer: Mapping[str, str]) -> Response:
    """Send the person back to the app with an answer that names this node (RFC 9207)."""
    address = answer_address(redirect, {**answer, "iss": services.base_url})
    return RedirectResponse(address, 303, headers={"cache-control": "no-store"})


async def _provider(visit: Visit) -> Response:
    return JSONResponse(
        provider(visit.services.base_url), headers={"cache-control": "max-age=3600", "vary": "origin"}
    )


ADDRESSES: Mapping[str, Mapping[str, Any]] = {  # Any: handlers of a visit
    AUTHORIZE: {"GET": _authorize, "POST": _authorize},
    DECISION: {"POST": _decide},
    PROVIDER: {"GET": _provider},
}
