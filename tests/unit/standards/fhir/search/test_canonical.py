"""Quantities in base units: the worked example of R4 search.html, and where nothing can be converted."""

from decimal import Decimal

import pytest

from salus.standards.fhir.search.canonical import UCUM, canonical_bounds, scale_of
from salus.standards.fhir.search.match import number_compares
from salus.standards.fhir.search.operands import quantity_value


def quantity(number, code, system=UCUM, **more):
    return {"value": Decimal(number), "system": system, "code": code, **more}


@pytest.mark.parametrize(
    ("searched", "number", "code", "found"),
    [
        (f"0.005|{UCUM}|g", "5", "mg", True),
        (f"0.005|{UCUM}|g", "5.4", "mg", True),
        (f"0.005|{UCUM}|g", "5.5", "mg", False),
        (f"0.0050|{UCUM}|g", "5.4", "mg", False),
        (f"ge0.005|{UCUM}|g", "5", "mg", True),
        (f"gt0.005|{UCUM}|g", "5", "mg", False),
        (f"ap5000|{UCUM}|ug", "5.5", "mg", True),
        (f"90|{UCUM}|/min", "90", "{beats}/min", True),
        (f"5.4|{UCUM}|mmol/L", "5400", "umol/L", True),
        (f"7|{UCUM}|[pH]", "7", "[pH]", True),
        (f"310.35|{UCUM}|K", "37.2", "Cel", True),
        (f"310.36|{UCUM}|K", "37.2", "Cel", False),
        (f"37.2|{UCUM}|Cel", "310.35", "K", True),
        (f"99.0|{UCUM}|[degF]", "37.2", "Cel", True),
        (f"gt100|{UCUM}|[degF]", "38", "Cel", True),
        (f"gt101|{UCUM}|[degF]", "38", "Cel", False),
        (f"lt80|{UCUM}|[degRe]", "100", "Cel{oral}", False),
    ],
)
def test_a_quantity_is_found_in_another_unit_by_the_searched_precision(searched, number, code, found):
    wanted = quantity_value("value-quantity", searched)
    dimension, low, high = canonical_bounds("Quantity", quantity(number, code))
    assert dimension == wanted.dimension
    assert number_compares(wanted, low, high) == found


@pytest.mark.parametrize(
    ("type_name", "value", "expected"),
    [
        ("Quantity", quantity("5", "mg", comparator="<"), ("g", float("-inf"), 0.005)),
        ("Quantity", quantity("5", "mg", system="urn:other"), None),
        ("Quantity", quantity("5", "(mg"), None),
        ("Quantity", {"value": Decimal(5), "unit": "mg"}, None),
        ("Money", {"value": Decimal(5), "currency": "EUR"}, None),
        ("Range", {"low": quantity("5", "mg"), "high": quantity("1", "g")}, ("g", 0.005, 1.0)),
        ("Range", {"low": quantity("5", "mg"), "high": quantity("1", "m")}, None),
        ("Range", {"high": quantity("1", "kg")}, ("g", float("-inf"), 1000.0)),
    ],
)
def test_what_has_no_ucum_unit_has_no_canonical_form(type_name, value, expected):
    assert canonical_bounds(type_name, value) == expected


def test_scaling_is_exact_in_decimal_and_ends_at_infinity():
    assert scale_of(UCUM, "min").in_base(0.1) == 6.0
    assert scale_of(UCUM, "[lb_av]").in_base(0.3) == 136.077711
    assert scale_of(UCUM, "kg").in_base(-1e308) == float("-inf")
    assert scale_of(UCUM, "x" * 10_000) is None


def test_temperatures_share_one_zero_and_differences_have_none():
    # Water boils, ice melts, and both Fahrenheit and Celsius say -40 at once (NIST SP 811, B.8).
    for number, code, kelvin in ((100.0, "Cel", 373.15), (32.0, "[degF]", 273.15), (80.0, "[degRe]", 373.15)):
        assert scale_of(UCUM, code).in_base(number) == kelvin
    assert scale_of(UCUM, "[degF]").in_base(-40.0) == scale_of(UCUM, "Cel").in_base(-40.0)
    assert scale_of(UCUM, "J/Cel").dimension != scale_of(UCUM, "J/K").dimension
