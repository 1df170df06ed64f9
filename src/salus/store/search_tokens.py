"""Which tokens a row must have to satisfy a condition, and what its bytes then show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from salus.standards.fhir.model import value_set_codes
from salus.standards.fhir.search import hashing
from salus.standards.fhir.search.hashing import Hasher
from salus.standards.fhir.search.parameters import SearchParameter
from salus.standards.fhir.search.paths import TypedPath
from salus.standards.fhir.search.patients import compartment_paths
from salus.standards.fhir.search.query import Condition, OfTypeValue, ReferenceValue, TokenValue, Value
from salus.standards.fhir.search.references import listed_targets
from salus.store.search_intervals import places
from salus.store.search_statement import PARSE, Check, needle

_CODED = frozenset({"Coding", "CodeableConcept", "Identifier"})
_NEEDLES_MAX = 200


class RequiredToken(NamedTuple):
    """The token without which no row satisfies a condition, and what a row with it still needs."""

    token: int
    check: Check


def required_token(hash_of: Hasher, condition: Condition) -> RequiredToken | None:
    """Return the only token by which rows satisfy the condition, None when it is not that simple."""
    parameter = condition.parameter
    paths = places(parameter)
    plain = condition.modifier in ("", "type") and parameter.code not in ("_id", "_tag")
    if not plain or len(paths) != 1 or len(condition.values) != 1:
        return None
    value = condition.values[0]
    if isinstance(value, TokenValue):
        hashes, text = token_hashes(hash_of, paths[0], value), value.code or value.system or ""
    elif isinstance(value, ReferenceValue) and not value.address:
        hashes, text = reference_hashes(hash_of, paths[0], value), value.id
    else:
        return None
    return RequiredToken(hashes[0], Check(needles=(needle(text),))) if len(hashes) == 1 else None


def tokens_of(hash_of: Hasher, condition: Condition) -> list[int]:
    """Return the tokens of which one stands for a value of a token condition."""
    return [
        hashed
        for path in places(condition.parameter)
        for value in condition.values
        for hashed in token_hashes(hash_of, path, value)
    ]


def token_needles(values: Sequence[Value]) -> tuple[bytes, ...]:
    """Return the byte strings of which one stands in the content of a match, () for too many."""
    texts = set()
    for value in values:
        if isinstance(value, OfTypeValue):
            texts.add(value.value)
        elif isinstance(value, TokenValue):
            texts.add(value.code or value.system or "")
    return tuple(sorted(needle(text) for text in texts)) if len(texts) <= _NEEDLES_MAX else ()


def token_hashes(hash_of: Hasher, path: TypedPath, value: Value) -> list[int]:
    """Return the tokens of which one stands for the value at a place."""
    slot = path.slot
    if isinstance(value, OfTypeValue):
        return [hash_of(hashing.OF_TYPE, slot, f"{value.system}|{value.code}|{value.value}")]
    assert isinstance(value, TokenValue)
    found = []
    if not value.system and path.type not in _CODED and value.code is not None:
        found.append(hash_of(hashing.CODE, slot, value.code))
    if value.system and path.type == "code":
        known = (
            (value_set_codes(path.value_set) or {}).get(value.system, frozenset())
            if path.value_set
            else frozenset()
        )
        codes = sorted(known) if value.code is None else [value.code] if value.code in known else []
        found.extend(hash_of(hashing.CODE, slot, code) for code in codes)
    if path.type in _CODED or not path.type:
        found.append(_coded_hash(hash_of, slot, value))
    return found


def _coded_hash(hash_of: Hasher, slot: str, value: TokenValue) -> int:
    if value.code is None:
        return hash_of(hashing.SYSTEM, slot, value.system or "")
    if value.system is None:
        return hash_of(hashing.CODE, slot, value.code)
    if value.system == "":
        return hash_of(hashing.NO_SYSTEM, slot, value.code)
    return hash_of(hashing.SYSTEM_CODE, slot, f"{value.system}|{value.code}")


def references_of(hash_of: Hasher, condition: Condition) -> list[int]:
    """Return the tokens of which one stands for a value of a reference condition."""
    return [
        one
        for path in places(condition.parameter)
        for value in condition.values
        if isinstance(value, ReferenceValue)
        for one in reference_hashes(hash_of, path, value)
    ]


def reference_check(condition: Condition) -> Check:
    """Return what a row with a token of `references_of` still needs."""
    values = [value for value in condition.values if isinstance(value, ReferenceValue)]
    if any(value.address for value in values) and any(path.target for path in places(condition.parameter)):
        return PARSE
    return Check(needles=tuple(needle(value.id or value.address) for value in values))


def reference_hashes(hash_of: Hasher, path: TypedPath, value: ReferenceValue) -> list[int]:
    """Return the tokens of which one stands for the reference at a place."""
    slot = path.slot
    found = []
    if path.type in ("canonical", "uri", ""):
        text = value.address or (f"{value.type}/{value.id}" if value.type else value.id)
        found.append(hash_of(hashing.ADDRESS, slot, text))
    if path.type in ("canonical", "uri"):
        return found
    if value.address:
        return [*found, hash_of(hashing.ADDRESS, slot, value.address)]
    if value.type:
        if path.target in ("", value.type):
            found.append(hash_of(hashing.REFERENCE, slot, f"{value.type}/{value.id}"))
        return found
    types = (path.target,) if path.target else listed_targets(path.targets)
    if not types:
        return [*found, hash_of(hashing.REFERENCE_ID, slot, value.id)]
    return [*found, *(hash_of(hashing.REFERENCE, slot, f"{name}/{value.id}") for name in types)]


def leads_compartment(parameter: SearchParameter) -> bool:
    """Return whether a resource's compartment comes from this reference to a patient."""
    first = compartment_paths(parameter.resource)[:1]
    return bool(parameter.paths) and all(
        path.single and first and path.slot == first[0].slot for path in parameter.paths
    )


def bound_patients(condition: Condition) -> list[str]:
    """Return the patients whose compartments hold all rows of the condition, [] when it does not say."""
    if not leads_compartment(condition.parameter):
        return []
    only_patients = all(path.target == "Patient" for path in condition.parameter.paths)
    found = []
    for value in condition.values:
        assert isinstance(value, ReferenceValue)
        if value.address or not (value.type == "Patient" or (only_patients and not value.type)):
            return []
        found.append(value.id)
    return found
