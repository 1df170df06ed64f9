"""Signatures are checked with a pinned algorithm, and headers that would change the reading are refused."""

import hashlib
import hmac
import json

import pytest
from joserfc.jwk import ECKey, RSAKey

from salus.core.errors import NotAuthenticated
from salus.standards.jose import compact
from salus.standards.jose.encoding import deflate, encode
from salus.standards.jose.signature import (
    SIGNATURES,
    check_signature,
    sign_payload,
    take_apart,
)

KEY = ECKey.generate_key("P-256")
PUBLIC = KEY.as_dict(private=False) | {"kid": "k"}


def signed(header=None, payload=b"foo", key=KEY):
    return sign_payload(payload, {"alg": "ES256", **(header or {})}, key)


def check(token, key=PUBLIC, algorithms=SIGNATURES, **more):
    check_signature(take_apart(token), key, algorithms=algorithms, **more)


def test_any_payload_may_be_signed_and_an_altered_one_is_refused():
    for payload in (b"", b"foo", b'{"a":1}', bytes(range(256))):
        token = signed(payload=payload)
        check(token)
        assert take_apart(token).payload == payload
    head, _, signature = signed().split(".")
    with pytest.raises(NotAuthenticated):
        check(f"{head}.{encode(b'fop')}.{signature}")


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"b64": False, "crit": ["b64"]},
        {"b64": True},
        {"jwk": PUBLIC},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["AAAA"]},
        {"zip": "DEF"},
    ],
)
def test_headers_that_change_the_reading_or_bring_a_key_are_refused(header):
    with pytest.raises(NotAuthenticated, match="must not hold"):
        check(signed(header))


def test_a_header_that_the_caller_has_dealt_with_may_stand():
    check(signed({"zip": "DEF"}, deflate(b"foo")), understood=frozenset({"zip"}))


def by_hand(header, payload=b"foo", signature=b"x"):
    return f"{encode(json.dumps(header).encode())}.{encode(payload)}.{encode(signature)}"


def test_no_algorithm_and_no_shared_secret_is_taken():
    text = by_hand({"alg": "HS256"}).rpartition(".")[0]
    secret = json.dumps(PUBLIC).encode()
    forged = f"{text}.{encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"
    for token in (
        forged,
        by_hand({"alg": "none"}),
        by_hand({"alg": "NoNe"}),
        by_hand({"alg": ["ES256"]}),
        by_hand({}),
    ):
        with pytest.raises(NotAuthenticated):
            check(token)
    with pytest.raises(NotAuthenticated, match="none that this node takes"):
        check(forged)
    with pytest.raises(NotAuthenticated):
        take_apart(forged.rpartition(".")[0] + ".")


def test_key_and_caller_both_decide_the_algorithm():
    rsa = RSAKey.generate_key(2048)
    token = sign_payload(b"foo", {"alg": "RS256"}, rsa)
    public = rsa.as_dict(private=False)
    check(token, public)
    for key, algorithms in (
        (public | {"alg": "PS256"}, SIGNATURES),
        (public, frozenset({"RS384"})),
        (PUBLIC, SIGNATURES),
    ):
        with pytest.raises(NotAuthenticated):
            check(token, key, algorithms)


@pytest.mark.parametrize(
    "token", ["", "a.b", "a.b.c.d", " e30.e30.e30", "e30.e30.e3 0", "e30.e30.e31", "W10.e30.e30", "e30.e30."]
)
def test_what_is_no_compact_token_is_refused(token):
    with pytest.raises(NotAuthenticated):
        take_apart(token)


def test_long_tokens_and_headers_are_refused_before_any_arithmetic():
    with pytest.raises(NotAuthenticated, match="longer"):
        take_apart(signed(payload=b"x" * 10_000))
    with pytest.raises(NotAuthenticated, match="header is longer"):
        take_apart(signed({"x": "A" * 2_000}))


@pytest.mark.parametrize("found", ["1", True, None, -1, float("inf"), 1e12, [1]])
def test_a_moment_is_a_number_of_seconds(found):
    with pytest.raises(NotAuthenticated):
        compact.moment({"exp": found}, "exp")
    assert compact.moment({"exp": 1.5}, "exp") == 1.5
    assert compact.moment({}, "nbf", default=0) == 0


def test_claims_are_signed_with_the_headers_that_their_profile_wants():
    token = compact.sign({"a": 1}, KEY, kid="", typ="x+jwt", headers={"x5t": "y"})
    assert compact.unverified(token).header == {"alg": "ES256", "typ": "x+jwt", "x5t": "y"}
