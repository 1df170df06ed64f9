"""Client assertions of SMART Backend Services (SMART App Launch 2.2; RFC 7523 private_key_jwt).

Times are seconds since 1970 UTC. What is checked here is pure; that a jti is new is the store's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from salus.core.errors import NotAuthenticated
from salus.standards.jose.compact import moment
from salus.standards.smart.asker import Asker, read_extensions, write_extensions

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = frozenset({"ES384", "RS384"})
LIFE_SECONDS_MAX = 300
JTI_LENGTH_MAX = 128


class Assertion(msgspec.Struct, frozen=True):
    """What a client said of itself, all of it checked.

    Args:
        client: the client id (iss = sub).
        jti: to be used once.
        expires_at: when it ends, in seconds since 1970; the jti must be remembered until then, plus skew.
        asker: for whom the client asks; None for a client that asks for itself.
    """

    client: str
    jti: str
    expires_at: float
    asker: Asker | None


def claims_for(
    client: str, endpoint: str, *, jti: str, now: float, asker: Asker | None, life_seconds: int = 60
) -> dict[str, Any]:
    """Return the claims of an assertion to the given token endpoint."""
    claims: dict[str, Any] = {"iss": client, "sub": client, "aud": endpoint, "jti": jti}
    claims |= {"iat": int(now), "exp": int(now) + life_seconds}
    if asker is not None:
        claims["extensions"] = write_extensions(asker)
    return claims


def check_claims(claims: Mapping[str, Any], *, endpoint: str, now: float, skew_seconds: int) -> Assertion:
    """Check the claims of an assertion whose signature holds.

    Args:
        claims: as signed.
        endpoint: the exact address of our token endpoint, the only audience accepted.
        now: the present.
        skew_seconds: tolerated difference between the two clocks.

    Raises:
        NotAuthenticated: the claim that is wrong is named.
    """
    client = claims.get("iss")
    if not isinstance(client, str) or not client or claims.get("sub") != client:
        raise NotAuthenticated("iss and sub must both be the client id")
    if claims.get("aud") not in (endpoint, [endpoint]):
        raise NotAuthenticated("aud must be exactly the address of this token endpoint")
    expires_at = moment(claims, "exp")
    if expires_at + skew_seconds <= now:
        raise NotAuthenticated("the assertion has expired; check the clock of the asking node")
    if expires_at > now + LIFE_SECONDS_MAX + skew_seconds:
        raise NotAuthenticated(f"exp must be at most {LIFE_SECONDS_MAX} seconds ahead")
    for name in ("nbf", "iat"):
        if moment(claims, name, default=0) > now + skew_seconds:
            raise NotAuthenticated(f"{name} lies in the future; check the clock of the asking node")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= JTI_LENGTH_MAX or not jti.isprintable():
        raise NotAuthenticated(f"jti must be a text of 1 to {JTI_LENGTH_MAX} characters that can be printed")
    return Assertion(client, jti, expires_at, read_extensions(claims.get("extensions")))
