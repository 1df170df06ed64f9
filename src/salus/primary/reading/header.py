"""From whom a document is, when, in which state and language (R4 Composition), field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salus.primary.days import day, language_name
from salus.primary.language import Shown, show_concept, show_status
from salus.primary.quantities import show_period
from salus.primary.reading.kinds.visits import fields as visit_fields
from salus.primary.reading.model import Field
from salus.primary.reading.people import fields_of, party
from salus.primary.references import resolve
from salus.primary.wording import catalogue

Resource = Mapping[str, Any]  # FHIR content is open JSON, hence Any
VERSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Composition.version"
OPEN_TO_READERS = frozenset({"N", "L", "M", "U"})
"""HL7 v3-Confidentiality codes that say nothing a reader must know: normal and below."""
FINAL = frozenset({"final", "amended", "corrected", "appended"})


def read_facts(
    composition: Resource, bundle: Resource, held: Mapping[str, Resource], language: str
) -> tuple[Field, ...]:
    """Return from whom a document is, when, its state and stay; of a document what is not stated is said."""
    unknown = catalogue.text("phrase.not-stated", language) if composition else ""
    date = str(composition.get("date") or bundle.get("timestamp") or "")
    texts = [
        *(("author", each) for each in authors_of(composition, held) or [unknown]),
        ("issued", day(date, language) if date else unknown),
        ("status", show_status(str(composition.get("status", "")), language).text or unknown),
    ]
    return (*fields_of(texts, language), *_stay(composition, held, language))


def read_more_facts(
    composition: Resource, bundle: Resource, held: Mapping[str, Resource], language: str
) -> tuple[Field, ...]:
    """Return who confirmed and keeps a document, its language, number and version, and what it is about."""
    secrecy = str(composition.get("confidentiality", ""))
    written = written_in(composition, bundle)
    unknown = catalogue.text("reading.language-unknown", language)
    texts = [
        *_attesters(composition, held, language),
        ("custodian", party(composition.get("custodian") or {}, held)),
        ("language", language_name(written, language) if written else unknown),
        ("document-id", _number(bundle) or _number(composition)),
        ("version", _version(composition)),
        ("confidentiality", "" if secrecy in OPEN_TO_READERS else secrecy),
    ]
    return (*fields_of(texts, language), *_events(composition, language))


def authors_of(composition: Resource, held: Mapping[str, Resource]) -> list[str]:
    """Return the names of who wrote the document."""
    return [each for each in (party(one, held) for one in composition.get("author", ())) if each]


def written_in(composition: Resource, bundle: Resource) -> str:
    """Return the language that the document says it is written in, "" where it does not."""
    return str(composition.get("language") or bundle.get("language") or "")


def is_final(composition: Resource) -> bool:
    """Return whether the document is in a state to be relied on."""
    return str(composition.get("status", "")) in FINAL


def _attesters(composition: Resource, held: Mapping[str, Resource], language: str) -> list[tuple[str, str]]:
    shown = []
    for each in composition.get("attester", ()):
        name = party(each.get("party") or {}, held)
        when = day(str(each["time"]), language) if each.get("time") else ""
        text = ", ".join(part for part in (name, when) if part)
        shown.append(("legal-attester" if each.get("mode") == "legal" else "attester", text))
    return shown


def _number(element: Resource) -> str:
    held = element.get("identifier", {})
    held = held[0] if isinstance(held, list) and held else held
    return str(held.get("value", "")).removeprefix("urn:uuid:") if isinstance(held, dict) else ""


def _version(composition: Resource) -> str:
    extensions = composition.get("extension", ())
    return next((str(each.get("valueString", "")) for each in extensions if each.get("url") == VERSION), "")


def _stay(composition: Resource, held: Mapping[str, Resource], language: str) -> list[Field]:
    """Return what is known of the stay or visit that the document is about."""
    encounter = resolve(composition.get("encounter"), held)
    shown: list[Shown] = visit_fields(encounter, held, language, None) if encounter else []
    told = [each for each in shown if each.label]
    title = catalogue.text("head.encounter", language)
    return [Field(f"{title}: {each.label}", each.value, each.translated, each.original) for each in told]


def _events(composition: Resource, language: str) -> list[Field]:
    """Return what the document reports on, where it says so."""
    fields = []
    for each in composition.get("event", ()):
        shown = [show_concept(code, language) for code in each.get("code", ())]
        shown.append(show_period(each.get("period"), language))
        texts = [one.text for one in shown if one.text]
        if texts:
            fields.append(
                Field(
                    catalogue.text("head.event", language),
                    ", ".join(texts),
                    all(one.translated for one in shown),
                )
            )
    return fields
