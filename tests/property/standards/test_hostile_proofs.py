"""Whatever another node signs, it is understood or refused: proofs, chains, the status of a mark."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.property.standards.test_hostile_trust import JSON, KEY, NOW, OBJECTS, PUBLIC, understood_or_refused
from tests.unit.federation.test_chains import AT, EE, own, top

from salus.federation.entity import metadata_of, vouched_for
from salus.standards.jose.signature import sign_payload
from salus.standards.openid_federation.chain import TrustChain
from salus.standards.openid_federation.responses import read_status
from salus.standards.openid_federation.statement import read_statement
from salus.standards.smart.dpop import check_proof

CONFIGURATION, ANCHOR = read_statement(own()), read_statement(top())


@given(OBJECTS, OBJECTS)
def test_any_proof_is_believed_or_refused(header, claims):
    named = {"typ": "dpop+jwt", "jwk": PUBLIC}
    said = {"htm": "GET", "htu": "https://a.example", "iat": NOW, "jti": "j"}
    for head, body in ((named | header, said | claims), (header, claims), (named, said | claims)):
        token = sign_payload(msgspec.json.encode(body), {**head, "alg": "ES256"}, KEY)
        asked = {"method": "GET", "addresses": ["https://a.example"], "now": NOW, "skew_seconds": 60}
        understood_or_refused(check_proof, token, **asked)


@given(OBJECTS)
def test_any_status_is_read_or_refused(claims):
    token = sign_payload(
        msgspec.json.encode(claims),
        {"alg": "ES256", "kid": "k", "typ": "trust-mark-status-response+jwt"},
        KEY,
    )
    asked = {"mark": "a", "issuer": "https://a.example", "now": NOW, "seconds": 60}
    understood_or_refused(read_status, token, [PUBLIC], **asked)


@given(
    st.sampled_from(["health_node", "oauth_client", "federation_entity"]),
    st.sampled_from(["jwks", "node"]),
    JSON,
)
@settings(max_examples=60)
def test_whatever_a_member_says_of_itself_is_understood_or_refused(kind, name, found):
    metadata = metadata_of(EE)
    metadata[kind] = metadata[kind] | {name: found}
    chain = TrustChain(EE.base_url, ANCHOR.subject, (), metadata, CONFIGURATION, (), AT)
    understood_or_refused(vouched_for, EE, chain, ANCHOR, now=AT, skew_seconds=60)
