"""What went wrong, in the reader's language: `sentences.toml`, read once.

An error says its sentence in English, here and to programs; the pages look the sentence up.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from markupsafe import Markup

ENGLISH = "en"


class Sentence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sentence of the node by language, with {parts}.

    `clear` is the English for a page, where what programs are told is hard to read; "" where it is the same.
    """

    en: str
    et: str
    pt: str
    fr: str
    clear: str = ""

    def in_language(self, language: str) -> str:
        """Return the sentence for a page in a language of the portal."""
        return self.clear or self.en if language == ENGLISH else str(getattr(self, language))


class Sentences(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `sentences.toml`."""

    sentence: dict[str, Sentence]


@cache
def sentences() -> dict[str, Sentence]:
    """Return the table, keyed by the sentence's short name."""
    table = resources.files(__package__).joinpath("sentences.toml").read_bytes()
    return msgspec.toml.decode(table, type=Sentences).sentence


def tell(message: str, language: str) -> Markup:
    """Return a message as HTML that names its language: the reader's where the table has it, else English."""
    found = _looked_up(message)
    if found is None:
        return _marked(message, ENGLISH)
    sentence, parts = found
    return _marked(sentence.in_language(language).format(**parts), language)


def _looked_up(message: str) -> tuple[Sentence, dict[str, Any]] | None:
    for pattern, sentence in _patterns():
        if held := pattern.fullmatch(message):
            return sentence, held.groupdict()
    return None


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], Sentence], ...]:
    """Return the English sentences as patterns, those without parts first."""
    rows = sorted(sentences().values(), key=lambda each: each.en.count("{"))
    return tuple((re.compile(_pattern(each.en), re.DOTALL), each) for each in rows)


def _pattern(sentence: str) -> str:
    pieces = re.split(r"\{(\w+)\}", sentence)
    return "".join(f"(?P<{each}>.+?)" if at % 2 else re.escape(each) for at, each in enumerate(pieces))


def _marked(text: str, language: str) -> Markup:
    return Markup('<span lang="{}">{}</span>').format(language, text) if text else Markup("")
