"""A log-in on its way: what the browser keeps until it comes back from the provider, and who came unknown.

Both are signed cookies. What comes back counts only in the browser that was sent out (state), once.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TypeVar

import msgspec
from starlette.responses import Response

from salus.trust.login.person import Person
from salus.web.portal.cookies import cookie, drop_cookie, keep_cookie
from salus.web.portal.sealed import seal, unseal
from salus.web.portal.visit import Visit

ATTEMPT, STRANGER = "salus_login", "salus_account"
LIFE = timedelta(minutes=10)


class Wish(msgspec.Struct, frozen=True):
    """What somebody wants who logs in.

    Args:
        as_professional: to work here, rather than to see their own record.
        least: how sure the log-in must be at least, "" for whatever the law asks.
        going_to: where to go on to, "" for the first page.
        language: of the pages.
    """

    as_professional: bool = False
    least: str = ""
    going_to: str = ""
    language: str = "en"


class Attempt(msgspec.Struct, frozen=True):
    """A log-in that was sent to a provider; `until` is in seconds since 1970."""

    source: str
    wish: Wish
    state: str
    nonce: str
    verifier: str
    until: float


class Stranger(msgspec.Struct, frozen=True):
    """Somebody whom a provider knows, and whose account opens no record yet."""

    person: Person
    wish: Wish
    until: float


Kept = TypeVar("Kept", Attempt, Stranger)


def new_attempt(visit: Visit, source: str, wish: Wish) -> Attempt:
    """Return a fresh log-in with a provider."""
    state, nonce = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    return Attempt(source, wish, state, nonce, secrets.token_urlsafe(48), _until(visit))


def new_stranger(visit: Visit, person: Person, wish: Wish) -> Stranger:
    """Return somebody who has to show more than their account."""
    return Stranger(person, wish, _until(visit))


def keep(visit: Visit, answer: Response, name: str, value: Attempt | Stranger) -> None:
    """Leave it in the browser."""
    sealed = seal(visit.sessions.form_key, name, value)
    keep_cookie(visit.services, answer, name, sealed, seconds=int(LIFE.total_seconds()))


def kept(visit: Visit, name: str, into: type[Kept]) -> Kept | None:
    """Return what was left in this browser, None when there is nothing, or it is too old."""
    found = unseal(visit.sessions.form_key, name, cookie(visit.services, visit.request, name), into)
    return found if found is not None and found.until > visit.services.clock().timestamp() else None


def forget(visit: Visit, answer: Response, name: str) -> None:
    """Take it out of the browser."""
    drop_cookie(visit.services, answer, name)


def _until(visit: Visit) -> float:
    return (visit.services.clock() + LIFE).timestamp()
