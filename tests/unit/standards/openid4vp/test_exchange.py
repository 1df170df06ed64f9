"""A wallet is asked and answers: signed request, encrypted answer, verified credentials (OpenID4VP, HAIP)."""

from itertools import count

import msgspec
import pytest
from joserfc.jwk import ECKey
from tests.unit.standards.jose.authority import NOW, certificate, key

from salus.core.errors import MalformedContent, NotAuthenticated, WalletRefused
from salus.standards.jose.certificates import write_chain
from salus.standards.jose.compact import sign, unverified
from salus.standards.jose.encryption import seal_agreed
from salus.standards.openid4vp.query import read_query
from salus.standards.openid4vp.request import Request, client_id_of, read_request, sign_request
from salus.standards.openid4vp.response import (
    Answer,
    answering,
    open_answer,
    seal_answer,
    verify_answer,
)
from salus.standards.sdjwt.issuing import Hidden, issue
from salus.standards.sdjwt.presentation import Binding, present

ROOT_KEY, VERIFIER_KEY = key(), key()
ROOT = certificate("register", ROOT_KEY, "register", ROOT_KEY, is_ca=True)
LEAF = certificate("node.example", VERIFIER_KEY, "register", ROOT_KEY)
SIGNER = ECKey.import_key(VERIFIER_KEY)
ANSWER_KEY = ECKey.generate_key("P-256")
ISSUER, HOLDER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
PID, ROLE = "urn:eudi:pid:1", "urn:example:professional:1"
ISSUERS = {"https://pid.example": [ISSUER.as_dict(private=False) | {"kid": "k"}]}
QUERY = {
    "credentials": [
        {
            "id": "pid",
            "format": "dc+sd-jwt",
            "meta": {"vct_values": [PID]},
            "claims": [{"path": ["given_name"]}],
        },
        {"id": "role", "format": "dc+sd-jwt", "meta": {"vct_values": [ROLE]}, "claims": [{"path": ["role"]}]},
    ],
    "credential_sets": [{"options": [["pid"]]}, {"options": [["role"]], "required": False}],
}
REQUEST = Request(
    client_id=client_id_of(LEAF),
    response_uri="https://node.example/wallet/answer",
    nonce="nonce-1",
    state="state-1",
    query=read_query(QUERY),
    encryption_key=ANSWER_KEY.as_dict(private=False) | {"kid": "e", "alg": "ECDH-ES", "use": "enc"},
)


def asked(token=None, client_id=REQUEST.client_id, now=NOW):
    text = token or sign_request(REQUEST, SIGNER, [LEAF], now=NOW)
    return read_request(text, client_id=client_id, anchors=[ROOT], now=now)


def held(vct, **claims):
    salts = (f"salt-{number}" for number in count())
    hidden = {name: Hidden(one) for name, one in claims.items()}
    members = {"iss": "https://pid.example", "vct": vct, "iat": int(NOW), **hidden}
    return issue(members, ISSUER, kid="k", salts=salts, holder=HOLDER.as_dict(private=False))


def shown(text, *names, request=REQUEST):
    binding = Binding(request.client_id, request.nonce)
    return present(text, frozenset((name,) for name in names), HOLDER, binding, now=NOW)


def verified(presentations, request=REQUEST):
    answer = open_answer(seal_answer(presentations, request), ANSWER_KEY, kid="e")
    return verify_answer(answer, REQUEST, issuers=ISSUERS, now=NOW)


def test_the_wallet_reads_what_the_verifier_asks():
    assert msgspec.structs.replace(asked(), encryption_key={}) == msgspec.structs.replace(
        REQUEST, encryption_key={}
    )
    assert asked().encryption_key == REQUEST.encryption_key
    claims = unverified(sign_request(REQUEST, SIGNER, [LEAF], now=NOW), size_max=100_000).claims
    assert claims["response_mode"] == "direct_post.jwt"
    assert "redirect_uri" not in claims


def test_the_wallet_answers_and_the_verifier_learns_what_was_shown():
    pid, role = held(PID, given_name="Ebba", family_name="Lind"), held(ROLE, role="physician")
    found = verified({"pid": [shown(pid, "given_name")], "role": [shown(role, "role")]})
    assert found["pid"][0].claims["given_name"] == "Ebba"
    assert "family_name" not in found["pid"][0].claims
    assert found["role"][0].claims["role"] == "physician"
    assert verified({"pid": [shown(pid, "given_name")]}).keys() == {"pid"}


def test_a_wallet_chooses_what_answers():
    credentials = {"mine": {"vct": PID, "given_name": "Ebba"}, "other": {"vct": "urn:other", "role": "x"}}
    assert answering(REQUEST.query, credentials) == {"pid": "mine"}
    assert answering(REQUEST.query, credentials | {"job": {"vct": ROLE, "role": "x"}}) == {
        "pid": "mine",
        "role": "job",
    }
    with pytest.raises(MalformedContent):
        answering(REQUEST.query, {"job": {"vct": ROLE, "role": "x"}})


