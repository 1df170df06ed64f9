"""The way to a provider and back: what is sent, and which answers are another's."""

import json
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from salus.core.errors import NotAuthenticated
from salus.standards.openid.authorization import (
    AuthorizationRequest,
    authorization_address,
    challenge_of,
    read_answer,
)
from salus.standards.openid.metadata import discovery_address, read_keys, read_metadata

ISSUER = "https://id.example"
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/keys",
    "response_types_supported": ["code"],
    "authorization_response_iss_parameter_supported": True,
}


def metadata(**changed):
    found = {name: value for name, value in (DOCUMENT | changed).items() if value is not ...}
    return read_metadata(json.dumps(found).encode(), ISSUER)


def test_a_provider_says_where_its_endpoints_are():
    assert (
        discovery_address("https://id.example/realm/") == f"{ISSUER}/realm/.well-known/openid-configuration"
    )
    found = metadata()
    assert (found.token_endpoint, found.end_session_endpoint, found.names_itself) == (
        f"{ISSUER}/token",
        "",
        True,
    )


@pytest.mark.parametrize(
    "changed",
    [{"issuer": "https://evil.example"}, {"issuer": f"{ISSUER}/"}, {"token_endpoint": ...}, {"jwks_uri": 7},
     {"token_endpoint": "http://id.example/token"}, {"authorization_endpoint": "javascript:alert(1)"},
     {"response_types_supported": ["id_token"]}, {"code_challenge_methods_supported": ["plain"]}],
)  # fmt: skip
def test_a_provider_that_cannot_be_used_is_refused(changed):
    with pytest.raises(NotAuthenticated):
        metadata(**changed)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"keys": 1}', b'{"keys": [], "keys": []}'])
def test_what_is_no_key_set_is_refused(body):
    with pytest.raises(NotAuthenticated):
        read_keys(body)


def test_the_challenge_is_that_of_rfc_7636_appendix_b():
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == (
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


def test_a_request_carries_the_digest_and_never_the_verifier():
    request = AuthorizationRequest(
        "salus",
        "https://node.example/login/back/a",
        ("openid",),
        "s-1",
        "n-1",
        "v" * 43,
        acr_values=("high",),
    )
    address = authorization_address(request, metadata())
    asked = parse_qs(urlsplit(address).query)
    assert asked["code_challenge"] == [challenge_of("v" * 43)]
    assert asked["code_challenge_method"] == ["S256"]
    assert (asked["acr_values"], asked["state"], asked["nonce"]) == (["high"], ["s-1"], ["n-1"])
    assert "v" * 43 not in address
    assert "prompt=login" in authorization_address(
        msgspec.structs.replace(request, is_fresh=True), metadata()
    )


GOOD = {"code": "c-1", "state": "s-1", "iss": ISSUER}


def test_the_answer_of_the_provider_that_was_asked_holds_the_code():
    assert read_answer(list(GOOD.items()), state="s-1", metadata=metadata()) == "c-1"
    silent = metadata(authorization_response_iss_parameter_supported=...)
    assert read_answer([("code", "c-1"), ("state", "s-1")], state="s-1", metadata=silent) == "c-1"


@pytest.mark.parametrize(
    ("pairs", "why"),
    [
        ([*GOOD.items(), ("code", "c-2")], "twice"),
        ((GOOD | {"state": "s-2"}).items(), "state"),
        ((GOOD | {"state": ""}).items(), "state"),
        ((GOOD | {"iss": "https://evil.example"}).items(), "iss"),
        ([("code", "c-1"), ("state", "s-1")], "iss"),
        ((GOOD | {"error": "access_denied"}).items(), "access_denied"),
        ((GOOD | {"error": "<script>"}).items(), "an error"),
        ((GOOD | {"code": ""}).items(), "code"),
    ],
)
def test_another_answer_is_refused(pairs, why):
    with pytest.raises(NotAuthenticated, match=why):
        read_answer(list(pairs), state="s-1", metadata=metadata())
