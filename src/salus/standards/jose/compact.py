"""Signed claims in compact form (RFC 7515 JWS, RFC 7519 JWT), read strictly.

The key decides the algorithm (RFC 8725, 3.1): a P-384 key verifies ES384 and nothing else. Keys come
only from the caller; a key, or the address of one, inside the token is refused, as are unknown critical
headers, members named twice, non-canonical base64url and anything over the size limit, before any crypto.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from salus.core.errors import NotAuthenticated

COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
SIZE_MAX = 8 * 1024
HEADER_SIZE_MAX = 1024
RSA_BITS_MIN = 2048
FORBIDDEN_HEADERS = frozenset({"crit", "jwk", "jku", "x5u", "x5c", "b64", "zip"})
CURVES = {"P-256": "ES256", "P-384": "ES384"}

Jwk = Mapping[str, Any]  # RFC 7517: members of many types, hence Any


class Signed(msgspec.Struct, frozen=True):
    """A token whose signature holds: its header and its claims."""

    header: dict[str, Any]
    claims: dict[str, Any]


def algorithm_of(key: Jwk) -> str:
    """Return the one algorithm that the key may be used with, "" when it may not be used."""
    if key.get("kty") == "EC":
        return CURVES.get(str(key.get("crv")), "")
    return "RS384" if key.get("kty") == "RSA" else ""


def sign(claims: Mapping[str, Any], key: ECKey, *, kid: str, typ: str = "JWT") -> str:
    """Return the claims signed with the private key, in compact form."""
    algorithm = algorithm_of(key.as_dict(private=False))
    header = {"alg": algorithm, "kid": kid, "typ": typ}
    return jws.serialize_compact(header, msgspec.json.encode(claims), key, algorithms=[algorithm])


def verify(
    token: str, keys: Sequence[Jwk], *, algorithms: frozenset[str], size_max: int = SIZE_MAX
) -> Signed:
    """Return the token's header and claims, if one of the keys signed it.

    Args:
        token: compact serialisation.
        keys: the public keys of the one who must have signed; the header's kid selects one of them.
        algorithms: those the caller accepts.
        size_max: longest token in characters.

    Raises:
        NotAuthenticated: for any other token; the message says what is wrong with it.
    """
    header = unverified(token, size_max=size_max).header
    key = _key_for(header, keys, algorithms)
    imported = ECKey.import_key(dict(key)) if key["kty"] == "EC" else RSAKey.import_key(dict(key))
    if isinstance(imported, RSAKey) and imported.public_key.key_size < RSA_BITS_MIN:
        raise NotAuthenticated(f"the RSA key is shorter than {RSA_BITS_MIN} bits")
    try:
        payload = jws.deserialize_compact(token, imported, algorithms=[algorithm_of(key)]).payload
    except (JoseError, ValueError) as error:
        raise NotAuthenticated("the token's signature does not hold") from error
    return Signed(header, _strict_object(payload, "claims"))


def unverified(token: str, *, size_max: int = SIZE_MAX) -> Signed:
    """Return the header and claims without looking at the signature, to learn whose keys to use.

    Raises:
        NotAuthenticated: the text is no compact token.
    """
    if len(token) > size_max:
        raise NotAuthenticated(f"the token is longer than {size_max} characters")
    if not COMPACT.fullmatch(token):
        raise NotAuthenticated("the token is not header.claims.signature in base64url")
    header, claims, signature = token.split(".")
    if len(header) > HEADER_SIZE_MAX:
        raise NotAuthenticated(f"the token's header is longer than {HEADER_SIZE_MAX} characters")
    _decode(signature)
    return Signed(_strict_object(_decode(header), "header"), _strict_object(_decode(claims), "claims"))


def _key_for(header: Mapping[str, Any], keys: Sequence[Jwk], algorithms: frozenset[str]) -> Jwk:
    found = sorted(FORBIDDEN_HEADERS & header.keys())
    if found:
        raise NotAuthenticated(f"the token's header must not hold {found[0]}")
    kid = header.get("kid")
    matching = [key for key in keys if isinstance(kid, str) and key.get("kid") == kid]
    if len(matching) != 1:
        raise NotAuthenticated("the token's kid names no key registered for its issuer")
    expected = algorithm_of(matching[0])
    if not expected or expected not in algorithms or header.get("alg") != expected:
        raise NotAuthenticated(f"the token's alg must be {expected or 'one that the key allows'}")
    if matching[0].get("alg", expected) != expected or matching[0].get("use", "sig") != "sig":
        raise NotAuthenticated("the registered key is not meant for this signature")
    return matching[0]


def _decode(part: str) -> bytes:
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise NotAuthenticated("a part of the token is not base64url") from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise NotAuthenticated("a part of the token is not canonical base64url")
    return raw


def _strict_object(body: bytes, what: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a member is named twice")
        return dict(pairs)

    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise NotAuthenticated(f"the token's {what} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise NotAuthenticated(f"the token's {what} must be a JSON object")
    return found
