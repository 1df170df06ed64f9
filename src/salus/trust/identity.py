"""Who asks: the Authorization header and nothing else, verified once and remembered until it expires.

A revoked token, and every token of a client that was switched off, is refused at once: revocations are held
in memory, and other processes of the node hear of them from the database (`store.revocations`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
from joserfc.jwk import ECKey

from salus.core.access import Caller, Purpose
from salus.core.clock import Clock
from salus.core.errors import NoCredentials, NotAuthenticated, ProofRefused
from salus.store.revocations import of_client
from salus.trust.refusals import BEARER, Refusals
from salus.trust.tokens import AccessToken, TokenTerms, verify

_REMEMBERED_MAX = 10_000
ANOTHER_HOLDER = "The access token is bound to a key: send it as DPoP, with a proof of that key (RFC 9449)."
NO_HOLDER = "The access token is bound to no key: send it as Bearer."


class Doorkeeper:
    """Knows the tokens it has seen and those that were revoked."""

    __slots__ = ("_admits", "_clock", "_key", "_remembered", "_terms", "refusals", "revoked")

    def __init__(
        self,
        key: ECKey,
        terms: TokenTerms,
        clock: Clock,
        revoked: dict[str, datetime],
        admits: Callable[[str, Purpose], bool] = lambda _node, _purpose: True,
    ) -> None:
        """Take the token key, the terms, and the revoked token ids with their expiry (shared, may grow).

        `admits` says of a node whether it may ask for a purpose now: a token that it was given dies with the
        trust chain to it.
        """
        self._key = key
        self._terms = terms
        self._clock = clock
        self._admits = admits
        self._remembered: dict[str, AccessToken] = {}
        self.revoked = revoked
        self.refusals = Refusals()

    def identify(self, token: str, proven: str = "") -> Caller:
        """Return the caller of a token. Raises NotAuthenticated, as `recognise` does."""
        return self.recognise(token, proven).caller

    def recognise(self, token: str, proven: str = "") -> AccessToken:
        """Return what a token says. Raises NotAuthenticated.

        `proven` is the thumbprint of the key that the request proves to hold, "" for none.
        """
        now = self._clock()
        known = self._remembered.get(token)
        if known is None:
            known = verify(self._key, token, self._terms, now=now)
            self._remember(token, known, now)
        elif now >= known.expires_at:
            del self._remembered[token]
            raise NotAuthenticated("The access token has expired; get a new one.")
        if known.key != proven:
            raise ProofRefused(ANOTHER_HOLDER if known.key else NO_HOLDER)
        ended = self.ended(known)
        if ended:
            raise NotAuthenticated(ended)
        return known

    def ended(self, token: AccessToken) -> str:
        """Return what has ended a verified token before its time, "" if nothing has."""
        if token.caller.token_id in self.revoked:
            return "The access token was revoked; get a new one."
        if not self.revoked.keys().isdisjoint(token.ends_with):
            return "The person has ended what they allowed this app, or its session was ended."
        if token.client and self._is_off(token):
            return "The system that this access token was given to was switched off."
        if token.caller.node is not None and not self._admits(token.caller.node, token.caller.purpose):
            return "The node that this token was given to is no member any more, or has no live trust chain."
        return ""

    def _is_off(self, known: AccessToken) -> bool:
        """Return whether the token's client was switched off since it was issued."""
        until = self.revoked.get(of_client(known.client))
        return until is not None and known.expires_at <= until

    def _remember(self, token: str, verified: AccessToken, now: datetime) -> None:
        if len(self._remembered) >= _REMEMBERED_MAX:
            live = {known: value for known, value in self._remembered.items() if value.expires_at > now}
            self._remembered = live if len(live) < _REMEMBERED_MAX else {}
        self._remembered[token] = verified


def authenticate(
    doorkeeper: Doorkeeper, authorization: str | None, proven: str = "", asked: str = ""
) -> Caller:
    """Return the caller named by an Authorization header. Raises NotAuthenticated, as `present` does.

    `asked` is the id that the request has at the node that sent it: of nobody else's is any account taken.
    """
    caller = present(doorkeeper, authorization, proven).caller
    return msgspec.structs.replace(caller, asked=asked) if asked and caller.node is not None else caller


def present(doorkeeper: Doorkeeper, authorization: str | None, proven: str = "") -> AccessToken:
    """Return what the token of an Authorization header says.

    A token anywhere else (query, cookie, body, other headers) is no token.

    Args:
        doorkeeper: of the node.
        authorization: the header.
        proven: thumbprint of the key that the request proves to hold (RFC 9449), "" for none.

    Raises:
        NotAuthenticated: there is no token, it cannot be trusted, or it is bound to another key.
    """
    try:
        return doorkeeper.recognise(_token(authorization, proven), proven)
    except NotAuthenticated:
        doorkeeper.refusals.note(BEARER)
        raise


def _token(authorization: str | None, proven: str) -> str:
    if not authorization:
        raise NoCredentials("Send an access token in the header `Authorization: Bearer ...`.")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() not in ("bearer", "dpop") or not token:
        raise NoCredentials("The Authorization header must be `Bearer` or `DPoP` and an access token.")
    if (scheme.lower() == "dpop") != bool(proven):
        raise ProofRefused(ANOTHER_HOLDER)
    return token
