"""The map of persons in pages is that of docs/decisions/0017 by its definition, and so are its proofs."""

import hashlib
import random

import pytest
from tests.unit.verifier.reports import map_path, map_root

from salus.standards.merkle.persons import (
    EMPTY,
    ROOT,
    Person,
    decode_page,
    encode_page,
    proof_of,
    root_of,
    top_of,
    with_persons,
)


def person(number, count=1):
    name = hashlib.sha256(f"person {number}".encode()).digest()
    return Person(name, count, hashlib.sha256(f"leaf {number} {count}".encode()).digest())


def alike(bits, *endings):
    """Persons whose pseudonyms agree in so many bits: as the tree must split them far down."""
    common = int.from_bytes(hashlib.sha256(b"alike").digest()) >> (256 - bits) << (256 - bits)
    return [
        Person((common | ending << 248 - bits).to_bytes(32), 1, bytes([ending]) * 32) for ending in endings
    ]


def defined(persons):
    return map_root({each.pseudonym: (each.number, each.head) for each in persons})


PEOPLE = {
    "nobody": [],
    "one": [person(1)],
    "two": [person(1), person(2)],
    "many": [person(number) for number in range(700)],
    "alike": alike(50, 1, 2, 3),
    "alike and others": [*alike(59, 1, 2), person(1), person(2)],
}


@pytest.mark.parametrize("persons", PEOPLE.values(), ids=PEOPLE)
def test_the_root_is_that_of_the_definition(persons):
    assert root_of(persons) == (defined(persons) if persons else EMPTY)


@pytest.mark.parametrize("persons", [each for each in PEOPLE.values() if each])
def test_the_proof_of_a_person_is_that_of_the_definition(persons):
    pages = with_persons({}, persons)
    heads = {each.pseudonym: (each.number, each.head) for each in persons}
    for each in persons[:20]:
        assert proof_of(pages, each.pseudonym) == (each, map_path(each.pseudonym, heads))
    assert proof_of(pages, person(9999).pseudonym) is None


def test_persons_that_come_and_change_in_any_order_make_the_same_map():
    chosen, pages, ends = random.Random(7), {}, {}
    for _ in range(40):
        some = [person(chosen.randrange(200), chosen.randrange(1, 90)) for _ in range(15)]
        now = {each.pseudonym: each for each in some}
        changed = with_persons(pages, now.values())
        pages |= {place: decode_page(encode_page(page)) for place, page in changed.items()}
        ends |= now
        assert top_of(pages[ROOT])[0] == defined(ends.values())


def test_only_the_pages_on_the_way_are_needed_and_written():
    pages = with_persons({}, [person(number) for number in range(700)])
    changed = with_persons(pages, [person(3, 2)])
    assert len(changed) <= 3
    assert set(changed) <= set(pages)
