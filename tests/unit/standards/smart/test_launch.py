"""What an app may ask of the authorization endpoint, and where it may be answered."""

import pytest

from salus.core.errors import MalformedContent, OAuthRefused
from salus.standards.smart.launch import (
    addressed,
    answer_address,
    is_redirect,
    keeps_challenge,
    once,
    origin_of,
    read_launch,
)

BASES = ("https://pt.example/fhir", "https://saude.example/fhir")
# RFC 7636, appendix B.
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
GOOD = {
    "response_type": "code",
    "client_id": "heart",
    "redirect_uri": "https://app.example/back",
    "scope": "openid launch/patient patient/*.rs openid",
    "state": "abcdefgh12345678",
    "aud": BASES[0],
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


def test_a_request_is_read_whole():
    found = read_launch({**GOOD, "nonce": "n", "launch": "x", "prompt": "login consent"}, bases=BASES)
    assert (found.client, found.redirect) == ("heart", "https://app.example/back")
    assert found.scopes == ("openid", "launch/patient", "patient/*.rs")
    assert (found.state, found.nonce, found.launch, found.asks_again) == ("abcdefgh12345678", "n", "x", True)
    assert read_launch({**GOOD, "aud": f"{BASES[1]}/"}, bases=BASES).asks_again is False


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": ""}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"state": ""}, "invalid_request"),
        ({"state": "a\nb"}, "invalid_request"),
        ({"state": "x" * 1_025}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "abc"}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "="}, "invalid_request"),
        ({"aud": "https://other.example/fhir"}, "invalid_request"),
        ({"aud": ""}, "invalid_request"),
        ({"scope": " "}, "invalid_scope"),
        ({"scope": "a" * 5_000}, "invalid_scope"),
        ({"prompt": "none"}, "interaction_required"),
        ({"request_uri": "https://evil.example"}, "request_not_supported"),
    ],
)
def test_what_is_missing_or_wrong_is_refused_by_name(change, error):
    with pytest.raises(OAuthRefused) as refused:
        read_launch({**GOOD, **change}, bases=BASES)
    assert refused.value.error == error


def test_a_parameter_that_comes_twice_is_none():
    with pytest.raises(MalformedContent):
        once([("redirect_uri", "https://app.example/back"), ("redirect_uri", "https://evil.example")])
    assert once([("a", ""), ("b", "x")]) == {"b": "x"}
    with pytest.raises(MalformedContent):
        addressed({"client_id": "heart"})


@pytest.mark.parametrize(
    ("verifier", "kept"),
    [(VERIFIER, True), (VERIFIER[:-1] + "x", False), ("", False), (CHALLENGE, False), ("é" * 43, False)],
)
def test_only_the_verifier_of_the_challenge_keeps_it(verifier, kept):
    assert keeps_challenge(verifier, CHALLENGE) is kept


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("https://app.example/back", True),
        ("https://app.example/back?a=b", True),
        ("http://127.0.0.1:8080/back", True),
        ("http://localhost/back", True),
        ("com.example.heart:/back", True),
        ("http://app.example/back", False),
        ("https://app.example/back#x", False),
        ("https://app.example@evil.example/", False),
        ("https://app.example/a/../b", False),
        ("https://app.example\\@evil.example/", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("heart:/back", False),
        ("//app.example/back", False),
        ("/back", False),
        ("https://app.example/ b", False),
        ("https://[::1", False),
        ("https://app.example;script-src/back", False),
        ("https://app.example,evil.example/back", False),
        ("https://app.example:99999/", False),
    ],
)
def test_where_an_app_may_be_answered(address, allowed):
    assert is_redirect(address) is allowed


def test_the_answer_joins_what_the_address_has():
    assert answer_address("https://a.example/b", {"code": "1", "state": "a b"}) == (
        "https://a.example/b?code=1&state=a+b"
    )
    assert answer_address("https://a.example/b?c=d", {"code": "1"}) == "https://a.example/b?c=d&code=1"


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://App.example:443/back", "https://app.example"),
        ("http://127.0.0.1:8080/back", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/back", "http://[::1]:8080"),
        ("com.example.heart:/back", ""),
    ],
)
def test_the_origin_of_an_address(address, origin):
    assert origin_of(address) == origin
