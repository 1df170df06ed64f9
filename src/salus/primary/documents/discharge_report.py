"""The hospital discharge report (HL7 Europe HDR 1.0.0, bundle-eu-hdr) about one stay in hospital.

What was done in the stay is what names its Encounter. The course of the stay is told in the words of whoever
assessed it (ClinicalImpression.summary); where nobody wrote any, the section says so. Allergies and alerts
are those of the record, for whoever treats the person next.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from salus.primary.composing.carried import NAMED
from salus.primary.composing.document import write_document
from salus.primary.composing.draft import Draft, Part
from salus.primary.composing.material import Material, Resource, Terms, key_of
from salus.primary.composing.people import attesters_of, authors_in, provenance_of, stated_authors
from salus.primary.dates import clinical_moment
from salus.primary.documents.kind import Kind
from salus.primary.documents.prescription import is_prescription
from salus.primary.language import sections
from salus.primary.references import local_reference
from salus.primary.selection import Selected, is_entry, is_error, is_permission, section_of, select

GUIDE = "http://hl7.eu/fhir/hdr/StructureDefinition/"
PROFILES = ((f"{GUIDE}bundle-eu-hdr", f"{GUIDE}composition-eu-hdr"),)
CODE = ("34105-7", "Hospital Discharge summary")
SUMMARY = ("18842-5", "Discharge summary")
STAYS = frozenset({"IMP", "ACUTE", "NONAC"})
"""HL7 v3 ActCode of stays in hospital."""
CHARGED = frozenset({"Claim", "ExplanationOfBenefit", "Account", "Coverage", "Provenance"})
BROUGHT = frozenset({"allergies", "alerts", "cautions"})
"""Sections of a summary that every reader after the stay must have, whenever their entries were recorded."""
ORDER = (
    "alerts", "cautions", "hospital-course", "diagnoses", "significant-procedures", "devices",
    "pharmacotherapy", "discharge-medicines", "results", "vital-signs", "allergies", "immunizations",
    "plan",
)  # fmt: skip
INPATIENT = "inpatient"


def is_about(encounter: Resource, _material: Material) -> bool:
    """Return whether an Encounter is a stay in hospital that is over."""
    return encounter.get("status") == "finished" and encounter.get("class", {}).get("code") in STAYS


def compose(material: Material, encounter: Resource, terms: Terms) -> dict[str, Any]:  # FHIR JSON, hence Any
    """Compose the report of a stay."""
    done = done_in(encounter, material)
    found, not_shown = _sorted(done, material)
    brought = select(material.held.values()).sections
    chosen = {name: Selected(tuple(each)) for name, each in found.items()}
    chosen |= {name: brought[name] for name in BROUGHT & brought.keys()}
    table = sections()
    members: dict[str, Any] = {"encounter": {"reference": key_of(encounter)}}
    attesters = attesters_of(encounter, material)
    if attesters:
        members["attester"] = attesters
    courses = tuple(
        str(each["summary"])
        for each in done
        if each["resourceType"] == "ClinicalImpression" and each.get("summary")
    )
    parts = [
        Part(table[name], chosen.get(name), said=courses if name == "hospital-course" else ())
        for name in ORDER
        if name in chosen or table[name] is table["hospital-course"]
    ]
    draft = Draft(
        identity=f"discharge-report {key_of(encounter)}",
        profiles=PROFILES,
        concept={
            "coding": [
                {"system": "http://loinc.org", "code": code, "display": display}
                for code, display in (CODE, SUMMARY)
            ]
        },
        title="category.discharge-report",
        parts=tuple(parts),
        members=members,
        authors=stated_authors(encounter, material)
        or authors_in(*(each.get("individual") for each in encounter.get("participant", ()))),
        beside=(encounter, *provenance_of(encounter, material)),
        carried=NAMED | {"ServiceRequest"},
        not_shown=not_shown,
    )
    return write_document(draft, material, terms)


def done_in(encounter: Resource, material: Material) -> list[Resource]:
    """Return what names a stay, or is named by it as its diagnosis, the newest first."""
    key = key_of(encounter)
    diagnosed = {
        local_reference(str(each.get("condition", {}).get("reference", "")))
        for each in encounter.get("diagnosis", ())
    }
    found = [
        each
        for each in material.held.values()
        if each is not encounter and (key_of(each) in diagnosed or key in _contexts(each))
    ]
    return sorted(found, key=lambda each: (clinical_moment(each), key_of(each)), reverse=True)


def _contexts(resource: Resource) -> set[str]:
    named: list[Any] = []  # References, which are open JSON
    for name in ("encounter", "context", "partOf"):
        value = resource.get(name, [])
        named += value if isinstance(value, list) else [value]
    return {local_reference(str(each.get("reference", ""))) for each in named if isinstance(each, dict)}


def _sorted(done: Iterable[Resource], material: Material) -> tuple[dict[str, list[Resource]], dict[str, int]]:
    """Return what was done in a stay by section, and by type how many entries no section shows."""
    found: dict[str, list[Resource]] = defaultdict(list)
    not_shown: Counter[str] = Counter()
    for each in done:
        kind = str(each["resourceType"])
        if is_error(each) or is_permission(each) or not is_entry(each) or kind in CHARGED:
            continue
        section = _section(each, material)
        if section and section not in BROUGHT:
            found[section].append(each)
        elif section not in BROUGHT and not (kind == "ClinicalImpression" and each.get("summary")):
            not_shown[kind] += 1
    return found, dict(sorted(not_shown.items()))


def _section(resource: Resource, material: Material) -> str:
    """Return the short name of the section of what was done in a stay, "" for none."""
    kind = str(resource["resourceType"])
    if kind in ("MedicationAdministration", "MedicationStatement"):
        return "pharmacotherapy"
    if kind == "MedicationRequest":
        kinds = {each.get("code") for one in resource.get("category", ()) for each in one.get("coding", ())}
        if resource.get("doNotPerform") is True:
            return "cautions"
        if not is_prescription(resource, material):
            return ""
        return "pharmacotherapy" if INPATIENT in kinds else "discharge-medicines"
    section = section_of(resource)
    renamed = {
        "problems": "diagnoses",
        "past-problems": "diagnoses",
        "procedures": "significant-procedures",
    }
    section = renamed.get(section, section)
    return section if section in ORDER else ""


KIND = Kind(
    name="discharge-report",
    category="discharge-report",
    priority="Discharge-Reports",
    codes=(CODE, SUMMARY),
    types=("Encounter",),
    is_about=is_about,
    compose=compose,
    looks_at=None,
    title="category.discharge-report",
    profile=PROFILES[0][0],
)
