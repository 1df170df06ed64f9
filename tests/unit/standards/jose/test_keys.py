"""A key decides what it may be used for; weak keys and keys that are none are refused."""

import math

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from salus.core.errors import NotAuthenticated
from salus.standards.jose.encoding import encode
from salus.standards.jose.keys import RSA_ALGORITHMS, algorithm_of, fitting, public_key, select, thumbprint

P256 = ECKey.generate_key("P-256").as_dict(private=False)
RSA = RSAKey.generate_key(2048).as_dict(private=False)


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (P256, {"ES256"}),
        (ECKey.generate_key("P-384").as_dict(private=False), {"ES384"}),
        (OKPKey.generate_key("Ed25519").as_dict(private=False), {"EdDSA"}),
        (RSA, RSA_ALGORITHMS),
        (RSA | {"alg": "PS256"}, {"PS256"}),
        (RSA | {"alg": "ES256"}, set()),
        (P256 | {"alg": "ES384"}, set()),
        (P256 | {"use": "enc"}, set()),
        (P256 | {"key_ops": ["deriveKey"]}, set()),
        (P256 | {"key_ops": "verify"}, set()),
        (P256 | {"key_ops": ["verify"], "use": "sig"}, {"ES256"}),
        (P256 | {"kty": "OKP"}, set()),
        (P256 | {"crv": "P-521"}, set()),
        ({"kty": "oct", "k": "c2VjcmV0"}, set()),
        ({}, set()),
    ],
)
def test_what_a_key_may_verify(key, algorithms):
    assert fitting(key) == algorithms


def test_a_plain_rsa_key_stands_for_rs384_as_smart_wants():
    assert algorithm_of(RSA) == "RS384"
    assert algorithm_of(P256 | {"use": "enc"}) == ""


def number(value):
    return encode(value.to_bytes((value.bit_length() + 7) // 8))


def roca():
    """Return a modulus of 2048 bits with the fingerprint: it is 1 modulo each of the published primes."""
    product = math.prod(prime for prime in range(3, 168) if all(prime % n for n in range(2, prime)))
    modulus = (1 << 2047) // product * product + product + 1
    assert modulus.bit_length() == 2048
    return modulus


@pytest.mark.parametrize(
    "key",
    [
        {**P256, "y": P256["x"]},
        {**P256, "x": "!"},
        {"kty": "EC", "crv": "P-256", "x": P256["x"]},
        {**P256, "kty": "DSA"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {**RSA, "n": number((1 << 1023) + 1)},
        {**RSA, "e": "AQ"},
        {**RSA, "e": "Aw"},
        {**RSA, "e": 65537},
        {**RSA, "n": number(roca())},
    ],
)
def test_a_weak_key_or_one_that_is_none_is_refused(key):
    with pytest.raises(NotAuthenticated):
        public_key(key)


def test_a_key_is_chosen_by_an_id_that_one_key_has():
    keys = [P256 | {"kid": "a"}, RSA | {"kid": "b"}, RSA | {"kid": "c"}, P256 | {"kid": "c"}]
    assert select(keys, "a") == keys[0]
    for kid in ("c", "d", None, ["a"]):
        with pytest.raises(NotAuthenticated):
            select(keys, kid)


def test_a_thumbprint_is_that_of_rfc_7638():
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"
        "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajr"
        "n1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    key = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}
    assert thumbprint(key) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
