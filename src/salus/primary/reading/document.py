"""From a document of any origin (R4 Bundle, or a resource by itself) to what a person reads.

A document (Composition first) is read by its sections. Any other Bundle, such as a prescription (EU MPD: a
collection), is read by kinds of resources. Nothing is left out in silence: what no section names stands in a
section of its own, what cannot be put in fields is shown by its own text, what is not of R4's shape is
counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from salus.core.errors import MalformedContent
from salus.primary.language import Shown, is_reviewed, say, say_number, sections, show_status
from salus.primary.language import title as title_of
from salus.primary.left_out import read_not_shown, tell_not_shown
from salus.primary.medicines import orders_of
from salus.primary.reading.entry import Context, read_within
from salus.primary.reading.header import authors_of, is_final, read_facts, read_more_facts, written_in
from salus.primary.reading.important import highlights, past_of
from salus.primary.reading.model import Reading, Section
from salus.primary.reading.people import person_name, read_contact, read_person
from salus.primary.reading.section import blocks_of, read_section, unreadable
from salus.primary.reading.trends import with_earlier
from salus.primary.references import resolve
from salus.primary.wording import catalogue
from salus.standards.fhir.profiles.categories import detect
from salus.standards.fhir.shape import in_shape

BESIDE = frozenset(
    {"Patient", "Practitioner", "PractitionerRole", "Organization", "Location", "Composition", "Provenance"}
    | {
        "Medication",
        "Specimen",
        "Substance",
        "RelatedPerson",
        "Endpoint",
        "Binary",
        "Device",
        "HealthcareService",
    }
)
"""Types that are told with the entries that refer to them."""
GROUPS = {
    "MedicationRequest": "prescriptions", "RequestGroup": "prescriptions",
    "MedicationDispense": "dispensations",
    "DiagnosticReport": "reports", "ImagingStudy": "imaging-studies", "AllergyIntolerance": "allergies",
    "Condition": "problems", "MedicationStatement": "medications", "Procedure": "procedures",
    "Immunization": "immunizations", "Observation": "results", "Flag": "alerts",
}  # fmt: skip
"""The section in which a Bundle without sections shows resources of a type."""
OTHER, UNPLACED = "other", "unplaced"
TEST_DATA = "HTEST"
Resource = Mapping[str, Any]  # FHIR content is open JSON, hence Any


def read_document(document: Resource, language: str, now: datetime | None = None) -> Reading:
    """Return a document as it is read.

    Args:
        document: a Bundle, or one resource; it need not be valid.
        language: of the reader, one of the 24.
        now: when it is read, to say that a time is over and how old the person is.

    Raises:
        MalformedContent: it is no FHIR R4 resource.
    """
    shaped = in_shape(document)
    bundle = shaped.resource
    if not bundle:
        raise MalformedContent("This is no FHIR R4 resource; check it with salus check.")
    resources = _resources(bundle)
    held = _index(bundle, resources)
    composition = next((each for each in resources if each["resourceType"] == "Composition"), {})
    patient = resolve(composition.get("subject"), held) or _first(resources, "Patient")
    category = detect(bundle).category or OTHER
    placed = _placed(composition, held) if composition else frozenset()
    context = Context(held, language, now, placed)
    found = [read_section(each, context) for each in composition.get("section", ())]
    found += _missing_sections(found, category, language) if composition else []
    found = sorted(found, key=_rank)
    found += _unplaced(resources, placed, context) if composition else _by_kind(resources, context)
    name = catalogue.text(f"category.{category}", language)
    written = str(composition.get("title", ""))
    return Reading(
        category=category,
        language=language,
        written_in=written_in(composition, bundle).partition("-")[0].lower(),
        title=name if category != OTHER or not written else written,
        original=written,
        patient=person_name(patient),
        born=str(patient.get("birthDate", "")),
        gender=str(patient.get("gender", "")),
        issued=str(composition.get("date") or bundle.get("timestamp") or ""),
        authors=tuple(authors_of(composition, held)),
        person=read_person(patient, language, now) if patient else (),
        contact=read_contact(patient, held, language),
        facts=read_facts(composition, bundle, held, language),
        more_facts=read_more_facts(composition, bundle, held, language),
        warnings=tuple(_warnings(composition, bundle, patient, language)),
        highlights=highlights(found, category, language, past_of(resources)),
        sections=tuple(found),
        about=blocks_of(composition, language),
        notes=tuple(_notes(composition, shaped.left_out, language)),
    )


def _resources(bundle: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the resources of a Bundle, and those of Bundles in it; of another resource that itself."""
    if bundle["resourceType"] != "Bundle":
        return [bundle]
    held = [entry.get("resource") for entry in bundle.get("entry", ())]
    found: list[dict[str, Any]] = []
    for each in held:
        found += _resources(each) if each else []
    return found


