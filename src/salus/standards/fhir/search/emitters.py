"""From a value of a known type to its search values (FHIR R4 search.html, 3.1.1.4.7 to 3.1.1.4.13).

An emitter is made once for a slot and a type. Hashes of values that come again and again (codes, references)
are remembered, `REMEMBERED_MAX` of them per slot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from salus.standards.fhir.search import hashing
from salus.standards.fhir.search.canonical import in_base_units, scale_of
from salus.standards.fhir.search.hashing import Hasher, prefixes
from salus.standards.fhir.search.paths import TypedPath
from salus.standards.fhir.search.references import contained_type, listed_targets, parse_literal
from salus.standards.fhir.search.texts import compile_texts
from salus.standards.fhir.search.values import (
    date_values,
    fold,
    items_of,
    number_bounds,
    quantity_bounds,
    units_of,
)

PROFILE_SLOT = (
    ".meta.profile"  # its beginnings are not indexed: few search below a profile, all resources have one
)
REMEMBERED_MAX = 4096
REMEMBERED_LENGTH_MAX = 32
WORDS_MAX = 6


class Collected:
    """Search values of one resource while it is walked, and the "#id" of contained ones met on the way."""

    __slots__ = ("fragments", "ranges", "root", "tokens")

    def __init__(self, root: Any) -> None:  # Any: a resource as parsed
        self.root = root
        self.fragments: list[str] = []
        self.tokens: list[int] = []
        self.ranges: list[tuple[int, float, float]] = []


Emitter = Callable[[Any, Collected], None]  # Any: a value of the emitter's type, as parsed
_Hashes = Callable[[Any], list[int]]


def emitter_for(kind: str, path: TypedPath, hash_of: Hasher) -> Emitter:
    """Return the emitter of a search type ("token") at a typed path."""
    slot = path.slot
    if kind == "token":
        return _token_emitter(path.type, slot, hash_of)
    if kind == "reference":
        return _reference_emitter(path, hash_of)
    if kind == "uri":
        return _remembering(_addresses(slot, hash_of, below=not slot.endswith(PROFILE_SLOT)))
    if kind == "string":
        return _remembering(compile_texts(slot, hash_of))
    if kind == "date":
        return _range_emitter(path.type, slot, hash_of, date_values)
    if kind == "number":
        return _range_emitter(path.type, slot, hash_of, number_bounds)
    assert kind == "quantity", kind
    return _quantity_emitter(path.type, slot, hash_of)


def _remembering(hashes: _Hashes) -> Emitter:
    """Emit the hashes of a text, kept for the next time the same text comes."""
    known: dict[str, list[int]] = {}

    def emit(value: Any, out: Collected) -> None:
        if type(value) is not str:
            return
        found = known.get(value)
        if found is None:
            found = hashes(value)
            if len(value) <= REMEMBERED_LENGTH_MAX:
                if len(known) >= REMEMBERED_MAX:
                    known.clear()
                known[value] = found
        out.tokens.extend(found)

    return emit


def text_tokens(slot: str, hash_of: Hasher, text: Any) -> list[int]:
    """Return the tokens of the beginnings of a text's first words, for :text."""
    if not isinstance(text, str):
        return []
    words = fold(text).split()[:WORDS_MAX]
    beginnings = {word[: hashing.TEXT_PREFIX] for word in words if len(word) >= hashing.TEXT_PREFIX}
    return [hash_of(hashing.TEXT, slot, beginning) for beginning in beginnings]


def _coded(slot: str, hash_of: Hasher, system: Any, code: Any) -> list[int]:
    found = []
    if isinstance(code, str):
        found.append(hash_of(hashing.CODE, slot, code))
        if isinstance(system, str):
            found.append(hash_of(hashing.SYSTEM_CODE, slot, f"{system}|{code}"))
        else:
            found.append(hash_of(hashing.NO_SYSTEM, slot, code))
    if isinstance(system, str):
        found.append(hash_of(hashing.SYSTEM, slot, system))
    return found


