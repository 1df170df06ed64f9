"""SMART Backend Services client assertions: ../shared/testvectors/own-tokens, and the asker's statement."""

import json
from pathlib import Path

import msgspec
import pytest
from joserfc.jwk import ECKey

from salus.core.access import Assurance, Purpose, Role
from salus.core.errors import NotAuthenticated
from salus.standards.jose import compact
from salus.standards.smart.asker import Asker, read_extensions, write_extensions
from salus.standards.smart.assertion import ALGORITHMS, check_claims, claims_for

VECTORS = Path(__file__).parents[5] / "shared/testvectors/own-tokens/smart/client-assertions.json"
ENDPOINT = "https://pt.example/oauth/token"
MARTA = Asker("ee-d-17", "Dr Mari Tamm", Role.CLINICIAN, "Tartu Hospital", Purpose.TREATMENT, "p1", "present")


def test_the_published_assertions_are_judged_as_their_table_says():
    if not VECTORS.exists():
        pytest.skip("needs ../shared (testvectors/own-tokens)")
    table = json.loads(VECTORS.read_text())
    seen, wrong = set(), []
    for case in table["cases"]:
        try:
            if compact.unverified(case["jwt"]).claims.get("iss") != table["client_id"]:
                raise NotAuthenticated("unknown client")
            signed = compact.verify(case["jwt"], table["jwks"]["keys"], algorithms=ALGORITHMS)
            assertion = check_claims(
                signed.claims, endpoint=table["token_endpoint"], now=table["now"], skew_seconds=60
            )
            if assertion.jti in seen:
                raise NotAuthenticated("replayed")
            seen.add(assertion.jti)
            valid = True
        except NotAuthenticated:
            valid = False
        if valid != case["valid"]:
            wrong.append(case["name"])
    assert wrong == []


def signed_claims(**changes):
    claims = claims_for("ee-1", ENDPOINT, jti="j1", now=1_790_000_000, asker=MARTA)
    return {name: value for name, value in {**claims, **changes}.items() if value is not None}


def check(claims, now=1_790_000_000):
    return check_claims(claims, endpoint=ENDPOINT, now=now, skew_seconds=60)


def test_a_right_assertion_says_for_whom_it_asks():
    assert check(signed_claims()).asker == MARTA


@pytest.mark.parametrize(
    ("seconds_late", "accepted"), [(-61, False), (-60, True), (0, True), (119, True), (120, False)]
)
def test_clocks_may_differ_by_the_tolerated_skew_and_no_more(seconds_late, accepted):
    if accepted:
        assert check(signed_claims(), now=1_790_000_000 + seconds_late).client == "ee-1"
    else:
        with pytest.raises(NotAuthenticated, match="clock"):
            check(signed_claims(), now=1_790_000_000 + seconds_late)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"aud": f"{ENDPOINT}/"}, "aud"),
        ({"aud": [ENDPOINT, "https://fr.example/oauth/token"]}, "aud"),
        ({"exp": True}, "exp"),
        ({"exp": float("nan")}, "exp"),
        ({"jti": ""}, "jti"),
        ({"jti": "x" * 129}, "jti"),
        ({"jti": 7}, "jti"),
        ({"sub": "fr-1"}, "sub"),
    ],
)
def test_a_wrong_claim_is_named(changes, named):
    with pytest.raises(NotAuthenticated, match=named):
        check(signed_claims(**changes))


def changed(path, value):
    extensions = write_extensions(MARTA)
    extensions[path[0]][path[1]] = value
    return extensions


