"""The addresses of the log-in by a wallet: pages below `/wallet`, and what the wallet fetches and posts."""

from __future__ import annotations

import asyncio
from functools import lru_cache, partial
from urllib.parse import parse_qsl

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route, Router

from salus.core.errors import MalformedContent, NotAuthenticated, NotFound, PeerUnavailable
from salus.standards.qr.symbol import svg
from salus.trust.refusals import LOGIN
from salus.web.login.attempt import Wish
from salus.web.login.desk import open_desk
from salus.web.login.entering import enter_person
from salus.web.login.pages import in_language, wish_of
from salus.web.login.parties import Parties, parties_of
from salus.web.login.wallet import LIFE, Begun, Desk, is_begun_by, read_begun
from salus.web.portal.cookies import cookie, drop_cookie, keep_cookie
from salus.web.portal.face import page_route
from salus.web.portal.session import local_path, open_sessions
from salus.web.portal.visit import Visit
from salus.web.services import Face, Receive, Scope, Send, Services

COOKIE = "salus_wallet"
REQUEST_TYPE = "application/oauth-authz-req+jwt"
ANSWER_BYTES_MAX = 512 * 1024
TEST_WALLET = "/provider/wallet"


def face(services: Services) -> Face:
    """Return the door of wallets; where the node takes none, it says so.

    Raises:
        SettingsInvalid: a file that the settings name cannot be used.
    """
    sessions, parties, desk = open_sessions(services), parties_of(services), open_desk(services)
    page = partial(page_route, sessions)
    if desk is None:
        return Face(("/wallet",), _nothing)
    router = Router(
        [
            page("/wallet", partial(_begin, desk), (), "GET", "POST"),
            page("/wallet/ask", partial(_ask, desk)),
            page("/wallet/done", partial(_done, desk, parties)),
            page("/wallet/number", partial(_number, desk, parties), (), "GET", "POST"),
            Route("/wallet/request/{login:str}", partial(_request, desk)),
            Route("/wallet/answer/{login:str}", partial(_answer, services, desk), methods=["POST"]),
        ],
        redirect_slashes=False,
        default=_nothing,
    )

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await router(scope, receive, send)

    return Face(("/wallet",), application)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound("There is no page at this address; log in at /login.")


async def _begin(desk: Desk, visit: Visit) -> Response:
    """Ask where the wallet is, and begin."""
    if visit.request.method == "GET":
        wish = wish_of(visit)
        return visit.show(
            "wallet.html", visit.say("wallet-title"), wish=wish, elsewhere=desk.verifier.wallet.cross_device
        )
    form = visit.form
    wish = Wish(
        as_professional=form.get("as") == "professional" and desk.verifier.wallet.profession is not None,
        going_to=local_path(form.get("next", "")),
        language=visit.language,
    )
    elsewhere = form.get("where") == "elsewhere"
    if elsewhere and not desk.verifier.wallet.cross_device:
        raise MalformedContent("This node takes wallets on the same device only.")
    begun = await desk.begin(wish, elsewhere=elsewhere)
    answer = RedirectResponse(f"/wallet/ask?language={visit.language}", 303)
    value, seconds = f"{begun.login}.{begun.secret}", int(LIFE.total_seconds())
    keep_cookie(visit.services, answer, COOKIE, value, seconds=seconds)
    return answer


async def _ask(desk: Desk, visit: Visit) -> Response:
    """Show how to open the wallet, and wait for its answer."""
    begun = _begun(visit)
    found = await desk.find(begun.login)
    if found is None or not is_begun_by(found[1], begun):
        return _over(visit)
    asked, login = found
    if asked.elsewhere and login.answered:
        return visit.show("wallet-number.html", visit.say("wallet-title"), number="", problem="")
    address = desk.address_for(begun.login)
    title = visit.say("wallet-code")
    answer = visit.show(
        "wallet-ask.html",
        visit.say("wallet-title"),
        elsewhere=asked.elsewhere,
        address=address,
        code=Markup(await asyncio.to_thread(_drawing, address, title)) if asked.elsewhere else "",  # noqa: S704  our own drawing
        test_wallet=desk.address_for(begun.login, TEST_WALLET)
        if visit.services.demo and visit.services.wallet is None
        else "",
    )
    if asked.elsewhere:
        answer.headers["refresh"] = "3"
    return answer


