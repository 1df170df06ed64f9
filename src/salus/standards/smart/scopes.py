"""SMART scopes for FHIR resources (SMART App Launch 2.2, "Scopes for requesting FHIR Resources").

Version 2 is `context/Type.cruds?query`, its letters in that order, its query FHIR search parameters that a
resource must satisfy; version 1 (`.read`, `.write`, `.*`) is read as its version 2 meaning. Scopes add up:
what one of them permits is permitted. Anything else (`openid`, `launch/patient`, a malformed text) gives no
data, and a query that cannot be understood whole gives none either, rather than more than it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from salus.core.errors import InvalidSearch, SalusError
from salus.core.limits import Limits
from salus.standards.fhir.query_string import Pairs, parse_pairs
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.match import matches
from salus.standards.fhir.search.query import Query

CONTEXTS = ("system", "user", "patient")
_SCOPE = re.compile(
    r"(patient|user|system)/(\*|[A-Z][A-Za-z]+)\.(c?r?u?d?s?|read|write|\*)(?:\?([!-~]+))?", re.ASCII
)
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
_LIMITS = Limits()


class Scope(msgspec.Struct, frozen=True):
    """One resource scope.

    Args:
        context: "patient", "user" or "system".
        type: resource type, "*" for any.
        letters: of "cruds".
        query: search parameters that a resource must satisfy, as (name, value); () for no constraint.
    """

    context: str
    type: str
    letters: str
    query: Pairs = ()


def parse_scope(text: str) -> Scope | None:
    """Return the resource scope, None for any other scope or a malformed one."""
    found = _SCOPE.fullmatch(text)
    if found is None or not found[3]:
        return None
    context, kind, letters, query = found.groups()
    if query is None:
        return Scope(context, kind, _V1.get(letters, letters))
    # Version 1 has no queries, and search parameters of no single type mean nothing.
    if letters in _V1 or kind == "*":
        return None
    try:
        pairs = parse_pairs(query.encode())
        constraint(kind, pairs)
    except SalusError:
        return None
    return Scope(context, kind, letters, pairs)


@lru_cache(maxsize=1_024)
def constraint(type_name: str, pairs: Pairs) -> Query:
    """Return the constraint of a scope as a search.

    Raises:
        InvalidSearch, NotSupported: it is no search of the type, one that says more than which resources
            (`_include`, `_sort`), or one that no look at a single resource decides (chains, `_has`).
    """
    if any(name.startswith("_has") or "." in name for name, _ in pairs):
        raise InvalidSearch("a scope must be decided by the resource alone")
    query = parse_query(type_name, pairs, _LIMITS, strict=True)
    if not query.criteria or len(query.criteria) != len(pairs):
        raise InvalidSearch("a scope's query must hold search parameters of the type and nothing else")
    return query


def fitting(scopes: Iterable[Scope], letters: str, resource_type: str) -> tuple[Scope, ...]:
    """Return the scopes that permit all the letters on the type, the widest context first.

    A request about no single type ("") needs a scope for "*".
    """
    found = [
        scope
        for scope in scopes
        if scope.type in ("*", resource_type or "*") and all(letter in scope.letters for letter in letters)
    ]
    return tuple(sorted(found, key=lambda scope: (CONTEXTS.index(scope.context), bool(scope.query))))


def covers(scopes: Sequence[Scope], letters: str, resource: dict[str, Any]) -> bool:
    """Return whether the scopes permit the letters on this resource, its content considered.

    For a create or update, ask about the resource as it will be, and for an update as it is too.
    Whose record it is in, is the grant's to say.
    """
    return any(
        not scope.query or matches(constraint(scope.type, scope.query), resource)
        for scope in fitting(scopes, letters, str(resource.get("resourceType", "")))
    )


def alternatives(scopes: Sequence[Scope], letters: str, resource_type: str) -> tuple[Query, ...] | None:
    """Return what a search of the type may find: resources that satisfy one of the queries.

    None stands for every resource of the type, () for none at all.
    """
    found = fitting(scopes, letters, resource_type)
    if any(not scope.query for scope in found):
        return None
    return tuple(dict.fromkeys(constraint(scope.type, scope.query) for scope in found))
