"""What a string is found by: keyed hashes, none of a beginning or part under three letters, never many."""

import pytest

from salus.standards.fhir.search import hashing
from salus.standards.fhir.search.hashing import compile_hasher
from salus.standards.fhir.search.texts import PARTS_MAX, around, compile_texts, parts_of

HASH = compile_hasher(b"key of the text test")
SLOT = "Patient.name.family"


def tokens(text, slot=SLOT, hash_of=HASH):
    return compile_texts(slot, hash_of)(text)


def named(text, slot=SLOT):
    """Return what each token of a short text stands for."""
    known = {HASH(hashing.PRESENT, slot, ""): "a value", HASH(hashing.WHOLE, slot, text): f"={text}"}
    folded = text.lower()
    for end in range(len(folded) + 1):
        known[HASH(hashing.BEGINNING, slot, folded[:end])] = f"{folded[:end]}..."
    for at in range(len(folded)):
        for end in range(at, len(folded) + 1):
            known[HASH(hashing.PART, around(slot), folded[at:end])] = f"...{folded[at:end]}..."
    return sorted(known[one] for one in tokens(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Xu", ["=Xu", "a value"]),
        ("Kim", ["...kim...", "=Kim", "a value", "kim..."]),
        ("Tamm", ["...amm...", "...tam...", "=Tamm", "a value", "tam...", "tamm..."]),
    ],
)
def test_beginnings_and_parts_have_three_letters_or_more(text, found):
    assert named(text) == found


def test_beginnings_end_at_eight_letters():
    beginnings = [one for one in named("Konstantinopel") if one.endswith("...") and one[0] != "."]
    assert beginnings == ["kon...", "kons...", "konst...", "konsta...", "konstan...", "konstant..."]


def test_a_string_of_many_parts_has_a_mark_instead_and_few_tokens():
    long = " ".join(f"word{number * 7919 % 997}" for number in range(400))
    assert len(parts_of(long)) > PARTS_MAX
    found = tokens(long)
    assert HASH(hashing.LONG, SLOT, "") in found
    assert len(found) == 9
    shorter = long[:PARTS_MAX]
    assert HASH(hashing.LONG, SLOT, "") not in tokens(shorter)
    assert len(tokens(shorter)) <= PARTS_MAX + 8


def test_a_part_is_kept_once_for_an_element_and_a_beginning_for_its_place():
    shared = set(tokens("Tamm")) & set(tokens("Tamm", "Patient.name.text"))
    assert shared == {HASH(hashing.PART, "Patient.name", part) for part in ("tam", "amm")}


def test_another_key_gives_other_tokens():
    assert set(tokens("Tamm")).isdisjoint(tokens("Tamm", hash_of=compile_hasher(b"another key of 16")))
