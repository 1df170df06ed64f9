"""Records and summary documents (R4 document Bundle) as pages show them: our words beside the source's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from salus.primary import language as tables
from salus.primary.narrative import line
from salus.web.portal.narrative import sanitise
from salus.web.portal.words import phrase

Resource = Mapping[str, Any]  # FHIR content is open JSON, hence Any
EMPTY_REASONS = {"nilknown": "nil-known", "notasked": "not-asked", "unavailable": "not-available"}
ORIGINAL = "und"  # no table has this language, so that a text comes out as the source wrote it


class Entry(msgspec.Struct, frozen=True):
    """One resource in words.

    Args:
        reference: "Type/id", "" when it has no id.
        what: what it is about, in the reader's language where a wording is known.
        translated: whether `what` is in the reader's language.
        original: the source's own words.
        details: value, dose, status and the like, each a phrase.
        when: the clinical date as written, "" when there is none.
        source: the system it came from, "" when unknown.
    """

    reference: str
    what: str
    translated: bool
    original: str
    details: tuple[str, ...]
    when: str
    source: str


class Section(msgspec.Struct, frozen=True):
    """One section of a document.

    Args:
        code: its LOINC code.
        title: in the reader's language; the document's own where we have no other.
        original: the title as the document has it.
        narrative: safe HTML, "" when the section has none that can be shown.
        entries: the coded entries in words.
        missing: why there is nothing, in the reader's language; "" when there is something.
        unread: how many entries the section names that the document does not hold, in words; "" when none.
    """

    code: str
    title: str
    original: str
    narrative: str
    entries: tuple[Entry, ...]
    missing: str
    unread: str = ""


class Summary(msgspec.Struct, frozen=True):
    """A document; `title` in the reader's language, `original` as the document has it."""

    title: str
    original: str
    patient: str
    birth_date: str
    gender: str
    issued: str
    authors: tuple[str, ...]
    sections: tuple[Section, ...]

    @property
    def entries(self) -> int:
        """Return how many coded entries the document shows."""
        return sum(len(section.entries) for section in self.sections)

    @property
    def translated(self) -> int:
        """Return how many of them have a wording in the reader's language."""
        return sum(entry.translated for section in self.sections for entry in section.entries)


def read_entry(resource: Resource, others: Mapping[str, Resource], language: str) -> Entry:
    """Return the resource in words; `others` are resources it may refer to, by reference."""
    resource = _as_named(resource)
    shown = line(resource, others, language)
    kind, own_id = resource.get("resourceType", ""), resource.get("id", "")
    return Entry(
        reference=f"{kind}/{own_id}" if own_id else "",
        what=shown.what.text,
        translated=shown.what.translated,
        original=line(resource, others, ORIGINAL).what.text,
        details=tuple(detail.text for detail in shown.details),
        when=shown.when or str(resource.get("date", "")),
        source=str(resource.get("meta", {}).get("source", "")).partition("#")[0],
    )


def read_summary(bundle: Resource, language: str) -> Summary:
    """Return the document in `language`; it has been validated, yet nothing is taken for granted."""
    index: dict[str, Resource] = {}
    for entry in bundle.get("entry", []):
        resource = entry.get("resource", {})
        index[f"{resource.get('resourceType')}/{resource.get('id')}"] = resource
        index[str(entry.get("fullUrl", ""))] = resource
    composition = _first(index.values(), "Composition")
    patient = _resolve(composition.get("subject"), index) or _first(index.values(), "Patient")
    authors = [_party(reference, index) for reference in composition.get("author", [])]
    return Summary(
        title=tables.word("title", language),
        original=str(composition.get("title", "")),
        patient=person_name(patient),
        birth_date=str(patient.get("birthDate", "")),
        gender=str(patient.get("gender", "")),
        issued=str(composition.get("date", "")),
        authors=tuple(author for author in authors if author),
        sections=tuple(_section(each, index, language) for each in composition.get("section", [])),
    )


def _as_named(resource: Resource) -> Resource:
    """Return a document's resource with its type where a name is looked for; another resource as it is."""
    if resource.get("resourceType") not in ("DocumentReference", "Composition") or "type" not in resource:
        return resource
    attachments = [each.get("attachment", {}) for each in resource.get("content", [])]
    titles = [
        resource.get("title"),
        *(each.get("title") for each in attachments),
        resource.get("description"),
    ]
    title = next((str(each) for each in titles if each), "")
    kind = resource["type"]
    return {**resource, "code": {**kind, "text": title} if title else kind}


def person_name(resource: Resource) -> str:
    """Return the official (else the first) name of a Patient or Practitioner, or an Organization's."""
    names = resource.get("name")
    if not names or isinstance(names, str):
        return names or ""
    name = next((each for each in names if each.get("use") == "official"), names[0])
    return str(name.get("text") or " ".join([*name.get("given", []), name.get("family", "")]).strip())


def _section(section: Resource, index: Mapping[str, Resource], language: str) -> Section:
    code = _code(section.get("code"))
    known = next((each for each in tables.sections().values() if each.loinc == code), None)
    held = [_resolve(reference, index) for reference in section.get("entry", [])]
    entries = tuple(read_entry(resource, index, language) for resource in held if resource)
    lost = len(held) - len(entries)
    unread = f"{phrase('unread', language)}: {lost}" if lost else ""
    narrative = sanitise(str(section.get("text", {}).get("div", "")))
    missing = phrase(EMPTY_REASONS.get(_code(section.get("emptyReason")), "none-recorded"), language)
    original = str(section.get("title", ""))
    return Section(
        code=code,
        title=tables.title(known, language) if known else original,
        original=original,
        narrative=narrative,
        entries=entries,
        missing="" if entries or lost or (narrative and "emptyReason" not in section) else missing,
        unread=unread,
    )


def _code(concept: Resource | None) -> str:
    return next((str(coding.get("code", "")) for coding in (concept or {}).get("coding", [])), "")


def _first(resources: Iterable[Resource], kind: str) -> Resource:
    return next((each for each in resources if each.get("resourceType") == kind), {})


def _resolve(reference: Resource | None, index: Mapping[str, Resource]) -> Resource:
    """Return what the reference points at within the document, {} when it is not there."""
    target = str((reference or {}).get("reference", ""))
    return index.get(target) or index.get("/".join(target.split("/")[-2:])) or {}


def _party(reference: Resource, index: Mapping[str, Resource]) -> str:
    return person_name(_resolve(reference, index)) or str(reference.get("display", ""))
