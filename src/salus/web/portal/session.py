"""Sessions of the portal: a signed cookie, and a form token that other sites cannot know.

The cookie holds a token whose audience is the portal, so that it opens no interface for software and no
access token opens the portal. It is HttpOnly and SameSite=Lax: whoever comes back from a log-in provider, or
from an app that asks for consent, is known; a form of another site carries no token of the forms.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from salus.core.access import Caller
from salus.core.errors import AccessRefused, NotAuthenticated
from salus.store.login_sessions import follow_session, note_seen
from salus.store.revocations import revoke
from salus.trust.identity import Doorkeeper
from salus.trust.tokens import TokenTerms, issue
from salus.web.portal.cookies import cookie, drop_cookie, keep_cookie
from salus.web.services import Services

SESSION, FORM = "salus_session", "salus_form"
SESSION_SECONDS = 30 * 60
SEEN_SECONDS = 60
_SEEN_MAX = 10_000
PATH_LENGTH_MAX = 4_096
_LOCAL_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*", re.ASCII)
"""An absolute path with or without a query: printable, no backslash, and no second slash at its start."""


class Sessions(msgspec.Struct, frozen=True):
    """What the portal needs to know its visitors; `seen`: when each session's use was last written down."""

    services: Services
    terms: TokenTerms
    doorkeeper: Doorkeeper
    form_key: bytes
    seen: dict[str, datetime] = msgspec.field(default_factory=dict)


def open_sessions(services: Services) -> Sessions:
    """Return the portal's sessions."""
    terms = TokenTerms(f"{services.base_url}/portal", SESSION_SECONDS, services.limits.clock_skew_seconds)
    doorkeeper = Doorkeeper(services.keys.token, terms, services.clock, services.doorkeeper.revoked)
    form_key = hmac.digest(services.keys.search, b"salus portal forms", "sha256")
    return Sessions(services, terms, doorkeeper, form_key)


def visitor(sessions: Sessions, request: Request) -> Caller | None:
    """Return who is logged in, None when nobody is or the session has ended."""
    token = cookie(sessions.services, request, SESSION)
    if not token:
        return None
    try:
        return sessions.doorkeeper.identify(token)
    except NotAuthenticated:
        return None


def log_in(sessions: Sessions, response: Response, caller: Caller) -> str:
    """Give the visitor a session; return the id of its token."""
    services = sessions.services
    token = issue(services.keys.token, caller, sessions.terms, now=services.clock())
    keep_cookie(services, response, SESSION, token, seconds=SESSION_SECONDS)
    return sessions.doorkeeper.identify(token).token_id


async def go_on_as(sessions: Sessions, response: Response, before: Caller, after: Caller) -> None:
    """Give the visitor's session to the same person as somebody else; the token until now ends everywhere.

    The log-in behind it stays known, so that its person and its provider still end it.
    """
    services = sessions.services
    token_id = log_in(sessions, response, after)
    expires_at = services.clock() + timedelta(seconds=SESSION_SECONDS)
    await follow_session(services.database, before.token_id, token_id, expires_at)
    services.doorkeeper.revoked[before.token_id] = expires_at  # here at once, elsewhere by notification
    await revoke(services.database, before.token_id, expires_at)


async def note_visit(sessions: Sessions, caller: Caller) -> None:
    """Write down that a session is used, once a minute."""
    now, last = sessions.services.clock(), sessions.seen.get(caller.token_id)
    if last is not None and now - last < timedelta(seconds=SEEN_SECONDS):
        return
    if len(sessions.seen) >= _SEEN_MAX:
        sessions.seen.clear()
    sessions.seen[caller.token_id] = now
    await note_seen(sessions.services.database, caller.token_id, now)


async def log_out(sessions: Sessions, response: Response, caller: Caller) -> None:
    """End the session here and in every process of the node."""
    services = sessions.services
    expires_at = services.clock() + timedelta(seconds=SESSION_SECONDS)
    services.doorkeeper.revoked[caller.token_id] = expires_at  # here at once, elsewhere by notification
    await revoke(services.database, caller.token_id, expires_at)
    drop_cookie(services, response, SESSION)


def local_path(text: str) -> str:
    """Return a path of this node to go on to after the log-in, "" for what leads or may lead elsewhere."""
    return text if len(text) <= PATH_LENGTH_MAX and _LOCAL_PATH.fullmatch(text) else ""


def form_token(sessions: Sessions, request: Request) -> str:
    """Return the token that the visitor's forms must carry; `keep_form_cookie` makes it last."""
    secret = _known(sessions, request) or _fresh(request)
    return hmac.digest(sessions.form_key, secret.encode(), hashlib.sha256).hex()


def keep_form_cookie(sessions: Sessions, request: Request, response: Response) -> None:
    """Set the cookie that a first visitor's form token is made of."""
    fresh = getattr(request.state, "form_secret", "")
    if fresh:
        keep_cookie(sessions.services, response, FORM, fresh, seconds=SESSION_SECONDS)


def check_form(sessions: Sessions, request: Request, sent: str) -> None:
    """Refuse a form that this portal did not give to this visitor.

    Raises:
        AccessRefused: its token is missing, old or another visitor's.
    """
    known = _known(sessions, request)
    if not known or not hmac.compare_digest(form_token(sessions, request).encode(), sent.encode()):
        raise AccessRefused(
            "The form is too old or from elsewhere. Go back, load the page again, and send it again."
        )


def _known(sessions: Sessions, request: Request) -> str:
    services = sessions.services
    return cookie(services, request, SESSION) or cookie(services, request, FORM)


def _fresh(request: Request) -> str:
    secret: str = getattr(request.state, "form_secret", "") or secrets.token_urlsafe(24)
    request.state.form_secret = secret
    return secret
