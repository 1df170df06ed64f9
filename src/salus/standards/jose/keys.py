"""JSON Web Keys (RFC 7517), and what each may be used for.

The key decides the algorithm (RFC 8725 section 3.1). Offered are signatures by public keys and no shared
secret: nobody who can verify can forge. RSA keys follow FIPS 186-5 (2048 bits, exponent over 2^16) and are
refused when they bear the fingerprint of ROCA (CVE-2017-15361: Nemec et al., CCS 2017, section 4.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.standards.jose.encoding import decode

Jwk = Mapping[str, Any]  # RFC 7517: members of many types, hence Any
PublicKey = ECKey | OKPKey | RSAKey

RSA_BITS_MIN = 2048
RSA_EXPONENT_MIN = 65537
RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
CURVES = {"P-256": "ES256", "P-384": "ES384", "Ed25519": "EdDSA"}
KINDS = {"P-256": "EC", "P-384": "EC", "Ed25519": "OKP"}
SIGNATURES = RSA_ALGORITHMS | frozenset(CURVES.values())
_ROCA_PRIMES = (
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
)  # fmt: skip


def fitting(key: Jwk) -> frozenset[str]:
    """Return the signature algorithms that the node offers and the key fits; none for any other key.

    A key that names its algorithm, its use or its operations fits nothing else.
    """
    kind, curve = key.get("kty"), key.get("crv")
    found: frozenset[str] = frozenset()
    if kind == "RSA":
        found = RSA_ALGORITHMS
    elif isinstance(curve, str) and KINDS.get(curve) == kind:
        found = frozenset({CURVES[curve]})
    operations = key.get("key_ops", ["verify"])
    if key.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return frozenset()
    return frozenset(name for name in found if key.get("alg", name) == name)


def algorithm_of(key: Jwk) -> str:
    """Return the algorithm that the key signs with here, "" when it may not be used; RS384 for plain RSA."""
    found = fitting(key)
    if found == RSA_ALGORITHMS:
        return "RS384"
    return next(iter(found), "")


def public_key(key: Jwk) -> PublicKey:
    """Return the key, ready to verify or to agree with.

    Raises:
        NotAuthenticated: its numbers make no key, or a weak one.
    """
    members = {name: key.get(name) for name in ("kty", "crv", "x", "y", "n", "e") if name in key}
    kinds: dict[str, type[PublicKey]] = {"EC": ECKey, "OKP": OKPKey, "RSA": RSAKey}
    kind = kinds.get(str(key.get("kty")))
    if kind is None:
        raise NotAuthenticated("the key is of a kind that this node does not use")
    if kind is RSAKey:
        _check_rsa(_number(members.get("n")), _number(members.get("e")))
    try:
        return kind.import_key(members)  # type: ignore[arg-type]  # joserfc checks the members itself
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise NotAuthenticated("the key cannot be used: its numbers make no key") from error


def select(keys: Sequence[Jwk], kid: object) -> Jwk:
    """Return the one key of that id.

    Raises:
        NotAuthenticated: none has it, or several.
    """
    matching = [key for key in keys if isinstance(kid, str) and key.get("kid") == kid]
    if len(matching) != 1:
        raise NotAuthenticated("the token's kid names no key registered for its issuer")
    return matching[0]


def thumbprint(key: Jwk) -> str:
    """Return the SHA-256 thumbprint of a public key in base64url (RFC 7638)."""
    return public_key(key).thumbprint()


def _number(text: object) -> int:
    try:
        return int.from_bytes(decode(text if isinstance(text, str) else ""))
    except MalformedContent as error:
        raise NotAuthenticated("the key cannot be used: its numbers are not base64url") from error


def _check_rsa(modulus: int, exponent: int) -> None:
    if modulus.bit_length() < RSA_BITS_MIN:
        raise NotAuthenticated(f"the RSA key is shorter than {RSA_BITS_MIN} bits")
    if exponent < RSA_EXPONENT_MIN or exponent % 2 == 0:
        raise NotAuthenticated(f"the RSA key's exponent is below {RSA_EXPONENT_MIN}, or even")
    if all(modulus % prime in _powers(prime) for prime in _ROCA_PRIMES):
        raise NotAuthenticated("the RSA key was made by a generator whose keys can be factored (ROCA)")


@cache
def _powers(prime: int) -> frozenset[int]:
    """Return the residues that 65537 generates modulo the prime."""
    return frozenset(pow(65537, exponent, prime) for exponent in range(prime))
