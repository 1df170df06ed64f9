"""Disclosures fill their places, each once, and nothing else (RFC 9901 section 7.1)."""

import json

import pytest

from salus.core.errors import NotAuthenticated
from salus.standards.jose.encoding import encode
from salus.standards.sdjwt.disclosures import digest_of, process


def disclosure(*content):
    return encode(json.dumps(content).encode())


def digest(text, algorithm="sha-256"):
    return digest_of({"_sd_alg": algorithm})(text.encode())


NAME = disclosure("salt-1", "given_name", "Ebba")
ONE, TWO = disclosure("salt-2", "XA"), disclosure("salt-3", "XB")
STREET = disclosure("salt-4", "street", "Sjögatan 1")
ADDRESS = disclosure("salt-5", "address", {"_sd": [digest(STREET)], "city": "Lund"})
CLAIMS = {
    "iss": "i",
    "_sd_alg": "sha-256",
    "_sd": [digest(NAME), digest(ADDRESS), "a-decoy"],
    "nationalities": [{"...": digest(ONE)}, "XC", {"...": digest(TWO)}],
}


@pytest.mark.parametrize(
    ("shown", "claims"),
    [
        ([], {"iss": "i", "nationalities": ["XC"]}),
        ([NAME, TWO], {"iss": "i", "given_name": "Ebba", "nationalities": ["XC", "XB"]}),
        ([ADDRESS], {"iss": "i", "address": {"city": "Lund"}, "nationalities": ["XC"]}),
        (
            [STREET, ADDRESS],
            {"iss": "i", "address": {"city": "Lund", "street": "Sjögatan 1"}, "nationalities": ["XC"]},
        ),
    ],
)
def test_what_is_shown_stands_in_its_place_and_the_rest_is_not_there(shown, claims):
    assert process(CLAIMS, shown).claims == claims


def test_places_are_those_of_the_claims_as_issued():
    places = process(CLAIMS, [NAME, TWO, ADDRESS, STREET]).places
    assert set(places) == {("given_name",), ("nationalities", 2), ("address",), ("address", "street")}


@pytest.mark.parametrize(
    ("claims", "shown", "why"),
    [
        (CLAIMS, [STREET], "belongs to no digest"),
        (CLAIMS, [disclosure("s", "given_name", "Mallory")], "belongs to no digest"),
        (CLAIMS, [NAME, NAME], "twice"),
        ({"_sd": [digest(NAME)] * 2}, [NAME], "twice"),
        ({"_sd": [digest(NAME)], "a": {"_sd": [digest(NAME)]}}, [], "twice"),
        ({"_sd": [digest(ADDRESS), digest(STREET)]}, [ADDRESS], "twice"),
        ({"_sd": [digest(NAME)], "given_name": "x"}, [NAME], "already"),
        ({"_sd": [digest(ONE)]}, [ONE], "for an array"),
        ({"a": [{"...": digest(NAME)}]}, [NAME], "for an object"),
        ({"a": [{"...": digest(ONE), "b": 1}]}, [], "another member"),
        ({"...": "x"}, [], "no digest may stand"),
        ({"_sd": "x"}, [], "array of digests"),
        ({"_sd": [1]}, [], "a text"),
        ({"a": [{"...": ["x"]}]}, [], "a text"),
        ({"_sd": [digest(disclosure("s", "_sd", ["x"]))]}, [disclosure("s", "_sd", ["x"])], "name a claim"),
        ({"_sd": [digest(disclosure("s", "...", "x"))]}, [disclosure("s", "...", "x")], "name a claim"),
        (CLAIMS, [disclosure("s", 1, "x")], "name a claim"),
        (CLAIMS, [disclosure(1, "a", "x")], "must be an array"),
        (CLAIMS, [disclosure("s")], "must be an array"),
        (CLAIMS, [disclosure("s", "a", "b", "c")], "must be an array"),
        (CLAIMS, [encode(b'{"a":1}')], "must be an array"),
        (CLAIMS, ["!!"], "cannot be read"),
        ({"_sd_alg": "md5"}, [], "_sd_alg"),
        ({"_sd_alg": ["sha-256"]}, [], "_sd_alg"),
        ({"a": json.loads("[" * 40 + "]" * 40)}, [], "deeper"),
        (CLAIMS, ["x"] * 2_000, "more than"),
    ],
)
def test_anything_else_is_refused(claims, shown, why):
    with pytest.raises(NotAuthenticated, match=why):
        process(claims, shown)


@pytest.mark.parametrize("algorithm", ["sha-384", "sha-512"])
def test_longer_digests_may_be_used(algorithm):
    claims = {"_sd_alg": algorithm, "_sd": [digest(NAME, algorithm)]}
    assert process(claims, [NAME]).claims == {"given_name": "Ebba"}
