"""Equality and equivalence (FHIRPath N1, section 6.1)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, DecimalException
from fractions import Fraction
from sys import getsizeof
from typing import Any

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath.temporal import Temporal, compare, shifted
from salus.standards.fhir.fhirpath.units import conversion, parse_unit
from salus.standards.fhir.fhirpath.values import (
    CALENDAR_UNITS,
    EXPONENT_MAX,
    Collection,
    Node,
    Quantity,
    TypeInfo,
    system_value,
)

Spend = Callable[[int], None]
"""Told how many values a comparison looks at; raises when they are too many."""

CHARACTERS_A_STEP = 200
"""How many characters of text, or digits of a number, count as much as one more item."""

_NUMBER_BYTES_MAX = 1_000

_MONTHS = {"year": 12, "month": 1}
_DEFINITE = {
    "week": "wk",
    "day": "d",
    "hour": "h",
    "minute": "min",
    "second": "s",
    "millisecond": "ms",
}
_NEAR = {**_DEFINITE, "year": "a", "month": "mo"}


def weight_of(item: Any) -> int:  # any Item
    """Return how many steps an item counts: one, and more for long text and long numbers."""
    value = item.value if isinstance(item, Node | Quantity) else item
    if isinstance(value, str):
        return 1 + len(value) // CHARACTERS_A_STEP
    return 1 + _size(value) * 2 // CHARACTERS_A_STEP if isinstance(value, Decimal) else 1


def _size(value: Decimal) -> int:
    """Return the bytes that a number takes, about one for two digits."""
    return getsizeof(value)


def exact(value: Decimal) -> Fraction:
    """Return a number as a fraction.

    Raises:
        InvalidExpression: it has so many digits, or such an exponent, that computing would not end.
    """
    if abs(value.adjusted()) > EXPONENT_MAX or _size(value) > _NUMBER_BYTES_MAX:
        raise InvalidExpression("A quantity has more digits, or a larger exponent, than can be compared")
    return Fraction(value)


def months_of(quantity: Quantity) -> Decimal | None:
    """Return a calendar duration of years or months in months, None for any other quantity."""
    factor = _MONTHS.get(CALENDAR_UNITS.get(quantity.unit, "")) if quantity.calendar else None
    return None if factor is None else quantity.value * factor


def ucum_code(quantity: Quantity) -> str:
    """Return the UCUM code of a quantity; of calendar years and months the one that is merely near."""
    return _NEAR[CALENDAR_UNITS[quantity.unit]] if quantity.calendar else quantity.unit


def compare_quantities(left: Quantity, right: Quantity) -> int | None:
    """Return -1, 0 or 1, None where the units cannot be compared."""
    months = months_of(left), months_of(right)
    if months[0] is not None and months[1] is not None:
        return _sign(exact(months[0]) - exact(months[1]))
    if months[0] is not None or months[1] is not None:
        return None
    factor = conversion(ucum_code(left), ucum_code(right))
    return None if factor is None else _sign(exact(left.value) * factor - exact(right.value))


def _sign(difference: Fraction) -> int:
    return (difference > 0) - (difference < 0)


def _free(count: int) -> None:
    """Count nothing."""


def frozen(value: Any, spend: Spend = _free) -> Any:  # JSON -> hashable
    """Return a JSON value as something that can be compared and hashed; 1 and true stay apart."""
    if isinstance(value, dict):
        spend(len(value))
        return frozenset((key, frozen(member, spend)) for key, member in value.items())
    if isinstance(value, list):
        spend(len(value))
        return tuple(frozen(member, spend) for member in value)
    return (isinstance(value, bool), value)


def _temporal_key(value: Temporal) -> object:
    if value.kind != "time" and value.offset is not None and len(value.parts) > 3:
        value = shifted(value, -value.offset)
    return ("t", value.kind == "time", value.parts, value.second, value.offset is None)


def _quantity_key(value: Quantity) -> object:
    months = months_of(value)
    if months is not None:
        return ("months", months)
    unit = parse_unit(ucum_code(value))
    if unit is None:
        return ("q", value.unit, value.value)
    return ("q", unit.powers, exact(value.value) * unit.factor)


def key_of(item: Any, spend: Spend = _free) -> object:  # any Item
    """Return what two items share exactly when they are equal (used for sets)."""
    value = system_value(item)
    if isinstance(value, str):
        spend(len(value) // CHARACTERS_A_STEP)
        return ("s", value)
    if isinstance(value, bool):
        return ("b", value)
    if isinstance(value, int | Decimal):
        return ("n", value)
    if isinstance(value, Temporal):
        return _temporal_key(value)
    if isinstance(value, Quantity):
        return _quantity_key(value)
    if isinstance(value, TypeInfo):
        return ("i", value)
    if isinstance(value, Node):
        return ("j", frozen(value.value, spend))
    return ("x", frozen(item.extra, spend) if isinstance(item, Node) else None)


def distinct(items: Collection, spend: Spend = _free) -> Collection:
    """Return the items without repetition, in their order."""
    if len(items) < 2:
        return items
    found: dict[object, Any] = {}
    for item in items:
        found.setdefault(key_of(item, spend), item)
    return list(found.values())


def _promoted(left: Any, right: Any) -> tuple[Any, Any]:  # System values
    """Turn a number beside a quantity into a quantity of unit 1."""
    if isinstance(left, Quantity) and _is_number(right):
        return left, Quantity(Decimal(right), "1")
    if isinstance(right, Quantity) and _is_number(left):
        return Quantity(Decimal(left), "1"), right
    return left, right


def _is_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def equal_items(left: Any, right: Any, spend: Spend = _free) -> bool | None:  # any Items
    """Return whether two items are equal, None where it cannot be known."""
    a, b = _promoted(system_value(left), system_value(right))
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        if (a.kind == "time") != (b.kind == "time"):
            return False
        order = compare(a, b)
        return None if order is None else order == 0
    if isinstance(a, Quantity) and isinstance(b, Quantity):
        order = compare_quantities(a, b)
        return None if order is None else order == 0
    return key_of(left if a is None else a, spend) == key_of(right if b is None else b, spend)


def equal(left: Collection, right: Collection, spend: Spend = _free) -> bool | None:
    """Return whether two collections are equal item by item; None if one is empty or it cannot be known."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    unknown = False
    for a, b in zip(left, right, strict=True):
        answer = equal_items(a, b, spend)
        if answer is False:
            return False
        unknown = unknown or answer is None
    return None if unknown else True


