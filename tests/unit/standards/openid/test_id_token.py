"""What is refused of an ID token and of a logout token (Core 3.1.3.7; Back-Channel Logout 2.6)."""

import base64
import hashlib
import hmac
import json

import pytest
from joserfc.jwk import ECKey

from salus.core.errors import NotAuthenticated
from salus.standards.jose.compact import sign
from salus.standards.openid.id_token import (
    LOGOUT_EVENT,
    Expected,
    check_id_token,
    check_logout_token,
    key_named,
    verify_signed,
)

NOW = 1_790_000_000
KEY, OTHER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
KEYS = [KEY.as_dict(private=False) | {"kid": "k1", "use": "sig"}]
EXPECTED = Expected("https://id.example", "salus", 60)
CLAIMS = {
    "iss": "https://id.example",
    "aud": "salus",
    "sub": "s-1",
    "nonce": "n-1",
    "iat": NOW,
    "exp": NOW + 300,
}


def made(key=KEY, kid="k1", typ="JWT", **changed):
    claims = {name: value for name, value in (CLAIMS | changed).items() if value is not ...}
    return sign(claims, key, kid=kid, typ=typ)


def checked(token, **more):
    return check_id_token(verify_signed(token, KEYS), EXPECTED, nonce="n-1", now=NOW, **more)


def test_an_id_token_that_keeps_every_rule_tells_who_it_is():
    assert checked(made())["sub"] == "s-1"
    assert checked(made(aud=["salus"], azp="salus"))["sub"] == "s-1"
    assert key_named(made()) == "k1"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"aud": "another"}, "aud"),
        ({"aud": ["salus", "another"]}, "aud"),
        ({"azp": "another"}, "azp"),
        ({"nonce": "n-2"}, "nonce"),
        ({"nonce": ...}, "nonce"),
        ({"exp": NOW - 60}, "expired"),
        ({"exp": ...}, "exp"),
        ({"iat": NOW + 61}, "iat"),
        ({"iat": ...}, "iat"),
        ({"nbf": NOW + 61}, "nbf"),
        ({"sub": ""}, "sub"),
        ({"sub": "s" * 256}, "sub"),
        ({"sub": 7}, "sub"),
        ({"typ": "at+jwt"}, "typ"),
        ({"key": OTHER}, "signature"),
        ({"kid": "k2"}, "kid"),
    ],
)
def test_an_id_token_that_breaks_one_is_refused(changed, why):
    with pytest.raises(NotAuthenticated, match=why):
        checked(made(**changed))


def test_a_clock_that_is_a_little_off_is_no_reason():
    assert checked(made(exp=NOW - 59, iat=NOW - 300))["sub"] == "s-1"
    assert checked(made(iat=NOW + 60))["sub"] == "s-1"


def test_the_key_decides_the_algorithm_and_never_none():
    header, claims, _ = made().split(".")
    for alg in ("none", "HS256"):
        forged = (
            base64.urlsafe_b64encode(json.dumps({"alg": alg, "kid": "k1"}).encode()).rstrip(b"=").decode()
        )
        secret = json.dumps(KEYS[0]).encode()
        mac = hmac.digest(secret, f"{forged}.{claims}".encode(), hashlib.sha256)
        signature = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
        with pytest.raises(NotAuthenticated, match="alg"):
            verify_signed(f"{forged}.{claims}.{signature}", KEYS)
    with pytest.raises(NotAuthenticated):
        verify_signed(f"{header}.{claims}.", KEYS)
    with pytest.raises(NotAuthenticated, match="kid"):  # a key for encryption signs nothing
        verify_signed(made(), [KEYS[0] | {"use": "enc"}])


def test_without_a_kid_the_only_key_counts_and_of_several_none():
    assert verify_signed(made(kid=""), KEYS).claims["sub"] == "s-1"
    with pytest.raises(NotAuthenticated, match="kid"):
        verify_signed(made(kid=""), [*KEYS, OTHER.as_dict(private=False) | {"kid": "k2"}])


def test_an_access_token_of_somebody_else_is_noticed():
    digest = hashlib.sha256(b"access").digest()[:16]
    said = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert checked(made(at_hash=said), access_token="access")["sub"] == "s-1"
    with pytest.raises(NotAuthenticated, match="at_hash"):
        checked(made(at_hash=said), access_token="another")


LOGOUT = {"nonce": ..., "events": {LOGOUT_EVENT: {}}, "jti": "j-1", "sid": "session-1"}


def test_a_logout_token_says_whose_sessions_end():
    found = check_logout_token(verify_signed(made(typ="logout+jwt", **LOGOUT), KEYS), EXPECTED, now=NOW)
    assert (found.subject, found.session, found.jti) == ("s-1", "session-1", "j-1")


@pytest.mark.parametrize(
    "changed",
    [{"nonce": "n-1"}, {"events": {}}, {"jti": ...}, {"sub": ..., "sid": ...}, {"aud": "x"}, {"iss": "x"},
     {"iat": NOW - 400}, {"typ": "at+jwt"}, {"sub": "s\0"}, {"jti": "j\0"}, {"exp": NOW - 61}],
)  # fmt: skip
def test_what_is_no_logout_token_ends_nothing(changed):
    with pytest.raises(NotAuthenticated):
        check_logout_token(
            verify_signed(made(**({"typ": "logout+jwt"} | LOGOUT | changed)), KEYS), EXPECTED, now=NOW
        )
