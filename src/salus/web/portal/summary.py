"""A summary document (R4 document Bundle) as a page shows it: sections, lines, the source's own words."""

from __future__ import annotations

from typing import Any

import msgspec

from salus.web.portal.describe import Line, Resource, date_of, describe, person_name
from salus.web.portal.narrative import sanitise
from salus.web.portal.words import phrase, section_title, term

EMPTY_REASONS = {"nilknown": "nil-known", "notasked": "not-asked", "unavailable": "not-available"}


class Entry(msgspec.Struct, frozen=True):
    """A line of a section. `wording` is the table's translation of its code, "" when there is none."""

    line: Line
    wording: str


class Section(msgspec.Struct, frozen=True):
    """One section.

    Args:
        code: its LOINC code.
        title: in the reader's language; the document's own where we have no other.
        original: the title as the document has it.
        narrative: safe HTML, "" when the section has none that can be shown.
        entries: the coded entries in words.
        missing: why there is nothing, in the reader's language; "" when there is something.
    """

    code: str
    title: str
    original: str
    narrative: str
    entries: tuple[Entry, ...]
    missing: str


class Summary(msgspec.Struct, frozen=True):
    """A document. `translated` of `coded` lines have a wording in the reader's language."""

    title: str
    original: str
    patient: str
    birth_date: str
    gender: str
    issued: str
    authors: tuple[str, ...]
    custodian: str
    sections: tuple[Section, ...]
    coded: int
    translated: int


def read_summary(bundle: Resource, language: str) -> Summary:
    """Return the document in `language`; the Bundle has been validated, yet nothing is taken for granted."""
    resources = [entry.get("resource", {}) for entry in bundle.get("entry", []) if isinstance(entry, dict)]
    index: dict[str, Resource] = {}
    for entry in bundle.get("entry", []):
        resource = entry.get("resource", {})
        index[str(entry.get("fullUrl", ""))] = resource
        index[f"{resource.get('resourceType')}/{resource.get('id')}"] = resource
    composition: Resource = next(
        (each for each in resources if each.get("resourceType") == "Composition"), {}
    )
    patient = _resolve(composition.get("subject"), index) or next(
        (each for each in resources if each.get("resourceType") == "Patient"), {}
    )
    sections = tuple(_section(each, index, language) for each in composition.get("section", []))
    entries = [entry for section in sections for entry in section.entries]
    authors = [_party(reference, index) for reference in composition.get("author", [])]
    return Summary(
        title=phrase("patient-summary", language),
        original=str(composition.get("title", "")),
        patient=person_name(patient),
        birth_date=str(patient.get("birthDate", "")),
        gender=str(patient.get("gender", "")),
        issued=date_of(composition),
        authors=tuple(author for author in authors if author),
        custodian=_party(composition.get("custodian"), index),
        sections=sections,
        coded=sum(1 for entry in entries if entry.line.code),
        translated=sum(1 for entry in entries if entry.wording),
    )


def _section(section: Resource, index: dict[str, Resource], language: str) -> Section:
    code = next((str(c.get("code", "")) for c in section.get("code", {}).get("coding", [])), "")
    entries = []
    for reference in section.get("entry", []):
        resource = _resolve(reference, index)
        line = describe(resource, language) if resource else None
        if line:
            entries.append(Entry(line, term(line.code.rpartition("|")[2], language)))
    narrative = sanitise(str(section.get("text", {}).get("div", "")))
    return Section(
        code=code,
        title=section_title(code, language) or str(section.get("title", code)),
        original=str(section.get("title", "")),
        narrative=narrative,
        entries=tuple(entries),
        missing="" if entries or narrative else _why_empty(section, language),
    )


def _why_empty(section: Resource, language: str) -> str:
    """Say why a section is empty (R4 list-empty-reason); nothing said is nothing recorded, not none known."""
    codings = section.get("emptyReason", {}).get("coding", [])
    code = next((str(coding.get("code", "")) for coding in codings), "")
    return phrase(EMPTY_REASONS.get(code, "none-recorded"), language)


def _resolve(reference: Any, index: dict[str, Resource]) -> Resource:  # Any: FHIR content is open JSON
    """Return what the reference points at within the document, {} when it is not there."""
    target = str(reference.get("reference", "")) if isinstance(reference, dict) else ""
    found = index.get(target)
    if found is None and target:
        found = index.get("/".join(target.split("/")[-2:]), {})
    return found or {}


def _party(reference: Any, index: dict[str, Resource]) -> str:  # Any: FHIR content is open JSON
    resource = _resolve(reference, index)
    shown = str(reference.get("display", "")) if isinstance(reference, dict) else ""
    return person_name(resource) or shown
