"""The portal's own words in the reader's language: `words.toml`, read once."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

LANGUAGES = {"en": "English", "et": "Eesti", "pt": "Português", "fr": "Français"}


class Category(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One part of the record: its key in addresses, its R4 resource types, its title by language.

    Without types it is what no other category names.
    """

    key: str
    types: tuple[str, ...]
    en: str
    et: str
    pt: str
    fr: str

    def title(self, language: str) -> str:
        """Return the category's name in `language`, one of `LANGUAGES`."""
        return str(getattr(self, language))


class Sensitive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that people keep to themselves: its key, its sensitivity codes (v3-ActCode), its title."""

    key: str
    labels: tuple[str, ...]
    en: str
    et: str
    pt: str
    fr: str

    def title(self, language: str) -> str:
        """Return what it is called in `language`, one of `LANGUAGES`."""
        return str(getattr(self, language))


class Dates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a language writes a day and a month, with {day}, {month} and {year}."""

    day: str
    month: str
    months: tuple[str, ...]


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `words.toml`; phrases by name, each language to text.

    `unreviewed` languages are those in which no native speaker has read them yet.
    """

    unreviewed: tuple[str, ...]
    dates: dict[str, Dates]
    phrase: dict[str, dict[str, str]]
    category: tuple[Category, ...]
    sensitive: tuple[Sensitive, ...]


@cache
def words() -> Words:
    """Return the table of phrases, categories and what is sensitive."""
    return msgspec.toml.decode(resources.files(__package__).joinpath("words.toml").read_bytes(), type=Words)


def phrase(name: str, language: str, /, **parts: object) -> str:
    """Return one of our own phrases with its parts filled in."""
    return words().phrase[name][language].format(**parts)


def category(key: str) -> Category | None:
    """Return the category with this key, None when there is none."""
    return next((each for each in words().category if each.key == key), None)
