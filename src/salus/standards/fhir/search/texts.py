"""What a string is found by: keyed hashes of its beginnings, the whole, and its parts of three letters.

Nothing shorter than three letters has a hash: of so few different beginnings, how often each occurs would
tell which it is (docs/decisions/0029). A search for less reads what has a value at all.
"""

from __future__ import annotations

from collections.abc import Callable

from salus.standards.fhir.search import hashing
from salus.standards.fhir.search.hashing import Hasher
from salus.standards.fhir.search.values import fold

BEGINNING_MIN, BEGINNING_MAX = 3, 8
PART = 3
PARTS_MAX = 256
"""Of a string with more different parts only the beginnings, the whole and a mark are tokens."""
_REMEMBERED_MAX = 16_384


def parts_of(folded: str) -> set[str]:
    """Return the three-letter parts of a folded text."""
    return {folded[at : at + PART] for at in range(len(folded) - PART + 1)}


def around(slot: str) -> str:
    """Return the place that a string's parts are kept under: the element that its texts belong to.

    A name's text repeats its family and given names, so that most parts are kept once for all of them.
    """
    return slot.rpartition(".")[0] or slot


def compile_texts(slot: str, hash_of: Hasher) -> Callable[[str], list[int]]:
    """Return the function from a string to its tokens at a place."""
    present, long = hash_of(hashing.PRESENT, slot, ""), hash_of(hashing.LONG, slot, "")
    element = around(slot)
    known: dict[str, int] = {}

    def hash_of_part(part: str) -> int:
        if len(known) >= _REMEMBERED_MAX:
            known.clear()
        found = known[part] = hash_of(hashing.PART, element, part)
        return found

    def tokens(text: str) -> list[int]:
        folded = fold(text)
        found = [present, hash_of(hashing.WHOLE, slot, text)]
        last = min(len(folded), BEGINNING_MAX)
        found += [hash_of(hashing.BEGINNING, slot, folded[:end]) for end in range(BEGINNING_MIN, last + 1)]
        parts = parts_of(folded)
        if len(parts) > PARTS_MAX:
            found.append(long)
        else:
            found += [known.get(part) or hash_of_part(part) for part in parts]
        return found

    return tokens
