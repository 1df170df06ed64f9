"""The YAML of SD-JWT specifications is read as YAML means it, its marks kept."""

import pytest
from conformance.scoreboard.sd_yaml import read_yaml

from salus.standards.sdjwt.issuing import Hidden


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1\nb: 1.5\nc: True\nd: null", {"a": 1, "b": 1.5, "c": True, "d": None}),
        ("e: 'it''s'\nf: \"x\\n\"", {"e": "it's", "f": "x\n"}),
        ("a: # why\n  - x # so\n  - 'y # z'", {"a": ["x", "y # z"]}),
        ("a:\n- x\n- b: 1\n  c: 2\n-\n  d: 3", {"a": ["x", {"b": 1, "c": 2}, {"d": 3}]}),
        ("a: [[x, !sd y], {b: 1, 'c': [2]}, []]", {"a": [["x", Hidden("y")], {"b": 1, "c": [2]}, []]}),
        ("a:\n  {\n    b: [1,\n      2],\n  }\nc: {}", {"a": {"b": [1, 2]}, "c": {}}),
        ('!sd a: x\n!sd "1": y', {"a": Hidden("x"), "1": Hidden("y")}),
        ("b:\n  - !sd x\n  - !sd\n    c: 1", {"b": [Hidden("x"), Hidden({"c": 1})]}),
        ("a:\n  - !sd b: 1\n    !sd c: 2", {"a": [{"b": Hidden(1), "c": Hidden(2)}]}),
        ("a: >-\n  one\n  two\nb: three\n  four", {"a": "one two", "b": "three four"}),
        ("a: urn:x:1\nb: https://x.example/y", {"a": "urn:x:1", "b": "https://x.example/y"}),
        ('c: +1-2\nd: "0123"\ne: 0123', {"c": "+1-2", "d": "0123", "e": "0123"}),
        ("", None),
    ],
)
def test_yaml_is_read(text, found):
    assert read_yaml(text) == found


@pytest.mark.parametrize("text", ["a: 1\n  b: 2\nc", "a: [1] x", "- a\nb: 1"])
def test_what_is_not_read_is_refused(text):
    with pytest.raises(ValueError, match=r"cannot|after|no member"):
        read_yaml(text)
