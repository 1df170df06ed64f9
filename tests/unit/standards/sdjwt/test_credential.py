"""A credential counts when issuer, type, time and holder are right (SD-JWT VC; RFC 9901 section 7.3)."""

from itertools import count

import pytest
from cryptography import x509
from joserfc.jwk import ECKey
from tests.unit.standards.jose.authority import certificate, key

from salus.core.errors import NotAuthenticated
from salus.standards.jose.compact import sign
from salus.standards.jose.encoding import encode
from salus.standards.sdjwt.credential import verify_credential
from salus.standards.sdjwt.issuing import Hidden, issue
from salus.standards.sdjwt.presentation import Binding, present, split
from salus.standards.sdjwt.status_list import StatusReference

NOW = 1_790_000_000  # in September 2026, when the authority's certificates are valid
ISSUER, HOLDER, THIEF = (ECKey.generate_key("P-256") for _ in range(3))
PID = "urn:eudi:pid:1"
BINDING = Binding("x509_hash:abc", "nonce-1")
ISSUERS = {"https://pid.example": [ISSUER.as_dict(private=False) | {"kid": "k"}]}
CLAIMS = {
    "iss": "https://pid.example",
    "vct": PID,
    "iat": NOW - 100,
    "exp": NOW + 1_000,
    "given_name": Hidden("Ebba"),
    "birthdate": Hidden("1971-02-03"),
    "status": {"status_list": {"uri": "https://pid.example/status/1", "idx": 7}},
}


def issued(changes=None, *, holder=HOLDER, typ="dc+sd-jwt", key=ISSUER, kid="k"):
    claims = {name: one for name, one in {**CLAIMS, **(changes or {})}.items() if one is not None}
    salts = (f"salt-{number}" for number in count())
    public = holder.as_dict(private=False) if holder else None
    return issue(claims, key, kid=kid, salts=salts, holder=public, typ=typ)


def shown(text, *names, key=HOLDER, binding=BINDING, now=NOW):
    return present(text, frozenset((name,) for name in names), key, binding, now=now)


def verified(text, *, binding=BINDING, now=NOW):
    return verify_credential(text, issuers=ISSUERS, types=frozenset({PID}), binding=binding, now=now)


def test_a_right_presentation_shows_what_its_holder_chose():
    found = verified(shown(issued(), "given_name"))
    assert (found.issuer, found.type, found.expires_at) == ("https://pid.example", PID, NOW + 1_000)
    assert found.claims["given_name"] == "Ebba"
    assert "birthdate" not in found.claims
    assert found.holder == HOLDER.as_dict(private=False)
    assert found.status == StatusReference("https://pid.example/status/1", 7)


@pytest.mark.parametrize(
    ("changes", "options", "why"),
    [
        ({"iss": "https://other.example"}, {}, "issuer"),
        ({"iss": None}, {}, "issuer"),
        ({"iss": ["https://pid.example"]}, {}, "issuer"),
        ({"vct": "urn:other"}, {}, "vct"),
        ({"vct": None}, {}, "vct"),
        ({"exp": NOW - 60}, {}, "expired"),
        ({"exp": "soon"}, {}, "exp"),
        ({"nbf": NOW + 61}, {}, "not valid yet"),
        ({"iat": NOW + 61}, {}, "issued in the future"),
        ({"vct#integrity": Hidden("x")}, {}, "selectively disclosed"),
        ({"nbf": Hidden(NOW - 1)}, {}, "selectively disclosed"),
        ({"status": {"status_list": {"uri": "ftp://x", "idx": 0}}}, {}, "status"),
        ({"status": {"status_list": {"uri": "https://x.example/1", "idx": -1}}}, {}, "status"),
        ({"status": {}}, {}, "status"),
        ({}, {"holder": None}, "cnf"),
        ({}, {"typ": "JWT"}, "typ"),
        ({}, {"typ": "vc+sd-jwt"}, "typ"),
        ({}, {"key": THIEF}, "signature"),
        ({}, {"kid": "z"}, "kid"),
    ],
)
def test_a_credential_that_breaks_a_rule_is_refused(changes, options, why):
    names = ("given_name", "nbf", "vct#integrity")
    with pytest.raises(NotAuthenticated, match=why):
        verified(shown(issued(changes, **options), *names))


@pytest.mark.parametrize(
    ("binding", "key", "now", "why"),
    [
        (Binding("other", "nonce-1"), HOLDER, NOW, "aud"),
        (Binding("x509_hash:abc", "old"), HOLDER, NOW, "nonce"),
        (BINDING, THIEF, NOW, "signature"),
        (BINDING, HOLDER, NOW - 361, "too old"),
        (BINDING, HOLDER, NOW + 61, "future"),
        (None, None, NOW, "not bound"),
    ],
)
def test_a_presentation_by_another_or_for_another_request_is_refused(binding, key, now, why):
    with pytest.raises(NotAuthenticated, match=why):
        verified(shown(issued(), "given_name", key=key, binding=binding, now=now))