def _decimals(value: int | Decimal) -> int:
    exponent = Decimal(value).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _near(left: Decimal, right: Decimal, places: int) -> bool:
    step = Decimal(1).scaleb(-places)
    try:
        return left.quantize(step) == right.quantize(step)
    except DecimalException:
        return left == right


def _equivalent_quantities(left: Quantity, right: Quantity) -> bool:
    factor = conversion(ucum_code(left), ucum_code(right))
    if factor is None:
        return False
    if factor < 1:
        return _equivalent_quantities(right, left) if factor != 1 else left.value == right.value
    scaled = exact(right.value) / factor
    converted = Decimal(scaled.numerator) / Decimal(scaled.denominator)
    return _near(left.value, converted, min(_decimals(left.value), _decimals(converted)))


def _equivalent_json(left: Any, right: Any, spend: Spend) -> bool:  # JSON
    if isinstance(left, dict) and isinstance(right, dict):
        spend(len(left))
        return left.keys() == right.keys() and all(
            _equivalent_json(left[key], right[key], spend) for key in left
        )
    if isinstance(left, list) and isinstance(right, list):
        return _match(left, right, _equivalent_json, spend)
    return equivalent_items(left, right, spend)


def equivalent_items(left: Any, right: Any, spend: Spend = _free) -> bool:  # any Items
    """Return whether two items mean the same: text without regard to case and blanks, numbers rounded."""
    a, b = _promoted(system_value(left), system_value(right))
    if isinstance(a, str) and isinstance(b, str):
        spend((len(a) + len(b)) // CHARACTERS_A_STEP)
        return " ".join(a.lower().split()) == " ".join(b.lower().split())
    if _is_number(a) and _is_number(b):
        return _near(Decimal(a), Decimal(b), min(_decimals(a), _decimals(b)))
    if isinstance(a, Quantity) and isinstance(b, Quantity):
        return _equivalent_quantities(a, b)
    if isinstance(a, Node) and isinstance(b, Node):
        return _equivalent_json(a.value, b.value, spend)
    return equal_items(left, right, spend) is True


def _match(left: list[Any], right: list[Any], same: Callable[[Any, Any, Spend], bool], spend: Spend) -> bool:
    if len(left) != len(right):
        return False
    rest = list(right)
    for item in left:
        for position, other in enumerate(rest):
            spend(1)
            if same(item, other, spend):
                del rest[position]
                break
        else:
            return False
    return True


def equivalent(left: Collection, right: Collection, spend: Spend = _free) -> bool:
    """Return whether two collections hold equivalent items, in any order."""
    if len(left) == len(right) == 1:
        return equivalent_items(left[0], right[0], spend)
    if len(left) == len(right) and all(
        key_of(a, spend) == key_of(b, spend) for a, b in zip(left, right, strict=True)
    ):
        return True
    return _match(left, right, equivalent_items, spend)
