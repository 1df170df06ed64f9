"""Trust marks: what an accredited party attests of an entity (OpenID Federation 1.0 section 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from joserfc.jwk import ECKey

from salus.core.errors import NotAuthenticated
from salus.standards.jose.compact import moment, sign, unverified, verify
from salus.standards.jose.keys import Jwk
from salus.standards.openid_federation.statement import SIGNATURES, Statement, is_entity, key_set

TYPE = "trust-mark+jwt"
DELEGATION_TYPE = "trust-mark-delegation+jwt"
TEXT_LENGTH_MAX = 2_048


class TrustMark(msgspec.Struct, frozen=True):
    """A trust mark.

    Args:
        type: what is attested (`trust_mark_type`).
        issuer, subject: entity identifiers.
        expires_at: seconds since 1970, None when it does not end.
    """

    type: str
    issuer: str
    subject: str
    expires_at: float | None


def sign_trust_mark(claims: Mapping[str, Any], key: ECKey, *, kid: str) -> str:
    """Return the trust mark signed by its issuer."""
    return sign(claims, key, kid=kid, typ=TYPE)


def sign_delegation(claims: Mapping[str, Any], key: ECKey, *, kid: str) -> str:
    """Return leave to issue trust marks of a type, signed by the owner of that type (section 7.2.1)."""
    return sign(claims, key, kid=kid, typ=DELEGATION_TYPE)


def issuer_of(token: str) -> str:
    """Return who claims to have issued a mark, to learn whose chain to fetch. Raises NotAuthenticated."""
    return check_form(unverified(token).claims).issuer


def check_form(claims: Mapping[str, Any]) -> TrustMark:
    """Return the trust mark that the claims make (section 7.1). Raises NotAuthenticated."""
    kind, issuer, subject = (claims.get(name) for name in ("trust_mark_type", "iss", "sub"))
    if not isinstance(kind, str) or not 0 < len(kind) <= TEXT_LENGTH_MAX:
        raise NotAuthenticated("a trust mark must have a trust_mark_type")
    if not is_entity(issuer) or not is_entity(subject):
        raise NotAuthenticated("iss and sub of a trust mark must be entity identifiers")
    moment(claims, "iat")
    expires_at = moment(claims, "exp") if "exp" in claims else None
    return TrustMark(kind, str(issuer), str(subject), expires_at)


def verify_trust_mark(
    token: str,
    *,
    subject: str,
    issuer_keys: Sequence[Jwk],
    anchor: Statement,
    now: float,
    skew_seconds: int = 60,
) -> TrustMark:
    """Return the trust mark, if it holds (section 7.3).

    Args:
        token: the trust mark.
        subject: the entity in whose configuration it stands.
        issuer_keys: of its issuer, from a trust chain to the anchor.
        anchor: the anchor's verified configuration, which says who may issue what.
        now: the present, in seconds since 1970.
        skew_seconds: tolerated difference of clocks.

    Raises:
        NotAuthenticated: the rule that is broken is named.
    """
    signed = verify(token, issuer_keys, algorithms=SIGNATURES)
    mark = check_form(signed.claims)
    if signed.header.get("typ") != TYPE or mark.subject != subject:
        raise NotAuthenticated("this is no trust mark of this entity")
    _check_time(signed.claims, now, skew_seconds)
    issuers = anchor.claims.get("trust_mark_issuers", {}).get(mark.type)
    # An empty array lets anybody issue marks of the type (section 3.1.2); a type not named is nobody's.
    if issuers is None or (issuers and mark.issuer not in issuers):
        raise NotAuthenticated("the anchor does not let this issuer attest that")
    owner = anchor.claims.get("trust_mark_owners", {}).get(mark.type)
    if owner is not None:
        _check_delegation(signed.claims.get("delegation"), mark, owner, now, skew_seconds)
    elif "delegation" in signed.claims:
        raise NotAuthenticated("a trust mark of a type without owner holds a delegation")
    return mark


def _check_delegation(
    token: object, mark: TrustMark, owner: Mapping[str, Any], now: float, skew_seconds: int
) -> None:
    if not isinstance(token, str):
        raise NotAuthenticated("a trust mark of an owned type must hold a delegation")
    signed = verify(token, key_set(owner.get("jwks")), algorithms=SIGNATURES)
    claims = signed.claims
    if signed.header.get("typ") != DELEGATION_TYPE or claims.get("iss") != owner.get("sub"):
        raise NotAuthenticated("the delegation is not by the owner of this type of trust mark")
    if claims.get("sub") != mark.issuer or claims.get("trust_mark_type") != mark.type:
        raise NotAuthenticated("the delegation is to another issuer, or for another type of trust mark")
    _check_time(claims, now, skew_seconds)


def _check_time(claims: Mapping[str, Any], now: float, skew_seconds: int) -> None:
    if moment(claims, "iat") > now + skew_seconds:
        raise NotAuthenticated("a trust mark or its delegation lies in the future")
    if "exp" in claims and moment(claims, "exp") + skew_seconds <= now:
        raise NotAuthenticated("a trust mark or its delegation has expired")
