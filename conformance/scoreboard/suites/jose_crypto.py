"""Cryptographic cases (Wycheproof, testvectors_v1), run through the node's own functions.

`valid` is accepted and gives the plaintext or output named, `invalid` is refused, `acceptable` is either.
JWS, JWK and JWE go through `standards/jose`, with the algorithm pinned that the case's key names; ECDSA and
Ed25519 through the same verification; AES-GCM and HKDF to the library under it. What the node takes from
nobody (shared secrets, RSA and wrapped keys for encryption, CBC, initialization vectors not of 96 bits) and a
token by another algorithm than its own key names, is refused: where the file says valid, the case is set
apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from conformance.scoreboard.suite import Case, Suite
from conformance.scoreboard.vectors import objects
from salus.core.errors import NotAuthenticated, SalusError
from salus.standards.jose.encoding import decode, encode, read_object
from salus.standards.jose.encryption import AGREEMENTS, DIRECT, ENCRYPTIONS, open_agreed, open_direct
from salus.standards.jose.keys import CURVES, SIGNATURES, fitting, public_key, select
from salus.standards.jose.signature import check_signature, is_signed, take_apart

Group = dict[str, Any]
Test = dict[str, Any]
_HASHES: dict[str, Callable[[], HashAlgorithm]] = {
    "HKDF-SHA-256": SHA256,
    "HKDF-SHA-384": SHA384,
    "HKDF-SHA-512": SHA512,
}
_SIZE_MAX = 256 * 1024
_IV_BYTES = 12


def _recognises(folder: Path) -> bool:
    return "jose" in folder.name and any(objects(folder, "testGroups"))


def _key_of(group: Group, test: Test) -> Group:
    """Return the key that a token names in its group's keys."""
    given: Group = group.get("public") or group["private"]
    if "keys" not in given:
        return given
    return dict(select(given["keys"], take_apart(_text(test), size_max=_SIZE_MAX).header.get("kid")))


def _text(test: Test) -> str:
    """Return a case's token, "" for one that is in no compact form."""
    token = test.get("jws", test.get("jwe"))
    return token if isinstance(token, str) else ""


def _jws(group: Group, test: Test) -> str:
    parts = take_apart(_text(test), size_max=_SIZE_MAX)
    key = _key_of(group, test)
    named = str(key.get("alg", parts.header.get("alg")))
    check_signature(parts, key, algorithms=frozenset({named}))
    return ""


def _jwe(group: Group, test: Test) -> str:
    """Open an encrypted token; return "" or how the plaintext differs."""
    key = group["private"]
    if key.get("kty") == "EC":
        opened = open_agreed(_text(test), _private(key), encryptions=ENCRYPTIONS)
    else:
        opened = open_direct(_text(test), decode(key.get("k", "")), encryptions=ENCRYPTIONS)
    return "" if opened.plaintext.hex() == test["pt"] else "another plaintext"


def _private(key: Group) -> ECKey:
    try:
        return ECKey.import_key(key)
    except (JoseError, ValueError, KeyError) as error:
        raise NotAuthenticated("the private key is none") from error


def _token(group: Group, test: Test) -> str:
    return _jws(group, test) if "jws" in test else _jwe(group, test)


def _jwk(key: dict[str, str]) -> dict[str, str]:
    """Return the JWK of a key that the file gives in hexadecimal only."""
    if "pk" in key:
        return {"kty": "OKP", "crv": "Ed25519", "x": encode(bytes.fromhex(key["pk"]))}
    point = bytes.fromhex(key["uncompressed"])[1:]
    half = len(point) // 2
    curve = {"secp256r1": "P-256", "secp384r1": "P-384"}.get(key["curve"], key["curve"])
    return {"kty": "EC", "crv": curve, "x": encode(point[:half]), "y": encode(point[half:])}


def _signature(group: Group, test: Test) -> str:
    key = group.get("publicKeyJwk") or _jwk(group["publicKey"])
    message, signature = bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"])
    algorithms = fitting(key) & frozenset(CURVES.values())
    if not any(is_signed(message, signature, public_key(key), each) for each in algorithms):
        raise NotAuthenticated("the signature does not hold")
    return ""


def _aead(group: Group, test: Test) -> str:
    key, iv, aad = (bytes.fromhex(test[name]) for name in ("key", "iv", "aad"))
    sealed = bytes.fromhex(test["ct"] + test["tag"])
    try:
        opened = AESGCM(key).decrypt(iv, sealed, aad)
    except (InvalidTag, ValueError) as error:
        raise NotAuthenticated("the content was altered") from error
    return "" if opened.hex() == test["msg"] else "another plaintext"


def _hkdf(hashing: Callable[[], HashAlgorithm]) -> Callable[[Group, Test], str]:
    def derive(group: Group, test: Test) -> str:
        salt, info, key = (bytes.fromhex(test[name]) for name in ("salt", "info", "ikm"))
        try:
            derived = HKDF(hashing(), test["size"], salt, info).derive(key)
        except ValueError as error:
            raise NotAuthenticated("no such key can be derived") from error
        return "" if derived.hex() == test["okm"] else "another key"

    return derive


_KINDS = {
    "JsonWebSignature": _token,
    "JsonWebKey": _token,
    "JsonWebCrypto": _token,
    "JsonWebEncryption": _token,
    "EcdsaP1363Verify": _signature,
    "EddsaVerify": _signature,
    "AeadTest": _aead,
}


def _played(name: str, run: Callable[[Group, Test], str], group: Group, test: Test) -> Case:
    expected = test["result"]
    try:
        wrong = run(group, test)
    except SalusError as error:
        if expected != "valid":
            return Case(name)
        return (
            Case(name, f"refused: {error.message}")
            if _is_offered(group, test)
            else Case(name, "", "not offered")
        )
    except (KeyError, TypeError, ValueError) as error:
        return Case(name, f"the case cannot be read: {error!r}")
    return Case(name, wrong if expected != "invalid" else "accepted, must be refused")


def _is_offered(group: Group, test: Test) -> bool:
    """Return whether the node takes what a case is about from anybody."""
    if group["type"] == "AeadTest":
        return len(test["iv"]) == 2 * _IV_BYTES
    if "publicKey" in group:
        return bool(fitting(group.get("publicKeyJwk") or _jwk(group["publicKey"])))
    try:
        key, header = _key_of(group, test), read_object(decode(_text(test).partition(".")[0]))
    except SalusError:
        return "keys" not in (group.get("public") or group["private"]) and _names_offered(group)
    if "jwe" in test:
        return header.get("alg") in AGREEMENTS | DIRECT and header.get("enc") in ENCRYPTIONS
    return header.get("alg") in SIGNATURES and key.get("alg", header["alg"]) == header["alg"]


def _names_offered(group: Group) -> bool:
    """Return whether the algorithm that a group's only key names is one of the node's."""
    key = group.get("public") or group["private"]
    return key.get("alg") in SIGNATURES | AGREEMENTS | DIRECT


def _play(folder: Path) -> Iterator[Case]:
    for name, table in objects(folder, "testGroups"):
        for group in table["testGroups"]:
            algorithm = str(table.get("algorithm", ""))
            run = _hkdf(_HASHES[algorithm]) if algorithm in _HASHES else _KINDS.get(group["type"])
            for test in group["tests"]:
                case = f"{name}/{test['tcId']} {test.get('comment', '')}".strip()
                yield _played(case, run, group, test) if run else Case(case, "no such kind of case is known")


SUITE = Suite("jose-crypto", _recognises, _play)
