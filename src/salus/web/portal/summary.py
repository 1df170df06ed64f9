"""Records and summary documents (R4 document Bundle) as pages show them: our words beside the source's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from salus.primary import language as tables
from salus.primary.dates import clinical_moment
from salus.primary.left_out import read_not_shown, read_older, tell_not_shown
from salus.primary.narrative import Line, line
from salus.primary.selection import says_none
from salus.web.portal.narrative import by_language
from salus.web.portal.words import LANGUAGES, phrase

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
        details: value, dose, status and the like, each a phrase; one in the source's words is marked as such.
        when: the clinical date as written, "" when there is none.
        sorted_by: the moment of that date, or where it is not known of its recording.
        source: the system it came from, "" when unknown.
    """

    reference: str
    what: str
    translated: bool
    original: str
    details: tuple[str, ...]
    when: str
    sorted_by: float
    source: str


class Section(msgspec.Struct, frozen=True):
    """One section of a document.

    Args:
        code: its LOINC code.
        title: in the reader's language; the document's own where we have no other.
        original: the title as the document has it.
        narrative: safe HTML by the name of its language ("" when it names none), the reader's first.
        entries: the coded entries in words.
        missing: why there is nothing, in the reader's language; "" when there is something.
        unread: how many entries the section names that the document does not hold, in words; "" when none.
        older: how many older entries it says it leaves out, in words; "" when none.
    """

    code: str
    title: str
    original: str
    narrative: tuple[tuple[str, str], ...]
    entries: tuple[Entry, ...]
    missing: str
    unread: str = ""
    older: str = ""


class Summary(msgspec.Struct, frozen=True):
    """A document; `title` in the reader's language, `original` as the document has it.

    `not_shown`: what it says it does not show, in words; `about`: its own text on the whole, by language.
    """

    title: str
    original: str
    patient: str
    birth_date: str
    gender: str
    issued: str
    authors: tuple[str, ...]
    sections: tuple[Section, ...]
    not_shown: str = ""
    about: tuple[tuple[str, str], ...] = ()

    @property
    def entries(self) -> int:
        """Return how many coded entries the document shows."""
        return sum(len(section.entries) for section in self.sections)

    @property
    def translated(self) -> int:
        """Return how many of them have a wording in the reader's language."""
        return sum(entry.translated for section in self.sections for entry in section.entries)


def read_entry(
    resource: Resource,
    others: Mapping[str, Resource],
    language: str,
    now: datetime | None = None,
    *,
    doubted: bool = False,
) -> Entry:
    """Return the resource in words.

    Args:
        resource: what is shown.
        others: resources it may refer to, by reference.
        language: of the reader.
        now: when it is read, to say that a time is over.
        doubted: whether it says "none known" beside entries that say otherwise.
    """
    resource = _as_named(resource)
    shown = line(resource, others, language, doubted=doubted, now=now)
    kind, own_id = resource.get("resourceType", ""), resource.get("id", "")
    return Entry(
        reference=f"{kind}/{own_id}" if own_id else "",
        what=shown.what.text,
        translated=shown.what.translated,
        original=_written(line(resource, others, ORIGINAL).what.text),
        details=_marked(shown, language),
        when=shown.when,
        sorted_by=clinical_moment(resource),
        source=str(resource.get("meta", {}).get("source", "")).partition("#")[0],
    )


def _written(text: str) -> str:
    """Return what the source wrote, "" where the name is our own word for none."""
    return "" if text == tables.word("unnamed", ORIGINAL) else text


def _marked(shown: Line, language: str) -> tuple[str, ...]:
    mark = tables.word("original", language)
    return tuple(each.text if each.translated else f"{each.text} ({mark})" for each in shown.details)


def read_summary(bundle: Resource, language: str, now: datetime | None = None) -> Summary:
    """Return the document in `language`; it has been validated, yet nothing is taken for granted.

    `now`: when it is read, to say that a time is over.
    """
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
        sections=tuple(_section(each, index, language, now) for each in composition.get("section", [])),
        not_shown=tell_not_shown(read_not_shown(composition), language).text,
        about=_narrative(composition, language),
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


def _section(
    section: Resource, index: Mapping[str, Resource], language: str, now: datetime | None
) -> Section:
    code = _code(section.get("code"))
    known = next((each for each in tables.sections().values() if each.code == code), None)
    held = [_resolve(reference, index) for reference in section.get("entry", [])]
    found = [resource for resource in held if resource]
    others = not all(says_none(resource) for resource in found)
    entries = tuple(
        read_entry(resource, index, language, now, doubted=others and says_none(resource))
        for resource in found
    )
    lost, older = len(held) - len(entries), read_older(section)
    narrative = _narrative(section, language)
    missing = phrase(EMPTY_REASONS.get(_code(section.get("emptyReason")), "none-recorded"), language)
    original = str(section.get("title", ""))
    return Section(
        code=code,
        title=tables.title(known, language) if known else original,
        original=original,
        narrative=narrative,
        entries=entries,
        missing="" if entries or lost or (narrative and "emptyReason" not in section) else missing,
        unread=f"{phrase('unread', language)}: {lost}" if lost else "",
        older=f"{tables.word('older', language)}: {older}" if older else "",
    )


def _narrative(element: Resource, language: str) -> tuple[tuple[str, str], ...]:
    """Return the text of a Composition or section in its languages, by their names, the reader's first."""
    blocks = by_language(str(element.get("text", {}).get("div", "")))
    blocks.sort(key=lambda block: block[0] != language)
    return tuple((LANGUAGES.get(code, code), html) for code, html in blocks)


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
