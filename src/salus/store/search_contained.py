"""Chains that lead into contained resources (http://hl7.org/fhir/R4/search.html#contained).

The values of a contained resource stand in the index row of its container, under hashes of their own
(`hashing.inside`); a token says which type of contained resource a place refers to. Two contained resources
of one type are not told apart there: the bytes decide, as for every chain.
"""

from __future__ import annotations

from salus.standards.fhir.search import hashing
from salus.standards.fhir.search.hashing import Hasher
from salus.standards.fhir.search.parameters import parameters_of
from salus.standards.fhir.search.query import Chain, Condition, Criterion, RangeValue
from salus.store.search_intervals import in_ranges, places
from salus.store.search_sql import predicate
from salus.store.search_statement import Statement
from salus.store.search_tokens import references_of

_TELLS_NOTHING = frozenset({"missing", "not", "not-in"})
_RANGES = frozenset({"date", "number", "quantity"})


def contained_tokens(hash_of: Hasher, chain: Chain, target: str) -> list[int]:
    """Return the tokens of which one is in every row that refers to a contained resource of the type."""
    found = [path.slot for path in places(chain.parameter) if path.target in ("", target)]
    return [hash_of(hashing.CONTAINED, slot, target) for slot in found]


def contains(statement: Statement, chain: Chain) -> str:
    """Return the text for: the row contains a resource that the chain leads to; it may find too much."""
    tests = [
        f"({statement.has_token(contained_tokens(statement.hash_of, chain, target))} AND "
        f"{_holds_inside(statement, inner)})"
        for target, inner in chain.targets
    ]
    return f"({' OR '.join(tests)})"


def _holds_inside(statement: Statement, criterion: Criterion) -> str:
    """Return the text for: a contained resource has the value; "true" where the index does not tell."""
    if not isinstance(criterion, Condition) or not _is_indexed(criterion):
        return "true"
    within = statement.inside()
    parameter = criterion.parameter
    if parameter.type == "reference" and criterion.modifier != "identifier":
        return within.has_token(references_of(within.hash_of, criterion))
    if parameter.type in _RANGES:
        values = [value for value in criterion.values if isinstance(value, RangeValue)]
        tests = [in_ranges(within, parameter.type, places(parameter), value) for value in values]
        return f"({' OR '.join(tests)})"
    return predicate(within, criterion).sql


def _is_indexed(condition: Condition) -> bool:
    """Return whether every contained resource with the value has its token, range or string.

    One of the node's own parameters is indexed anew in resources, not in what they contain.
    """
    parameter = condition.parameter
    if condition.modifier in _TELLS_NOTHING or parameter.code.startswith("_"):
        return False
    return parameters_of(parameter.resource).get(parameter.code) == parameter