def _token_emitter(type_name: str, slot: str, hash_of: Hasher) -> Emitter:
    present = hash_of(hashing.PRESENT, slot, "")
    if type_name in ("CodeableConcept", "Coding"):
        return _coding_emitter(type_name, slot, hash_of)
    if type_name == "Identifier":

        def emit_identifier(value: Any, out: Collected) -> None:
            if isinstance(value, dict):
                out.tokens.append(present)
                out.tokens.extend(identifier_tokens(slot, hash_of, value))

        return emit_identifier
    if type_name == "ContactPoint":

        def emit_contact(value: Any, out: Collected) -> None:
            out.tokens.append(present)
            if isinstance(value, dict) and isinstance(value.get("value"), str):
                out.tokens.append(hash_of(hashing.CODE, slot, value["value"]))

        return emit_contact
    if type_name == "boolean":
        truth = {flag: [present, hash_of(hashing.CODE, slot, str(flag).lower())] for flag in (True, False)}

        def emit_boolean(value: Any, out: Collected) -> None:
            if isinstance(value, bool):
                out.tokens.extend(truth[value])

        return emit_boolean
    return _remembering(lambda text: [present, hash_of(hashing.CODE, slot, text)])


def _coding_emitter(type_name: str, slot: str, hash_of: Hasher) -> Emitter:
    present = hash_of(hashing.PRESENT, slot, "")
    known: dict[Any, list[int]] = {}

    def hashes(coding: Any) -> list[int]:
        key = (coding.get("system"), coding.get("code"), coding.get("display"))
        try:
            found = known.get(key)
        except TypeError:  # a value that is no text: not a code
            return [present]
        if found is None:
            found = [present, *_coded(slot, hash_of, key[0], key[1]), *text_tokens(slot, hash_of, key[2])]
            if len(known) >= REMEMBERED_MAX:
                known.clear()
            known[key] = found
        return found

    def emit_coding(value: Any, out: Collected) -> None:
        if isinstance(value, dict):
            out.tokens.extend(hashes(value))

    if type_name == "Coding":
        return emit_coding
    emit_text = _remembering(lambda text: text_tokens(slot, hash_of, text))

    def emit_concept(value: Any, out: Collected) -> None:
        if not isinstance(value, dict):
            return
        codings = value.get("coding")
        if codings:
            for coding in items_of(codings):
                if isinstance(coding, dict):
                    out.tokens.extend(hashes(coding))
        else:
            out.tokens.append(present)
        if "text" in value:
            emit_text(value["text"], out)

    return emit_concept


def identifier_tokens(slot: str, hash_of: Hasher, identifier: Any) -> list[int]:
    """Return the tokens of an Identifier: value, system, and :of-type and :text by its type."""
    value = identifier.get("value")
    found = _coded(slot, hash_of, identifier.get("system"), value)
    kind = identifier.get("type")
    if isinstance(kind, dict):
        found.extend(text_tokens(slot, hash_of, kind.get("text")))
        for coding in items_of(kind.get("coding")):
            if isinstance(coding, dict) and isinstance(value, str):
                parts = f"{coding.get('system', '')}|{coding.get('code', '')}|{value}"
                found.append(hash_of(hashing.OF_TYPE, slot, parts))
    return found


def _addresses(slot: str, hash_of: Hasher, *, below: bool) -> _Hashes:
    present = hash_of(hashing.PRESENT, slot, "")

    def hashes(text: str) -> list[int]:
        found = [present, hash_of(hashing.ADDRESS, slot, text)]
        bare, bar, _ = text.partition("|")
        if bar:
            found.append(hash_of(hashing.ADDRESS, slot, bare))
        if below:
            found.extend(hash_of(hashing.BELOW, slot, part) for part in prefixes(text))
        return found

    return hashes


