"""The words of a record in the reader's language: `words.toml` and `terms.toml`, read once.

A language that a table does not have falls back to English or to the source's own words.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources

import msgspec

LANGUAGES = {"en": "English", "et": "Eesti", "pt": "Português", "fr": "Français"}
TERM_COLUMNS = ("et", "pt", "fr")


class Category(msgspec.Struct, frozen=True):
    """One part of the record: its key in addresses, its R4 resource types, its title by language."""

    key: str
    types: tuple[str, ...]
    en: str
    et: str
    pt: str
    fr: str

    def title(self, language: str) -> str:
        """Return the category's name in `language`."""
        return str(getattr(self, language, self.en))


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `words.toml`; sections by LOINC code, phrases by name, each language to text."""

    section: dict[str, dict[str, str]]
    phrase: dict[str, dict[str, str]]
    category: tuple[Category, ...]


@cache
def words() -> Words:
    """Return the table of section titles, phrases and categories."""
    return msgspec.toml.decode(resources.files(__package__).joinpath("words.toml").read_bytes(), type=Words)


@cache
def terms() -> dict[str, list[str]]:
    """Return the table of wordings: code to the texts of `TERM_COLUMNS`."""
    return tomllib.loads(resources.files(__package__).joinpath("terms.toml").read_text("utf-8"))


def phrase(name: str, language: str) -> str:
    """Return one of our own phrases."""
    texts = words().phrase[name]
    return texts.get(language, texts["en"])


def section_title(loinc: str, language: str) -> str:
    """Return a section's title in `language`, "" when the table does not know the section."""
    texts = words().section.get(loinc, {})
    return texts.get(language, texts.get("en", ""))


def term(code: str, language: str) -> str:
    """Return the table's wording of a code, "" when it has none in `language`."""
    texts = terms().get(code)
    return texts[TERM_COLUMNS.index(language)] if texts and language in TERM_COLUMNS else ""


def category(key: str) -> Category | None:
    """Return the category with this key, None when there is none."""
    return next((each for each in words().category if each.key == key), None)
