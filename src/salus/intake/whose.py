"""Whether a document is about the person in whose record it is to be filed. Pure.

A FHIR document names its patient itself. What contradicts the record is not filed in it; what cannot be
compared is filed, but nothing is taken out of it as the person's own data.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.intake.formats.format import Translated
from salus.intake.formats.registry import translating
from salus.intake.translation import translate
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.codec.xml import parse_xml
from salus.standards.fhir.search.values import date_interval
from salus.standards.nationalid.identifiers import identifier_of_system, normalise

Resource = Mapping[str, Any]  # Any: FHIR JSON
_TOLD_APART = frozenset({"male", "female"})


class Match(StrEnum):
    """How the patient whom a document names compares with the person of the record."""

    SAME = "same"
    UNKNOWN = "unknown"
    CONTRADICTED = "contradicted"


def stated_patient(body: bytes, media_type: str, limits: Limits) -> Resource | None:
    """Return the Patient that a FHIR or CDA document is about, None where it is none or names nobody."""
    essence = media_type.partition(";")[0].strip().lower()
    try:
        if essence.endswith("json"):
            bundle = parse_json(body, limits)
        elif essence.endswith("xml") and b"http://hl7.org/fhir" in body:
            bundle = parse_xml(body, limits)
        elif essence.endswith("xml") and (other := translating(body)) is not None:
            return _stated_in(translate(other.media, body, limits)[0])
        else:
            return None
    except SalusError:
        return None  # kept as bytes that nobody reads
    if not isinstance(bundle, dict) or bundle.get("type") != "document":
        return None
    named: dict[str, Resource] = {}
    link = ""
    for entry in bundle.get("entry") or ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue
        kind = resource.get("resourceType")
        if kind == "Composition" and not link:
            link = str((resource.get("subject") or {}).get("reference", ""))
        if kind == "Patient":
            named[str(entry.get("fullUrl", ""))] = named[f"Patient/{resource.get('id', '')}"] = resource
    if not link:
        return None
    return named.get(link) or next((one for url, one in named.items() if url.endswith(f"/{link}")), None)


def _stated_in(made: Translated) -> Resource | None:
    """Return the Patient whom a translated document is about."""
    link = (made.header.get("subject") or {}).get("reference")
    found = (entry["resource"] for entry in made.bundle["entry"] if entry["fullUrl"] == link)
    return next(found, None)


def compare(person: Resource, stated: Resource) -> Match:
    """Return how the Patient of a document compares with the Patient of the record.

    National identifiers, birth date and sex may contradict. Names decide nothing: they have many spellings.
    """
    numbers = [found for found in _numbers(person, stated) if all(found)]
    if any(ours.isdisjoint(theirs) for ours, theirs in numbers):
        return Match.CONTRADICTED
    birth = _agrees(str(person.get("birthDate", "")), str(stated.get("birthDate", "")))
    sexes = {str(person.get("gender", "")), str(stated.get("gender", ""))}
    if birth is False or sexes == _TOLD_APART:
        return Match.CONTRADICTED
    return Match.SAME if numbers or birth or _shared(person, stated) else Match.UNKNOWN


def _numbers(one: Resource, other: Resource) -> list[tuple[set[str], set[str]]]:
    """Return, by country and kind of national identifier, the numbers of both."""
    ours, theirs = _national(one), _national(other)
    return [(ours.get(key, set()), theirs.get(key, set())) for key in ours.keys() | theirs.keys()]


def _national(patient: Resource) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for each in patient.get("identifier") or ():
        row = identifier_of_system(str(each.get("system", "")))
        if row is not None and each.get("value"):
            found.setdefault((row.country, row.name), set()).add(normalise(str(each["value"])))
    return found


def _shared(one: Resource, other: Resource) -> bool:
    """Return whether both have one identifier of one system, whoever gives it."""
    ours, theirs = (
        {(each.get("system"), each["value"]) for each in patient.get("identifier") or () if each.get("value")}
        for patient in (one, other)
    )
    return not ours.isdisjoint(theirs)


def _agrees(one: str, other: str) -> bool | None:
    """Return whether two dates overlap by their precision, None where one is missing."""
    first, second = date_interval(one), date_interval(other)
    if first is None or second is None:
        return None
    return first[0] < second[1] and second[0] < first[1]
