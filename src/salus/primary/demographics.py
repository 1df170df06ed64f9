"""What a look-up may ask, so that it points at one person and lists nobody (PDQm ITI-78).

One value for each parameter, whole names, a full birth date, a national number that keeps its country's rule.
"""

from __future__ import annotations

import re
from typing import Any

from salus.core.errors import InvalidSearch
from salus.standards.fhir.query_string import Pairs
from salus.standards.fhir.search.values import fold
from salus.standards.nationalid.identifiers import holds, identifier_of_system, normalise

NAMES = ("family", "given")
DEMOGRAPHICS = frozenset({*NAMES, "birthdate"})
PARAMETERS = frozenset({*DEMOGRAPHICS, "identifier", "gender", "active", "_count"})
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
Resource = dict[str, Any]  # Any: FHIR JSON


def check_lookup(pairs: Pairs) -> None:
    """Check that what is asked points at one person.

    Raises:
        InvalidSearch: naming what is missing or wrong.
    """
    names = [name for name, _ in pairs]
    if set(names) - PARAMETERS:
        raise InvalidSearch(f"A lookup takes {', '.join(sorted(PARAMETERS))}, without modifiers.")
    if "identifier" not in names and not set(names) >= DEMOGRAPHICS:
        raise InvalidSearch("Give an identifier (system|value), or family, given and birthdate together.")
    for name, text in pairs:
        if names.count(name) > 1 or "," in text:
            raise InvalidSearch(f"A lookup takes one {name}, with one value.")
        if name == "identifier":
            check_identifier(text)
        elif name == "birthdate" and not _DAY.fullmatch(text):
            raise InvalidSearch("birthdate is a whole day (YYYY-MM-DD) without a prefix.")
        elif name in NAMES and not fold(text):
            raise InvalidSearch(f"{name} is empty; give the whole name.")


def check_identifier(text: str) -> None:
    """Check one identifier of a lookup: a system and a value, and a national number by its country's rule."""
    system, bar, number = text.partition("|")
    if not (system and bar and number):
        raise InvalidSearch("An identifier is asked for as one system|value.")
    if holds(system, number) is False:
        row = identifier_of_system(system)
        raise InvalidSearch(
            f"This is no {row.name if row else 'number'}: a digit is wrong; check the document."
        )


def every_spelling(text: str) -> str:
    """Return a national number as it may be stored: by URI or OID, with marks or without."""
    systems, numbers = _spelled(text)
    return ",".join(f"{each}|{number}" for each in systems for number in numbers)


def _spelled(text: str) -> tuple[list[str], list[str]]:
    system, _, number = text.partition("|")
    row = identifier_of_system(system)
    if row is None:
        return [system], [number]
    systems = [row.system, *([f"urn:oid:{row.oid}"] if row.oid else [])]
    return systems, list(dict.fromkeys((number, normalise(number))))


def fits(patient: Resource, pairs: Pairs) -> bool:
    """Return whether a Patient has the identifier, whole names and birth date that a lookup asks for."""
    asked = dict(pairs)
    return (
        _has_identifier(patient, asked.get("identifier", ""))
        and asked.get("birthdate", "") in ("", patient.get("birthDate"))
        and all(_has_name(patient, name, asked[name]) for name in NAMES if name in asked)
    )


def _has_identifier(patient: Resource, asked: str) -> bool:
    if not asked:
        return True
    systems, numbers = _spelled(asked)
    wanted = {normalise(number) for number in numbers} | set(numbers)
    return any(
        each.get("system") in systems and not wanted.isdisjoint({text, normalise(text)})
        for each in patient.get("identifier", ())
        if (text := str(each.get("value", "")))
    )


def _has_name(patient: Resource, part: str, asked: str) -> bool:
    """Return whether one of the Patient's names has all words asked for, in their order and whole."""
    wanted = f" {fold(asked)} "
    for name in patient.get("name", ()):
        texts = name.get(part, ())
        texts = [texts, name.get("text", "")] if isinstance(texts, str) else [" ".join(texts), *texts]
        if any(wanted in f" {fold(str(text))} " for text in texts):
            return True
    return False
