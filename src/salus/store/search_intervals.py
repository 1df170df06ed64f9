"""Conditions on dates, numbers and quantities (table `resource_range`), and those that few rows satisfy."""

from __future__ import annotations

from collections.abc import Sequence

from salus.standards.fhir.search import hashing
from salus.standards.fhir.search.parameters import SearchParameter
from salus.standards.fhir.search.paths import TypedPath
from salus.standards.fhir.search.query import CompositeValue, Condition, RangeValue, Value
from salus.store.search_statement import Statement
from salus.store.search_strings import in_strings, is_indexed

_RANGES = frozenset({"date", "number", "quantity"})
_SAME = "v.compartment = r.compartment AND v.type = r.type AND v.id = r.id"
_INSIDE_UPDATED = "(r.updated >= {low} AND r.updated < {high})"
_UPDATED = {
    "eq": _INSIDE_UPDATED,
    "ap": _INSIDE_UPDATED,
    "ne": f"NOT {_INSIDE_UPDATED}",
    "gt": "r.updated >= {high}",
    "sa": "r.updated >= {high}",
    "ge": "r.updated >= {low}",
    "lt": "r.updated < {low}",
    "eb": "r.updated < {low}",
    "le": "r.updated < {high}",
}
# `v.low < {high}` and `v.high > {low}` follow from the rest: they close the range that an index is read over.
_INSIDE_DATE = "(v.low >= {low} AND v.low < {high} AND v.high <= {high})"
_DATE = {
    "eq": _INSIDE_DATE,
    "ne": f"NOT {_INSIDE_DATE}",
    "gt": "v.high > {high}",
    "lt": "v.low < {low}",
    "ge": f"(v.high > {{low}} AND (v.high > {{high}} OR {_INSIDE_DATE}))",
    "le": f"(v.low < {{high}} AND (v.low < {{low}} OR {_INSIDE_DATE}))",
    "sa": "v.low >= {high}",
    "eb": "v.high <= {low}",
    "ap": "(v.low < {high} AND v.high > {low})",
}
_INSIDE_NUMBER = "(v.low >= {low} AND v.low < {high} AND v.high < {high})"
_NUMBER = {
    "eq": _INSIDE_NUMBER,
    "ne": f"NOT {_INSIDE_NUMBER}",
    "gt": "v.high > {exact}",
    "lt": "v.low < {exact}",
    "ge": "v.high >= {exact}",
    "le": "v.low <= {exact}",
    "sa": "v.low > {exact}",
    "eb": "v.high < {exact}",
    "ap": "(v.low <= {high} AND v.high >= {low})",
}


def _compare(statement: Statement, template: str, value: RangeValue, bound: str = "{}::float8") -> str:
    """Fill the ends that the template names; each becomes one argument."""
    ends = {"low": value.low, "high": value.high, "exact": value.exact}
    named = {
        name: bound.format(statement.bind(end)) for name, end in ends.items() if f"{{{name}}}" in template
    }
    return template.format(**named)


def places(parameter: SearchParameter) -> tuple[TypedPath, ...]:
    """Return the typed places of a parameter; a general expression has one, of any type."""
    return (TypedPath(parameter.general_slot, (), ""),) if parameter.general else parameter.paths


def _compared_range(statement: Statement, kind: str, paths: Sequence[TypedPath], value: RangeValue) -> str:
    """Compare the ranges under the places' keys, of a quantity in UCUM those in base units."""
    what = hashing.DIMENSION if value.dimension else ""
    keys = statement.bind([statement.hash_of(what, path.slot, value.dimension) for path in paths])
    compared = _compare(statement, (_DATE if kind == "date" else _NUMBER)[value.prefix], value)
    return f"v.key = ANY({keys}::bigint[]) AND {compared}"


def in_updated(statement: Statement, value: Value) -> str:
    """Compare `updated`, an instant of a millisecond, as the prefix says."""
    assert isinstance(value, RangeValue)
    return _compare(statement, _UPDATED[value.prefix], value, "to_timestamp({}::float8)")


def in_ranges(statement: Statement, kind: str, paths: Sequence[TypedPath], value: RangeValue) -> str:
    """Return the text for: the row has a value that compares so, with the unit if one is named."""
    compared = _compared_range(statement, kind, paths, value)
    test = f"EXISTS (SELECT FROM resource_range v WHERE {_SAME} AND {compared})"
    if kind != "quantity" or not value.code or value.dimension:
        return test
    hashed = (
        statement.hash_of(hashing.UNIT, path.slot, value.code)
        if value.system is None
        else statement.hash_of(hashing.SYSTEM_UNIT, path.slot, f"{value.system}|{value.code}")
        for path in paths
    )
    return f"({statement.has_token(hashed)} AND {test})"


def rare_ids(statement: Statement, condition: Condition, *, count_max: int) -> str:
    """Return a query for the ids that satisfy the condition, at most `count_max`, "" when it cannot be one.

    The planner knows how often a key occurs and how values spread over all keys, not over one; asking is
    cheaper than its wrong guess. Units outside UCUM are not
    looked at: the ids may be more than what matches.
    """
    parameter = condition.parameter
    if condition.modifier not in ("", "exact", "contains") or parameter.code == "_lastUpdated":
        return ""
    kind, paths, values = parameter.type, places(parameter), condition.values
    if kind == "composite":
        kind, paths, values = _ranges_of(condition)
    if kind == "string" and is_indexed(condition.modifier, values):
        table, tests = "resource", [in_strings(statement, condition.modifier, paths, values, row="v")]
    elif kind in _RANGES:
        table = "resource_range"
        tests = [
            _compared_range(statement, kind, paths, value)
            for value in values
            if isinstance(value, RangeValue)
        ]
    else:
        return ""
    parts = (
        *("SELECT v.id FROM", table, f"v WHERE v.type = {statement.bind(parameter.resource)}"),
        *("AND (", " OR ".join(f"({test})" for test in tests)),
        *(") LIMIT", statement.bind(count_max)),
    )
    return " ".join(parts)


def _ranges_of(condition: Condition) -> tuple[str, tuple[TypedPath, ...], tuple[Value, ...]]:
    """Return type, places and values of a composite's first component that is a range, "" when none is."""
    composites = condition.parameter.composites
    for number, part in enumerate(composites[0].parts if composites else ()):
        if part.type in _RANGES:
            paths = tuple(path for one in composites for path in one.parts[number].paths)
            values = [value.parts[number] for value in condition.values if isinstance(value, CompositeValue)]
            return part.type, paths, tuple(values)
    return "", (), ()
