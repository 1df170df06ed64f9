"""Units of UCUM (The Unified Code for Units of Measure, 2.2), parsed and compared by the library ucumvert.

A unit is a sentence of a grammar: there is no list of all. Two units are comparable where they have the same
dimension; then one is a multiple of the other (temperatures have an offset besides).
"""

from __future__ import annotations

import math
import threading
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from salus.core.errors import InvalidResource

URL = "http://unitsofmeasure.org"
LENGTH_MAX = 80
"""Longest unit that is parsed: the parser's time grows faster than the text."""
REMEMBERED_MAX = 5_000
_LOCK = threading.Lock()


@cache
def _parser() -> Any:  # lark has no types for what it makes
    from ucumvert import get_ucum_parser  # takes a second to import, and most processes ask no unit

    return get_ucum_parser()


@cache
def _registry() -> Any:  # pint's registries have no types
    from ucumvert import PintUcumRegistry

    return PintUcumRegistry()


@lru_cache(REMEMBERED_MAX)
def is_unit(code: str) -> bool:
    """Return whether a code is a unit of UCUM, case-sensitive."""
    if not code or len(code) > LENGTH_MAX or not code.isascii():
        return False
    from lark.exceptions import LarkError

    with _LOCK:
        try:
            _parser().parse(code)
        except LarkError:
            return False
    return True


@lru_cache(REMEMBERED_MAX)
def is_comparable(code: str, other: str) -> bool:
    """Return whether two units measure the same: have the same dimension."""
    if not (is_unit(code) and is_unit(other)):
        return False
    with _LOCK:
        return bool(_quantity(code).dimensionality == _quantity(other).dimensionality)


def ratio(code: str, other: str) -> Decimal:
    """Return how many of the other unit one of a unit is.

    Raises:
        InvalidResource: they are no units, do not measure the same, or differ by an offset (temperatures).
    """
    if not is_comparable(code, other):
        raise InvalidResource(
            f"{code[:40]!a} and {other[:40]!a} are not units of one dimension; compare others."
        )
    registry = _registry()
    with _LOCK:
        unit = _quantity(other)
        once, twice = (
            float(registry.Quantity(amount, _quantity(code).units).to(unit.units).magnitude)
            for amount in (_quantity(code).magnitude, 2 * _quantity(code).magnitude)
        )
    if not math.isclose(twice, 2 * once, rel_tol=1e-9):
        raise InvalidResource(f"{code[:40]!a} and {other[:40]!a} differ by an offset; convert the quantity.")
    return Decimal(format(once / float(unit.magnitude), ".12g"))


def _quantity(code: str) -> Any:  # pint's quantities have no types
    return _registry().from_ucum(code)
