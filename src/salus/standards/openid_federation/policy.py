"""Metadata policy: what superiors require of, or set in, metadata (OpenID Federation 1.0 section 6.1).

A policy is {entity type: {parameter: {operator: value}}}. Policies are merged from the trust anchor down,
then applied to the metadata of the subject, each operator in its order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from salus.core.errors import NotAuthenticated

STANDARD_OPERATORS = ("value", "add", "default", "one_of", "subset_of", "superset_of", "essential")
"""In their order of application (section 6.1.3.1)."""
_ARRAYS = frozenset({"add", "one_of", "subset_of", "superset_of"})
_NOT_WITH_ONE_OF = frozenset({"add", "subset_of", "superset_of"})

Operators = dict[str, Any]  # Any: JSON values
Policy = dict[str, dict[str, Operators]]


def merge(policies: Iterable[Mapping[str, Any]]) -> Policy:
    """Return the policy that several make together (section 6.1.4.1).

    Args:
        policies: `metadata_policy` of the statements of a chain, the most superior first.

    Raises:
        NotAuthenticated: a policy is malformed, or two contradict each other.
    """
    merged: Policy = {}
    for policy in policies:
        for kind, parameters in _members(policy, "metadata_policy").items():
            of_kind = merged.setdefault(kind, {})
            for name, operators in _members(parameters, kind).items():
                read = _read(operators, name)
                _check_combination(read, name)
                of_kind[name] = _merged(of_kind[name], read, name) if name in of_kind else read
                _check_combination(of_kind[name], name)
    return merged


def apply(policy: Policy, metadata: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the metadata as the policy makes it (section 6.1.4.2).

    Entity types that the subject does not have are not added.

    Raises:
        NotAuthenticated: the metadata breaks the policy; the parameter is named.
    """
    resolved = {kind: dict(parameters) for kind, parameters in metadata.items()}
    for kind in resolved.keys() & policy.keys():
        for name, operators in policy[kind].items():
            found = _applied(operators, resolved[kind].get(name), name)
            if found is None:
                resolved[kind].pop(name, None)
            else:
                resolved[kind][name] = found
    return resolved


def _members(found: object, name: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise NotAuthenticated(f"the metadata policy of {name[:80]} must be an object")
    return found


def _read(operators: object, name: str) -> Operators:
    """Return the operators that are understood; the others are left out (section 6.1.3.2)."""
    found = {key: value for key, value in _members(operators, name).items() if key in STANDARD_OPERATORS}
    for key in _ARRAYS & found.keys():
        if not isinstance(found[key], list):
            raise _error(name, f"{key} must be an array")
    if not isinstance(found.get("essential", False), bool):
        raise _error(name, "essential must be true or false")
    if "default" in found and found["default"] is None:
        raise _error(name, "default must not be null")
    return found


def _merged(above: Operators, below: Operators, name: str) -> Operators:
    merged = dict(above)
    for key, value in below.items():
        if key not in above:
            merged[key] = value
        elif key in ("add", "superset_of"):
            merged[key] = _union(above[key], value)
        elif key in ("one_of", "subset_of"):
            merged[key] = [one for one in above[key] if _has(value, one)]
        elif key == "essential":
            merged[key] = above[key] or value
        elif not _same(above[key], value):
            raise _error(name, f"two superiors set another {key}")
    if "one_of" in merged and not merged["one_of"]:
        raise _error(name, "no value is left that all superiors allow (one_of)")
    return merged


def _check_combination(operators: Operators, name: str) -> None:
    """Refuse operators that may not stand together (section 6.1.3.1, at each operator)."""
    if "one_of" in operators and _NOT_WITH_ONE_OF & operators.keys():
        raise _error(name, "one_of may not stand beside add, subset_of or superset_of")
    if "value" in operators:
        _check_value(operators, name)
    within = operators.get("subset_of")
    if within is not None and not all(
        _has(within, one) for key in ("add", "superset_of") for one in operators.get(key, [])
    ):
        raise _error(name, "subset_of leaves out what add or superset_of want")


def _check_value(operators: Operators, name: str) -> None:
    value = operators["value"]
    if value is None and ("default" in operators or operators.get("essential")):
        raise _error(name, "value null may not stand beside default or essential")
    values = _array(value, name)
    if not all(_has(values, one) for key in ("add", "superset_of") for one in operators.get(key, [])):
        raise _error(name, "value lacks what add or superset_of want")
    if "subset_of" in operators and not all(_has(operators["subset_of"], one) for one in values):
        raise _error(name, "value holds what subset_of does not allow")
    if "one_of" in operators and not _has(operators["one_of"], value):
        raise _error(name, "value is none of one_of")


def _applied(operators: Operators, found: Any, name: str) -> Any:
    """Return the parameter's new value, None for no such parameter."""
    if "value" in operators:
        found = operators["value"]
    if "add" in operators:
        found = _union(_array(found, name), operators["add"])
    if "default" in operators and found is None:
        found = operators["default"]
    if found is not None:
        found = _checked(operators, found, name)
    if found is None and operators.get("essential"):
        raise _error(name, "it must be there")
    # `scope` is words in one text, whatever form the operators gave it (section 6.1.3.1.8).
    return " ".join(map(str, found)) if name == "scope" and isinstance(found, list) else found


def _checked(operators: Operators, found: Any, name: str) -> Any:
    if "one_of" in operators and not _has(operators["one_of"], found):
        raise _error(name, "it has a value that is not allowed")
    if "subset_of" in operators:
        found = [one for one in _array(found, name) if _has(operators["subset_of"], one)]
    if "superset_of" in operators and not all(
        _has(_array(found, name), one) for one in operators["superset_of"]
    ):
        raise _error(name, "it lacks a value that is required")
    return found


def _array(found: Any, name: str) -> list[Any]:
    """Return a value as operators on arrays see it: `scope` is its words."""
    if found is None:
        return []
    if name == "scope" and isinstance(found, str):
        return found.split()
    return found if isinstance(found, list) else [found]


def _union(first: list[Any], second: list[Any]) -> list[Any]:
    return first + [one for place, one in enumerate(second) if not _has(first + second[:place], one)]


def _has(values: list[Any], wanted: Any) -> bool:
    return any(_same(one, wanted) for one in values)


def _same(first: Any, second: Any) -> bool:
    """Return whether two JSON values are one; 1 is not true, and the order of an array counts."""
    return type(first) is type(second) and bool(first == second)


def _error(name: str, what: str) -> NotAuthenticated:
    return NotAuthenticated(f"metadata policy for {name[:80]}: {what}")