def test_disclosures_added_or_taken_away_after_binding_are_refused():
    text = issued()
    few, many = split(shown(text, "given_name")), split(shown(text, "given_name", "birthdate"))
    for parts, binding in ((few, many.key_binding), (many, few.key_binding)):
        with pytest.raises(NotAuthenticated, match="sd_hash"):
            verified(parts.bound + binding)


@pytest.mark.parametrize(
    ("typ", "said"),
    [("JWT", {}), ("kb+jwt", {"sd_hash": None}), ("kb+jwt", {"iat": None}), ("kb+jwt", {"iat": "now"})],
)
def test_a_binding_of_another_form_is_refused(typ, said):
    parts = split(shown(issued(), "given_name"))
    claims = {
        "iat": NOW,
        "aud": BINDING.audience,
        "nonce": BINDING.nonce,
        "sd_hash": encode(b"x" * 32),
    } | said
    bound = sign({k: v for k, v in claims.items() if v is not None}, HOLDER, kid="", typ=typ)
    with pytest.raises(NotAuthenticated):
        verified(parts.bound + bound)


def test_where_no_binding_was_asked_for_none_is_taken():
    text = issued(holder=None)
    assert verified(shown(text, "given_name", key=None), binding=None).holder is None
    with pytest.raises(NotAuthenticated, match="not made"):
        verified(shown(issued(), "given_name"), binding=None)


def test_without_a_kid_the_only_key_of_the_issuer_counts():
    assert verified(shown(issued(kid=""))).issuer == "https://pid.example"


ROOT_KEY, CERTIFIED_KEY = key(), key()
ROOT = certificate("root", ROOT_KEY, "root", ROOT_KEY, is_ca=True)
NAMES = [x509.UniformResourceIdentifier("https://pid.example"), x509.DNSName("issuer.example")]
CERTIFICATE = certificate("issuer", CERTIFIED_KEY, "root", ROOT_KEY, names=NAMES)
TRUSTED = (("https://pid.example", ROOT), ("https://issuer.example", ROOT))


def certified(
    changes=None,
    chain=(CERTIFICATE,),
    signer=CERTIFIED_KEY,
    anchors=(("https://pid.example", ROOT), ("https://issuer.example", ROOT)),
):
    claims = {name: one for name, one in {**CLAIMS, **(changes or {})}.items() if one is not None}
    salts = (f"salt-{number}" for number in count())
    public = HOLDER.as_dict(private=False)
    text = issue(claims, ECKey.import_key(signer), kid="", salts=salts, holder=public, chain=chain)
    presented = shown(text, "given_name")
    return verify_credential(
        presented,
        issuers={},
        types=frozenset({PID}),
        binding=BINDING,
        now=NOW,
        anchors={issuer: [anchor] for issuer, anchor in anchors},
    )


@pytest.mark.parametrize(
    ("named", "issuer"),
    [
        ("https://pid.example", "https://pid.example"),
        ("https://issuer.example", "https://issuer.example"),
        (None, "https://pid.example"),
    ],
)
def test_an_issuer_may_be_known_by_its_certificate(named, issuer):
    assert certified({"iss": named}).issuer == issuer


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"iss": "https://other.example"}, {}),
        ({}, {"anchors": ()}),
        ({}, {"anchors": [("https://other.example", ROOT)]}),
        ({"iss": "https://issuer.example"}, {"anchors": [("https://pid.example", ROOT)]}),
        ({}, {"signer": ROOT_KEY}),
        ({}, {"chain": (certificate("issuer", CERTIFIED_KEY, "root", ROOT_KEY),)}),
        ({}, {"chain": (certificate("issuer", CERTIFIED_KEY, "root", CERTIFIED_KEY, names=NAMES),)}),
    ],
)
def test_a_certificate_of_another_name_or_authority_does_not_count(changes, options):
    with pytest.raises(NotAuthenticated):
        certified(changes, **options)


@pytest.mark.parametrize("text", ["", "a.b.c", "a.b.c~~", "~", "a~é~", "x" * 300_000])
def test_what_is_no_sd_jwt_is_refused(text):
    with pytest.raises(NotAuthenticated):
        verified(text)


def test_what_lies_on_the_way_to_a_claim_is_shown_along_with_it():
    text = issued({"address": Hidden({"street": Hidden("Sjögatan 1"), "city": Hidden("Lund")})})
    bound = present(text, frozenset({("address", "street")}), HOLDER, BINDING, now=NOW)
    assert verified(bound).claims["address"] == {"street": "Sjögatan 1"}
