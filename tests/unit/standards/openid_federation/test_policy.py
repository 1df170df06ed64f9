"""Metadata policy: merged from the anchor down and applied (OpenID Federation 1.0 section 6.1)."""

import pytest

from salus.core.errors import NotAuthenticated
from salus.standards.openid_federation.policy import apply, merge

KIND = "openid_relying_party"


def merged(*policies):
    return merge([{KIND: {"p": one}} for one in policies])[KIND]["p"]


def applied(operators, value=None, name="p"):
    metadata = {} if value is None else {name: value}
    return apply(merge([{KIND: {name: operators}}]), {KIND: metadata})[KIND].get(name)


@pytest.mark.parametrize(
    ("above", "below", "together"),
    [
        ({"value": "a"}, {"value": "a"}, {"value": "a"}),
        ({"add": ["a"]}, {"add": ["b", "a"]}, {"add": ["a", "b"]}),
        ({"default": "a"}, {"default": "a"}, {"default": "a"}),
        ({"one_of": ["a", "b"]}, {"one_of": ["b", "c"]}, {"one_of": ["b"]}),
        ({"subset_of": ["a", "b"]}, {"subset_of": ["c"]}, {"subset_of": []}),
        ({"superset_of": ["a"]}, {"superset_of": ["b"]}, {"superset_of": ["a", "b"]}),
        ({"essential": False}, {"essential": True}, {"essential": True}),
        ({"default": "a"}, {"one_of": ["a", "b"]}, {"default": "a", "one_of": ["a", "b"]}),
        ({"one_of": ["a"]}, {"regexp": "x"}, {"one_of": ["a"]}),
    ],
)
def test_two_superiors_make_one_policy(above, below, together):
    assert merged(above, below) == together


@pytest.mark.parametrize(
    ("above", "below"),
    [
        ({"value": "a"}, {"value": "b"}),
        ({"value": 1}, {"value": True}),
        ({"default": "a"}, {"default": "b"}),
        ({"one_of": ["a"]}, {"one_of": ["b"]}),
        ({"value": "a"}, {"one_of": ["b"]}),
        ({"value": ["a"]}, {"subset_of": ["b"]}),
        ({"value": ["a"]}, {"superset_of": ["b"]}),
        ({"value": ["a"]}, {"add": ["b"]}),
        ({"value": None}, {"essential": True}),
        ({"value": None}, {"default": "a"}),
        ({"add": ["a"]}, {"subset_of": ["b"]}),
        ({"superset_of": ["a"]}, {"subset_of": ["b"]}),
        ({"one_of": ["a"]}, {"subset_of": ["a"]}),
        ({"one_of": ["a"]}, {"add": ["a"]}),
        ({"one_of": ["a"]}, {"superset_of": ["a"]}),
        ({"one_of": "a"}, {}),
        ({"essential": "yes"}, {}),
        ({"default": None}, {}),
        (["value"], {}),
    ],
)
def test_superiors_that_contradict_each_other_are_refused(above, below):
    with pytest.raises(NotAuthenticated):
        merged(above, below)


@pytest.mark.parametrize("policy", [[], {KIND: []}, {KIND: {"p": 1}}])
def test_a_policy_of_another_form_is_refused(policy):
    with pytest.raises(NotAuthenticated):
        merge([policy])


@pytest.mark.parametrize(
    ("operators", "value", "result"),
    [
        ({"value": "a"}, "b", "a"),
        ({"value": None}, "b", None),
        ({"add": ["b"]}, ["a"], ["a", "b"]),
        ({"add": ["b"]}, None, ["b"]),
        ({"add": ["a"]}, ["a"], ["a"]),
        ({"default": "a"}, None, "a"),
        ({"default": "a"}, "b", "b"),
        ({"one_of": ["a", "b"]}, "b", "b"),
        ({"one_of": ["a", "b"]}, None, None),
        # The table of section 6.1.3.1.8.
        ({"essential": True, "subset_of": ["a", "b", "c"]}, ["a", "e"], ["a"]),
        ({"essential": False, "subset_of": ["a", "b", "c"]}, ["d", "e"], []),
        ({"essential": True, "subset_of": ["a", "b", "c"]}, ["d", "e"], []),
        ({"essential": False, "subset_of": ["a", "b", "c"]}, None, None),
        ({"superset_of": ["a"]}, ["b", "a"], ["b", "a"]),
        ({"superset_of": ["a"]}, None, None),
        ({"default": ["a"], "subset_of": ["a"], "superset_of": ["a"]}, None, ["a"]),
    ],
)
def test_a_policy_is_applied_operator_by_operator(operators, value, result):
    assert applied(operators, value) == result


@pytest.mark.parametrize(
    ("operators", "value"),
    [
        ({"one_of": ["a"]}, "b"),
        ({"superset_of": ["a", "b"]}, ["a"]),
        ({"essential": True}, None),
        ({"essential": True, "subset_of": ["a"]}, None),
        ({"subset_of": ["a"], "superset_of": ["a"]}, ["b"]),
    ],
)
def test_metadata_that_breaks_a_policy_is_refused(operators, value):
    with pytest.raises(NotAuthenticated):
        applied(operators, value)


def test_scope_is_words_in_one_text():
    assert applied({"subset_of": ["openid", "email"]}, "openid phone", name="scope") == "openid"
    assert applied({"add": ["email"]}, "openid", name="scope") == "openid email"
    assert applied({"default": ["openid", "email"]}, None, name="scope") == "openid email"


def test_types_that_the_subject_does_not_have_are_not_added():
    policy = merge([{"openid_provider": {"issuer": {"value": "x"}}}])
    assert apply(policy, {KIND: {"a": 1}}) == {KIND: {"a": 1}}
