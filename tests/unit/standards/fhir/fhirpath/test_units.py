"""Units of measure: values from the UCUM specification and from exact definitions."""

from fractions import Fraction

import pytest

from salus.standards.fhir.fhirpath import units
from salus.standards.fhir.fhirpath.units import conversion, parse_unit


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [
        ("g", "mg", Fraction(1000)),
        ("kg", "g", Fraction(1000)),
        ("[lb_av]", "g", Fraction("453.59237")),
        ("[in_i]", "cm", Fraction("2.54")),
        ("[ft_i]", "[in_i]", Fraction(12)),
        ("mm[Hg]", "Pa", Fraction("133.322")),
        ("wk", "d", Fraction(7)),
        ("a", "d", Fraction("365.25")),
        ("mo", "d", Fraction("30.4375")),
        ("mg/dL", "g/l", Fraction(1, 100)),
        ("mmol/L", "umol/mL", Fraction(1)),
        ("10*9/L", "/nL", Fraction(1)),
        ("%", "1", Fraction(1, 100)),
        ("m/s2", "cm.s-2", Fraction(100)),
        ("kg.m2", "g.m2", Fraction(1000)),
        ("mL/min/{1.73_m2}", "mL/min", Fraction(1)),
        ("ug/(24.h)", "ug/d", Fraction(1)),
        ("kat", "umol/s", Fraction(10**6)),
        ("U", "umol/min", Fraction(1)),
        ("kcal", "J", Fraction(4184)),
        ("deg", "'", Fraction(60)),
        ("[foz_us]", "mL", Fraction("29.5735295625")),
    ],
)
def test_units_convert_exactly(source, target, factor):
    assert conversion(source, target) == factor


@pytest.mark.parametrize(
    ("source", "target"), [("g", "m"), ("Cel", "K"), ("[iU]", "mg"), ("mg/dL", "mmol/L"), ("?", "g")]
)
def test_units_of_different_kinds_do_not_convert(source, target):
    assert conversion(source, target) is None


def test_an_unknown_unit_equals_itself():
    assert conversion("{tbl}", "{tbl}") == 1
    assert conversion("[arb'U]/mL", "[arb'U]/mL") == 1


@pytest.mark.parametrize("code", ["m//", "(m", "m)", "/", "m" * 200, "m99", "0", "10*999"])
def test_texts_that_are_no_codes_are_known_as_such(code):
    assert parse_unit(code) is None


def test_a_text_too_long_for_a_unit_is_not_kept():
    kept = units._parsed.cache_info().currsize
    assert parse_unit("x" * 100_000) is None
    assert units._parsed.cache_info().currsize == kept


def test_unknown_units_are_kept_up_to_a_number():
    assert units._atom.cache_info().maxsize is not None
