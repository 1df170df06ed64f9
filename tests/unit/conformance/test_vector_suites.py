"""The runners of test vectors: a case passes when the node judges as its file says, and fails otherwise."""

import base64
import json

import pytest
from conformance.scoreboard.suites import audit_balp, jose_crypto, merkle_log, own_tokens, smart, wallet
from conformance.scoreboard.vectors import documents, level_apart
from joserfc.jwk import ECKey, OctKey

from salus.standards.jose.compact import sign
from salus.standards.jose.signature import sign_payload
from salus.standards.merkle.tree import leaf_hash

KEY = ECKey.generate_key("P-256")
PUBLIC = KEY.as_dict(private=False) | {"kid": "k", "alg": "ES256"}


def played(suite, folder):
    return [(case.name, bool(case.failure), case.apart) for case in suite.SUITE.play(folder)]


def jose(folder, *tests, key=PUBLIC, **table):
    group = {"type": "JsonWebSignature", "public": key, "tests": tests}
    cases = [{"tcId": number, "comment": "", **test} for number, test in enumerate(tests, start=1)]
    (folder / "some.json").write_text(json.dumps({"testGroups": [group | {"tests": cases}]} | table))
    return [(failed, apart) for _, failed, apart in played(jose_crypto, folder)]


def test_signatures_are_judged_by_the_key_of_their_group(tmp_path):
    good = sign_payload(b"foo", {"alg": "ES256", "kid": "k"}, KEY)
    bad = good[:-8] + "AAAAAAAA"
    found = jose(
        tmp_path,
        {"jws": good, "result": "valid"},
        {"jws": bad, "result": "invalid"},
        {"jws": good, "result": "invalid"},
        {"jws": bad, "result": "valid"},
        {"jws": bad, "result": "acceptable"},
        {"result": "valid"},
    )
    assert found == [(False, ""), (False, ""), (True, ""), (True, ""), (False, ""), (True, "")]


def test_what_the_node_takes_from_nobody_is_set_apart_where_it_is_called_valid(tmp_path):
    secret = OctKey.generate_key(256).as_dict() | {"alg": "HS256"}
    token = "eyJhbGciOiJIUzI1NiJ9.Zm9v.AAAA"
    found = jose(tmp_path, {"jws": token, "result": "valid"}, {"jws": token, "result": "invalid"}, key=secret)
    assert found == [(False, "not offered"), (False, "")]


