"""What a look-up may ask, so that it points at one person and lists nobody (PDQm ITI-78).

One value for each parameter, whole names, a full birth date, a national number that keeps its country's rule.
Which of them are enough is the law of the country whose person it is (`lookup-parameters` of its table).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from salus.core.errors import InvalidSearch
from salus.standards.fhir.query_string import Pairs
from salus.standards.fhir.search.values import fold
from salus.standards.nationalid.identifiers import holds, identifier_of_system, normalise

NAMES = ("family", "given")
BIRTH_PLACE = "birth-place"
"""No search parameter of FHIR R4, so it is compared on the Patients that the others find."""
PARAMETERS = frozenset({*NAMES, "birthdate", "identifier", "gender", BIRTH_PLACE, "active", "_count"})
BIRTH_PLACE_URL = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
Resource = dict[str, Any]  # Any: FHIR JSON


def check_lookup(pairs: Pairs, ways: Iterable[Sequence[str]]) -> None:
    """Check that what is asked points at one person, by one of the ways of the law that holds for them.

    Args:
        pairs: what is asked.
        ways: the combinations of parameters that find a person, each enough alone; more may narrow it.

    Raises:
        InvalidSearch: naming what is missing or wrong.
    """
    names = [name for name, _ in pairs]
    if set(names) - PARAMETERS:
        raise InvalidSearch(f"A lookup takes {', '.join(sorted(PARAMETERS))}, without modifiers.")
    allowed = tuple(dict.fromkeys(map(tuple, ways)))
    if not any(set(way) <= set(names) for way in allowed):
        raise InvalidSearch(f"The law of the patient's country asks for {_in_words(allowed)}.")
    for name, text in pairs:
        if names.count(name) > 1 or "," in text:
            raise InvalidSearch(f"A lookup takes one {name}, with one value.")
        if name == "identifier":
            check_identifier(text)
        elif name == "birthdate" and not _DAY.fullmatch(text):
            raise InvalidSearch("birthdate is a whole day (YYYY-MM-DD) without a prefix.")
        elif name in (*NAMES, BIRTH_PLACE) and not fold(text):
            raise InvalidSearch(f"{name} is empty; give the whole name.")


def _in_words(ways: Sequence[Sequence[str]]) -> str:
    words = {"identifier": "an identifier (system|value)"}
    return ", or for ".join(_joined([words.get(name, name) for name in way]) for way in ways)


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]} together"


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
    """Return whether a Patient has the identifier, whole names, birth date and birth place asked for."""
    asked = dict(pairs)
    return (
        _has_identifier(patient, asked.get("identifier", ""))
        and asked.get("birthdate", "") in ("", patient.get("birthDate"))
        and (BIRTH_PLACE not in asked or fold(asked[BIRTH_PLACE]) in _birth_places(patient))
        and all(_has_name(patient, name, asked[name]) for name in NAMES if name in asked)
    )


def _birth_places(patient: Resource) -> set[str]:
    """Return what a Patient's place of birth is called: its town, its text, and codes that stand for it."""
    places = [
        extension.get("valueAddress", {})
        for extension in patient.get("extension", ())
        if extension.get("url") == BIRTH_PLACE_URL
    ]
    codes = [
        more.get("valueCoding", {}).get("code", "") for place in places for more in place.get("extension", ())
    ]
    texts = [place.get(part, "") for place in places for part in ("city", "text")]
    return {fold(str(text)) for text in (*texts, *codes) if text}


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
