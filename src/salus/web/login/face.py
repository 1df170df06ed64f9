"""The addresses of the log-in: `/login` and below, `/logout`; providers tell there that sessions ended."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from salus.core.access import Role
from salus.core.errors import MalformedContent, NotAuthenticated, NotFound, PeerUnavailable
from salus.web.login import pages
from salus.web.login.desk_page import desk
from salus.web.login.ending import end_by_provider
from salus.web.login.own_sessions import ROLES, own_sessions
from salus.web.login.parties import Parties, parties_of
from salus.web.portal.face import page_route
from salus.web.portal.session import open_sessions
from salus.web.portal.visit import read_form
from salus.web.services import Face, Receive, Scope, Send, Services


def face(services: Services) -> Face:
    """Return the door of people's log-ins.

    Raises:
        SettingsInvalid: a provider of the settings cannot be used.
    """
    sessions, parties = open_sessions(services), parties_of(services)
    page = partial(page_route, sessions)
    know = partial(pages.with_parties, parties)
    router = Router(
        [
            page("/login", know(pages.login), (), "GET", "POST"),
            page("/login/with/{provider:str}", know(pages.set_out)),
            page("/login/back/{provider:str}", know(pages.back)),
            page("/login/stronger", know(pages.stronger)),
            page("/login/link", pages.link, (), "GET", "POST"),
            page("/login/desk", desk, (Role.DESK,), "GET", "POST"),
            page("/login/accounts", pages.account, (Role.CITIZEN,), "GET", "POST"),
            page("/login/sessions", own_sessions, ROLES, "GET", "POST"),
            page("/logout", know(pages.logout), tuple(Role), "POST"),
            Route(
                "/login/ended/{provider:str}",
                partial(_ended, services, parties),
                methods=["POST"],
            ),
        ],
        redirect_slashes=False,
        default=_nothing,
    )

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await router(scope, receive, send)

    return Face(("/login", "/logout"), application)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound("There is no page at this address; log in at /login.")


async def _ended(services: Services, parties: Parties, request: Request) -> Response:
    """OpenID Connect Back-Channel Logout 1.0 section 2.8."""
    headers = {"cache-control": "no-store"}
    try:
        form = await read_form(request)
        await end_by_provider(
            services, parties, request.path_params["provider"], form.get("logout_token", "")
        )
    except (MalformedContent, NotAuthenticated, NotFound, PeerUnavailable) as error:
        told = {"error": "invalid_request", "error_description": error.message}
        return JSONResponse(told, 400, headers=headers)
    return Response(status_code=200, headers=headers)
