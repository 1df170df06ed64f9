"""Signed claims in compact form (RFC 7519 JWT), read strictly.

Keys come only from the caller, by their `kid`; what the signature must be is in `signature.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from joserfc.jwk import ECKey

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.standards.jose.encoding import read_object
from salus.standards.jose.keys import Jwk, algorithm_of, select
from salus.standards.jose.signature import SIZE_MAX, check_signature, sign_payload, take_apart


class Signed(msgspec.Struct, frozen=True):
    """A token whose signature holds: its header and its claims."""

    header: dict[str, Any]
    claims: dict[str, Any]


def sign(
    claims: Mapping[str, Any],
    key: ECKey,
    *,
    kid: str,
    typ: str = "JWT",
    headers: Mapping[str, Any] | None = None,
) -> str:
    """Return the claims signed with the private key, in compact form; no `kid` is written for ""."""
    header: dict[str, Any] = {"alg": algorithm_of(key.as_dict(private=False)), "typ": typ, **(headers or {})}
    if kid:
        header["kid"] = kid
    return sign_payload(msgspec.json.encode(claims), header, key)


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
    parts = take_apart(token, size_max=size_max)
    check_signature(parts, select(keys, parts.header.get("kid")), algorithms=algorithms)
    return Signed(parts.header, claims_of(parts.payload))


def unverified(token: str, *, size_max: int = SIZE_MAX) -> Signed:
    """Return the header and claims without looking at the signature, to learn whose keys to use.

    Raises:
        NotAuthenticated: the text is no compact token.
    """
    parts = take_apart(token, size_max=size_max)
    return Signed(parts.header, claims_of(parts.payload))


def claims_of(payload: bytes) -> dict[str, Any]:
    """Return the claims that a payload holds.

    Raises:
        NotAuthenticated: it holds none.
    """
    try:
        return read_object(payload)
    except MalformedContent as error:
        raise NotAuthenticated(f"the token's claims cannot be read: {error.message}") from error


def moment(claims: Mapping[str, Any], name: str, *, default: float | None = None) -> float:
    """Return a NumericDate of the claims (RFC 7519 section 2), in seconds since 1970.

    Raises:
        NotAuthenticated: it is missing and there is no default, or it is no number of seconds.
    """
    found = claims.get(name, default)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 1e11:
        raise NotAuthenticated(f"{name} must be a number of seconds since 1970")
    return float(found)