def test_proofs_and_checkpoints_are_judged(tmp_path):
    leaf = base64.b64encode(leaf_hash(b"x")).decode()
    proof = {"kind": "inclusion", "index": 0, "size": 1, "leaf_hash": leaf, "proof": [], "root": leaf}
    lines = [proof | {"valid": True}, proof | {"valid": False}, proof | {"valid": False, "level": "should"}]
    (tmp_path / "proofs.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "tree.json").write_text(json.dumps({"leaves_b64": ["eA=="], "roots": {"1": leaf, "2": leaf}}))
    assert [(failed, apart) for _, failed, apart in played(merkle_log, tmp_path)] == [
        (False, ""), (True, ""), (True, "should"), (False, "")
    ]  # fmt: skip


def test_client_assertions_are_judged_in_order(tmp_path):
    claims = {"iss": "c", "sub": "c", "aud": "https://x.example/token", "exp": 160, "jti": "j"}
    token = sign(claims, KEY, kid="k")
    cases = [
        {"name": name, "jwt": token, "valid": valid, "why": ""} for name, valid in (("a", True), ("b", False))
    ]
    table = {"token_endpoint": claims["aud"], "client_id": "c", "now": 100, "jwks": {"keys": [PUBLIC]}}
    (tmp_path / "x.json").write_text(json.dumps(table | {"cases": [*cases, {"name": "c", "valid": True}]}))
    # ES256 is none of SMART's algorithms, and no case can be read without its token.
    assert [failed for _, failed, _ in played(own_tokens, tmp_path)] == [True, False, True]


@pytest.mark.parametrize(
    ("scope", "request_line", "allowed"),
    [
        ("patient/Observation.rs", "GET Observation/o-own", "permit"),
        ("patient/Observation.rs", "GET Observation/o-other-patient", "deny"),
        ("user/Observation.rs", "GET Observation/o-other-patient", "permit"),
        ("patient/Observation.rs", "GET Observation/o-own/_history", "permit"),
        ("patient/Observation.rs", "DELETE Observation/o-own", "deny"),
        ("patient/Observation.u", "PUT Observation/o-own", "permit"),
        ("patient/Observation.rs", "GET Observation?patient=p-other", "empty"),
        ("patient/Observation.rs?category=survey", "GET Observation", "filtered"),
        ("patient/Observation.rs?category=survey", "GET Observation?category=laboratory", "empty"),
        ("patient/Observation.rs?category=survey", "GET Observation/o-own-survey", "permit"),
        ("patient/Observation.rs", "GET Observation?_include=Observation:subject", "filtered"),
        (
            "patient/Observation.rs patient/Patient.r",
            "GET Observation?_include=Observation:subject",
            "permit",
        ),
        ("patient/Observation.rs", "GET Observation?_revinclude=Provenance:target", "filtered"),
        ("patient/*.rs", "GET Patient/p-own/$everything", "permit"),
        ("patient/Observation.rs", "GET Patient/p-own/$everything", "filtered"),
        ("openid", "GET Patient/p-own/$everything", "deny"),
        ("patient/*.rs", "nonsense", "refused"),
    ],
)
def test_scopes_are_played_on_a_record(tmp_path, scope, request_line, allowed):
    (tmp_path / "scopes.jsonl").write_text(
        json.dumps({"scope": scope, "request": request_line, "allowed": allowed})
    )
    assert [case.failure for case in own_tokens.SUITE.play(tmp_path)] == [""]
    (tmp_path / "scopes.jsonl").write_text(
        json.dumps({"scope": scope, "request": request_line, "allowed": "other"})
    )
    assert [bool(case.failure) for case in own_tokens.SUITE.play(tmp_path)] == [True]


def test_links_and_payloads_are_judged_by_the_text_of_the_specification(tmp_path):
    payload = {"url": "https://x.example/1", "key": "A" * 43}
    for name, found in (("good", payload), ("bad", payload | {"flag": "X"}), ("old", payload | {"exp": "1"})):
        (tmp_path / f"{name}.json").write_text(json.dumps(found))
    assert played(smart, tmp_path) == [
        ("bad.json", True, ""),
        ("good.json", False, ""),
        ("old.json", False, "breaks its own text"),
    ]


SPECIFICATION = """
user_claims:
  !sd sub: john
  ages: [!sd 12, 18]
holder_disclosed_claims:
  sub: True
expect_verified_user_claims:
  {sub: john, ages: [18]}
"""


def test_sd_jwt_specifications_are_issued_shown_and_verified(tmp_path):
    (tmp_path / "right.yml").write_text(SPECIFICATION)
    (tmp_path / "wrong.yml").write_text(SPECIFICATION.replace("[18]}", "[12, 18]}"))
    assert played(wallet, tmp_path) == [("right.yml", False, ""), ("wrong.yml", True, "")]


def test_federation_figures_are_judged(tmp_path):
    statement = {
        "iss": "https://a.example",
        "sub": "https://b.example",
        "iat": 1,
        "exp": 2,
        "jwks": {"keys": [{"kid": "k"}]},
    }
    figures = [
        statement,
        statement | {"iss": "a"},
        statement | {"metadata_policy_crit": ["regexp"]},
        {"trust_mark_type": "t", "iss": "https://a.example", "sub": "https://b.example", "iat": 1},
        {"contacts": {"add": ["x"], "one_of": ["x"]}},
    ]
    lines = [json.dumps({"title": str(number), "json": one}) for number, one in enumerate(figures)]
    (tmp_path / "figures.jsonl").write_text("\n".join(lines))
    assert [failed for _, failed, _ in played(wallet, tmp_path)] == [False, True, False, False, True]


def profile(*elements):
    return {
        "resourceType": "StructureDefinition",
        "url": "https://x.example/profile",
        "name": "P",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Basic",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Basic",
        "derivation": "constraint",
        "differential": {
            "element": [{"id": one["id"], "path": one["id"].split(":")[0], **one} for one in elements]
        },
    }


def basic(**more):
    meta = {"profile": ["https://x.example/profile"]}
    return {"resourceType": "Basic", "id": "b", "meta": meta, "code": {"coding": [{"code": "a"}]}, **more}


def identifier(system):
    return {"system": system, "value": "1"}


SLICED = (
    {
        "id": "Basic.identifier",
        "slicing": {"discriminator": [{"type": "value", "path": "system"}], "rules": "closed"},
    },
    {"id": "Basic.identifier:one", "sliceName": "one", "min": 1, "max": "1"},
    {
        "id": "Basic.identifier:one.system",
        "path": "Basic.identifier.system",
        "patternUri": "https://one.example",
    },
)


@pytest.mark.parametrize(
    ("elements", "resource", "wrong"),
    [
        (({"id": "Basic.author", "min": 1},), basic(), True),
        (({"id": "Basic.author", "min": 1},), basic(author={"reference": "Practitioner/1"}), False),
        (({"id": "Basic.created", "max": "0"},), basic(created="2026-01-01"), True),
        (({"id": "Basic.code", "patternCodeableConcept": {"coding": [{"code": "a"}]}},), basic(), False),
        (({"id": "Basic.code", "patternCodeableConcept": {"coding": [{"code": "b"}]}},), basic(), True),
        (SLICED, basic(identifier=[identifier("https://one.example")]), False),
        (SLICED, basic(identifier=[identifier("https://two.example")]), True),
        (SLICED, basic(identifier=[identifier("https://one.example")] * 2), True),
        (SLICED, basic(), True),
    ],
)
def test_resources_are_held_to_the_profiles_they_claim(tmp_path, elements, resource, wrong):
    (tmp_path / "Profile.json").write_text(json.dumps(profile(*elements)))
    (tmp_path / "a.json").write_text(json.dumps(resource))
    assert [failed for name, failed, _ in played(audit_balp, tmp_path) if name == "a.json"] == [wrong]


def test_illustrations_that_are_no_json_are_left_out(tmp_path):
    (tmp_path / "a.json").write_text('{"a": ...}')
    (tmp_path / "b.jsonl").write_text('{"a": 1}\n{"b": ...}\n')
    assert list(documents(tmp_path)) == [("b.jsonl:1", {"a": 1})]
    assert (level_apart({}), level_apart({"level": "must"}), level_apart({"level": "may"})) == ("", "", "may")
