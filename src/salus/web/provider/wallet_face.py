"""The pages of the test wallet, and the status lists of what it holds."""

from __future__ import annotations

from functools import partial

import httpx
from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router

from salus.core.access import Role
from salus.core.errors import MalformedContent, NotFound
from salus.standards.openid4vp.request import Request
from salus.standards.sdjwt.status_list import write_status_list
from salus.web.login.statuses import MEDIA_TYPE, Statuses
from salus.web.login.wallet import Desk
from salus.web.portal.face import page_route
from salus.web.portal.personas import personas
from salus.web.portal.session import Sessions
from salus.web.portal.visit import Visit
from salus.web.provider.authority import Authority, open_authority
from salus.web.provider.people import Unknown
from salus.web.provider.terms import PREFIX, WORK
from salus.web.provider.wallet import answer, held_by, is_for_work, login_of, read
from salus.web.services import Services

STATUS_SECONDS = 300


def open_test_desk(services: Services) -> Desk:
    """Return where a demonstration asks its test wallets."""
    authority = open_authority(services)
    lists = Router([_status_route(services, authority)])
    # The node itself, without a way over the network that a single worker might not answer.
    inside = httpx.AsyncClient(transport=httpx.ASGITransport(lists))
    return Desk(services, authority.verifier, Statuses(inside, services.limits, services.clock))


def wallet_routes(services: Services, sessions: Sessions) -> list[Route]:
    """Return the addresses of the test wallet."""
    authority, desk = open_authority(services), open_test_desk(services)
    page = partial(_wallet, services, authority, desk)
    return [
        page_route(sessions, f"{PREFIX}/wallet", page, (), "GET", "POST"),
        _status_route(services, authority),
    ]


def _status_route(services: Services, authority: Authority) -> Route:
    return Route(f"{PREFIX}/statuses/{{kind:str}}", partial(_statuses, services, authority))


async def _statuses(services: Services, authority: Authority, request: HttpRequest) -> Response:
    """Return a status list: nothing that a test wallet holds is ever revoked."""
    kind = request.path_params["kind"]
    key = {"pid": authority.pid, "work": authority.work}.get(kind)
    if key is None:
        raise NotFound("There is no such status list.")
    now, uri = services.clock().timestamp(), f"{authority.statuses}/{kind}"
    token = write_status_list(
        [0], key, kid=key.thumbprint(), uri=uri, bits=1, now=now, seconds=STATUS_SECONDS
    )
    return Response(token, media_type=MEDIA_TYPE)


async def _wallet(services: Services, authority: Authority, desk: Desk, visit: Visit) -> Response:
    """Show who asks for what; then present it for the chosen test person."""
    asked = visit.form or visit.request.query_params
    client_id, address = asked.get("client_id", ""), asked.get("request_uri", "")
    login = login_of(services, address, "request")
    token = await desk.request(login)
    if token is None:
        raise MalformedContent("This log-in is over; begin anew at the log-in page.")
    request = read(services, authority, client_id, token)
    if not visit.form:
        return _choose(visit, request, client_id, address)
    persona = visit.form.get("persona", "") or Role.CITIZEN.value
    try:
        held = await held_by(services, authority, persona, visit.form.get("identifier", ""))
        sealed = answer(services, request, held)
    except (Unknown, MalformedContent) as error:
        return _choose(visit, request, client_id, address, problem=error.message)
    return RedirectResponse(
        await desk.answer(login_of(services, request.response_uri, "answer"), sealed), 303
    )


def _choose(visit: Visit, request: Request, client_id: str, address: str, *, problem: str = "") -> Response:
    people = personas(visit.services.country) if is_for_work(request) else {}
    names = [str(claim.path[0]) for each in request.query.credentials for claim in each.claims]
    return visit.show(
        "provider-wallet.html",
        visit.say("wallet-open-test"),
        status=422 if problem else 200,
        client_id=client_id,
        request_uri=address,
        asked=names,
        problem=problem,
        people=[{"key": key, "name": people[key].name} for key in WORK if key in people],
    )
