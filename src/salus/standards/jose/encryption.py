"""JSON Web Encryption in compact form (RFC 7516), opened with one key.

Offered: a key agreed by ECDH-ES (RFC 7518 section 4.6, as HAIP 1.0 wants) or shared beforehand (`dir`, as
SMART Health Links want), and AES-GCM. Nothing that decrypts before it authenticates: no RSA1_5, no CBC.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.standards.jose.encoding import decode, deflate, inflate, read_object
from salus.standards.jose.keys import Jwk, public_key

AGREEMENTS = frozenset({"ECDH-ES"})
DIRECT = frozenset({"dir"})
ENCRYPTIONS = frozenset({"A128GCM", "A256GCM"})
CURVES = frozenset({"P-256", "P-384"})
FORBIDDEN_HEADERS = frozenset({"crit", "jwk", "jku", "x5u", "x5c", "b64"})
COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*){3}", re.ASCII)
HEADER_SIZE_MAX = 4 * 1024
BYTES_MAX = 32 * 1024 * 1024
_TAG_BYTES, _IV_BYTES = 16, 12
_KEY_BYTES = {"A128GCM": 16, "A256GCM": 32}


class Opened(msgspec.Struct, frozen=True):
    """What was encrypted, with the header that was authenticated along with it."""

    header: dict[str, Any]
    plaintext: bytes


def open_agreed(token: str, key: ECKey, *, encryptions: frozenset[str], bytes_max: int = BYTES_MAX) -> Opened:
    """Return what was encrypted to our key by ECDH-ES.

    Args:
        token: compact serialisation.
        key: our private key.
        encryptions: content encryptions that the caller accepts (`enc`).
        bytes_max: largest plaintext.

    Raises:
        NotAuthenticated: it cannot be opened, or is encrypted in a way that the node does not take.
        TooLarge: it unpacks to more than the limit.
    """
    header = _header(token, AGREEMENTS, encryptions, bytes_max)
    _check_ephemeral(header.get("epk"), key)
    return Opened(header, _decrypted(token, key, header, bytes_max))


def open_direct(token: str, key: bytes, *, encryptions: frozenset[str], bytes_max: int = BYTES_MAX) -> Opened:
    """Return what was encrypted with the shared key itself (`dir`). Raises as `open_agreed`."""
    header = _header(token, DIRECT, encryptions, bytes_max)
    if len(key) != _KEY_BYTES[header["enc"]]:
        raise NotAuthenticated("the key is not as long as the content encryption needs")
    return Opened(header, _decrypted(token, OctKey.import_key(key), header, bytes_max))


def seal_agreed(plaintext: bytes, recipient: Jwk, *, enc: str, headers: dict[str, Any] | None = None) -> str:
    """Return the plaintext encrypted to a public key by ECDH-ES, with a fresh ephemeral key.

    Raises:
        NotAuthenticated: the recipient's key is none that content can be encrypted to.
    """
    key = public_key(recipient)
    if not isinstance(key, ECKey) or key.curve_name not in CURVES:
        raise NotAuthenticated("the recipient's key must be an EC key on P-256 or P-384")
    assert enc in ENCRYPTIONS
    header = {"alg": "ECDH-ES", "enc": enc, **(headers or {})}
    return jwe.encrypt_compact(header, plaintext, key, registry=_Registry(["ECDH-ES", enc]))


def seal_direct(plaintext: bytes, key: bytes, *, enc: str, headers: dict[str, Any] | None = None) -> str:
    """Return the plaintext encrypted with the shared key; a header `zip` "DEF" packs it first."""
    header = {"alg": "dir", "enc": enc, **(headers or {})}
    return jwe.encrypt_compact(header, plaintext, OctKey.import_key(key), registry=_Registry(["dir", enc]))


class _Packing:
    """DEFLATE as `encoding.py` has it: bounded, whole, nothing after it."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max

    def compress(self, body: bytes) -> bytes:
        return deflate(body)

    def decompress(self, body: bytes) -> bytes:
        return inflate(body, bytes_max=self.bytes_max)


class _Registry(jwe.JWERegistry):
    """The algorithms of one call; names that joserfc does not know (`contentType`) may stand in a header."""

    max_protected_header_length = HEADER_SIZE_MAX

    def __init__(self, algorithms: list[str], bytes_max: int = BYTES_MAX) -> None:
        super().__init__(algorithms=algorithms, strict_check_header=False)
        self.packing = _Packing(bytes_max)
        self.max_ciphertext_length = 2 * bytes_max

    def get_zip(self, name: str) -> Any:  # Any: joserfc's own class, of which this is no subclass
        return self.packing


def _header(
    token: str, agreements: frozenset[str], encryptions: frozenset[str], bytes_max: int
) -> dict[str, Any]:
    if len(token) > 2 * bytes_max or not COMPACT.fullmatch(token):
        raise NotAuthenticated("the content is no compact JWE, or too long")
    try:
        parts = [decode(part) for part in token.split(".")]
        header = read_object(parts[0])
    except MalformedContent as error:
        raise NotAuthenticated(f"the JWE cannot be read: {error.message}") from error
    found = sorted(FORBIDDEN_HEADERS & header.keys())
    if found:
        raise NotAuthenticated(f"the JWE's header must not hold {found[0]}")
    alg, enc = str(header.get("alg")), str(header.get("enc"))
    if alg not in AGREEMENTS | DIRECT or enc not in ENCRYPTIONS:
        raise NotAuthenticated("the JWE's alg or enc is none that this node takes")
    if alg not in agreements or enc not in encryptions:
        raise NotAuthenticated("the JWE's alg or enc is not the one that was asked for")
    if header.get("zip", "DEF") != "DEF":
        raise NotAuthenticated("the JWE's zip must be DEF")
    if parts[1] or len(parts[2]) != _IV_BYTES or len(parts[4]) != _TAG_BYTES:
        raise NotAuthenticated("a part of the JWE has the wrong length")
    return header


def _check_ephemeral(found: object, key: ECKey) -> None:
    """Refuse an ephemeral key on another curve, off its curve, or with a private half."""
    if not isinstance(found, dict) or found.get("kty") != "EC" or "d" in found:
        raise NotAuthenticated("the JWE's epk must be a public EC key")
    if found.get("crv") != key.curve_name or key.curve_name not in CURVES:
        raise NotAuthenticated("the JWE's epk must be on the curve of the recipient's key")
    public_key(found)


def _decrypted(token: str, key: ECKey | OctKey, header: dict[str, Any], bytes_max: int) -> bytes:
    registry = _Registry([header["alg"], header["enc"]], bytes_max)
    try:
        plaintext = jwe.decrypt_compact(token, key, registry=registry).plaintext
    except MalformedContent as error:
        raise NotAuthenticated("the JWE's content cannot be unpacked") from error
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise NotAuthenticated("the JWE cannot be opened with this key") from error
    assert plaintext is not None
    return plaintext
