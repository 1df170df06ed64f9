"""JSON Patch: RFC 6902, its appendix A, and what FHIR adds."""

from copy import deepcopy
from decimal import Decimal

import pytest

from salus.core.errors import InvalidResource, MalformedContent, SalusError, TooLarge
from salus.standards.fhir.patch.json_patch import json_patch

PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "name": [{"family": "Secret", "given": ["A", "B"]}],
    "active": True,
}


def operation(op, path, **rest):
    return {"op": op, "path": path, **({"from": rest.pop("source")} if "source" in rest else {}), **rest}


# RFC 6902, appendix A: document, operations, result.
APPENDIX = [
    ({"foo": ["bar", "baz"]}, [operation("add", "/foo/1", value="qux")], {"foo": ["bar", "qux", "baz"]}),
    ({"foo": ["bar"]}, [operation("add", "/foo/-", value=["abc", "def"])], {"foo": ["bar", ["abc", "def"]]}),
    ({"baz": "qux", "foo": "bar"}, [operation("replace", "/baz", value="boo")], {"baz": "boo", "foo": "bar"}),
    (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [operation("move", "/qux/thud", source="/foo/waldo")],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        {"foo": ["all", "grass", "cows", "eat"]},
        [operation("move", "/foo/3", source="/foo/1")],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    ({"/": 9, "~1": 10}, [operation("test", "/~01", value=10)], {"/": 9, "~1": 10}),
    ({"foo": 1}, [operation("add", "", value={"baz": 2})], {"baz": 2}),
    ({"foo": None}, [operation("test", "/foo", value=None)], {"foo": None}),
    ({"": 0}, [operation("test", "/", value=0)], {"": 0}),
    ({"foo": 1}, [operation("move", "/foo", source="/foo")], {"foo": 1}),
    ({"foo": 1}, [operation("copy", "/bar", source="/foo")], {"foo": 1, "bar": 1}),
    ({"foo": 1}, [operation("test", "/foo", value=Decimal("1.0"))], {"foo": 1}),
]


@pytest.mark.clause("RFC 6902 A")
@pytest.mark.parametrize(("document", "operations", "result"), APPENDIX)
def test_operations_do_what_the_rfc_says(document, operations, result):
    assert json_patch(document, operations) == result


@pytest.mark.parametrize(
    "wrong",
    [
        operation("add", "/baz/bat", value="qux"),
        operation("add", "/name/2", value={}),
        operation("add", "/name/01", value={}),
        operation("add", "/name/-1", value={}),
        operation("add", "/name/x", value={}),
        operation("add", "/name/٠", value={}),
        operation("add", "/__class__/__init__", value=1),
        operation("add", "/active/x", value=1),
        operation("remove", "/photo"),
        operation("remove", ""),
        operation("remove", "/name/-"),
        operation("replace", "/photo", value=[]),
        operation("replace", "/name/1", value={}),
        operation("move", "/name/0/given/0", source="/name/0"),
        operation("copy", "/photo", source="/nothing"),
        operation("test", "/active", value=1),
        operation("test", "/nothing", value=None),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_changes(wrong):
    before = deepcopy(PATIENT)
    with pytest.raises(InvalidResource):
        json_patch(PATIENT, [operation("replace", "/active", value=False), wrong])
    assert before == PATIENT


@pytest.mark.parametrize(
    "wrong",
    [
        {"op": "add", "path": "/x"},
        {"op": "test", "path": "/x"},
        {"op": "spam", "path": "/x", "value": 1},
        {"path": "/x"},
        {"op": "add", "path": "x", "value": 1},
        {"op": "add", "path": "/~2", "value": 1},
        {"op": "add", "path": ["x"], "value": 1},
        {"op": "add", "value": 1},
        {"op": "move", "path": "/x"},
        {"op": ["add"], "path": "/x", "value": 1},
        "add",
        operation("add", "/x" * 100, value=1),
    ],
)
def test_what_is_no_patch_is_refused(wrong):
    with pytest.raises(MalformedContent):
        json_patch(PATIENT, [wrong])


@pytest.mark.parametrize(
    "wrong",
    [
        operation("replace", "/id", value="other"),
        operation("remove", "/id"),
        operation("remove", "/resourceType"),
        operation("replace", "/resourceType", value="Person"),
        operation("replace", "", value={"resourceType": "Patient"}),
        operation("replace", "", value=[]),
        operation("move", "/id", source="/name/0/family"),
    ],
)
def test_type_and_id_stay_as_they_are(wrong):
    with pytest.raises(InvalidResource):
        json_patch(PATIENT, [wrong])


@pytest.mark.parametrize("path", ["/name/0/family", "/name", "/nothing", "/name/7"])
def test_a_failing_test_tells_nothing_of_the_value(path):
    with pytest.raises(SalusError) as refusal:
        json_patch(PATIENT, [operation("test", path, value="guess")])
    assert "Secret" not in str(refusal.value)
    with pytest.raises(SalusError) as other:
        json_patch(PATIENT, [operation("test", "/active", value="guess")])
    assert str(refusal.value) == str(other.value)


def test_removing_the_last_item_leaves_no_empty_array():
    first = operation("remove", "/name/0/given/0")
    changed = json_patch(PATIENT, [first, first])
    assert changed["name"] == [{"family": "Secret"}]


def test_copies_cannot_grow_without_measure():
    doubling = [operation("copy", f"/name/0/{n}", source="/name") for n in range(40)]
    with pytest.raises(TooLarge):
        json_patch(PATIENT, doubling)


def test_copies_cannot_nest_without_measure():
    chain = operation("add", "/x", value={"y": {"y": {"y": {"y": {}}}}})
    deeper = operation("copy", "/x/y/y/y/y/y", source="/x")
    with pytest.raises(InvalidResource):
        json_patch(PATIENT, [chain, *[deeper] * 100])


def test_a_patch_of_too_many_operations_is_refused():
    with pytest.raises(TooLarge):
        json_patch(PATIENT, [operation("test", "/id", value="p")] * 1_001)