@pytest.mark.parametrize(
    ("extensions", "named"),
    [
        (changed(("ihe_iua", "purpose_of_use"), [{"system": "x", "code": "TREAT"}]), "purpose_of_use"),
        (
            changed(
                ("ihe_iua", "purpose_of_use"),
                [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HMARKT"}],
            ),
            "purpose_of_use",
        ),
        (
            changed(("ihe_iua", "subject_role"), [{"system": "http://snomed.info/sct", "code": "1"}]),
            "subject_role",
        ),
        (changed(("ihe_iua", "subject_name"), ""), "subject_name"),
        (changed(("ihe_iua", "favourite_colour"), "red"), "favourite_colour"),
        (changed(("salus", "relationship"), "cousin"), "relationship"),
        (changed(("salus", "subject_id"), ""), "subject_id"),
        ({"ihe_iua": {}, "hl7-b2b": {}}, "ihe_iua or hl7-b2b"),
        ({"acme": {}}, "ihe_iua or hl7-b2b"),
        ("TREAT", "object"),
    ],
)
def test_an_unknown_word_about_the_asker_is_refused(extensions, named):
    with pytest.raises(NotAuthenticated, match=named):
        read_extensions(extensions)


def test_the_udap_spelling_is_read_too():
    b2b = {
        "version": "1",
        "subject_id": "urn:oid:1.2.3#77",
        "subject_name": "Dr Mari Tamm",
        "subject_role": {"system": "http://snomed.info/sct", "code": "158965000"},
        "organization_id": "https://tartu.example",
        "organization_name": "Tartu Hospital",
        "purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#TREAT"],
    }
    asker = read_extensions({"hl7-b2b": b2b})
    assert (asker.role, asker.purpose, asker.organisation) == (
        Role.CLINICIAN,
        Purpose.TREATMENT,
        "Tartu Hospital",
    )


def test_a_signature_by_our_own_writer_is_read_back_and_only_with_the_right_key():
    key, other = ECKey.generate_key("P-384", {"kid": "k"}), ECKey.generate_key("P-384", {"kid": "k"})
    token = compact.sign(signed_claims(), key, kid="k")
    public = [key.as_dict(private=False)]
    assert compact.verify(token, public, algorithms=ALGORITHMS).claims["iss"] == "ee-1"
    with pytest.raises(NotAuthenticated, match="signature"):
        compact.verify(token, [other.as_dict(private=False)], algorithms=ALGORITHMS)
    with pytest.raises(NotAuthenticated, match="alg"):
        compact.verify(token, public, algorithms=frozenset({"RS384"}))


@pytest.mark.parametrize("level", [None, *Assurance])
def test_assurance_is_stated_as_eidas_providers_state_it(level):
    asker = msgspec.structs.replace(MARTA, assurance=level)
    written = write_extensions(asker)
    assert written["salus"].get("acr") == (level and f"http://eidas.europa.eu/LoA/{level.value}")
    assert read_extensions(written) == asker


@pytest.mark.parametrize("acr", ["high", "http://eidas.europa.eu/LoA/highest", 3, ["x"], ""])
def test_a_level_that_nobody_knows_is_refused(acr):
    written = write_extensions(MARTA)
    written["salus"]["acr"] = acr
    with pytest.raises(NotAuthenticated, match="acr must be one of"):
        read_extensions(written)


@pytest.mark.parametrize(
    ("stated", "read"),
    [
        ("urn:oid:1.2.3|77", "urn:oid:1.2.3|77"),
        ("urn:oid:1.2.3.77", "urn:ietf:rfc:3986|urn:oid:1.2.3.77"),
        (["https://hospital.example"], "urn:ietf:rfc:3986|https://hospital.example"),
        (None, ""),
    ],
)
def test_an_organisation_is_stated_by_identifier_as_iua_and_udap_have_it(stated, read):
    numbered = msgspec.structs.replace(MARTA, organisation_id=read)
    extensions = write_extensions(numbered)
    assert read_extensions(extensions) == numbered
    given = {**extensions["ihe_iua"], "subject_organization_id": stated}
    assert read_extensions({**extensions, "ihe_iua": given}) == numbered
    role, purpose = given["subject_role"], given["purpose_of_use"]
    b2b = {"version": "1", "subject_id": MARTA.subject, "subject_name": MARTA.name, "subject_role": role,
           "organization_name": MARTA.organisation, "organization_id": stated,
           "purpose_of_use": purpose, "person_id": "p1"}  # fmt: skip
    assert read_extensions({"hl7-b2b": b2b, "salus": extensions["salus"]}) == numbered


@pytest.mark.parametrize("stated", [7, "two\nlines", ["a", "b"], {"value": "77"}, "x" * 201])
def test_an_identifier_of_an_organisation_that_is_none_is_refused(stated):
    extensions = write_extensions(MARTA)
    given = {**extensions["ihe_iua"], "subject_organization_id": stated}
    with pytest.raises(NotAuthenticated, match="subject_organization_id"):
        read_extensions({**extensions, "ihe_iua": given})
