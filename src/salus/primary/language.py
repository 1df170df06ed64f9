"""Words and displays in the reader's language; an unknown one stays as it came and is marked.

Order of trust: a translation that the data itself carries (the `translation` extension of the display,
http://hl7.org/fhir/StructureDefinition/translation), then our table, then the original.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec

TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation"
FALLBACK = "en"
Texts = dict[str, str]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One section of a patient summary; `required` ones are there even when nothing is known."""

    code: str
    display: str
    required: bool
    title: Texts
    system: str = "http://loinc.org"


class Displays(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words, and displays by system and code, each by language.

    `unreviewed` languages are those in which no clinician has read them yet.
    """

    unreviewed: tuple[str, ...]
    words: dict[str, Texts]
    systems: dict[str, str]
    codes: dict[str, dict[str, Texts]]


class Phrases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Phrases with places for parts; `unreviewed` languages have been read by no clinician yet."""

    unreviewed: tuple[str, ...]
    phrases: dict[str, Texts]


class Shown(msgspec.Struct, frozen=True):
    """A text for the reader; `translated` is False when it is in the language it came in."""

    text: str
    translated: bool


@cache
def sections() -> dict[str, Section]:
    """Return the sections in the order of a summary, keyed by their short name."""
    return msgspec.toml.decode(_table("sections.toml"), type=dict[str, Section])


@cache
def report_sections() -> dict[str, Section]:
    """Return the sections of reports that a summary does not have, keyed by their short name."""
    return msgspec.toml.decode(_table("report_sections.toml"), type=dict[str, Section])


@cache
def displays() -> Displays:
    """Return the table of words and displays."""
    return msgspec.toml.decode(_table("displays.toml"), type=Displays)


@cache
def phrases() -> Phrases:
    """Return the table of phrases."""
    return msgspec.toml.decode(_table("phrases.toml"), type=Phrases)


def is_reviewed(language: str) -> bool:
    """Return whether a clinician has read our wording in the language."""
    return language not in {*phrases().unreviewed, *displays().unreviewed}


def say(name: str, language: str, **parts: Shown | str) -> Shown:
    """Return one of our own phrases around its parts; it is translated when all of them are."""
    texts = phrases().phrases[name]
    shown = {key: part if isinstance(part, Shown) else Shown(part, True) for key, part in parts.items()}
    text = texts.get(language, texts[FALLBACK]).format(**{key: part.text for key, part in shown.items()})
    return Shown(text, all(part.translated for part in shown.values()))


def join(parts: Iterable[Shown], separator: str = ", ") -> Shown:
    """Return the parts that have a text as one."""
    told = [part for part in parts if part.text]
    return Shown(separator.join(part.text for part in told), all(part.translated for part in told))


def original(text: object) -> Shown:
    """Return a text of the record as it came."""
    return Shown("" if text is None else str(text), text in (None, ""))


def word(name: str, language: str) -> str:
    """Return one of our own words, in English where the language has none."""
    texts = displays().words[name]
    return texts.get(language, texts[FALLBACK])


def title(section: Section, language: str) -> str:
    """Return the section's title, in English where the language has none."""
    return section.title.get(language, section.title[FALLBACK])


def show_concept(concept: Mapping[str, Any] | None, language: str) -> Shown:
    """Return the display of a CodeableConcept in the language, or its original text, marked."""
    if not concept:
        return Shown("", True)
    codings = [coding for coding in concept.get("coding", ()) if isinstance(coding, dict)]
    for coding in codings:
        found = _carried(coding, language) or _known(coding, language)
        if found:
            return Shown(found, True)
    texts = [concept.get("text"), *(coding.get("display") for coding in codings)]
    texts += [coding.get("code") for coding in codings]
    original = next((str(text) for text in texts if text), "")
    return Shown(original, not original)


def show_status(code: str, language: str) -> Shown:
    """Return a status code of R4 in the language, or the code itself, marked."""
    return show_concept(
        {"coding": [{"system": "urn:salus:status", "code": code}]} if code else None, language
    )


def show_type(name: str, language: str) -> Shown:
    """Return what resources of an R4 type are called in the language, or the type's own name, marked."""
    return show_concept({"coding": [{"system": "urn:salus:type", "code": name}]}, language)


def _carried(coding: Mapping[str, Any], language: str) -> str:
    for extension in coding.get("_display", {}).get("extension", ()):
        if extension.get("url") != TRANSLATION:
            continue
        parts = {part.get("url"): part for part in extension.get("extension", ())}
        lang = str(parts.get("lang", {}).get("valueCode", "")).split("-")[0]
        content = parts.get("content", {})
        text = content.get("valueString") or content.get("valueMarkdown")
        if lang == language and text:
            return str(text)
    return ""


def _known(coding: Mapping[str, Any], language: str) -> str:
    table = displays().codes.get(displays().systems.get(str(coding.get("system")), ""), {})
    return table.get(str(coding.get("code")), {}).get(language, "")


def _table(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()
