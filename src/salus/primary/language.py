"""Words and displays in the reader's language; an unknown one stays as it came and is marked.

Order of trust: a translation that the data itself carries (the `translation` extension of the display,
http://hl7.org/fhir/StructureDefinition/translation), then our own words (`wording`) and table of displays,
then the original.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from salus.primary.wording import catalogue
from salus.primary.wording.catalogue import LANGUAGES
from salus.primary.wording.messages import messages

TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation"
A_FEW = 3
"""The whole number whose form a fraction takes ("1,5 tablety" as "3 tablety"); French says one below two."""
Texts = dict[str, str]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of a document; `required` ones are in every summary, even when nothing is known.

    Args:
        code: of `system`, by which it is known.
        display: of the code, as its system has it.
        required: whether every summary that is composed here has it.
        expected: the priority categories whose documents must have it.
        first: its place among what a reader must see first, 0 for none.
        system: of the code.
        name: its short name.
    """

    code: str
    display: str = ""
    required: bool = False
    expected: tuple[str, ...] = ()
    first: int = 0
    system: str = "http://loinc.org"
    name: str = ""


class Displays(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Displays by system and code, each by language; `same` are codes that our own words word."""

    systems: dict[str, str]
    same: dict[str, str]
    codes: dict[str, dict[str, Texts]]


class Shown(msgspec.Struct, frozen=True):
    """A text for the reader.

    Args:
        text: the whole of it.
        translated: False when it, or a part of it, is in the language it came in.
        original: what the source wrote, where the text says it in other words; else "".
        label: the name of the field that it is the value of, "" for a text by itself.
        value: the text without that name.
    """

    text: str
    translated: bool
    original: str = ""
    label: str = ""
    value: str = ""


@cache
def sections() -> dict[str, Section]:
    """Return every section that is known by a code, keyed by its short name."""
    found = msgspec.toml.decode(_table("sections.toml"), type=dict[str, Section])
    return {name: msgspec.structs.replace(each, name=name) for name, each in found.items()}


@cache
def displays() -> Displays:
    """Return the table of displays."""
    return msgspec.toml.decode(_table("displays.toml"), type=Displays)


def is_reviewed(language: str) -> bool:
    """Return whether somebody who knows the language and the field has read our wording in it."""
    return catalogue.is_reviewed(language)


def say(name: str, language: str, **parts: Shown | str) -> Shown:
    """Return one of our own phrases around its parts; it is translated when all of them are.

    `name` is that of a phrase, or "group.key" of another message.
    """
    key = name if "." in name else f"phrase.{name}"
    return _filled(catalogue.text(key, language), parts)


def say_number(name: str, language: str, number: str, **parts: Shown | str) -> Shown:
    """Return a phrase that counts, in the form that goes with the number as it is written."""
    key = name if "." in name else f"phrase.{name}"
    return _filled(catalogue.counted(key, language, whole(number, language)), {"n": number, **parts})


def whole(number: str, language: str) -> int:
    """Return the whole number whose plural form goes with a number as it is written, fraction or range."""
    last = number.split()[-1] if number.split() else ""
    try:
        amount = abs(Decimal(last.lstrip("<>≤≥").replace(",", ".")))
    except InvalidOperation:
        return A_FEW
    if amount == amount.to_integral_value() and amount < catalogue.SMALL_NUMBERS:
        return int(amount)
    if amount >= catalogue.SMALL_NUMBERS:
        return int(amount) % 100 + 100  # every rule of plurals looks at the last two digits alone
    return 1 if language == "fr" and amount < 2 else A_FEW


def labelled(name: str, language: str, what: Shown | str) -> Shown:
    """Return "severity: mild", the value of a field behind its name, and both apart."""
    value = what if isinstance(what, Shown) else Shown(what, True)
    label = catalogue.text(f"label.{name}", language)
    text = catalogue.text("word.labelled", language).format(label=label, what=value.text)
    return Shown(text, value.translated, value.original, label, value.text)


def join(parts: Iterable[Shown], separator: str = ", ") -> Shown:
    """Return the parts that have a text as one."""
    told = [part for part in parts if part.text]
    text = separator.join(part.text for part in told)
    return Shown(text, all(part.translated for part in told), _originals(told, separator))


def original(text: object) -> Shown:
    """Return a text of the record as it came."""
    return Shown("" if text is None else str(text), text in (None, ""))


def word(name: str, language: str) -> str:
    """Return one of our own words, in English where the language is none of ours."""
    return catalogue.text(f"word.{name}", language)


def title(name: str, language: str) -> str:
    """Return the title of a section by its short name."""
    return catalogue.text(f"section.{name}", language)


def show_concept(concept: Mapping[str, Any] | None, language: str) -> Shown:
    """Return the display of a CodeableConcept in the language, or its original text, marked."""
    if not concept:
        return Shown("", True)
    codings = [coding for coding in concept.get("coding", ()) if isinstance(coding, dict)]
    texts = [concept.get("text"), *(coding.get("display") for coding in codings)]
    written = next((str(text) for text in texts if text), "")
    for coding in codings:
        found = _carried(coding, language) or _known(coding, language)
        if found:
            return Shown(found, True, written if written.casefold() != found.casefold() else "")
    text = written or next((str(each["code"]) for each in codings if each.get("code")), "")
    return Shown(text, not text)


def show_status(code: str, language: str) -> Shown:
    """Return a status code of R4 in the language, or the code itself, marked."""
    return show_concept(
        {"coding": [{"system": "urn:salus:status", "code": code}]} if code else None, language
    )


def show_type(name: str, language: str) -> Shown:
    """Return what resources of an R4 type are called in the language, or the type's own name, marked."""
    return show_concept({"coding": [{"system": "urn:salus:type", "code": name}]}, language)


def _filled(text: str, parts: Mapping[str, Shown | str]) -> Shown:
    shown = {key: part if isinstance(part, Shown) else Shown(part, True) for key, part in parts.items()}
    filled = text.format(**{key: part.text for key, part in shown.items()})
    return Shown(filled, all(part.translated for part in shown.values()), _originals(shown.values(), ", "))


def _originals(parts: Iterable[Shown], separator: str) -> str:
    """Return what the source wrote for all of the parts, "" where nothing was worded anew."""
    told = list(parts)
    if not any(part.original for part in told):
        return ""
    return separator.join(part.original or part.text for part in told if part.original or not part.translated)


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
    """Return our own word for a code, else the display of the table, "" for none in the language."""
    group, code = displays().systems.get(str(coding.get("system")), ""), str(coding.get("code"))
    key = displays().same.get(f"{group}.{code}", f"{group}.{code}")
    if language in LANGUAGES and key in messages():
        return catalogue.text(key, language)
    return displays().codes.get(group, {}).get(code, {}).get(language, "")


def _table(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()
