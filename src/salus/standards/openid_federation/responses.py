"""Signed answers of federation endpoints (OpenID Federation 1.0 sections 8.3, 8.4), and where they are asked.

A resolve response says what a trust chain comes to; a status response whether a trust mark still holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joserfc.jwk import ECKey

from salus.core.errors import NotAuthenticated
from salus.standards.jose.compact import moment, sign, verify
from salus.standards.jose.keys import Jwk
from salus.standards.openid_federation.statement import SIGNATURES, SIZE_MAX

WELL_KNOWN = "/.well-known/openid-federation"
RESOLVE_TYPE = "resolve-response+jwt"
STATUS_TYPE = "trust-mark-status-response+jwt"
STATEMENT_MEDIA_TYPE = "application/entity-statement+jwt"
MARK_MEDIA_TYPE = "application/trust-mark+jwt"
STATUS_MEDIA_TYPE = f"application/{STATUS_TYPE}"
RESOLVE_MEDIA_TYPE = f"application/{RESOLVE_TYPE}"
STATUSES = frozenset({"active", "expired", "revoked", "invalid"})


def configuration_address(entity: str) -> str:
    """Return where an entity says what it is (section 9)."""
    return entity.removesuffix("/") + WELL_KNOWN


def sign_resolution(claims: Mapping[str, Any], key: ECKey, *, kid: str) -> str:
    """Return what a trust chain comes to, signed by who resolved it."""
    return sign(claims, key, kid=kid, typ=RESOLVE_TYPE)


def sign_status(claims: Mapping[str, Any], key: ECKey, *, kid: str) -> str:
    """Return what became of a trust mark, signed by its issuer."""
    return sign(claims, key, kid=kid, typ=STATUS_TYPE)


def read_status(token: str, keys: Sequence[Jwk], *, mark: str, issuer: str, now: float, seconds: int) -> str:
    """Return what became of a trust mark: a word of `STATUSES`.

    Args:
        token: the response.
        keys: of the mark's issuer.
        mark: the trust mark that was asked about.
        issuer: of the mark.
        now: the present, in seconds since 1970.
        seconds: how old the response may be.

    Raises:
        NotAuthenticated: the issuer did not say that, of that mark, lately.
    """
    signed = verify(token, keys, algorithms=SIGNATURES, size_max=SIZE_MAX)
    claims, status = signed.claims, signed.claims.get("status")
    if signed.header.get("typ") != STATUS_TYPE or claims.get("iss") != issuer:
        raise NotAuthenticated("this is no word of the trust mark's issuer about its status")
    if claims.get("trust_mark") != mark or not isinstance(status, str) or status not in STATUSES:
        raise NotAuthenticated("the status is of another trust mark, or none")
    if abs(moment(claims, "iat") - now) > seconds:
        raise NotAuthenticated("the status of the trust mark is old, or of the future; check the clocks")
    return status
