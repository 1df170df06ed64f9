"""Quantities in base units: 0.005 g finds 5 mg (FHIR R4 search.html, 3.1.1.4.13; UCUM 2.1, section 20).

Only where the system says UCUM; a unit without a system is compared as it is written.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from salus.standards.fhir.fhirpath.units import Unit, parse_unit, unit_code
from salus.standards.fhir.search.values import quantity_bounds, units_of

UCUM = "http://unitsofmeasure.org"


def ucum_unit(system: str | None, code: str) -> Unit | None:
    """Return the unit that a system and code name, None where that is no UCUM code."""
    return parse_unit(code) if system == UCUM and code else None


def scaled(number: float, factor: Fraction) -> float:
    """Return a multiple of a number as written in decimal: 5 times 1/1000 is 0.005, to the last bit."""
    if factor == 1 or not math.isfinite(number):
        return number
    try:
        return float(Fraction(repr(number)) * factor)
    except OverflowError:
        return math.copysign(math.inf, number)


def canonical_bounds(type_name: str, value: Any) -> tuple[str, float, float] | None:  # Any: JSON
    """Return dimension ("g.m-3") and [low, high] in its base units of a quantity, Range or SampledData.

    None where there is no number, a unit is no UCUM code, or the ends of a Range measure different things.
    """
    bounds = quantity_bounds(type_name, value)
    if bounds is None:
        return None
    units = [ucum_unit(system, code) for system, code, _ in units_of(type_name, value)]
    known = [unit for unit in units if unit is not None]
    if not known or len(known) < len(units) or len({unit.powers for unit in known}) > 1:
        return None
    low, high = bounds
    return unit_code(known[0]), scaled(low, known[0].factor), scaled(high, known[-1].factor)