@lru_cache(maxsize=256)
def _drawing(address: str, title: str) -> str:
    return svg(address, title=title)


async def _done(desk: Desk, parties: Parties, visit: Visit) -> Response:
    """Take the owner back from a wallet on the same device."""
    return await _enter(desk, parties, visit, visit.request.query_params.get("code", ""))


async def _number(desk: Desk, parties: Parties, visit: Visit) -> Response:
    """Show the number on the wallet's device; take it in the browser that began."""
    if visit.request.method == "GET":
        number = visit.request.query_params.get("code", "")
        if not (number.isascii() and number.isdigit() and len(number) <= 10):
            raise NotFound("There is no page at this address; log in at /login.")
        return visit.show("wallet-number.html", visit.say("wallet-title"), number=number, problem="")
    return await _enter(desk, parties, visit, visit.form.get("number", "").strip())


async def _enter(desk: Desk, parties: Parties, visit: Visit, code: str) -> Response:
    begun = _begun(visit)
    found = await desk.find(begun.login)
    if found is None or not is_begun_by(found[1], begun):
        return _over(visit)
    visit = in_language(visit, found[0].wish)
    person = await desk.take(begun, code)
    if person is None:
        visit.services.doorkeeper.refusals.note(LOGIN)
        if not found[0].elsewhere:
            return _over(visit)
        problem = visit.say("wallet-wrong-number")
        return visit.show(
            "wallet-number.html", visit.say("wallet-title"), status=403, number="", problem=problem
        )
    answer = await enter_person(visit, parties, person, found[0].wish)
    drop_cookie(visit.services, answer, COOKIE)
    return answer


def _begun(visit: Visit) -> Begun:
    return read_begun(cookie(visit.services, visit.request, COOKIE))


def _over(visit: Visit) -> Response:
    """Return the page that says that the log-in is over, or another browser's."""
    return visit.show("wallet-over.html", visit.say("wallet-title"), status=403)


async def _request(desk: Desk, request: Request) -> Response:
    """OpenID4VP 1.0 section 5.4: the wallet fetches the request object."""
    token = await desk.request(request.path_params["login"])
    if token is None:
        return _refused("the log-in is over; begin anew", 404)
    return Response(token, media_type=REQUEST_TYPE, headers={"cache-control": "no-store"})


async def _answer(services: Services, desk: Desk, request: Request) -> Response:
    """OpenID4VP 1.0 section 8.2: the wallet posts its answer (direct_post.jwt)."""
    try:
        token = await _response_of(request)
        redirect = await desk.answer(request.path_params["login"], token)
    except (NotAuthenticated, MalformedContent) as error:
        services.doorkeeper.refusals.note(LOGIN)
        return _refused(error.message, 400)
    except PeerUnavailable as error:
        return _refused(error.message, 503)
    return JSONResponse({"redirect_uri": redirect}, headers={"cache-control": "no-store"})


async def _response_of(request: Request) -> str:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > ANSWER_BYTES_MAX:
            raise MalformedContent(f"the answer is longer than {ANSWER_BYTES_MAX} bytes")
    try:
        fields = parse_qsl(body.decode("ascii"), max_num_fields=5, strict_parsing=True)
    except ValueError as error:
        raise MalformedContent("send a form with `response`") from error
    found = [value for name, value in fields if name == "response"]
    if len(found) != 1:
        raise MalformedContent("the form must have one `response`, encrypted (direct_post.jwt)")
    return found[0]


def _refused(message: str, status: int) -> Response:
    members = {"error": "invalid_request", "error_description": message}
    return JSONResponse(members, status, headers={"cache-control": "no-store"})
