"""A search, understood: what `grammar.parse_query` makes and the store and the in-memory oracle carry out."""

from __future__ import annotations

from typing import Literal

import msgspec

from salus.standards.fhir.search.parameters import SearchParameter

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"]


class TokenValue(msgspec.Struct, frozen=True):
    """`system|code`: None stands for any system or any code, system "" for none."""

    system: str | None
    code: str | None


class OfTypeValue(msgspec.Struct, frozen=True):
    """`system|code|value` of :of-type: an identifier's type and value."""

    system: str
    code: str
    value: str


class ReferenceValue(msgspec.Struct, frozen=True):
    """A reference: type and id, an id alone (type ""), or an address (url, urn or canonical, as written)."""

    type: str
    id: str
    address: str


class TextValue(msgspec.Struct, frozen=True):
    """A string or uri as written, and a string's folded form."""

    text: str
    folded: str


class RangeValue(msgspec.Struct, frozen=True):
    """A date, number or quantity.

    Args:
        prefix: how to compare.
        low, high: what the value covers by its precision, [low, high); for `ap` widened by a tenth.
        exact: the number itself, without precision; for a date, `low`.
        system, code: unit of a quantity: None for any system, code "" for any unit.
        dimension: of a quantity in UCUM ("g.m-3"), whose `low`, `high` and `exact` are then in base units.
    """

    prefix: Prefix
    low: float
    high: float
    exact: float
    system: str | None = None
    code: str = ""
    dimension: str = ""


class CompositeValue(msgspec.Struct, frozen=True):
    """One value for each component."""

    parts: tuple[TokenValue | ReferenceValue | TextValue | RangeValue, ...]


class MissingValue(msgspec.Struct, frozen=True):
    """The value of :missing."""

    missing: bool


Value = TokenValue | OfTypeValue | ReferenceValue | TextValue | RangeValue | CompositeValue | MissingValue


class Condition(msgspec.Struct, frozen=True):
    """A parameter with a modifier ("" for none) and values: one must match, for :not and :not-in none.

    Args:
        modifier: "exact", "missing", ... ; "type" for :[type], whose type is then in the values.
    """

    parameter: SearchParameter
    modifier: str
    values: tuple[Value, ...]


class Chain(msgspec.Struct, frozen=True):
    """A reference to a resource that satisfies a criterion; one entry for each type it may have."""

    parameter: SearchParameter
    targets: tuple[tuple[str, Criterion], ...]


class Has(msgspec.Struct, frozen=True):
    """A resource of `type` refers to this one by `parameter` and satisfies a criterion."""

    type: str
    parameter: SearchParameter
    criterion: Criterion


Criterion = Condition | Chain | Has


class SortKey(msgspec.Struct, frozen=True):
    """One key of _sort."""

    parameter: SearchParameter
    descending: bool


class Include(msgspec.Struct, frozen=True):
    """An _include or _revinclude.

    Args:
        type: type of the resource that refers, "" for any (`*`).
        parameter: its reference parameter, "*" for all.
        target: type of what is referred to, "" for any.
        reverse: _revinclude.
        iterate: applies to what was included as well.
    """

    type: str
    parameter: str
    target: str
    reverse: bool
    iterate: bool


class Query(msgspec.Struct, frozen=True):
    """A search of one resource type.

    Args:
        criteria: all of them hold.
        count: resources on a page; 0 asks for the number only.
        total: what `Bundle.total` shall be: "none", "estimate" or "accurate".
        summary: "true", "text", "data", "count" or "false".
        elements: names of _elements, () for all.
        cursor: opaque place of the next page, "" for the first.
        compartment: logical id of the patient whose compartment is searched, "" for all.
        applied: (name, value) as given, for the self link; without the cursor and what was ignored.
        ignored: names of unknown parameters that were left out.
    """

    type: str
    criteria: tuple[Criterion, ...] = ()
    sort: tuple[SortKey, ...] = ()
    includes: tuple[Include, ...] = ()
    count: int = 50
    total: str = "none"
    summary: str = "false"
    elements: tuple[str, ...] = ()
    cursor: str = ""
    compartment: str = ""
    applied: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        """The search without its values, as an audit leaf may hold it: "Observation?code,patient"."""
        names = sorted({name.partition(":")[0] for name, _ in self.applied})
        return f"{self.type}?{','.join(names)}"[:200]