def _index(bundle: Resource, resources: Sequence[Resource]) -> dict[str, Resource]:
    """Return the resources by "Type/id" and by fullUrl; where two have one name the first counts."""
    index: dict[str, Resource] = {}
    for entry in bundle.get("entry", ()):
        if entry.get("resource"):
            index.setdefault(str(entry.get("fullUrl", "")), entry["resource"])
    for each in resources:
        index.setdefault(f"{each['resourceType']}/{each.get('id')}", each)
    index.pop("", None)
    return index


def _first(resources: Sequence[Resource], kind: str) -> Resource:
    return next((each for each in resources if each["resourceType"] == kind), {})


def _placed(composition: Resource, held: Mapping[str, Resource]) -> frozenset[int]:
    """Return the identities of what sections name, of what tells it with them, and of the stay."""
    waiting = list(composition.get("section", ()))
    named = [composition.get("encounter")]
    while waiting:
        section = waiting.pop()
        named += section.get("entry", ())
        waiting += section.get("section", ())
    found = [resolve(each, held) for each in named]
    orders = [held[link] for each in found for link in orders_of(each) if link in held]
    return frozenset(id(each) for each in (*found, *orders) if each)


def _rank(section: Section) -> int:
    known = sections().get(section.key)
    return known.first if known is not None and known.first else len(sections())


def _missing_sections(found: Sequence[Section], category: str, language: str) -> list[Section]:
    """Return the sections that the category must have and the document has not, each with that said."""
    there = {section.key for section in found}
    missing = say("reading.section-absent", language).text
    return [
        Section(key, title_of(key, language), missing=missing)
        for key, each in sections().items()
        if category in each.expected and key not in there
    ]


def _unplaced(resources: Sequence[Resource], placed: frozenset[int], context: Context) -> list[Section]:
    """Return what no section names and no entry holds, as one section; [] when all is placed."""
    told = placed | _members(resources, context)
    own = [each for each in resources if id(each) not in told and each["resourceType"] not in BESIDE]
    entries = [read_within(each, context) for each in own]
    title = say("reading.unplaced", context.language).text
    return [Section(UNPLACED, title, entries=with_earlier(entries))] if entries else []


def _by_kind(resources: Sequence[Resource], context: Context) -> list[Section]:
    """Return the resources of a Bundle without a Composition by kind, in the order of `GROUPS`."""
    alone = len(resources) == 1
    shown = [each for each in resources if alone or each["resourceType"] not in BESIDE]
    parts = _members(shown, context)
    groups: dict[str, list[Resource]] = {key: [] for key in dict.fromkeys(GROUPS.values())}
    for each in shown:
        if id(each) not in parts:
            groups.setdefault(GROUPS.get(each["resourceType"], UNPLACED), []).append(each)
    language = context.language
    return [
        Section(
            key,
            say("reading.unplaced", language).text if key == UNPLACED else title_of(key, language),
            entries=with_earlier([read_within(each, context) for each in found]),
        )
        for key, found in groups.items()
        if found
    ]


def _members(resources: Sequence[Resource], context: Context) -> set[int]:
    """Return the identities of results that another of the resources holds, and so shows."""
    named = [
        reference
        for each in resources
        for member in ("hasMember", "result")
        for reference in each.get(member, ())
        if isinstance(reference, dict)
    ]
    return {id(found) for found in (resolve(each, context.held) for each in named) if found}


def _warnings(composition: Resource, bundle: Resource, patient: Resource, language: str) -> list[str]:
    """Return what forbids to rely on the document as on any other."""
    status = str(composition.get("status", ""))
    shown = show_status(status, language) if status else Shown("", True)
    told = []
    if status == "entered-in-error":
        told.append(say("reading.not-valid", language, what=shown).text)
    elif composition and not is_final(composition):
        told.append(
            say("reading.not-final", language, what=shown if shown.text else say("not-stated", language)).text
        )
    marked = [each.get("meta", {}).get("security", ()) for each in (bundle, composition, patient)]
    if any(coding.get("code") == TEST_DATA for codings in marked for coding in codings):
        told.append(say("reading.test-data", language).text)
    return told


def _notes(composition: Resource, out_of_shape: int, language: str) -> list[str]:
    """Return what holds for the whole page."""
    told = [tell_not_shown(read_not_shown(composition), language).text, *unreadable(composition, language)]
    if out_of_shape:
        told.append(say_number("reading.out-of-shape", language, str(out_of_shape)).text)
    if not is_reviewed(language):
        told.append(say("unreviewed", language).text)
    return [each for each in told if each]
