"""One resource as an entry: name, fields, what belongs to it; one of an unknown kind by its own text."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from salus.primary import language as words
from salus.primary.dates import clinical_moment
from salus.primary.days import day
from salus.primary.language import Shown, show_concept, show_type
from salus.primary.narrative import Line, line
from salus.primary.reading.kind import Kind, kinds
from salus.primary.reading.marks import marks_of
from salus.primary.reading.model import Block, Entry, Field
from salus.primary.reading.own_text import own_text, says_something
from salus.primary.references import resolve

Resource = Mapping[str, Any]  # FHIR content is open JSON, hence Any
ORIGINAL = "und"  # no table has this language, so that a text comes out as the source wrote it
NAMES = {
    "http://loinc.org": "LOINC", "http://snomed.info/sct": "SNOMED CT", "http://www.whocc.no/atc": "ATC",
    "http://hl7.org/fhir/sid/icd-10": "ICD-10", "http://standardterms.edqm.eu": "EDQM",
    "http://hl7.org/fhir/sid/icd-11": "ICD-11", "http://www.orpha.net": "Orphanet",
    "http://dicom.nema.org/resources/ontology/DCM": "DICOM",
}  # fmt: skip
"""Short names of code systems; of any other the last part of its address."""
PARTS_MAX, DEPTH_MAX, CODES_MAX = 500, 4, 6


class Context(msgspec.Struct, frozen=True):
    """What an entry is read with.

    Args:
        held: resources by "Type/id" and fullUrl.
        language: of the reader.
        now: when it is read, to say that a time is over.
        placed: identities (`id()`) of resources that are entries of their own, and so are no parts of others.
    """

    held: Mapping[str, Resource]
    language: str
    now: datetime | None = None
    placed: frozenset[int] = frozenset()


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
    return read_within(resource, Context(others, language, now), doubted=doubted)


def read_within(resource: Resource, context: Context, *, doubted: bool = False, depth: int = 0) -> Entry:
    """Return the resource in words, as part of another at a `depth`."""
    held, language, now = context.held, context.language, context.now
    resource = _as_named(resource)
    shown = line(resource, held, language, doubted=doubted, now=now)
    kind, own_id = str(resource.get("resourceType", "")), resource.get("id", "")
    known = kinds().get(kind)
    marks, codes = marks_of(resource, language), _codes(resource, held)
    told = {each.text for each in marks}
    what = shown.what if _is_named(shown, language) else show_type(kind, language)
    return Entry(
        reference=f"{kind}/{own_id}" if own_id else "",
        what=what.text,
        translated=what.translated,
        original=_written(line(resource, held, ORIGINAL).what.text, codes),
        details=_marked(shown, language),
        when=shown.when,
        sorted_by=clinical_moment(resource),
        source=str(resource.get("meta", {}).get("source", "")).partition("#")[0],
        date=day(shown.when, language) if shown.when else "",
        marks=marks,
        fields=tuple(each for each in _fields(resource, known, shown, context) if each.text not in told),
        codes=codes,
        measure=known.measure(resource, language) if known and known.measure else None,
        parts=_parts(resource, known, context, depth),
        is_read=known is not None,
        own_text=() if known else _own_text(resource),
    )


def _fields(resource: Resource, known: Kind | None, shown: Line, context: Context) -> tuple[Field, ...]:
    """Return the fields by the kind's rule, after what the line says of a medicine's standing."""
    kind = str(resource.get("resourceType", ""))
    if known is None:
        told = "reading.cannot-read" if _own_text(resource) else "reading.no-own-text"
        unread = Field("", words.say(told, context.language, what=kind).text)
        return (unread, *(_field(each) for each in shown.details))
    own = known.fields(resource, context.held, context.language, context.now)
    texts = {text for each in own for text in (each.text, each.value)}
    standing = [] if known.measure else [each for each in shown.details if each.text not in texts]
    return tuple(_field(each) for each in [*standing, *own] if each.text)


def _field(shown: Shown) -> Field:
    return Field(shown.label, shown.value if shown.label else shown.text, shown.translated, shown.original)


def _parts(resource: Resource, known: Kind | None, context: Context, depth: int) -> tuple[Entry, ...]:
    """Return the components of a measurement and what else belongs to an entry."""
    measured = [
        _component(each, known, context) for each in resource.get("component", ()) if known and known.measure
    ]
    if known is None or known.parts is None or depth >= DEPTH_MAX:
        return tuple(measured)
    found = [resolve(each, context.held) for each in known.parts(resource)[:PARTS_MAX]]
    own = [each for each in found if each and id(each) not in context.placed]
    return (*measured, *(read_within(each, context, depth=depth + 1) for each in own))


def _component(component: Resource, known: Kind, context: Context) -> Entry:
    language = context.language
    name = show_concept(component.get("code"), language)
    measure = known.measure(component, language) if known.measure else None
    none = words.say("no-value-recorded", language).text
    codes = _named(component.get("code"))
    written = _written(show_concept(component.get("code"), ORIGINAL).text, codes)
    return Entry(
        "", name.text, name.translated, written, (), "", 0.0, "", "",
        fields=() if measure else (Field("", none),), codes=codes, measure=measure,
    )  # fmt: skip


def _own_text(resource: Resource) -> tuple[Block, ...]:
    return tuple(each for each in own_text(resource.get("text")) if says_something(each))


def _codes(resource: Resource, held: Mapping[str, Resource]) -> tuple[str, ...]:
    """Return the codes that name an entry."""
    product = resolve(resource.get("medicationReference"), held)
    concepts = [resource.get(name) for name in ("code", "medicationCodeableConcept", "vaccineCode")]
    concepts += [product.get("code"), resource.get("relationship")]
    return tuple(dict.fromkeys(code for each in concepts for code in _named(each)))[:CODES_MAX]


def _named(concept: object) -> tuple[str, ...]:
    codings = concept.get("coding", ()) if isinstance(concept, Mapping) else ()
    return tuple(
        f"{_system(str(each.get('system', '')))} {each['code']}".strip()
        for each in codings
        if each.get("code")
    )


def _system(address: str) -> str:
    return NAMES.get(address, address.rstrip("/").rpartition("/")[2] or address)


def _is_named(shown: Line, language: str) -> bool:
    return shown.what.text != words.word("unnamed", language)


def _written(text: str, codes: tuple[str, ...]) -> str:
    """Return what the source wrote, "" where it wrote but a code, or the name is our own word for none."""
    is_code = any(text == code.rpartition(" ")[2] for code in codes)
    return "" if is_code or text == words.word("unnamed", ORIGINAL) else text


def _marked(shown: Line, language: str) -> tuple[str, ...]:
    mark = words.word("original", language)
    return tuple(each.text if each.translated else f"{each.text} ({mark})" for each in shown.details)


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
