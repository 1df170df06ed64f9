"""Amounts of a product as FHIR R4 quantities, and which of them count in the same unit.

UCUM has no tablets, boxes or patches: all are the unit one, written "1" or with a note in braces, and the
noun stands in `unit`. So two such amounts are in the same unit only where their nouns are the same as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from salus.core.errors import InvalidResource
from salus.standards.fhir.fhirpath.units import conversion, parse_unit

DIGITS_MAX = 18
UCUM = "http://unitsofmeasure.org"
Quantity = Mapping[str, Any]  # a FHIR Quantity; FHIR content is open JSON, hence Any


class Amount(msgspec.Struct, frozen=True):
    """A quantity of a product; two amounts can be compared when their units are the same."""

    value: Decimal
    system: str
    code: str
    unit: str

    def __str__(self) -> str:
        return f"{self.value.normalize():f} {self.unit or self.code}".strip()

    def same_unit(self, other: Amount) -> bool:
        """Return whether both are known to count in the same unit."""
        if bool(self.code) != bool(other.code):
            return bool(self.unit) and noun(self.unit) == noun(other.unit)
        if not self.code:
            return noun(self.unit) == noun(other.unit)
        if (self.system, self.code) != (other.system, other.code):
            return False
        if not self._is_count:
            return True
        if self.unit and other.unit:
            return noun(self.unit) == noun(other.unit)
        return "{" in self.code or self.unit == other.unit

    def in_unit_of(self, other: Amount) -> Decimal | None:
        """Return the value in the other's unit, None when it cannot be told.

        Only masses, volumes and the like convert: a tablet is no box, though UCUM counts both as one.
        """
        if self.same_unit(other):
            return self.value
        if not self.code or not other.code or {self.system, other.system} != {UCUM}:
            return None
        unit = parse_unit(self.code)
        factor = conversion(self.code, other.code) if unit is not None and unit.powers else None
        return None if factor is None else self.value * factor.numerator / factor.denominator

    @property
    def _is_count(self) -> bool:
        """Return whether the code only counts things, and does not say which."""
        unit = parse_unit(self.code) if self.system in {UCUM, ""} else None
        return unit is not None and not unit.powers


def noun(unit: str) -> str:
    """Return the name of a unit for comparison: small letters, one blank, without the plural's -s."""
    return " ".join(unit.casefold().split()).removesuffix("(s)").removesuffix("s")


def read_amount(quantity: Quantity | None) -> Amount | None:
    """Return the FHIR quantity as an amount, None when it has no value.

    Raises:
        InvalidResource: the value is no number, or has too many digits.
    """
    if quantity is None or "value" not in quantity:
        return None
    try:
        value = Decimal(str(quantity["value"]))
    except InvalidOperation:
        raise InvalidResource("the quantity's value is not a number") from None
    if not value.is_finite() or value.adjusted() > DIGITS_MAX or value.as_tuple().exponent < -DIGITS_MAX:  # type: ignore[operator]  # finite: an int
        raise InvalidResource(f"the quantity's value is out of range; write at most {DIGITS_MAX} digits")
    return Amount(
        value, str(quantity.get("system", "")), str(quantity.get("code", "")), str(quantity.get("unit", ""))
    )