@pytest.mark.parametrize(
    ("presentations", "why"),
    [
        ({}, "vp_token|missing|none of"),
        ({"pid": [shown(held(PID, given_name="Ebba"))]}, "lacks a claim"),
        ({"pid": [shown(held(ROLE, given_name="Ebba"), "given_name")]}, "vct"),
        ({"role": [shown(held(ROLE, role="x"), "role")]}, "none of the credentials pid"),
        ({"pid": [shown(held(PID, given_name="Ebba"), "given_name")] * 2}, "several came"),
        (
            {"pid": [shown(held(PID, given_name="Ebba"), "given_name")], "more": ["x~"]},
            "not asked for",
        ),
    ],
)
def test_an_answer_that_does_not_fit_the_query_is_refused(presentations, why):
    with pytest.raises(NotAuthenticated, match=why):
        verified(presentations)


@pytest.mark.parametrize(
    "changed", [{"nonce": "nonce-2"}, {"client_id": "x509_hash:other"}, {"state": "state-2"}]
)
def test_an_answer_to_another_request_is_refused(changed):
    other = msgspec.structs.replace(REQUEST, **changed)
    with pytest.raises(NotAuthenticated):
        verified({"pid": [shown(held(PID, given_name="Ebba"), "given_name", request=other)]}, other)


def sealed(members, kid="e", enc="A256GCM"):
    body = members if isinstance(members, bytes) else msgspec.json.encode(members)
    return seal_agreed(body, REQUEST.encryption_key, enc=enc, headers={"kid": kid})


@pytest.mark.parametrize(
    ("token", "error"),
    [
        (sealed({"error": "access_denied"}), WalletRefused),
        (sealed({"state": "s"}), MalformedContent),
        (sealed({"state": "s", "vp_token": {"pid": "x~"}}), MalformedContent),
        (sealed({"state": "s", "vp_token": {"pid": []}}), MalformedContent),
        (sealed({"state": "s", "vp_token": {"pid": [1]}}), MalformedContent),
        (sealed({"state": "s", "vp_token": ["x~"]}), MalformedContent),
        (sealed(b"[]"), MalformedContent),
        (sealed({"state": "s", "vp_token": {}}, kid="f"), NotAuthenticated),
        ("x.y.z", NotAuthenticated),
        ('{"vp_token":{}}', NotAuthenticated),
    ],
    ids=count(),
)
def test_what_is_no_answer_is_refused(token, error):
    with pytest.raises(error):
        open_answer(token, ANSWER_KEY, kid="e")


def test_a_credential_in_a_format_that_is_not_verified_here_is_refused():
    query = read_query(
        {
            "credentials": [
                {"id": "pid", "format": "mso_mdoc", "meta": {"doctype_value": "org.iso.18013.5.1.mDL"}}
            ]
        }
    )
    request = msgspec.structs.replace(REQUEST, query=query)
    with pytest.raises(NotAuthenticated, match="format"):
        verify_answer(Answer("state-1", {"pid": ("x~",)}), request, issuers=ISSUERS, now=NOW)


def forged(changes=None, *, chain=(LEAF,), signer=SIGNER, typ="oauth-authz-req+jwt"):
    claims = unverified(sign_request(REQUEST, SIGNER, [LEAF], now=NOW), size_max=100_000).claims | (
        changes or {}
    )
    headers = {"x5c": write_chain(chain)} if chain else {}
    return sign({k: v for k, v in claims.items() if v is not None}, signer, kid="", typ=typ, headers=headers)


OTHER_KEY = key()
STRANGER = certificate("evil.example", OTHER_KEY, "evil", OTHER_KEY)
REGISTERED = certificate("other.example", OTHER_KEY, "register", ROOT_KEY)


@pytest.mark.parametrize(
    "token",
    [
        forged(typ="JWT"),
        forged(chain=()),
        forged(chain=(STRANGER,), signer=ECKey.import_key(OTHER_KEY)),
        forged(chain=(REGISTERED,), signer=ECKey.import_key(OTHER_KEY)),
        forged(signer=ECKey.import_key(OTHER_KEY)),
        forged({"client_id": "x509_hash:other"}),
        forged({"aud": "https://node.example"}),
        forged({"exp": NOW}),
        forged({"exp": None}),
        forged({"response_mode": "direct_post"}),
        forged({"response_type": "code"}),
        forged({"nonce": None}),
        forged({"redirect_uri": "https://evil.example"}),
        forged({"dcql_query": None}),
        forged({"client_metadata": {}}),
        forged({"client_metadata": {"jwks": {"keys": [{"kty": "RSA"}]}}}),
    ],
    ids=count(),
)
def test_a_wallet_does_not_answer_a_request_that_breaks_a_rule(token):
    with pytest.raises((NotAuthenticated, MalformedContent)):
        asked(token)


def test_a_wallet_called_by_another_name_does_not_answer():
    with pytest.raises(NotAuthenticated):
        asked(client_id="x509_hash:other")
    with pytest.raises(NotAuthenticated):
        asked(now=NOW + 301)
