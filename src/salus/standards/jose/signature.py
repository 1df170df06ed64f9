"""JSON Web Signatures in compact form (RFC 7515), over any bytes, checked against one key.

Every header parameter that would change how the signature is read or which key is used is refused before
any arithmetic: `crit` (none is understood here), `b64` (RFC 7797), and keys or their addresses.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.standards.jose.encoding import decode, encode, read_object, write_object
from salus.standards.jose.keys import SIGNATURES, Jwk, PublicKey, fitting, public_key

COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+", re.ASCII)
FORBIDDEN_HEADERS = frozenset({"crit", "jwk", "jku", "x5u", "x5c", "b64", "zip"})
HEADER_SIZE_MAX = 1024
SIZE_MAX = 8 * 1024


class Parts(msgspec.Struct, frozen=True):
    """A compact signature taken apart, nothing verified.

    Args:
        header: the protected header.
        payload: the bytes that were signed.
        signature: raw.
        signed: the ASCII text over which the signature is made.
    """

    header: dict[str, Any]
    payload: bytes
    signature: bytes
    signed: bytes


def take_apart(token: str, *, size_max: int = SIZE_MAX, header_size_max: int = HEADER_SIZE_MAX) -> Parts:
    """Return the parts of a compact signature.

    Args:
        token: three parts in base64url.
        size_max: longest token in characters.
        header_size_max: longest header in characters of base64url.

    Raises:
        NotAuthenticated: the text is none.
    """
    if len(token) > size_max:
        raise NotAuthenticated(f"the token is longer than {size_max} characters")
    if not COMPACT.fullmatch(token):
        raise NotAuthenticated("the token is not header.claims.signature in base64url")
    header, payload, signature = token.split(".")
    if len(header) > header_size_max:
        raise NotAuthenticated(f"the token's header is longer than {header_size_max} characters")
    try:
        members = read_object(decode(header))
        return Parts(members, decode(payload), decode(signature), f"{header}.{payload}".encode())
    except MalformedContent as error:
        raise NotAuthenticated(f"the token cannot be read: {error.message}") from error


def check_signature(
    parts: Parts, key: Jwk, *, algorithms: frozenset[str], understood: frozenset[str] = frozenset()
) -> None:
    """Return when the key made the signature, by an algorithm that both the caller and the key allow.

    Args:
        parts: of the token.
        key: public key, known beforehand to belong to who must have signed.
        algorithms: those that the caller accepts.
        understood: forbidden headers that the caller has dealt with (`x5c`, `zip`).

    Raises:
        NotAuthenticated: the signature does not hold, or may not be made so.
    """
    found = sorted((FORBIDDEN_HEADERS - understood) & parts.header.keys())
    if found:
        raise NotAuthenticated(f"the token's header must not hold {found[0]}")
    algorithm = parts.header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in SIGNATURES:
        raise NotAuthenticated("the token's alg is none that this node takes")
    allowed = sorted(fitting(key) & algorithms)
    if algorithm not in allowed:
        raise NotAuthenticated(f"the token's alg must be {' or '.join(allowed) or 'one that the key allows'}")
    if not is_signed(parts.signed, parts.signature, public_key(key), algorithm):
        raise NotAuthenticated("the token's signature does not hold")


def is_signed(message: bytes, signature: bytes, key: PublicKey, algorithm: str) -> bool:
    """Return whether the signature over the message holds; raw r||s for ECDSA (RFC 7518 section 3.4)."""
    primitive = JWSRegistry.algorithms[algorithm]
    try:
        primitive.check_key(key)
        return primitive.verify(message, signature, key)
    except (JoseError, ValueError):
        return False


def sign_payload(payload: bytes, header: dict[str, Any], key: PublicKey) -> str:
    """Return the payload signed in compact form; the header names the algorithm."""
    signed = f"{write_object(header)}.{encode(payload)}"
    signature = JWSRegistry.algorithms[header["alg"]].sign(signed.encode(), key)
    return f"{signed}.{encode(signature)}"
