"""Filters of a value set on the concepts of a code system (R4 ValueSet.compose.include.filter)."""

import pytest

from salus.standards.fhir.profiles.filters import keeps

CONCEPTS = [{"code": code} for code in ("a" * 40 + "b", "A1", "A10", "B1")]


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [("A[0-9]", {"A1"}), ("A.*", {"A1", "A10"}), ("1", set())],
)
def test_a_pattern_fits_the_whole_code(pattern, kept):
    assert keeps({"property": "code", "op": "regex", "value": pattern}, CONCEPTS) == kept


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|aa)+$", "(a*)*"])
def test_a_pattern_that_would_be_tried_for_years_is_answered(pattern):
    assert keeps({"property": "code", "op": "regex", "value": pattern}, CONCEPTS) == frozenset()


@pytest.mark.parametrize("pattern", ["(", "a" * 501, r"(a)\1"])
def test_a_pattern_that_cannot_be_matched_safely_is_not_answered(pattern):
    assert keeps({"property": "code", "op": "regex", "value": pattern}, CONCEPTS) is None