def _reference_emitter(path: TypedPath, hash_of: Hasher) -> Emitter:
    slot = path.slot
    if path.type in ("canonical", "uri"):
        return _remembering(_addresses(slot, hash_of, below=True))
    present = hash_of(hashing.PRESENT, slot, "")
    by_id = not listed_targets(path.targets)
    known: dict[str, list[int]] = {}

    def emit_reference(value: Any, out: Collected) -> None:
        if not isinstance(value, dict):
            return
        literal = value.get("reference")
        if isinstance(literal, str):
            found = known.get(literal)
            if found is None:
                found = _literal_tokens(slot, hash_of, literal, by_id=by_id)
                if len(known) >= REMEMBERED_MAX:
                    known.clear()
                known[literal] = found
            out.tokens.extend(found)
            if literal[:1] == "#":
                kind = contained_type(out.root, literal)
                out.tokens.append(hash_of(hashing.REFERENCE_TYPE, slot, kind))
                out.tokens.append(hash_of(hashing.CONTAINED, slot, kind))
                out.fragments.append(literal)
        else:
            out.tokens.append(present)
        identifier = value.get("identifier")
        if isinstance(identifier, dict):
            out.tokens.extend(identifier_tokens(f"{slot}.identifier", hash_of, identifier))

    return emit_reference


def _literal_tokens(slot: str, hash_of: Hasher, literal: str, *, by_id: bool) -> list[int]:
    found = [hash_of(hashing.PRESENT, slot, "")]
    if literal[:1] == "#":
        return found
    parsed = parse_literal(literal)
    if parsed.type:
        found.append(hash_of(hashing.REFERENCE_TYPE, slot, parsed.type))
    if parsed.address:
        found.append(hash_of(hashing.ADDRESS, slot, parsed.address))
    elif parsed.type:
        found.append(hash_of(hashing.REFERENCE, slot, f"{parsed.type}/{parsed.id}"))
        if by_id:
            found.append(hash_of(hashing.REFERENCE_ID, slot, parsed.id))
    return found


def _range_emitter(
    type_name: str, slot: str, hash_of: Hasher, bounds: Callable[[str, Any], tuple[float, float] | None]
) -> Emitter:
    key = hash_of("", slot, "")

    def emit_range(value: Any, out: Collected) -> None:
        found = bounds(type_name, value)
        if found is not None:
            out.ranges.append((key, *found))

    return emit_range


def _quantity_emitter(type_name: str, slot: str, hash_of: Hasher) -> Emitter:
    key = hash_of("", slot, "")
    known: dict[tuple[str, str, str], list[int]] = {}
    dimensions: dict[str, int] = {}

    def hashes(unit: tuple[str, str, str]) -> list[int]:
        system, code, text = unit
        found = {hash_of(hashing.UNIT, slot, word) for word in (code, text) if word}
        if system and code and scale_of(system, code) is None:
            found.add(hash_of(hashing.SYSTEM_UNIT, slot, f"{system}|{code}"))
        return sorted(found)

    def emit_quantity(value: Any, out: Collected) -> None:
        found = quantity_bounds(type_name, value)
        if found is None:
            return
        out.ranges.append((key, *found))
        units = units_of(type_name, value)
        canonical = in_base_units(units, found)
        if canonical is not None:
            dimension, low, high = canonical
            under = dimensions.get(dimension)
            if under is None:
                under = hash_of(hashing.DIMENSION, slot, dimension)
                if len(dimensions) >= REMEMBERED_MAX:
                    dimensions.clear()
                dimensions[dimension] = under
            out.ranges.append((under, low, high))
        for unit in units:
            tokens = known.get(unit)
            if tokens is None:
                tokens = hashes(unit)
                if len(known) >= REMEMBERED_MAX:
                    known.clear()
                known[unit] = tokens
            out.tokens.extend(tokens)

    return emit_quantity
