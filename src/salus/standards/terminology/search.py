"""Text search over the names of concepts: every word asked for begins a word of one of them."""

from __future__ import annotations

import re
import unicodedata

from salus.standards.terminology.concepts import Concept

_WORDS = re.compile(r"\w+")
_SUFFIXES = ("ing", "es", "ed", "s")
TEXT_LENGTH_MAX = 200


def words_of(text: str) -> list[str]:
    """Return the words of a text without case and accents."""
    plain = unicodedata.normalize("NFKD", text[:TEXT_LENGTH_MAX])
    return _WORDS.findall("".join(one for one in plain if not unicodedata.combining(one)).casefold())


def stem(word: str) -> str:
    """Return a word without a usual English ending, so that plural and singular meet."""
    for one in _SUFFIXES:
        if word.endswith(one) and len(word) - len(one) >= 3:
            return word[: -len(one)]
    return word


def is_found(wanted: list[str], text: str) -> bool:
    """Return whether every word begins a word of a text."""
    have = words_of(text)
    return all(any(one.startswith(word) for one in have) for word in wanted)


def finds(text: str, concept: Concept) -> bool:
    """Return whether a text finds a concept, by its code or one of its names."""
    wanted = [stem(one) for one in words_of(text)]
    return is_found(wanted, concept.code) or any(is_found(wanted, one.value) for one in concept.designations)
