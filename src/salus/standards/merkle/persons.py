"""The map of persons in a checkpoint, pseudonym -> (count, head): a sparse Merkle tree (docs/decisions/0017).

Bit 0 of a pseudonym, its most significant one, chooses at the root: 0 goes left. An empty subtree is 32 zero
bytes, a subtree of one person is SHA-256(0x00 || pseudonym || count, 8 bytes || head), any other
SHA-256(0x01 || left || right). A proof is the siblings from the root down to where the person is alone.

The tree is kept in pages of six levels. A page has up to 64 slots: nobody, one person, or the page below.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

EMPTY = bytes(32)
LEVELS = 6
"""Of a page. At four a person's change writes more pages, at eight they are too large for a row."""
DEPTH_MAX = 60
_SLOTS = 1 << LEVELS
_BITS = 256
_HASH_BYTES = 32
_PERSON_BYTES = 72


class Person(NamedTuple):
    """Where a person's chain of leaves ends: pseudonym, number of the last leaf, its hash."""

    pseudonym: bytes
    number: int
    head: bytes

    @property
    def slot(self) -> bytes:
        """The person as a page holds it, and as it is hashed (72 bytes)."""
        return self.pseudonym + self.number.to_bytes(8, "big") + self.head


class Place(NamedTuple):
    """A page: the first `depth` bits of all pseudonyms in it, as a number."""

    depth: int
    prefix: int


Page: TypeAlias = dict[int, bytes]
"""What a page holds, by slot from 0 to 63: one person (72 bytes), or the hash of the subtree in the page
below (32 bytes); nobody is in the slots that are absent."""

ROOT = Place(0, 0)
_Known = tuple[bytes, bool]
"""A subtree's hash, and whether it is of one person."""


def slot_of(pseudonym: bytes, depth: int) -> int:
    """Return the slot of a pseudonym in the page that begins at a depth."""
    return int.from_bytes(pseudonym, "big") >> (_BITS - depth - LEVELS) & (_SLOTS - 1)


def below(place: Place, slot: int) -> Place:
    """Return the page below a slot."""
    return Place(place.depth + LEVELS, place.prefix << LEVELS | slot)


def person_in(held: bytes) -> Person | None:
    """Return the person of a slot, None where the slot leads to the page below."""
    if len(held) == _HASH_BYTES:
        return None
    return Person(held[:32], int.from_bytes(held[32:40], "big"), held[40:])


def with_persons(pages: Mapping[Place, Page], persons: Iterable[Person]) -> dict[Place, Page]:
    """Return the pages that differ once the persons are in the map, each in the place of who was before.

    Args:
        pages: every page on the way to one of the persons, that is in the map.
        persons: each once.
    """
    changed: dict[Place, Page] = {}
    _put(pages, changed, ROOT, list(persons))
    return changed


def _put(
    pages: Mapping[Place, Page], changed: dict[Place, Page], place: Place, persons: list[Person]
) -> _Known:
    """Put the persons into the page and those below; return what its subtree is now."""
    assert place.depth <= DEPTH_MAX, "pseudonyms that agree in 60 bits are no HMACs of a map that fits a disk"
    page = changed[place] = dict(pages.get(place, {}))
    shift = _BITS - place.depth - LEVELS
    groups: dict[int, list[Person]] = {}
    for person in persons:
        slot = int.from_bytes(person.pseudonym, "big") >> shift & (_SLOTS - 1)
        groups.setdefault(slot, []).append(person)
    for slot, group in groups.items():
        held = page.get(slot, b"")
        if len(held) == _HASH_BYTES:
            page[slot] = _put(pages, changed, below(place, slot), group)[0]
            continue
        if held and all(not held.startswith(each.pseudonym) for each in group):
            known = person_in(held)
            assert known is not None, "what is no hash is a person"
            group.append(known)
        alone = len(group) == 1
        page[slot] = group[0].slot if alone else _put(pages, changed, below(place, slot), group)[0]
    return top_of(page)


def _subtrees(page: Page) -> dict[int, _Known]:
    """Return the hash of each slot's subtree, and whether it is of one person."""
    sha256 = hashlib.sha256
    return {
        slot: (held, False) if len(held) == _HASH_BYTES else (sha256(b"\x00" + held).digest(), True)
        for slot, held in page.items()
    }


def top_of(page: Page) -> _Known:
    """Return the hash of a page's subtree, and whether it is of one person."""
    level = _subtrees(page)
    for _ in range(LEVELS):
        level = _level_above(level)
    return level.get(0, (EMPTY, False))


def _level_above(level: Mapping[int, _Known]) -> dict[int, _Known]:
    above: dict[int, _Known] = {}
    sha256 = hashlib.sha256
    for place, known in level.items():
        other = level.get(place ^ 1)
        if other is None and known[1]:
            above[place >> 1] = known
        elif place & 1 == 0:
            above[place >> 1] = sha256(b"\x01" + known[0] + (other[0] if other else EMPTY)).digest(), False
        elif other is None:
            above[place >> 1] = sha256(b"\x01" + EMPTY + known[0]).digest(), False
    return above


def proof_of(pages: Mapping[Place, Page], pseudonym: bytes) -> tuple[Person, list[bytes]] | None:
    """Return a person and the siblings on the way from the root; None where the person is not in the map.

    Args:
        pages: every page on the way to the person.
        pseudonym: whose (32 bytes).
    """
    siblings: list[bytes] = []
    place = ROOT
    while True:
        page, slot = pages.get(place, {}), slot_of(pseudonym, place.depth)
        held = page.get(slot)
        siblings += _siblings(page, slot)
        if held is None:
            return None
        person = person_in(held)
        if person is not None:
            return (person, siblings) if person.pseudonym == pseudonym else None
        place = below(place, slot)


def _siblings(page: Page, slot: int) -> list[bytes]:
    """Return the siblings between a slot and the page's top, from the top; none below where it is alone."""
    level = _subtrees(page)
    found: list[bytes] = []
    for _ in range(LEVELS):
        known, other = level.get(slot), level.get(slot ^ 1)
        if other is not None or (known is not None and not known[1]):
            found.append(other[0] if other is not None else EMPTY)
        level = _level_above(level)
        slot >>= 1
    return found[::-1]


def root_of(persons: Sequence[Person]) -> bytes:
    """Return the root of the map of the persons, computed anew."""
    pages = with_persons({}, persons)
    return top_of(pages[ROOT])[0]


def encode_page(page: Page) -> bytes:
    """Return a page as the store keeps it: per slot a byte (128 more for a person), then 72 or 32 bytes."""
    parts: list[bytes] = []
    for slot, held in page.items():
        parts += ((_MANY if len(held) == _HASH_BYTES else _ONE)[slot], held)
    return b"".join(parts)


_MANY = [bytes([slot]) for slot in range(_SLOTS)]
_ONE = [bytes([slot | 128]) for slot in range(_SLOTS)]


def decode_page(content: bytes) -> Page:
    """Return the page that `encode_page` wrote."""
    page: Page = {}
    at, end = 0, len(content)
    while at < end:
        slot = content[at]
        following = at + 1 + (_HASH_BYTES if slot < 128 else _PERSON_BYTES)
        page[slot & 127] = content[at + 1 : following]
        at = following
    return page
