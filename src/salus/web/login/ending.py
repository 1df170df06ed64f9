"""A provider says that somebody logged out there: their sessions here end at once."""

from __future__ import annotations

from datetime import timedelta

from salus.core.errors import NotAuthenticated, NotFound
from salus.store.federation import is_first_use
from salus.store.login_sessions import end_sessions
from salus.web.login.parties import Parties
from salus.web.portal.session import SESSION_SECONDS
from salus.web.services import Services

REMEMBERED = timedelta(minutes=15)
"""How long a logout token is known as used; older ones are refused by their date."""


async def end_by_provider(services: Services, parties: Parties, provider: str, token: str) -> None:
    """End the sessions that a logout token is about.

    Raises:
        NotFound: this node knows no such provider.
        NotAuthenticated: the token is none of it, or was used already.
        PeerUnavailable: its keys cannot be fetched.
    """
    party = parties.get(provider)
    if party is None:
        raise NotFound("This node knows no such log-in provider.")
    found, now = await party.logout_token(token), services.clock()
    issuer = party.provider.issuer
    is_first = await is_first_use(
        services.database, f"{issuer} logout", found.jti, forget_at=now + REMEMBERED, now=now
    )
    if not is_first:
        raise NotAuthenticated("the logout token was used already")
    async with services.database.system() as connection, connection.transaction():
        ended = await end_sessions(connection, issuer, subject=found.subject, session=found.session)
    until = now + timedelta(seconds=SESSION_SECONDS)
    services.doorkeeper.revoked.update(dict.fromkeys(ended, until))
