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
_FEW = 6
SLOT_MASK = _SLOTS - 1
_WAY_BYTES = 9
_WAY_BITS = 8 * _WAY_BYTES
HASH_BYTES = 32
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


def way_of(pseudonym: bytes) -> int:
    """Return the first 72 bits of a pseudonym as a number: more than any page lies deep."""
    return int.from_bytes(pseudonym[:_WAY_BYTES], "big")


def shift_at(depth: int) -> int:
    """Return by how many bits a way is shifted for its slot, in the page that begins at a depth."""
    return _WAY_BITS - depth - LEVELS


def slot_of(pseudonym: bytes, depth: int) -> int:
    """Return the slot of a pseudonym in the page that begins at a depth."""
    return way_of(pseudonym) >> shift_at(depth) & SLOT_MASK


def below(place: Place, slot: int) -> Place:
    """Return the page below a slot."""
    return Place(place.depth + LEVELS, place.prefix << LEVELS | slot)


def person_in(held: bytes) -> Person | None:
    """Return the person of a slot, None where the slot leads to the page below."""
    return None if len(held) == HASH_BYTES else end_in(held)


def end_in(held: bytes) -> Person:
    """Return the person of a slot that holds one."""
    return Person(held[:32], int.from_bytes(held[32:40], "big"), held[40:])


def with_persons(pages: Mapping[Place, Page], persons: Iterable[Person]) -> dict[Place, Page]:
    """Return the pages that differ once the persons are in the map, each in the place of who was before.

    Args:
        pages: every page on the way to one of the persons, that is in the map.
        persons: each once.
    """
    changed: dict[Place, Page] = {}
    _put(pages, changed, ROOT, [(way_of(person.pseudonym), person) for person in persons])
    return changed


def _put(
    pages: Mapping[Place, Page], changed: dict[Place, Page], place: Place, persons: list[tuple[int, Person]]
) -> _Known:
    """Put the persons, each with its way, into the page and those below; return what its subtree is now."""
    assert place.depth <= DEPTH_MAX, "pseudonyms that agree in 60 bits are no HMACs of a map that fits a disk"
    page = changed[place] = dict(pages.get(place, {}))
    shift = shift_at(place.depth)
    groups: dict[int, list[tuple[int, Person]]] = {}
    for way, person in persons:
        slot = way >> shift & SLOT_MASK
        if slot in groups:
            groups[slot].append((way, person))
        else:
            groups[slot] = [(way, person)]
    for slot, group in groups.items():
        held = page.get(slot, b"")
        if len(held) == HASH_BYTES:
            page[slot] = _put(pages, changed, below(place, slot), group)[0]
            continue
        if held and all(not held.startswith(each.pseudonym) for _, each in group):
            known = person_in(held)
            assert known is not None, "what is no hash is a person"
            group.append((way_of(known.pseudonym), known))
        alone = len(group) == 1
        page[slot] = group[0][1].slot if alone else _put(pages, changed, below(place, slot), group)[0]
    return top_of(page)


def _subtrees(page: Page) -> dict[int, _Known]:
    """Return the hash of each slot's subtree, and whether it is of one person."""
    sha256 = hashlib.sha256
    return {
        slot: (held, False) if len(held) == HASH_BYTES else (sha256(b"\x00" + held).digest(), True)
        for slot, held in page.items()
    }


def top_of(page: Page) -> _Known:
    """Return the hash of a page's subtree, and whether it is of one person."""
    if not page:
        return EMPTY, False
    if len(page) <= _FEW:
        return _top_of_few(sorted(page.items()), LEVELS)
    return _top_of_many(page)


def _top_of_few(held: list[tuple[int, bytes]], height: int) -> _Known:
    """Return what the subtree of some slots is, so many levels above them; the slots are in order."""
    sha256 = hashlib.sha256
    first, content = held[0]
    if len(held) == 1:
        if len(content) != HASH_BYTES:
            return sha256(b"\x00" + content).digest(), True
        top, known = 0, content
    else:
        top = (first ^ held[-1][0]).bit_length()  # where they part
        middle = next(place for place, (slot, _) in enumerate(held) if slot >> (top - 1) & 1)
        left, right = _top_of_few(held[:middle], top - 1), _top_of_few(held[middle:], top - 1)
        known = sha256(b"\x01" + left[0] + right[0]).digest()
    for level in range(top, height):
        known = sha256(b"\x01" + (EMPTY + known if first >> level & 1 else known + EMPTY)).digest()
    return known, False


def _top_of_many(page: Page) -> _Known:
    sha256 = hashlib.sha256
    level: list[bytes] = [b""] * _SLOTS
    alone: set[bytes] = set()
    for slot, held in page.items():
        if len(held) == HASH_BYTES:
            level[slot] = held
        else:
            level[slot] = known = sha256(b"\x00" + held).digest()
            alone.add(known)
    while len(level) > 1:
        halves = iter(level)
        level = [
            sha256(b"\x01" + left + right).digest()
            if left and right
            else left or right
            if left in alone or right in alone or not (left or right)
            else sha256(b"\x01" + (left or EMPTY) + (right or EMPTY)).digest()
            for left, right in zip(halves, halves, strict=True)
        ]
    return level[0], level[0] in alone


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
        parts += ((_MANY if len(held) == HASH_BYTES else _ONE)[slot], held)
    return b"".join(parts)


_MANY = [bytes([slot]) for slot in range(_SLOTS)]
_ONE = [bytes([slot | 128]) for slot in range(_SLOTS)]


def decode_page(content: bytes) -> Page:
    """Return the page that `encode_page` wrote."""
    page: Page = {}
    at, end = 0, len(content)
    while at < end:
        slot = content[at]
        following = at + 1 + (HASH_BYTES if slot < 128 else _PERSON_BYTES)
        page[slot & 127] = content[at + 1 : following]
        at = following
    return page
