"""SMART Health Cards are read, and count when their issuer signed them."""

import json
from itertools import count

import pytest
from joserfc.jwk import ECKey

from salus.core.errors import MalformedContent, NotAuthenticated
from salus.standards.healthlinks.card import read_card, read_file, read_numeric, verify_card
from salus.standards.jose.encoding import deflate
from salus.standards.jose.keys import thumbprint
from salus.standards.jose.signature import sign_payload

NOW = 1_790_000_000
ISSUER = "https://clinic.example"
KEY, OTHER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
PUBLIC = KEY.as_dict(private=False)
KID = thumbprint(PUBLIC)
SUBJECT = {"fhirVersion": "4.0.1", "fhirBundle": {"resourceType": "Bundle", "type": "collection"}}
CLAIMS = {
    "iss": ISSUER,
    "nbf": NOW - 10.5,
    "vc": {"type": ["https://smarthealth.cards#health-card"], "credentialSubject": SUBJECT},
}


def card(changes=None, *, header=None, key=KEY, pack=deflate):
    claims = {name: one for name, one in {**CLAIMS, **(changes or {})}.items() if one is not None}
    head = {"zip": "DEF", "alg": "ES256", "kid": KID, **(header or {})}
    return sign_payload(pack(json.dumps(claims).encode()), head, key)


def verified(token, keys=(PUBLIC | {"kid": KID},), issuer=ISSUER):
    return verify_card(token, keys, issuer=issuer, now=NOW)


def test_a_card_of_its_issuer_counts():
    found = verified(card())
    assert (found.issuer, found.fhir_version, found.expires_at) == (ISSUER, "4.0.1", None)
    assert found.bundle["resourceType"] == "Bundle"
    assert found.not_before == NOW - 10.5


@pytest.mark.parametrize(
    ("token", "options"),
    [
        (card(key=OTHER), {}),
        (card({"nbf": NOW + 61}), {}),
        (card({"exp": NOW - 60}), {}),
        (card(), {"issuer": "https://other.example"}),
        (card(), {"keys": ()}),
        (card(header={"kid": "named"}), {"keys": (PUBLIC | {"kid": "named"},)}),
        (card(header={"x5c": ["AAAA"]}), {}),
    ],
    ids=count(),
)
def test_a_card_of_another_or_of_another_time_does_not_count(token, options):
    with pytest.raises(NotAuthenticated):
        verified(token, **options)


@pytest.mark.parametrize(
    "token",
    [
        "",
        card(pack=bytes),
        card(header={"zip": "GZIP"}),
        card({"nbf": None}),
        card({"iss": "clinic.example"}),
        card({"iss": ISSUER + "/"}),
        card({"vc": None}),
        card({"vc": {"type": ["https://smarthealth.cards#health-card"]}}),
        card({"vc": {**CLAIMS["vc"], "type": ["other"]}}),
        card({"vc": {**CLAIMS["vc"], "credentialSubject": {"fhirBundle": {"resourceType": "Patient"}}}}),
        card({"vc": {**CLAIMS["vc"], "credentialSubject": {"fhirBundle": SUBJECT["fhirBundle"]}}}),
    ],
    ids=count(),
)
def test_what_is_no_card_is_refused(token):
    with pytest.raises(MalformedContent):
        read_card(token)


def numeric(token, chunks=1):
    digits = "".join(f"{ord(char) - 45:02}" for char in token)
    size = (len(token) // chunks + 1) * 2
    parts = [digits[place : place + size] for place in range(0, len(digits), size)]
    if chunks == 1:
        return [f"shc:/{digits}"]
    return [f"shc:/{number}/{chunks}/{part}" for number, part in enumerate(parts, start=1)]


def test_qr_codes_hold_the_card_in_any_order():
    token = card()
    assert read_numeric(numeric(token)) == token
    assert read_numeric(numeric(token, 3)[::-1]) == token


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [""],
        ["shc:/1"],
        ["shc:/99"],
        ["shc:/56", "shc:/56"],
        numeric(card(), 3)[:2],
        [*numeric(card(), 3), numeric(card(), 3)[0]],
        ["shc:/1/2/56", "shc:/2/3/56"],
        ["shc:/0/1/56"],
        ["shc:/1/1/٥٦"],
    ],
)
def test_codes_that_do_not_fit_together_are_refused(chunks):
    with pytest.raises(MalformedContent):
        read_numeric(chunks)


def test_a_file_holds_cards():
    assert read_file(b'{"verifiableCredential":["a.b.c"]}') == ("a.b.c",)
    for body in (b"{}", b'{"verifiableCredential":[]}', b'{"verifiableCredential":[1]}', b"x"):
        with pytest.raises(MalformedContent):
            read_file(body)
