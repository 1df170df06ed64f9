"""DCQL queries are read by the rules of OpenID4VP 1.0 section 6, and judged by those of 6.4 and 7.1."""

import pytest

from salus.core.errors import MalformedContent
from salus.standards.openid4vp.evaluation import select, unanswered, wanted
from salus.standards.openid4vp.query import read_query, write_query

META = {"vct_values": ["urn:eudi:pid:1"]}
PERSON = {
    "given_name": "Ebba",
    "address": {"city": "Lund", "zip": 22100},
    "nationalities": ["XA", "XB"],
    "degrees": [{"type": "Bachelor"}, {"type": "Master", "year": 1999}],
    "adult": True,
}


def query(*credentials, **more):
    return {
        "credentials": [{"id": "pid", "format": "dc+sd-jwt", "meta": META, **one} for one in credentials],
        **more,
    }


def asked(**more):
    return read_query(query(more)).credentials[0]


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (["given_name"], {("given_name",): "Ebba"}),
        (["address", "city"], {("address", "city"): "Lund"}),
        (["nationalities", None], {("nationalities", 0): "XA", ("nationalities", 1): "XB"}),
        (["nationalities", 1], {("nationalities", 1): "XB"}),
        (["degrees", None, "type"], {("degrees", 0, "type"): "Bachelor", ("degrees", 1, "type"): "Master"}),
        (["degrees", None, "year"], {("degrees", 1, "year"): 1999}),
        (["nationalities", 2], {}),
        (["address", 0], {}),
        (["given_name", "city"], {}),
        (["address", None], {}),
        (["family_name"], {}),
    ],
)
def test_a_path_leads_to_its_claims(path, found):
    assert select(PERSON, tuple(path)) == found


@pytest.mark.parametrize(
    ("claims", "places"),
    [
        ([], frozenset()),
        ([{"path": ["given_name"]}], {("given_name",)}),
        ([{"path": ["given_name"]}, {"path": ["family_name"]}], None),
        ([{"path": ["given_name"], "values": ["Ada", "Ebba"]}], {("given_name",)}),
        ([{"path": ["given_name"], "values": ["Ada"]}], None),
        ([{"path": ["nationalities", None], "values": ["XB"]}], {("nationalities", 1)}),
        ([{"path": ["adult"], "values": [1]}], None),
        ([{"path": ["adult"], "values": [True]}], {("adult",)}),
        ([{"path": ["address", "zip"], "values": ["22100"]}], None),
    ],
)
def test_a_credential_answers_with_all_the_claims(claims, places):
    assert wanted(asked(claims=claims) if claims else asked(), PERSON) == places


def test_the_first_claim_set_that_can_be_met_counts():
    claims = [{"id": name, "path": [name]} for name in ("given_name", "family_name", "adult")]
    sets = [["family_name"], ["given_name", "adult"], ["adult"]]
    assert wanted(asked(claims=claims, claim_sets=sets), PERSON) == {("given_name",), ("adult",)}
    assert wanted(asked(claims=claims, claim_sets=sets[:1]), PERSON) is None


def test_credential_sets_say_what_must_be_answered():
    ids = ("a", "b", "c", "d")
    plain = read_query(query(*({"id": one} for one in ids[:2])))
    assert unanswered(plain, {"a", "b"}) == ""
    assert "b" in unanswered(plain, {"a"})
    sets = [{"options": [["a"], ["b", "c"]]}, {"options": [["d"]], "required": False}]
    grouped = read_query(query(*({"id": one} for one in ids), credential_sets=sets))
    assert [unanswered(grouped, found) == "" for found in ({"a"}, {"b", "c"}, {"b"}, {"d"}, set())] == [
        True, True, False, False, False
    ]  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"credentials": []},
        {"credentials": [{}]},
        query({}, {}),
        query({"id": "a b"}),
        query({"id": ""}),
        query({"meta": {}}),
        query({"meta": {"vct_values": "urn:eudi:pid:1"}}),
        query({"meta": {"vct_values": [1]}}),
        query({"format": "mso_mdoc"}),
        query({"claims": [{"path": []}]}),
        query({"claims": [{"path": [-1]}]}),
        query({"claims": [{"path": [True]}]}),
        query({"claims": [{"path": [1.5]}]}),
        query({"claims": [{"path": ["a"], "values": [{}]}]}),
        query({"claims": [{"path": ["a"]}], "claim_sets": [["a"]]}),
        query({"claims": [{"path": ["a"], "id": "a"}, {"path": ["b"], "id": "a"}]}),
        query({"claims": [{"path": ["a"], "id": "a"}], "claim_sets": [["b"]]}),
        query({"claims": [{"path": ["a"], "id": "a"}], "claim_sets": [[]]}),
        query({}, credential_sets=[{"options": [["other"]]}]),
        query({}, credential_sets=[{"options": []}]),
        query({}, credential_sets=[{"options": [[]]}]),
    ],
)
def test_a_query_that_breaks_a_rule_is_refused(wrong):
    with pytest.raises(MalformedContent):
        read_query(wrong)


def test_a_query_is_written_as_it_was_read():
    found = query(
        {"claims": [{"path": ["a", None], "values": ["x", 1, True]}]}, {"id": "b", "multiple": True}
    )
    assert write_query(read_query(found)) == found
