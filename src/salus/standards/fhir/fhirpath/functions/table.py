"""All functions by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from salus.standards.fhir.fhirpath.functions import (
    boundaries,
    combining,
    conversion,
    existence,
    fhir,
    filtering,
    mathematics,
    strings,
    subsetting,
    utility,
)
from salus.standards.fhir.fhirpath.functions.function import Function

_FAMILIES = (
    boundaries,
    combining,
    conversion,
    existence,
    fhir,
    filtering,
    mathematics,
    strings,
    subsetting,
    utility,
)


@cache
def functions() -> Mapping[str, Function]:
    """Return every function by name, but is, as, ofType and sort, which the compiler knows itself."""
    found: dict[str, Function] = {}
    for family in _FAMILIES:
        for name, function in family.FUNCTIONS.items():
            assert name not in found, name
            found[name] = function
    return found
