"""Regular expressions from strangers end in bounded time."""

import re

import pytest

from salus.core.errors import InvalidExpression, SalusError, TooCostly
from salus.standards.fhir.fhirpath.automaton import compile_automaton
from salus.standards.fhir.fhirpath.patterns import for_replacing, found, is_quick, shape_of


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "^(a|a)*$", "(a*)*b", "(.*a){12}$", "((a{1,9}){1,9}){1,9}b", "(a|aa)+$"],
)
def test_patterns_that_would_explode_are_matched_in_linear_time(pattern):
    assert not found(pattern, "a" * 1_000 + "!")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*$", "((ab)*)*c"])
def test_patterns_that_would_explode_are_refused_for_replacing(pattern):
    with pytest.raises(InvalidExpression):
        for_replacing(pattern, "a" * 40)


def test_many_repetitions_on_a_long_text_are_not_left_to_backtracking():
    assert is_quick("^a*b$", "a" * 1_000)
    assert not is_quick("a*a*a*a*a*b", "a" * 1_000)
    assert not found("a*a*a*a*a*b", "a" * 1_000)
    with pytest.raises(TooCostly):
        for_replacing("a*a*a*a*a*b", "a" * 1_000)


@pytest.mark.parametrize("pattern", ["(", "[a", "a{3,1}", "*a", "(?P<1>a)", "a" * 5_000])
def test_what_is_no_pattern_is_refused(pattern):
    with pytest.raises(InvalidExpression):
        found(pattern, "a")


@pytest.mark.parametrize("pattern", [r"(a+)+\1", "(?=a)(a+)+", "(?:(a)++)+b"])
def test_what_no_automaton_can_do_is_refused_when_it_could_explode(pattern):
    with pytest.raises(SalusError):
        found(pattern, "a" * 10_000 + "b")


@pytest.mark.parametrize("pattern", ["(){1,100000}", "((){9999}){9999}", "((a?){999}){999}"])
def test_repetitions_of_repetitions_do_not_fill_the_memory(pattern):
    with pytest.raises(InvalidExpression):
        compile_automaton(pattern)


def test_classes_and_escapes_do_not_count_as_repetitions():
    assert shape_of(r"[*+(]\*\+\{2,\}").repetitions == 0
    assert shape_of(r"^[A-Z]([A-Za-z0-9_]){0,254}$").repetitions == 1


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a|b", "xb"),
        ("^(ab|cd)+$", "abcdab"),
        (r"\bcat\b", "a cat sat"),
        (r"\bcat\b", "concatenate"),
        ("a{2,3}b", "aab"),
        ("a{4}", "aaa"),
        ("^$", ""),
        (".b", "\nb"),
        ("[^a-c]+d", "xyd"),
        (r"\d+\.\d*", "x12."),
        ("(?:a|b)*?c", "ababc"),
        ("(?P<year>[0-9]{4})-", "in 2020-01"),
        (r"[\]x]", "]"),
        ("a$", "a\n"),
    ],
)
def test_the_automaton_agrees_with_pythons_engine(pattern, text):
    automaton = compile_automaton(pattern)
    assert automaton.matches(text, whole=False) is (re.search(pattern, text, re.DOTALL) is not None)
    assert automaton.matches(text, whole=True) is (re.fullmatch(pattern, text, re.DOTALL) is not None)
