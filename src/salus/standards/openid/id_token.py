"""ID tokens and logout tokens (OpenID Connect Core 1.0 section 3.1.3.7; Back-Channel Logout 1.0 section 2).

The signature is checked against the provider's keys and no others; the key decides the algorithm, so that
neither "none" nor a shared secret is ever one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import msgspec

from salus.core.errors import NotAuthenticated
from salus.standards.jose.compact import Signed, claims_of, moment
from salus.standards.jose.encoding import encode
from salus.standards.jose.keys import Jwk, fitting, select
from salus.standards.jose.signature import check_signature, take_apart

ALGORITHMS = frozenset({"ES256", "ES384", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
SIZE_MAX = 32 * 1024
SUBJECT_LENGTH_MAX = 255
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_SECONDS_MAX = 300


class Expected(msgspec.Struct, frozen=True):
    """What every token to this node must say.

    Args:
        issuer: the provider, exactly.
        client_id: of this node there; the only audience.
        skew_seconds: tolerated difference of clocks.
    """

    issuer: str
    client_id: str
    skew_seconds: int


class LogoutToken(msgspec.Struct, frozen=True):
    """Whose sessions end: those of a subject, or one session; and by which token, to be used once."""

    subject: str
    session: str
    jti: str


def key_named(token: str) -> str:
    """Return the id of the key that a token says it is signed with, "" where it says none.

    Raises:
        NotAuthenticated: it is no token.
    """
    kid = take_apart(token, size_max=SIZE_MAX).header.get("kid", "")
    if not isinstance(kid, str):
        raise NotAuthenticated("the token's kid must be a text")
    return kid


def verify_signed(token: str, keys: Sequence[Jwk]) -> Signed:
    """Return what a provider signed. A token without a kid is checked by the only key that may sign.

    Raises:
        NotAuthenticated: none of the keys signed it.
    """
    parts = take_apart(token, size_max=SIZE_MAX)
    usable = [key for key in keys if fitting(key)]
    only = usable[0] if "kid" not in parts.header and len(usable) == 1 else None
    key = only or select(usable, parts.header.get("kid"))
    check_signature(parts, key, algorithms=ALGORITHMS)
    return Signed(parts.header, claims_of(parts.payload))


def check_id_token(
    signed: Signed, expected: Expected, *, nonce: str, now: float, access_token: str = ""
) -> dict[str, Any]:
    """Return the claims of an ID token whose signature holds.

    Args:
        signed: by the provider.
        expected: of every token.
        nonce: of the request that it answers.
        now: the present, in seconds since 1970.
        access_token: that came along; an `at_hash` must be of it.

    Raises:
        NotAuthenticated: the claim that is wrong is named.
    """
    claims = signed.claims
    if signed.header.get("typ", "JWT") != "JWT":
        raise NotAuthenticated("the token is no ID token (typ)")
    _check_common(claims, expected, now)
    if moment(claims, "exp") + expected.skew_seconds <= now:
        raise NotAuthenticated("the ID token has expired; check the clocks")
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise NotAuthenticated("the ID token answers another log-in (nonce)")
    _check_subject(claims)
    if access_token and "at_hash" in claims and not _is_hash(claims["at_hash"], access_token, signed):
        raise NotAuthenticated("the ID token is about another access token (at_hash)")
    return claims


def check_logout_token(signed: Signed, expected: Expected, *, now: float) -> LogoutToken:
    """Return whose sessions a logout token ends.

    Raises:
        NotAuthenticated: the rule that is broken is named.
    """
    claims = signed.claims
    if signed.header.get("typ", "logout+jwt") not in ("logout+jwt", "JWT"):
        raise NotAuthenticated("the token is no logout token (typ)")
    _check_common(claims, expected, now)
    if moment(claims, "iat") + LOGOUT_SECONDS_MAX + expected.skew_seconds < now:
        raise NotAuthenticated("the logout token is too old (iat)")
    if "exp" in claims and moment(claims, "exp") + expected.skew_seconds <= now:
        raise NotAuthenticated("the logout token has expired (exp)")
    events = claims.get("events")
    if not isinstance(events, dict) or LOGOUT_EVENT not in events or "nonce" in claims:
        raise NotAuthenticated("the token is no logout token (events, nonce)")
    subject, session, jti = (claims.get(name, "") for name in ("sub", "sid", "jti"))
    texts = all(isinstance(one, str) and one.isprintable() for one in (subject, session, jti))
    if not texts or not (subject or session):
        raise NotAuthenticated("the logout token must name a subject or a session")
    if not 0 < len(jti) <= SUBJECT_LENGTH_MAX:
        raise NotAuthenticated("the logout token must have a jti")
    return LogoutToken(subject, session, jti)


def _check_common(claims: dict[str, Any], expected: Expected, now: float) -> None:
    if claims.get("iss") != expected.issuer:
        raise NotAuthenticated("the token is of another provider (iss)")
    if claims.get("aud") not in (expected.client_id, [expected.client_id]):
        raise NotAuthenticated("the token is for another client (aud)")
    if claims.get("azp", expected.client_id) != expected.client_id:
        raise NotAuthenticated("the token was given to another client (azp)")
    for name in ("iat", "nbf"):
        if moment(claims, name, default=0 if name == "nbf" else None) > now + expected.skew_seconds:
            raise NotAuthenticated(f"the token lies in the future ({name}); check the clocks")


def _check_subject(claims: dict[str, Any]) -> None:
    subject = claims.get("sub")
    is_text = isinstance(subject, str) and subject.isascii() and subject.isprintable()
    if not is_text or not 0 < len(str(subject)) <= SUBJECT_LENGTH_MAX:
        raise NotAuthenticated(f"sub must be a text of 1 to {SUBJECT_LENGTH_MAX} characters of ASCII")


def _is_hash(found: object, access_token: str, signed: Signed) -> bool:
    """Return whether `at_hash` is the left half of the access token's digest (section 3.1.3.6)."""
    algorithm = str(signed.header.get("alg"))
    size = {"256": "sha256", "384": "sha384"}.get(algorithm[-3:], "sha512")
    digest = hashlib.new(size, access_token.encode()).digest()
    return found == encode(digest[: len(digest) // 2])
