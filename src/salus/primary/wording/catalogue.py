"""The gettext catalogue of a language (`po/LANGUAGE.po`), read as it is written.

A file is read when its language is first asked for, so that nothing compiled lies beside it to grow stale. A
message that is marked `fuzzy` has been read by no reviewer yet: it is used, and pages say so.
"""

from __future__ import annotations

from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from io import BytesIO

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from salus.primary.wording.messages import Counted, messages

ENGLISH = "en"
LANGUAGES = (
    "bg", "cs", "da", "de", "el", "en", "es", "et", "fi", "fr", "ga", "hr",
    "hu", "it", "lt", "lv", "mt", "nl", "pl", "pt", "ro", "sk", "sl", "sv",
)  # fmt: skip
"""The 24 official languages of the European Union (Regulation No 1, Art. 1)."""


def text(key: str, language: str) -> str:
    """Return a message in one of `LANGUAGES`, in English where the language is another."""
    message = messages()[key]
    assert isinstance(message, str), "a message that counts needs its number"
    return translations(language).pgettext(key, message)


def counted(key: str, language: str, number: int) -> str:
    """Return the form of a message that goes with a whole number; as `text` does."""
    message = messages()[key]
    assert isinstance(message, Counted), "a message that does not count has one form"
    return translations(language).npgettext(key, message.one, message.many, number)


def forms(key: str, language: str) -> tuple[str, ...]:
    """Return every form of a message that counts."""
    return tuple(dict.fromkeys(counted(key, language, number) for number in range(SMALL_NUMBERS)))


SMALL_NUMBERS = 102
"""Numbers below this have every plural form of every language (1, 2, 3, 7, 11, 20, 101)."""


@cache
def translations(language: str) -> NullTranslations:
    """Return the translations of a language; of any that is not in `LANGUAGES` those of English."""
    if language == ENGLISH or language not in LANGUAGES:
        return NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, _read(language), use_fuzzy=True)
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def is_reviewed(language: str) -> bool:
    """Return whether a reviewer has read every message of a language; English is the source."""
    return language == ENGLISH or (
        language in LANGUAGES and not any(each.fuzzy for each in _read(language) if each.id)
    )


def _read(language: str) -> Catalog:
    with resources.files(__package__).joinpath("po", f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)
