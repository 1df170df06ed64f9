"""A proof is for one request, one token and one key, and for a minute (RFC 9449)."""

import pytest
from joserfc.jwk import ECKey, OctKey

from salus.core.errors import ProofRefused
from salus.standards.jose.compact import sign
from salus.standards.smart.dpop import check_proof, make_proof, token_hash

NOW = 1_796_000_000
KEY = ECKey.generate_key("P-256")
OTHER = ECKey.generate_key("P-256")
ADDRESS = "https://pt.example/fhir/Patient/1"
PUBLIC = {name: KEY.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}


def proof(*, key=KEY, typ="dpop+jwt", jwk=PUBLIC, **changes):
    claims = {"jti": "j1", "htm": "GET", "htu": ADDRESS, "iat": NOW, "ath": token_hash("t0")} | changes
    present = {name: one for name, one in claims.items() if one is not None}
    return sign(present, key, kid="", typ=typ, headers={} if jwk is None else {"jwk": jwk})


def check(text, *, method="GET", address=ADDRESS, token="t0", now=NOW):
    return check_proof(text, method=method, addresses=[address], now=now, skew_seconds=60, token=token)


# RFC 9449, section 4.2: the proof of the specification's own example, and its key's thumbprint (section 6.1).
RFC_PROOF = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpD"
    "a0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6"
    "IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGU"
    "uY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NV"
    "Y-FNyJK70nfbV37xRZT3Lg"
)


def test_the_example_of_the_specification_holds():
    found = check(
        RFC_PROOF, method="POST", address="https://server.example.com/token", token="", now=1562262616
    )
    assert found.key == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
    assert found.jti == "-BwC3ESc6acc2lTc"


def test_what_is_made_is_believed():
    made = make_proof(KEY, "GET", ADDRESS + "?_count=2", jti="j2", now=NOW, token="t0")
    found = check(made)
    assert found.jti == "j2"
    assert found.key == KEY.thumbprint()
    assert found.expires_at == NOW + 120


def test_it_names_the_request_of_its_sender_where_there_is_one():
    assert (
        check(make_proof(KEY, "GET", ADDRESS, jti="j", now=NOW, token="t0", request="a1-b")).request == "a1-b"
    )
    assert check(proof()).request == ""


@pytest.mark.parametrize("request_id", ["a b", "a/b", "x" * 65, 7, ["a"], "é"])
def test_what_it_calls_the_request_is_an_id_and_nothing_else(request_id):
    with pytest.raises(ProofRefused, match="request_id"):
        check(proof(request_id=request_id))


@pytest.mark.parametrize(
    "htu",
    [
        "HTTPS://PT.EXAMPLE/fhir/Patient/1",
        "https://pt.example:443/fhir/Patient/1",
        ADDRESS + "?a=b",
        ADDRESS + "#x",
    ],
)
def test_an_address_may_be_spelled_otherwise(htu):
    check(proof(htu=htu))


@pytest.mark.parametrize("iat", [NOW - 119, NOW + 60])
def test_clocks_may_differ(iat):
    check(proof(iat=iat))


SYMMETRIC = OctKey.generate_key(256).as_dict(private=True)
REFUSED = {
    "another method": (proof(htm="POST"), "htm"),
    "another method's case": (proof(htm="get"), "htm"),
    "another address": (proof(htu="https://pt.example/fhir/Patient/2"), "htu"),
    "another node": (proof(htu="https://ee.example/fhir/Patient/1"), "htu"),
    "another port": (proof(htu="https://pt.example:8443/fhir/Patient/1"), "htu"),
    "a port that is none": (proof(htu="https://pt.example:x/fhir/Patient/1"), "htu"),
    "no address": (proof(htu=None), "htu"),
    "too old": (proof(iat=NOW - 120), "iat"),
    "of the future": (proof(iat=NOW + 61), "iat"),
    "no time": (proof(iat=None), "iat"),
    "another token": (proof(ath=token_hash("t1")), "ath"),
    "no token": (proof(ath=None), "ath"),
    "no jti": (proof(jti=None), "jti"),
    "an endless jti": (proof(jti="x" * 129), "jti"),
    "signed by another key": (proof(key=OTHER), "signature"),
    "another type": (proof(typ="JWT"), "typ"),
    "no key": (proof(jwk=None), "jwk"),
    "a private key": (proof(jwk=KEY.as_dict(private=True)), "public key"),
    "a shared secret": (proof(jwk=SYMMETRIC), "public key"),
    "an access token": ("eyJhbGciOiJub25lIn0.e30.", "cannot be believed"),
    "nonsense": ("x", "cannot be believed"),
    "nothing": ("", "cannot be believed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_any_other_proof_is_refused(name):
    text, rule = REFUSED[name]
    with pytest.raises(ProofRefused, match=rule):
        check(text)
