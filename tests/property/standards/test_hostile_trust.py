"""Whatever signed JSON says, it is understood or refused: nothing else is ever raised."""

import math
from datetime import UTC, datetime
from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from salus.core.errors import SalusError
from salus.standards.healthlinks.card import read_card
from salus.standards.healthlinks.link import check_payload
from salus.standards.healthlinks.manifest import read_manifest
from salus.standards.jose import compact
from salus.standards.jose.certificates import certified_key
from salus.standards.jose.encoding import decode, deflate, encode, inflate, read_json
from salus.standards.jose.encryption import ENCRYPTIONS, open_agreed, open_direct, seal_agreed
from salus.standards.jose.keys import fitting, public_key
from salus.standards.jose.signature import SIGNATURES, check_signature, sign_payload, take_apart
from salus.standards.openid4vp.evaluation import select, wanted
from salus.standards.openid4vp.query import read_query
from salus.standards.openid4vp.response import open_answer
from salus.standards.openid_federation import trust_mark
from salus.standards.openid_federation.chain import resolve
from salus.standards.openid_federation.policy import apply, merge
from salus.standards.openid_federation.statement import check_form
from salus.standards.sdjwt.credential import verify_credential
from salus.standards.sdjwt.disclosures import process
from salus.standards.sdjwt.issuing import Hidden, issue
from salus.standards.sdjwt.presentation import Binding, present
from salus.standards.sdjwt.status_list import read_status_list, status_of
from salus.standards.smart.scopes import covers, parse_scope

KEY = ECKey.generate_key("P-256")
PUBLIC = KEY.as_dict(private=False) | {"kid": "k"}
NOW = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
BINDING = Binding("v", "n")

NAMES = """
a iss sub aud iat exp nbf jti cnf jwk jwks keys vct status status_list uri idx bits lst _sd _sd_alg ...
crit kid alg enc zip epk x5c typ kty crv x y n e use key_ops metadata metadata_policy
metadata_policy_crit constraints max_path_length naming_constraints permitted excluded
allowed_entity_types authority_hints trust_marks trust_mark_type trust_mark trust_mark_issuers
trust_mark_owners value add default one_of subset_of superset_of essential credentials credential_sets
id format meta vct_values claims claim_sets path values options required url key flag label v files
contentType embedded location vc type credentialSubject fhirBundle scope
"""
WORDS = st.sampled_from(
    [
        "",
        "a",
        "https://a.example",
        "sha-256",
        "ES256",
        "EC",
        "P-256",
        "dc+sd-jwt",
        "sig",
        "verify",
        encode(b"x" * 32),
    ]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2**70), st.floats(allow_nan=False), WORDS, st.text(max_size=3)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES.split()), inner, max_size=5)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES.split()), JSON, max_size=8)


def understood_or_refused(read, *arguments, **named):
    try:
        return read(*arguments, **named)
    except SalusError:
        return None


@pytest.mark.parametrize(
    "read",
    [
        check_form,
        trust_mark.check_form,
        status_of,
        read_query,
        read_manifest,
        fitting,
        public_key,
        lambda found: check_payload(found, now=NOW),
        lambda found: process(found, []),
        lambda found: merge([found, found]),
        lambda found: apply(merge([{"t": {"p": found}}]), {"t": {"p": found.get("a")}}),
        lambda found: certified_key(found.get("x5c"), anchors=[], now=NOW),
        lambda found: select(found, ("a", None, 0)),
    ],
    ids=count(),
)
@given(OBJECTS)
def test_any_object_is_read_or_refused(read, found):
    understood_or_refused(read, found)


@given(OBJECTS, OBJECTS)
def test_any_signed_header_and_claims_are_read_or_refused(header, claims):
    understood_or_refused(status_of, claims)
    for token in (
        sign_payload(msgspec.json.encode(claims), {**header, "alg": "ES256"}, KEY),
        f"{encode(msgspec.json.encode(header))}.{encode(msgspec.json.encode(claims))}.AAAA",
    ):
        parts = understood_or_refused(take_apart, token)
        if parts is not None:
            understood_or_refused(check_signature, parts, PUBLIC, algorithms=SIGNATURES)
        understood_or_refused(read_status_list, token, [PUBLIC], uri="https://a.example", now=NOW)
        credential = token + "~"
        named = {"issuers": {"https://a.example": [PUBLIC]}, "types": frozenset({"a"}), "now": NOW}
        understood_or_refused(verify_credential, credential, binding=None, **named)
        understood_or_refused(verify_credential, credential, binding=BINDING, **named)


GOOD = {"iss": "https://a.example", "vct": "a", "iat": 1, "cnf": {"jwk": PUBLIC}}


@given(OBJECTS, st.lists(JSON, max_size=3))
def test_a_credential_whose_claims_are_odd_is_read_or_refused(claims, disclosures):
    token = compact.sign({**GOOD, **claims}, KEY, kid="k", typ="dc+sd-jwt")
    texts = [encode(msgspec.json.encode(one)) for one in disclosures]
    named = {"issuers": {"https://a.example": [PUBLIC]}, "types": frozenset({"a"}), "now": NOW}
    understood_or_refused(verify_credential, "~".join([token, *texts, ""]), binding=None, **named)
    bound = compact.sign(claims, KEY, kid="", typ="kb+jwt")
    good = compact.sign(GOOD, KEY, kid="k", typ="dc+sd-jwt")
    understood_or_refused(verify_credential, f"{good}~{bound}", binding=BINDING, **named)


