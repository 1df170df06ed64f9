"""Access tokens: whose they are, and everything that is none."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from salus.core.access import Assurance, Role
from salus.core.errors import NotAuthenticated
from salus.trust.identity import Doorkeeper, authenticate
from salus.trust.tokens import TokenTerms, issue, verify

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
TERMS = TokenTerms("https://node.test", seconds=300, skew_seconds=60)


@pytest.fixture(scope="module")
def key() -> ECKey:
    return ECKey.generate_key("P-256", auto_kid=True)


def resign(key, token, *, header=None, algorithms=("ES256",), signing_key=None, **claims):
    """Return the token signed again with some of its words changed."""
    decoded = jwt.decode(token, key, algorithms=["ES256"])
    changed = {name: value for name, value in (decoded.claims | claims).items() if value is not ...}
    return jwt.encode(
        decoded.header | (header or {}), changed, signing_key or key, algorithms=list(algorithms)
    )


def base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def hmac_signed(token: str, secret: bytes) -> str:
    """Return the token signed HS256 with the public key as the secret (algorithm confusion)."""
    header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    signed = f"{base64url(json.dumps(header | {'alg': 'HS256'}).encode())}.{token.split('.')[1]}"
    return f"{signed}.{base64url(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def test_a_token_says_who_it_was_issued_for(key, caller):
    who = caller(Role.CITIZEN, patient="ana", organisation="", scopes=("patient/*.rs",), node=None)
    token = issue(key, who, TERMS, now=NOW)
    found = verify(key, token, TERMS, now=NOW)
    assert found.expires_at == NOW + timedelta(seconds=300)
    assert (found.caller.patient, found.caller.role, found.caller.scopes) == (
        "ana",
        "citizen",
        ("patient/*.rs",),
    )
    assert found.caller.token_id


@pytest.mark.parametrize("assurance", [None, *Assurance])
def test_a_token_says_how_sure_the_log_in_was(key, caller, assurance):
    token = issue(key, caller(assurance=assurance), TERMS, now=NOW)
    assert verify(key, token, TERMS, now=NOW).caller.assurance is assurance


@pytest.mark.parametrize("seconds", [300, 301, 100_000])
def test_an_expired_token_is_refused(key, caller, seconds):
    token = issue(key, caller(), TERMS, now=NOW)
    with pytest.raises(NotAuthenticated):
        verify(key, token, TERMS, now=NOW + timedelta(seconds=seconds))


@pytest.mark.parametrize(("seconds_early", "accepted"), [(0, True), (59, True), (61, False)])
def test_clocks_may_differ_by_the_tolerance(key, caller, seconds_early, accepted):
    token = issue(key, caller(), TERMS, now=NOW)
    now = NOW - timedelta(seconds=seconds_early)
    if accepted:
        verify(key, token, TERMS, now=now)
    else:
        with pytest.raises(NotAuthenticated):
            verify(key, token, TERMS, now=now)


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({"typ": "JWT"}, {}),
        ({"typ": "refresh+jwt"}, {}),
        ({"kid": "another"}, {}),
        ({}, {"iss": "https://other.test"}),
        ({}, {"aud": "https://other.test"}),
        ({}, {"aud": ["https://node.test", "https://other.test"]}),
        ({}, {"exp": ...}),
        ({}, {"exp": "9999999999"}),
        ({}, {"role": "king"}),
        ({}, {"purpose": "MARKETING"}),
        ({}, {"jti": ...}),
    ],
)
def test_a_signed_token_that_is_no_access_token_of_this_node_is_refused(key, caller, header, claims):
    token = resign(key, issue(key, caller(), TERMS, now=NOW), header=header, **claims)
    with pytest.raises(NotAuthenticated):
        verify(key, token, TERMS, now=NOW)


def test_another_key_or_algorithm_is_refused(key, caller):
    token = issue(key, caller(), TERMS, now=NOW)
    public = key.as_pem(private=False)
    other = ECKey.generate_key("P-256", parameters={"kid": key.kid})
    header, payload, _ = token.split(".")
    unsigned = base64url(json.dumps({"alg": "none", "typ": "at+jwt"}).encode())
    tampered = payload[:-4] + ("AAAA" if payload[-4:] != "AAAA" else "BBBB")
    forged = [
        resign(key, token, signing_key=other),
        hmac_signed(token, public),
        f"{unsigned}.{payload}.",
        f"{header}.{tampered}.{token.split('.')[2]}",
        "nonsense",
        "a.b.c",
        "",
        "é" * 40,
        "x" * 10_000,
    ]
    for one in forged:
        with pytest.raises(NotAuthenticated):
            verify(key, one, TERMS, now=NOW)


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic YWRtaW46YWRtaW4=", "bearer nonsense", "Bearer a b"]
)
def test_only_a_bearer_token_in_the_header_counts(key, header):
    with pytest.raises(NotAuthenticated):
        authenticate(Doorkeeper(key, TERMS, lambda: NOW, {}), header)


def test_a_remembered_token_still_expires_and_is_revoked_at_once(key, caller):
    present = [NOW]
    revoked: dict[str, datetime] = {}
    doorkeeper = Doorkeeper(key, TERMS, lambda: present[0], revoked)
    header = f"Bearer {issue(key, caller(), TERMS, now=NOW)}"
    again = f"Bearer {issue(key, caller(), TERMS, now=NOW)}"
    who = authenticate(doorkeeper, header)
    assert authenticate(doorkeeper, header) == who
    authenticate(doorkeeper, again)
    revoked[who.token_id] = NOW + timedelta(seconds=300)
    with pytest.raises(NotAuthenticated, match="revoked"):
        authenticate(doorkeeper, header)
    present[0] = NOW + timedelta(seconds=300)
    with pytest.raises(NotAuthenticated, match="expired"):
        authenticate(doorkeeper, again)


def test_an_apps_token_ends_with_the_consent_or_the_session_that_it_came_of(key, caller):
    revoked: dict[str, datetime] = {}
    doorkeeper = Doorkeeper(key, TERMS, lambda: NOW, revoked)
    person = caller(scopes=("patient/*.rs",), app="heart")
    ends = ("consent c-1", "app-session s-1")
    header = f"Bearer {issue(key, person, TERMS, now=NOW, client='heart', ends_with=ends)}"
    assert authenticate(doorkeeper, header).app == "heart"
    for name in ends:
        revoked.clear()
        assert authenticate(doorkeeper, header)
        revoked[name] = NOW + timedelta(seconds=300)
        with pytest.raises(NotAuthenticated, match="ended"):
            authenticate(doorkeeper, header)
