"""Proof of possession of a key (RFC 9449 DPoP): a token that was stolen without its key opens nothing.

A proof is a JWT that the sender signs for one request. What is checked here is pure; that its jti is new is
the store's to say. No nonce is asked for: a proof lives a minute, and is good once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from joserfc.jwk import ECKey

from salus.core.errors import MalformedContent, ProofRefused, SalusError
from salus.standards.jose.compact import claims_of, moment, sign
from salus.standards.jose.encoding import encode
from salus.standards.jose.keys import Jwk, thumbprint
from salus.standards.jose.signature import check_signature, take_apart

TYPE = "dpop+jwt"
ALGORITHMS = frozenset({"ES256", "ES384"})
PROOF_SECONDS_MAX = 60
JTI_LENGTH_MAX = 128
REQUEST = "request_id"
"""A claim of ours (RFC 9449, section 4.2, lets a proof have further ones)."""
_REQUEST = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_PUBLIC = ("kty", "crv", "x", "y")
_PORTS = {"https": 443, "http": 80}


class Proof(msgspec.Struct, frozen=True):
    """A proof that holds.

    Args:
        key: thumbprint of the sender's key (RFC 7638), as `cnf.jkt` of a bound token says it.
        jti: to be used once.
        expires_at: from when it fails by its date, in seconds since 1970; its jti is remembered until then.
        request: id of the request at the sender, "" where it names none.
    """

    key: str
    jti: str
    expires_at: float
    request: str = ""


def make_proof(
    key: ECKey, method: str, address: str, *, jti: str, now: float, token: str = "", request: str = ""
) -> str:
    """Return the proof for one request.

    Args:
        key: the sender's private key.
        method: of HTTP.
        address: of the request; its query is left out.
        jti: unique.
        now: the present, in seconds since 1970.
        token: the access token that is sent along, "" at the token endpoint.
        request: id of the request at the sender, for the audit of both.
    """
    claims = {"jti": jti, "htm": method, "htu": address.partition("?")[0], "iat": int(now)}
    if token:
        claims["ath"] = token_hash(token)
    if request:
        claims[REQUEST] = request
    public = key.as_dict(private=False)
    headers = {"jwk": {name: public[name] for name in _PUBLIC}}
    return sign(claims, key, kid="", typ=TYPE, headers=headers)


def check_proof(
    text: str, *, method: str, addresses: Sequence[str], now: float, skew_seconds: int, token: str = ""
) -> Proof:
    """Return the proof, once everything about it holds but that it is new (RFC 9449 section 4.3).

    Args:
        text: the header DPoP.
        method: of the request.
        addresses: by which the request may have been sent here.
        now: the present, in seconds since 1970.
        skew_seconds: tolerated difference of clocks.
        token: the access token that it came with, "" at the token endpoint.

    Raises:
        ProofRefused: the rule that is broken is named.
    """
    try:
        return _checked(text, method, addresses, now, skew_seconds, token)
    except ProofRefused:
        raise
    except SalusError as error:
        raise ProofRefused(f"the proof (DPoP) cannot be believed: {error.message}") from error


def token_hash(token: str) -> str:
    """Return the hash of an access token that a proof carries (`ath`)."""
    return encode(hashlib.sha256(token.encode("ascii", "replace")).digest())


def _checked(
    text: str, method: str, addresses: Sequence[str], now: float, skew_seconds: int, token: str
) -> Proof:
    parts = take_apart(text)
    if parts.header.get("typ") != TYPE:
        raise ProofRefused(f"a proof must have typ {TYPE}")
    key = _public(parts.header.get("jwk"))
    check_signature(parts, key, algorithms=ALGORITHMS, understood=frozenset({"jwk"}))
    claims = claims_of(parts.payload)
    if claims.get("htm") != method:
        raise ProofRefused("the proof is for another method (htm)")
    if _plain(claims.get("htu")) not in map(_plain, addresses):
        raise ProofRefused("the proof is for another address (htu)")
    issued_at = moment(claims, "iat")
    if issued_at > now + skew_seconds:
        raise ProofRefused("the proof lies in the future (iat); check the clocks")
    if issued_at + PROOF_SECONDS_MAX + skew_seconds <= now:
        raise ProofRefused("the proof is too old (iat); sign a new one for each request")
    if token and not _is_hash_of(claims.get("ath"), token):
        raise ProofRefused("the proof is for another access token (ath)")
    return Proof(
        thumbprint(key), _jti(claims), issued_at + PROOF_SECONDS_MAX + skew_seconds, _request(claims)
    )


def _public(found: object) -> Jwk:
    if not isinstance(found, dict):
        raise ProofRefused("a proof must hold its public key (jwk)")
    if "d" in found or "k" in found:
        raise ProofRefused("a proof must hold a public key only; the one that it shows is lost")
    return found


def _jti(claims: Mapping[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= JTI_LENGTH_MAX or not jti.isprintable():
        raise ProofRefused(f"jti must be a text of 1 to {JTI_LENGTH_MAX} characters that can be printed")
    return jti


def _request(claims: Mapping[str, Any]) -> str:
    found = claims.get(REQUEST, "")
    if not isinstance(found, str) or (found and not _REQUEST.fullmatch(found)):
        raise ProofRefused(f"{REQUEST} must be an id of 1 to 64 letters, digits and hyphens")
    return found


def _is_hash_of(found: object, token: str) -> bool:
    return isinstance(found, str) and hmac.compare_digest(found.encode(), token_hash(token).encode())


def _plain(address: object) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path of an address, in one spelling (RFC 3986 section 6.2.3)."""
    try:
        parts = urlsplit(address if isinstance(address, str) else "")
        scheme, port = parts.scheme.lower(), parts.port
    except ValueError as error:
        raise MalformedContent("htu is no address") from error
    return scheme, (parts.hostname or "").lower(), port or _PORTS.get(scheme, 0), parts.path or "/"
