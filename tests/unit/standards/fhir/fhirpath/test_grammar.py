"""Reading expressions: what the grammar takes, what it refuses and where it says so."""

import pytest

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath.grammar import DEPTH_MAX, HEIGHT_MAX, parse
from salus.standards.fhir.fhirpath.syntax import Binary, Chain, Literal, Member, TypeTest


def test_multiplication_binds_closer_than_addition():
    tree = parse("1 + 2 * 3")
    assert isinstance(tree, Binary)
    assert tree.operator == "+"
    assert isinstance(tree.right, Binary)
    assert tree.right.operator == "*"


def test_type_test_binds_closer_than_union():
    tree = parse("1 | 1 is Integer")
    assert isinstance(tree, Binary)
    assert isinstance(tree.right, TypeTest)


@pytest.mark.parametrize("name", ["contains", "is", "as", "in"])
def test_operators_in_words_are_names_too(name):
    tree = parse(f"{name}.code")
    assert isinstance(tree, Chain)
    assert tree.left == Member(name, 0)


def test_escapes_are_read():
    assert parse(r"'\u0050\'\\\n'") == Literal("P'\\\n")


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("1 +", 3),
        ("name.", 5),
        ("name..given", 5),
        ("(1", 2),
        ("'open", 0),
        ("1 /* open", 2),
        (r"'\q'", 0),
        ("@2015-02-30", 0),
        ("@T25:00", 0),
        ("name.where(", 11),
        ("$that", 0),
        ("and", 0),
        ("a # b", 2),
        ("", 0),
    ],
)
def test_syntax_errors_name_their_place(text, position):
    with pytest.raises(InvalidExpression) as refusal:
        parse(text)
    assert refusal.value.position == position


@pytest.mark.parametrize(
    "text",
    [
        "(" * (DEPTH_MAX + 1) + "1" + ")" * (DEPTH_MAX + 1),
        "-" * 10_000 + "1",
        "a" + ".a" * HEIGHT_MAX,
        "1" + " + 1" * HEIGHT_MAX,
        "9" * 101,
        "a " * 30_000,
        "a.where(" * 5_000,
    ],
)
def test_expressions_over_the_limits_are_refused(text):
    with pytest.raises(InvalidExpression):
        parse(text)