@given(OBJECTS, OBJECTS)
def test_an_odd_answer_of_a_wallet_is_read_or_refused(header, members):
    sealed = seal_agreed(msgspec.json.encode(members), PUBLIC, enc="A256GCM", headers={"kid": "k"})
    understood_or_refused(open_answer, sealed, KEY, kid="k")
    odd = encode(msgspec.json.encode({"alg": "ECDH-ES", "enc": "A256GCM", **header}))
    token = ".".join([odd, *sealed.split(".")[1:]])
    understood_or_refused(open_agreed, token, KEY, encryptions=ENCRYPTIONS)
    understood_or_refused(open_direct, token, b"k" * 32, encryptions=ENCRYPTIONS)


@given(OBJECTS)
def test_an_odd_card_is_read_or_refused(claims):
    payload = deflate(msgspec.json.encode({"nbf": 1, "iss": "https://a.example", **claims}))
    understood_or_refused(read_card, sign_payload(payload, {"alg": "ES256", "zip": "DEF", "kid": "k"}, KEY))


@given(OBJECTS, OBJECTS, OBJECTS)
def test_odd_statements_resolve_or_are_refused(metadata, policy, constraints):
    base = {
        "iss": "https://a.example",
        "sub": "https://b.example",
        "iat": 1,
        "exp": 2,
        "jwks": {"keys": [PUBLIC]},
    }
    said = base | {"metadata": metadata, "metadata_policy": policy, "constraints": constraints}
    statement = understood_or_refused(check_form, said)
    if statement is not None:
        understood_or_refused(resolve, {"t": {"a": 1}}, [statement])


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body):
    text = body.decode("latin-1")
    understood_or_refused(decode, text)
    understood_or_refused(read_json, body)
    understood_or_refused(inflate, body, bytes_max=100)
    understood_or_refused(take_apart, text)
    understood_or_refused(open_agreed, text, KEY, encryptions=ENCRYPTIONS)
    scope = understood_or_refused(parse_scope, f"patient/Observation.rs?{text}")
    if scope is not None:
        covers([scope], "r", {"resourceType": "Observation", "id": "o", "status": "final"})


CLAIMS = st.recursive(
    SCALARS.filter(lambda one: not isinstance(one, float) or math.isfinite(one)),
    lambda inner: st.one_of(
        st.lists(st.one_of(inner, inner.map(Hidden)), max_size=3),
        st.dictionaries(st.sampled_from("abcd"), st.one_of(inner, inner.map(Hidden)), max_size=3),
    ),
    max_leaves=12,
)


def plain(claims, shown, place=()):
    """Return what is seen of marked claims, read straight off the marks."""
    if isinstance(claims, Hidden):
        return plain(claims.content, shown, place)
    if isinstance(claims, dict):
        members = {k: one for k, one in claims.items() if not isinstance(one, Hidden) or (*place, k) in shown}
        return {k: plain(one, shown, (*place, k)) for k, one in members.items()}
    if isinstance(claims, list):
        kept = [
            (n, one) for n, one in enumerate(claims) if not isinstance(one, Hidden) or (*place, n) in shown
        ]
        return [plain(one, shown, (*place, n)) for n, one in kept]
    return claims


def places(claims, place=()):
    """Return the places of all marks."""
    content = claims.content if isinstance(claims, Hidden) else claims
    inner = (
        content.items()
        if isinstance(content, dict)
        else enumerate(content)
        if isinstance(content, list)
        else ()
    )
    found = {place} if isinstance(claims, Hidden) else set()
    return found.union(*(places(one, (*place, key)) for key, one in inner))


@given(st.dictionaries(st.sampled_from("abcd"), st.one_of(CLAIMS, CLAIMS.map(Hidden)), max_size=4), st.data())
def test_what_is_issued_hidden_and_shown_is_what_is_seen(claims, data):
    marks = sorted(places(claims), key=repr)
    chosen = set(data.draw(st.lists(st.sampled_from(marks), unique=True))) if marks else set()
    shown = {mark for mark in marks if any(one[: len(mark)] == mark for one in chosen)}
    salts = (f"salt-{number}" for number in count())
    members = {"iss": "https://a.example", "vct": "a"} | claims
    text = issue(members, KEY, kid="k", salts=salts, holder=PUBLIC)
    bound = present(text, frozenset(chosen), KEY, BINDING, now=NOW)
    named = {"issuers": {"https://a.example": [PUBLIC]}, "types": frozenset({"a"})}
    seen = verify_credential(bound, binding=BINDING, now=NOW, **named).claims
    assert {k: one for k, one in seen.items() if k in "abcd"} == plain(claims, shown)


@given(OBJECTS)
def test_a_query_that_is_read_can_be_asked_of_anything(found):
    query = understood_or_refused(
        read_query, {"credentials": [{"id": "a", "format": "x", "meta": {}, **found}]}
    )
    if query is not None:
        wanted(query.credentials[0], found)
