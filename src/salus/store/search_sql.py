"""Search criteria as SQL over `resource` and `resource_range` (schema 0001).

Each predicate finds at least the rows that match; what more it may find is said by its `Check`, and
`search_check` sorts it out on the bytes. No predicate looks into the content, which the database may hold
encrypted: a negative one loses a row that has the searched value's hash by collision (docs/decisions/0005).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from salus.standards.fhir.search import hashing
from salus.standards.fhir.search.emitters import PROFILE_SLOT
from salus.standards.fhir.search.hashing import prefixes
from salus.standards.fhir.search.parameters import Composite, Part, SearchParameter, clinical_date
from salus.standards.fhir.search.paths import TypedPath
from salus.standards.fhir.search.query import (
    CompositeValue,
    Condition,
    MissingValue,
    RangeValue,
    ReferenceValue,
    TextValue,
    TokenValue,
    Value,
)
from salus.standards.fhir.search.values import EARLIEST, LATEST
from salus.store.search_intervals import in_ranges, in_updated, places
from salus.store.search_statement import EXACT, PARSE, Check, Predicate, Statement, needle
from salus.store.search_strings import in_strings, strings_check
from salus.store.search_tokens import (
    bound_patients,
    reference_check,
    reference_hashes,
    references_of,
    token_hashes,
    token_needles,
    tokens_of,
)

_ORIGINAL_ID = "urn:salus:original-id"
_TOKENS = frozenset({"token", "reference", "uri", "string"})


def predicate(statement: Statement, condition: Condition) -> Predicate:
    """Return the predicate of a condition on resources of its parameter's type."""
    parameter = condition.parameter
    if parameter.code == "_id" and condition.modifier != "missing":
        return _id(statement, condition)
    if parameter.code == "_lastUpdated" and condition.modifier != "missing":
        return _any(statement, condition.values, in_updated)
    if condition.modifier == "missing":
        return _missing(statement, condition)
    match parameter.type:
        case "token":
            return _token(statement, condition)
        case "reference":
            return _reference(statement, condition)
        case "uri":
            return _uri(statement, condition)
        case "composite":
            return Predicate(_composite(statement, condition), PARSE)
        case "string":
            return _string(statement, condition)
    return _range(statement, condition)


def _any(statement: Statement, values: Sequence[Value], one: Callable[[Statement, Value], str]) -> Predicate:
    return Predicate("(" + " OR ".join(one(statement, value) for value in values) + ")", EXACT)


# Tokens


def _id(statement: Statement, condition: Condition) -> Predicate:
    codes = [value.code for value in condition.values if isinstance(value, TokenValue) and not value.system]
    test = f"r.id = ANY({statement.bind(codes)}::text[])"
    return Predicate(f"NOT ({test})" if condition.modifier in ("not", "not-in") else test, EXACT)


def _token(statement: Statement, condition: Condition) -> Predicate:
    modifier = condition.modifier
    if modifier == "text":
        return Predicate(_text(statement, condition, places(condition.parameter)), PARSE)
    test = statement.has_token(tokens_of(statement.hash_of, condition))
    needles = token_needles(condition.values)
    if modifier in ("not", "not-in"):
        return Predicate(f"NOT ({test})", Check(needles=needles, absent=True) if needles else PARSE)
    originals = [
        value.code
        for value in condition.values
        if isinstance(value, TokenValue) and value.system == _ORIGINAL_ID
    ]
    if originals and condition.parameter.code == "_tag":
        named = statement.bind([*originals, *(f"urn:uuid:{code}" for code in originals)])
        original = f"r.source_id <> '' AND substring(r.source_id FROM '[^/]*$') = ANY({named}::text[])"
        return Predicate(f"({test} OR ({original}))", PARSE)
    return Predicate(test, Check(needles=needles))


def _text(statement: Statement, condition: Condition, paths: Sequence[TypedPath]) -> str:
    """Return the text for: a word begins as the first one searched does; "true" where that is too short."""
    words = [value.folded.split(" ")[0] for value in condition.values if isinstance(value, TextValue)]
    if any(len(word) < hashing.TEXT_PREFIX for word in words):
        return "true"
    beginnings = {word[: hashing.TEXT_PREFIX] for word in words}
    return statement.has_token(
        statement.hash_of(hashing.TEXT, path.slot, beginning) for path in paths for beginning in beginnings
    )


# References and addresses


def _reference(statement: Statement, condition: Condition) -> Predicate:
    hash_of = statement.hash_of
    if condition.modifier == "identifier":
        inner = [
            TypedPath(f"{path.slot}.identifier", (), "Identifier") for path in places(condition.parameter)
        ]
        hashes = [
            one for path in inner for value in condition.values for one in token_hashes(hash_of, path, value)
        ]
        return Predicate(statement.has_token(hashes), PARSE)
    test = statement.has_token(references_of(hash_of, condition))
    patients = bound_patients(condition)
    if patients:
        test = f"{in_compartments(statement, patients)} AND {test}"
    return Predicate(test, reference_check(condition))


def in_compartments(statement: Statement, patients: Sequence[str]) -> str:
    """Return the text for: the row is in one of the compartments; of one, an index gives its order."""
    if len(patients) == 1:
        return f"r.compartment = {statement.bind(patients[0])}"
    return f"r.compartment = ANY({statement.bind(list(patients))}::text[])"


