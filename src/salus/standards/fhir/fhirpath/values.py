"""What a collection holds: nodes of FHIR data, and the values of FHIRPath's own types (System).

System.String is `str`, System.Boolean `bool`, System.Integer `int`, System.Long `Long`,
System.Decimal `Decimal`; System.Date, System.DateTime and System.Time are `Temporal`,
System.Quantity is `Quantity`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from salus.standards.fhir.fhirpath.temporal import Kind, Temporal, parse_temporal

CALENDAR_UNITS = {
    f"{unit}{plural}": unit
    for unit in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for plural in ("", "s")
}
UCUM = "http://unitsofmeasure.org"
EXPONENT_MAX = 100

_INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})
_TEMPORALS: dict[str, Kind] = {"date": "date", "dateTime": "dateTime", "instant": "dateTime", "time": "time"}
QUANTITIES = frozenset(
    {"Quantity", "Age", "Count", "Distance", "Duration", "MoneyQuantity", "SimpleQuantity"}
)


class Long(int):
    """A System.Long; it computes as an integer."""


class Quantity(msgspec.Struct, frozen=True):
    """A System.Quantity: a UCUM code, or with `calendar` a word such as "days"."""

    value: Decimal
    unit: str
    calendar: bool = False

    def __str__(self) -> str:
        return f"{self.value:f} {self.unit}" if self.calendar else f"{self.value:f} '{self.unit}'"


class TypeInfo(msgspec.Struct, frozen=True):
    """What type() answers."""

    namespace: str
    name: str
    base: str = ""


class Node:
    """An element of FHIR data with its type and its place.

    Attributes:
        value: the JSON value; None for a primitive that has only an id or extensions.
        type: name as in `salus.standards.fhir.model`; "" when unknown.
        parent: the node above, None at the root.
        key: JSON key in the parent ("valueQuantity"); for the root "".
        index: position in the array, None when the JSON value is no array.
        extra: the `_key` sibling of a primitive, or None.
    """

    __slots__ = ("extra", "index", "key", "parent", "type", "value")

    def __init__(
        self,
        value: Any,  # JSON, any shape
        type: str,
        parent: Node | None = None,
        key: str = "",
        index: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        self.value = value
        self.type = type
        self.parent = parent
        self.key = key
        self.index = index
        self.extra = extra

    @property
    def location(self) -> str:
        """The place as a path from the root, "Patient.name[0].given[1]"."""
        if self.parent is None:
            return self.type
        step = self.key if self.index is None else f"{self.key}[{self.index}]"
        return f"{self.parent.location}.{step}"

    def __repr__(self) -> str:
        return f"Node({self.value!r}, {self.type!r})"


Item = Node | str | bool | int | Decimal | Temporal | Quantity | TypeInfo
Collection = list[Any]  # of Item; Any because every function narrows by isinstance


def quantity_of(value: dict[str, Any]) -> Quantity | None:
    """Return a FHIR Quantity as a System.Quantity; None without a number, or with one beyond measure."""
    number = value.get("value")
    if isinstance(number, bool) or not isinstance(number, int | Decimal | float):
        return None
    amount = number if isinstance(number, Decimal) else Decimal(str(number))
    if abs(amount.adjusted()) > EXPONENT_MAX:
        return None
    code = value.get("code") or value.get("unit") or "1"
    return Quantity(amount, str(code))


def primitive_value(value: Any, type_name: str) -> Any:  # any System value
    """Return the System value of a FHIR primitive; the JSON value itself where it does not fit the type."""
    if type_name in _TEMPORALS:
        parsed = parse_temporal(value, _TEMPORALS[type_name]) if isinstance(value, str) else None
        return value if parsed is None else parsed
    if type_name == "decimal" and isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    return value


def system_value(item: Any) -> Any:  # Item -> System value, Node or None
    """Return an item as FHIRPath computes with it.

    A FHIR primitive becomes its System value (None when it has none), a FHIR Quantity a System.Quantity;
    anything else stays the node it is.
    """
    if not isinstance(item, Node):
        return item
    value = item.value
    if isinstance(value, dict):
        if item.type in QUANTITIES:
            quantity = quantity_of(value)
            return item if quantity is None else quantity
        return item
    return value if value is None else primitive_value(value, item.type)


def json_value(item: Any) -> Any:  # Item -> JSON or System value
    """Return the plain value of an item: the JSON value of a node, any other item as it is."""
    return item.value if isinstance(item, Node) else item


def system_type(value: Any) -> str:  # any Item
    """Return the name of a System value's type, "" for a node."""
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, Long):
        return "Long"
    if isinstance(value, int):
        return "Integer"
    if isinstance(value, Temporal):
        return {"date": "Date", "dateTime": "DateTime", "time": "Time"}[value.kind]
    names = {str: "String", Decimal: "Decimal", Quantity: "Quantity"}
    return names.get(type(value), "")
