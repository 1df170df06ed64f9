"""One request to the portal: who visits, what the form says, and how a page or an error is answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qsl, urlencode

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from salus.core.access import Caller, Role
from salus.core.errors import AccessRefused, MalformedContent, NotSureEnough, SalusError
from salus.primary.language import is_reviewed, say
from salus.web.plain_text import is_plain
from salus.web.portal.rendering import page
from salus.web.portal.sentences import tell
from salus.web.portal.session import (
    Sessions,
    check_form,
    form_token,
    keep_form_cookie,
    local_path,
    note_visit,
    visitor,
)
from salus.web.portal.ways import home_of, page_before, page_of_form
from salus.web.portal.words import LANGUAGES, phrase
from salus.web.services import Application, Receive, Scope, Send, Services

FORM_BYTES_MAX = 16 * 1024
FORM_FIELDS_MAX = 30
TITLES = {401: "problem-login", 403: "problem-not-allowed", 404: "problem-no-page"}


class Visit(msgspec.Struct, frozen=True):
    """A request with all that a page needs. `form` is empty for a GET."""

    services: Services
    sessions: Sessions
    request: Request
    visitor: Caller | None
    form: Mapping[str, str]

    @property
    def caller(self) -> Caller:
        """Return who is logged in; only pages that ask for a role may use it."""
        assert self.visitor is not None
        return self.visitor

    @property
    def language(self) -> str:
        """Return the language asked for, else the node's first one that the portal has."""
        asked = self.form.get("language") or self.request.query_params.get("language", "")
        choices = (asked, *self.services.languages, "en")
        return next(each for each in choices if each in LANGUAGES)

    def say(self, name: str, /, **parts: object) -> str:
        """Return one of our own phrases in the visitor's language."""
        return phrase(name, self.language, **parts)

    def tell(self, error: SalusError) -> Markup:
        """Return what an error says in the visitor's language, or in English and marked so."""
        return tell(error.message, self.language)

    def show(self, template: str, title: str, *, status: int = 200, **context: object) -> Response:
        """Return a page for this visitor."""
        common: dict[str, object] = {
            "node": self.services,
            "caller": self.visitor,
            "csrf": form_token(self.sessions, self.request),
            "title": title,
            "language": self.language,
            "languages": LANGUAGES,
            "say": self.say,
            "unreviewed": "" if is_reviewed(self.language) else say("unreviewed", self.language).text,
        }
        answer = page(template, common | context, status=status)
        keep_form_cookie(self.sessions, self.request, answer)
        return answer


Handler = Callable[[Visit], Awaitable[Response]]


def door(sessions: Sessions, handler: Handler, roles: tuple[Role, ...] = ()) -> Application:
    """Return the page as an ASGI application: only for the roles, when any; every form is checked first."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        visit = Visit(sessions.services, sessions, request, visitor(sessions, request), {})
        if visit.visitor is not None:
            await note_visit(sessions, visit.visitor)
        answer = await _answer(visit, handler, roles)
        await answer(scope, receive, send)

    return application


def problem(visit: Visit, error: SalusError, *, message: str = "") -> Response:
    """Return the page that says what went wrong, with the ways on; `message`: in the visitor's language."""
    is_sent, path = visit.request.method == "POST", visit.request.url.path
    return visit.show(
        "problem.html",
        visit.say(TITLES.get(error.status, "problem")),
        status=error.status,
        message=message or visit.tell(error),
        least=error.needed if isinstance(error, NotSureEnough) else "",
        back=local_path(page_of_form(path) if is_sent else page_before(path)),
        home=home_of(visit.visitor.role if visit.visitor else None),
    )


async def _answer(visit: Visit, handler: Handler, roles: tuple[Role, ...]) -> Response:
    if roles and visit.visitor is None:
        return await _log_in_first(visit)
    if roles and visit.caller.role not in roles:
        named = ", ".join(visit.say(f"role-{role.value}") for role in roles)
        own = visit.say(f"role-{visit.caller.role.value}")
        message = visit.say("problem-role", roles=named, own=own)
        return problem(visit, AccessRefused(message), message=message)
    try:
        if visit.request.method == "POST":
            visit = msgspec.structs.replace(visit, form=await read_form(visit.request))
            check_form(visit.sessions, visit.request, visit.form.get("csrf", ""))
        return await handler(visit)
    except SalusError as error:
        return problem(visit, error)


async def _log_in_first(visit: Visit) -> Response:
    """Send a visitor without a session to the log-in, which leads on to the page, or to that of the form.

    A form is not kept, lest it is sent in the name of whoever logs in; the log-in says that it was not sent.
    """
    request, going_to = visit.request, visit.request.url.path
    if request.method == "POST":
        going_to = page_of_form(going_to)
        try:
            visit = msgspec.structs.replace(visit, form=await read_form(request))
        except MalformedContent:
            going_to = ""
    elif request.url.query:
        going_to = f"{going_to}?{request.url.query}"
    asked = {"language": visit.language, "next": local_path(going_to)}
    if request.method == "POST" and going_to:
        asked["unsent"] = "yes"
    return RedirectResponse(f"/login?{urlencode(asked)}", 303)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form.

    Raises:
        MalformedContent: it is none, or too long.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES_MAX:
            raise MalformedContent("The form is too long.")
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX)
    except ValueError as error:
        raise MalformedContent("The form cannot be read.") from error
    if not all(is_plain(part) for pair in pairs for part in pair):
        raise MalformedContent("The form cannot be read: it holds a control character.")
    return dict(pairs)
