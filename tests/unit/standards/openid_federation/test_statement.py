"""An entity statement has the form of OpenID Federation 1.0 section 3, or is refused."""

import pytest
from joserfc.jwk import ECKey
from tests.unit.standards.openid_federation.federation import (
    ANCHOR,
    KEYS,
    LEAF,
    NOW,
    configuration,
    jwks,
    said,
    token,
)

from salus.core.errors import NotAuthenticated
from salus.standards.jose.compact import sign
from salus.standards.openid_federation.statement import check_form, read_statement, verify_statement

PRIVATE = {"keys": [KEYS[LEAF].as_dict(private=True) | {"kid": "k"}]}
MARK = {"trust_mark_type": "https://x.example/type", "trust_mark": "e30.e30.e30"}


def test_a_statement_about_oneself_is_a_configuration():
    own, other = read_statement(configuration()), read_statement(token(ANCHOR, LEAF))
    assert (own.is_configuration, own.subject, own.keys[0]["kid"]) == (True, LEAF, LEAF)
    assert (other.is_configuration, other.issuer, other.expires_at) == (False, ANCHOR, NOW + 3_600)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "node.example"},
        {"iss": "http://node.example"},
        {"iss": "https://node.example?x=1"},
        {"iss": "https://node.example#x"},
        {"sub": None},
        {"iat": None},
        {"exp": None},
        {"exp": "never"},
        {"jwks": None},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": [{"kty": "EC"}]}},
        {"jwks": {"keys": jwks(LEAF)["keys"] * 2}},
        {"jwks": PRIVATE},
        {"authority_hints": []},
        {"authority_hints": "https://anchor.example"},
        {"authority_hints": ["anchor"]},
        {"metadata": {"federation_entity": None}},
        {"metadata": {"federation_entity": {"contacts": None}}},
        {"metadata": []},
        {"crit": []},
        {"crit": ["iss"]},
        {"crit": ["unheard-of"], "unheard-of": 1},
        {"crit": ["jti"]},
        {"crit": [["jti"]], "jti": "x"},
        {"metadata_policy": {}},
        {"metadata_policy_crit": ["regexp"]},
        {"constraints": {}},
        {"source_endpoint": "https://node.example/fetch"},
        {"aud": "https://op.example"},
        {"trust_anchor": "https://anchor.example"},
        {"trust_marks": [{"trust_mark": "x"}]},
        {"trust_marks": {}},
        {"trust_mark_issuers": {"type": "https://x.example"}},
        {"trust_mark_owners": {"type": {"sub": "https://x.example"}}},
    ],
)
def test_a_configuration_that_breaks_a_rule_is_refused(changes):
    with pytest.raises(NotAuthenticated):
        check_form(said(LEAF, LEAF, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"authority_hints": [ANCHOR]},
        {"trust_marks": [MARK]},
        {"trust_mark_issuers": {}},
        {"metadata_policy": []},
        {"metadata_policy_crit": ["regexp"]},
        {"metadata_policy_crit": ["value"]},
        {"metadata_policy_crit": []},
        {"constraints": []},
    ],
)
def test_a_subordinate_statement_that_breaks_a_rule_is_refused(changes):
    with pytest.raises(NotAuthenticated):
        check_form(said(ANCHOR, LEAF, **changes))


def test_a_statement_may_call_critical_what_is_understood():
    assert check_form(said(ANCHOR, LEAF, crit=["jti"], jti="x")).subject == LEAF


def test_a_node_on_this_machine_has_an_address_without_tls():
    assert check_form(said(ANCHOR, LEAF, sub="http://127.0.0.1:8001")).subject == "http://127.0.0.1:8001"


@pytest.mark.parametrize("seconds", [-61, 3_660])
def test_a_statement_counts_in_its_time(seconds):
    keys = jwks(LEAF)["keys"]
    assert verify_statement(configuration(), keys, now=NOW + 60, skew_seconds=60).subject == LEAF
    with pytest.raises(NotAuthenticated):
        verify_statement(configuration(), keys, now=NOW + seconds, skew_seconds=60)


def test_only_a_key_of_its_issuer_signs_a_statement():
    keys = jwks(LEAF)["keys"]
    for text in (
        configuration(key=ECKey.generate_key("P-384")),
        configuration(kid="other"),
        sign(said(LEAF, LEAF), KEYS[LEAF], kid=LEAF),
    ):
        with pytest.raises(NotAuthenticated):
            verify_statement(text, keys, now=NOW, skew_seconds=60)
