"""Verifiable credentials in SD-JWT form (draft-ietf-oauth-sd-jwt-vc; HAIP 1.0 section 6.1).

A credential counts when a trusted issuer signed it, it is of the type asked for, in its time, and its holder
has shown that it is theirs. Whether it was revoked since is in its `status`: see `status_list.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from cryptography.x509 import Certificate

from salus.core.errors import NotAuthenticated
from salus.standards.jose.certificates import certified_key, first_certificate, names_of
from salus.standards.jose.compact import claims_of, moment
from salus.standards.jose.keys import Jwk, select
from salus.standards.jose.signature import check_signature, take_apart
from salus.standards.sdjwt.disclosures import Processed, process
from salus.standards.sdjwt.presentation import (
    HEADER_SIZE_MAX,
    SIGNATURES,
    SIZE_MAX,
    Binding,
    check_binding,
    split,
)
from salus.standards.sdjwt.status_list import StatusReference, status_of

TYPE = "dc+sd-jwt"
# Section 2.2.2.2: what a verifier must always see is never selectively disclosed.
NEVER_HIDDEN = frozenset({"iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "status"})

Issuers = Mapping[str, Sequence[Jwk]]  # the trusted issuers' public keys, by `iss`
Anchors = Mapping[str, Sequence[Certificate]]  # the authorities that may certify an issuer, by `iss`


class Credential(msgspec.Struct, frozen=True):
    """A credential that holds.

    Args:
        issuer: who vouches for it.
        type: its `vct`.
        claims: all that was shown, the registered claims included.
        holder: the public key of its holder (`cnf`), None where none was wanted.
        expires_at: in seconds since 1970, None when it does not end.
        status: where its revocation is published, None when nowhere.
    """

    issuer: str
    type: str
    claims: dict[str, Any]
    holder: dict[str, Any] | None
    expires_at: float | None
    status: StatusReference | None


def verify_credential(
    text: str,
    *,
    issuers: Issuers,
    types: frozenset[str],
    binding: Binding | None,
    now: float,
    anchors: Anchors | None = None,
    skew_seconds: int = 60,
) -> Credential:
    """Return the credential that a presentation shows.

    Args:
        text: the presentation, as sent.
        issuers: who may issue credentials of these types, with their keys.
        types: the values of `vct` that were asked for.
        binding: what the holder must have signed; None where anybody may show the credential.
        now: the present, in seconds since 1970.
        anchors: of issuers that certificates vouch for (x5c, HAIP 6.1), each one's own authorities.
        skew_seconds: tolerated difference of clocks.

    Raises:
        NotAuthenticated: the rule that is broken is named, nothing of the person.
    """
    presentation = split(text)
    parts = take_apart(presentation.credential, size_max=SIZE_MAX, header_size_max=HEADER_SIZE_MAX)
    if parts.header.get("typ") != TYPE:
        raise NotAuthenticated(f"the credential's typ must be {TYPE}")
    signed = claims_of(parts.payload)
    if "x5c" in parts.header:
        key, issuer = _certified_issuer(parts.header["x5c"], signed, anchors or {}, now)
    else:
        key, issuer = _known_issuer(parts.header, signed, issuers)
    check_signature(parts, key, algorithms=SIGNATURES, understood=frozenset({"x5c"}))
    if not isinstance(signed.get("vct"), str) or signed["vct"] not in types:
        raise NotAuthenticated("the credential is of another type (vct) than was asked for")
    expires_at = _in_time(signed, now, skew_seconds)
    processed = process(signed, presentation.disclosures)
    _check_hidden(processed)
    holder = _holder(signed)
    if binding is not None:
        if holder is None:
            raise NotAuthenticated("the credential names no key of its holder (cnf)")
        check_binding(presentation, signed, holder, binding, now=now)
    elif presentation.key_binding:
        raise NotAuthenticated("the presentation is bound to a request that was not made")
    return Credential(issuer, signed["vct"], processed.claims, holder, expires_at, status_of(signed))


def _known_issuer(header: Mapping[str, Any], claims: Mapping[str, Any], issuers: Issuers) -> tuple[Jwk, str]:
    """Return the key that the header names, without a kid the issuer's only one, and the issuer."""
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or issuer not in issuers:
        raise NotAuthenticated("the credential's issuer is not one that this node trusts")
    keys = issuers[issuer]
    return (keys[0] if "kid" not in header and len(keys) == 1 else select(keys, header.get("kid"))), issuer


def _certified_issuer(
    chain: object, claims: Mapping[str, Any], anchors: Anchors, now: float
) -> tuple[Jwk, str]:
    """Return the key that certificates vouch for, and the issuer by the name that they give it.

    A credential that names its issuer as well must name the same (section 3.5 of the draft).
    """
    names = names_of(first_certificate(chain))
    issuer = claims.get("iss", next(iter(names), None))
    if not isinstance(issuer, str) or issuer not in names:
        raise NotAuthenticated("the credential's issuer is not the one that its certificate names")
    key, _ = certified_key(chain, anchors=anchors.get(issuer, ()), now=now)
    return key, issuer


def _in_time(claims: Mapping[str, Any], now: float, skew_seconds: int) -> float | None:
    if moment(claims, "nbf", default=0) > now + skew_seconds:
        raise NotAuthenticated("the credential is not valid yet (nbf)")
    if moment(claims, "iat", default=0) > now + skew_seconds:
        raise NotAuthenticated("the credential was issued in the future (iat); check the clocks")
    if "exp" not in claims:
        return None
    expires_at = moment(claims, "exp")
    if expires_at + skew_seconds <= now:
        raise NotAuthenticated("the credential has expired (exp)")
    return expires_at


def _check_hidden(processed: Processed) -> None:
    for place in processed.places:
        if len(place) == 1 and place[0] in NEVER_HIDDEN:
            raise NotAuthenticated(f"{place[0]} must not be selectively disclosed")


def _holder(claims: Mapping[str, Any]) -> dict[str, Any] | None:
    confirmation = claims.get("cnf")
    if confirmation is None:
        return None
    holder = confirmation.get("jwk") if isinstance(confirmation, dict) else None
    if not isinstance(holder, dict) or "d" in holder:
        raise NotAuthenticated("cnf must hold a public key (jwk)")
    return holder