def _uri(statement: Statement, condition: Condition) -> Predicate:
    hash_of, modifier = statement.hash_of, condition.modifier
    hashes: list[int] = []
    texts = []
    for path in places(condition.parameter):
        for value in condition.values:
            assert isinstance(value, TextValue)
            texts.append(value.text)
            if modifier == "below" and path.slot.endswith(PROFILE_SLOT):
                hashes.append(hash_of(hashing.PRESENT, path.slot, ""))
            elif modifier == "below":
                hashes.append(hash_of(hashing.BELOW, path.slot, value.text.rstrip("/")))
            elif modifier == "above":
                above = [value.text, *(part + end for part in prefixes(value.text) for end in ("", "/"))]
                hashes.extend(hash_of(hashing.ADDRESS, path.slot, part) for part in above)
            else:
                hashes.append(hash_of(hashing.ADDRESS, path.slot, value.text))
    test = statement.has_token(hashes)
    if condition.parameter.code == "_source":
        return Predicate(f"({test} OR {_source(statement, texts, modifier)})", PARSE)
    return Predicate(test, PARSE if modifier else Check(needles=tuple(needle(text) for text in texts)))


def _source(statement: Statement, texts: Sequence[str], modifier: str) -> str:
    if modifier:
        return "r.source <> ''"
    return f"r.source = ANY({statement.bind(list(texts))}::text[])"


# Ranges


def _range(statement: Statement, condition: Condition) -> Predicate:
    parameter = condition.parameter
    paths = places(parameter)
    tests, exact = [], True
    for value in condition.values:
        assert isinstance(value, RangeValue)
        test = in_ranges(statement, parameter.type, paths, value)
        if parameter.type == "date" and _is_clinical(parameter):
            test = f"({_clinical(statement, value)}{test})"
        tests.append(test)
        exact = exact and (not value.code or bool(value.dimension))
    return Predicate("(" + " OR ".join(tests) + ")", EXACT if exact else PARSE)


def _is_clinical(parameter: SearchParameter) -> bool:
    """Return whether column `date` is the start of the parameter's only value."""
    clinical = clinical_date(parameter.resource)
    if (
        clinical is None
        or clinical.code != parameter.code
        or not all(path.single for path in parameter.paths)
    ):
        return False
    return (
        len({path.slot.removesuffix(path.type[0].upper() + path.type[1:]) for path in parameter.paths}) == 1
    )


def _clinical(statement: Statement, value: RangeValue) -> str:
    """Return what column `date` must satisfy, where that follows from the prefix, with a closing AND.

    The column holds the nearest moment of the calendar for one beyond it: the ends are moved likewise.
    """
    if value.prefix == "eq":
        low = statement.bind(min(max(value.low, EARLIEST), LATEST))
        high = statement.bind(max(value.high, EARLIEST + 1))
        return f"r.date >= to_timestamp({low}::float8) AND r.date < to_timestamp({high}::float8) AND "
    if value.prefix == "sa":
        return f"r.date >= to_timestamp({statement.bind(min(value.high, LATEST))}::float8) AND "
    return ""


# Strings


def _string(statement: Statement, condition: Condition) -> Predicate:
    test = in_strings(statement, condition.modifier, places(condition.parameter), condition.values)
    return Predicate(test, strings_check(condition))


# Presence and composites


def _missing(statement: Statement, condition: Condition) -> Predicate:
    wanted = condition.values[0]
    assert isinstance(wanted, MissingValue)
    parameter = condition.parameter
    if parameter.code in ("_id", "_lastUpdated"):
        return Predicate("false" if wanted.missing else "true", EXACT)
    if parameter.code in ("_source", "_tag"):
        return Predicate("true", PARSE)
    if parameter.type == "composite":
        if wanted.missing:
            return Predicate("true", PARSE)
        tests = [_parts_present(statement, composite) for composite in parameter.composites]
        return Predicate("(" + " OR ".join(tests or ["false"]) + ")", PARSE)
    test = _present(statement, parameter.type, places(parameter))
    if not wanted.missing:
        return Predicate(test, PARSE)
    return Predicate(f"NOT ({test})", PARSE)


def _present(statement: Statement, kind: str, paths: Sequence[TypedPath]) -> str:
    hash_of = statement.hash_of
    if kind in _TOKENS:
        return statement.has_token(
            hash_of(hashing.REFERENCE_TYPE, path.slot, path.target)
            if path.target
            else hash_of(hashing.PRESENT, path.slot, "")
            for path in paths
        )
    keys = statement.bind([hash_of("", path.slot, "") for path in paths])
    return (
        f"EXISTS (SELECT FROM resource_range v WHERE v.compartment = r.compartment AND v.type = r.type "
        f"AND v.id = r.id AND v.key = ANY({keys}::bigint[]))"
    )


def _parts_present(statement: Statement, composite: Composite) -> str:
    tests = [_present(statement, part.type, part.paths) for part in composite.parts]
    return "(" + " AND ".join(tests) + ")"


def _composite(statement: Statement, condition: Condition) -> str:
    tests = []
    for composite in condition.parameter.composites:
        for value in condition.values:
            assert isinstance(value, CompositeValue)
            pairs = zip(composite.parts, value.parts, strict=True)
            tests.append(" AND ".join(_part(statement, part, one) for part, one in pairs))
    return "(" + " OR ".join(f"({test})" for test in tests or ["false"]) + ")"


def _part(statement: Statement, part: Part, value: Value) -> str:
    """Return the predicate of one component, anywhere in the resource."""
    if isinstance(value, RangeValue):
        return in_ranges(statement, part.type, part.paths, value)
    if isinstance(value, TextValue):
        return in_strings(statement, "", part.paths, (value,))
    if isinstance(value, ReferenceValue):
        hashes = [one for path in part.paths for one in reference_hashes(statement.hash_of, path, value)]
    else:
        hashes = [one for path in part.paths for one in token_hashes(statement.hash_of, path, value)]
    return statement.has_token(hashes)
