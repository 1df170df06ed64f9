"""Quantities in base units: 0.005 g finds 5 mg (FHIR R4 search.html, 3.1.1.4.13; UCUM 2.1, section 20).

Only where the system says UCUM; a unit without a system is compared as it is written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Context, Decimal
from functools import lru_cache
from typing import Any

import msgspec

from salus.standards.fhir.fhirpath.units import CODE_LENGTH_MAX, offset_scale, parse_unit, unit_code
from salus.standards.fhir.search.values import quantity_bounds, units_of

UCUM = "http://unitsofmeasure.org"
_ARITHMETIC = Context(prec=50)  # three times a double's digits: what is exact in decimal stays so


class Scale(msgspec.Struct, frozen=True):
    """A unit of UCUM: in base units ("g.m-3") a number of it is number * numerator / denominator + offset."""

    dimension: str
    numerator: Decimal
    denominator: Decimal
    offset: Decimal = Decimal(0)

    def in_base(self, number: float) -> float:
        """Return a number of this unit in base units, exact in decimal: 5 mg is 0.005, to the last bit."""
        if not math.isfinite(number):
            return number
        multiple = _ARITHMETIC.multiply(Decimal(repr(number)), self.numerator)
        return float(_ARITHMETIC.add(_ARITHMETIC.divide(multiple, self.denominator), self.offset))


def scale_of(system: str | None, code: str) -> Scale | None:
    """Return the scale of a unit, None where system and code name none of UCUM."""
    return _scale(code) if system == UCUM and 0 < len(code) <= CODE_LENGTH_MAX else None


@lru_cache(maxsize=4096)
def _scale(code: str) -> Scale | None:
    unit = parse_unit(code)
    if unit is None:
        return None
    shifted = offset_scale(unit)
    if shifted is not None:
        zero = shifted.factor * shifted.offset
        offset = _ARITHMETIC.divide(Decimal(zero.numerator), Decimal(zero.denominator))
        factor = unit.factor * shifted.factor
        return Scale(shifted.base, Decimal(factor.numerator), Decimal(factor.denominator), offset)
    factor = unit.factor
    return Scale(unit_code(unit), Decimal(factor.numerator), Decimal(factor.denominator))


def in_base_units(
    units: Sequence[tuple[str, str, str]], bounds: tuple[float, float]
) -> tuple[str, float, float] | None:
    """Return dimension and [low, high] in its base units.

    Args:
        units: (system, code, text) of both ends, or of the low and the high one.
        bounds: [low, high] as given.

    Returns:
        None where a unit is not of UCUM, or the ends measure different things.
    """
    scales = [scale_of(system, code) for system, code, _ in units]
    first, last = (scales[0], scales[-1]) if scales else (None, None)
    if first is None or last is None or first.dimension != last.dimension:
        return None
    low, high = bounds
    start = first.in_base(low)
    return first.dimension, start, start if high == low and last is first else last.in_base(high)


def canonical_bounds(type_name: str, value: Any) -> tuple[str, float, float] | None:  # Any: JSON
    """Return dimension and [low, high] in base units of a quantity, Range or SampledData, None as above."""
    bounds = quantity_bounds(type_name, value)
    return None if bounds is None else in_base_units(units_of(type_name, value), bounds)
