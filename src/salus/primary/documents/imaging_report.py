"""The imaging report (HL7 Europe Imaging 1.0.0, BundleReportEuImaging) about one DiagnosticReport.

The pictures stay where they are: their studies are named, with their addresses.
"""

from __future__ import annotations

from typing import Any

from salus.primary.composing.absent import need_coding, need_primitive
from salus.primary.composing.carried import NAMED
from salus.primary.composing.collection import write_collection
from salus.primary.composing.document import write_document
from salus.primary.composing.draft import Copy, Draft, Part
from salus.primary.composing.material import Material, Resource, Terms, key_of
from salus.primary.composing.people import attesters_of, authors_in, provenance_of, stated_authors
from salus.primary.composing.reports import (
    categories_of,
    identifier_of,
    is_reported,
    join_to_composition,
    members_of,
    results_of,
)
from salus.primary.composing.studies import fit_study
from salus.primary.documents.kind import Kind
from salus.primary.language import sections
from salus.primary.selection import Selected

GUIDE = "http://hl7.eu/fhir/imaging/StructureDefinition/"
PROFILES = ((f"{GUIDE}BundleReportEuImaging", f"{GUIDE}CompositionEuImaging"),)
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
CODE = ("85430-7", "Diagnostic imaging report")
STUDY = ("18748-4", "Diagnostic imaging study")
PRIORITY = "http://hl7.eu/fhir/health-data-api/CodeSystem/eehrxf-document-priority-category-cs"
CATEGORIES = (
    {"system": LOINC, "code": CODE[0], "display": CODE[1]},
    {"system": PRIORITY, "code": "Medical-Imaging"},
)
ORDERED = {"system": SNOMED, "code": "363679005", "display": "Imaging"}
SERVICES = frozenset({"RAD", "RX", "RUS", "OUS", "CUS", "VUS", "CT", "NMR", "NMS", "XRC", "OTH-IMG"})
"""HL7 v2 table 0074, diagnostic services that make pictures."""
CODES = frozenset({CODE[0], STUDY[0], "LP29684-5", "Medical-Imaging", "imaging", ORDERED["code"]})


def is_imaging(report: Resource) -> bool:
    """Return whether a DiagnosticReport is about pictures, by its studies, its category or its code."""
    concepts = [*report.get("category", ()), report.get("code", {})]
    codes = {str(coding.get("code")) for concept in concepts for coding in concept.get("coding", ())}
    return bool(report.get("imagingStudy") or codes & (SERVICES | CODES))


def is_about(report: Resource, _material: Material) -> bool:
    """Return whether there is an imaging report about a DiagnosticReport."""
    return is_reported(report) and is_imaging(report)


def compose(material: Material, report: Resource, terms: Terms) -> dict[str, Any]:  # FHIR JSON, hence Any
    """Compose the document about an imaging report; a collection where its study is not at hand."""
    if not material.following(report.get("imagingStudy", [])):
        return _without_study(material, report, terms)
    identity = f"imaging-report {key_of(report)}"
    members = members_of(report)
    own = categories_of(report)
    members["category"] = [*own, *({"coding": [dict(each)]} for each in CATEGORIES if not _has(own, each))]
    attesters = attesters_of(report, material)
    if attesters:
        members["attester"] = attesters
    organisations = authors_in(
        *(each for each in report.get("performer", ()) if _leads_to(each, "Organization"))
    )
    written = stated_authors(report, material) or authors_in(report.get("resultsInterpreter"))
    people = [each for each in written if not _leads_to(each, "Organization")]  # dr-comp-author-org

    def fit_report(copy: Copy) -> None:
        join_to_composition(copy, members["identifier"], identity)
        for each in CATEGORIES:
            need_coding(copy, "category", each)

    findings, not_shown = results_of(report, material)
    draft = Draft(
        identity=identity,
        profiles=PROFILES,
        concept=report["code"],
        title="category.medical-imaging",
        parts=_parts(material, report, findings),
        members=members,
        authors=(*people, *organisations),
        beside=(report, *provenance_of(report, material)),
        carried=NAMED | {"Encounter", "Endpoint"},
        fits={"DiagnosticReport": fit_report, "ImagingStudy": fit_study, "ServiceRequest": fit_order},
        not_shown=not_shown,
    )
    return write_document(draft, material, terms)


def _without_study(material: Material, report: Resource, terms: Terms) -> dict[str, Any]:  # FHIR JSON
    """Compose the collection that the guide has for a report whose study, if any, is only named."""

    def fit_report(copy: Copy) -> None:
        if not copy.get("identifier"):
            copy["identifier"] = [identifier_of(report)]
        for each in CATEGORIES:
            need_coding(copy, "category", each)
        for study in copy.get("imagingStudy", ()):
            if "identifier" not in study:
                need_primitive(study, "reference")

    return write_collection(
        f"imaging-report {key_of(report)}",
        [report],
        material,
        terms,
        carried=NAMED | {"Observation", "ServiceRequest"},
        fits={"DiagnosticReport": fit_report, "ServiceRequest": fit_order},
        profiles={"DiagnosticReport": f"{GUIDE}DiagnosticReportEuImagingMinimalMetadata"},
        whole=f"{GUIDE}BundleReportMinimalMetadataEuImaging",
    )


def _parts(material: Material, report: Resource, findings: Selected | None) -> tuple[Part, ...]:
    """Return the sections: the four that the guide demands, findings and impression where there are any."""
    table = sections()
    studies = material.following(report.get("imagingStudy", []))
    orders = material.following(report.get("basedOn", []))
    procedures = [
        found
        for study in studies
        for found in material.following([study.get("procedureReference", {})])
    ]  # fmt: skip
    parts = [
        Part(table["imaging-studies"], _some(studies)),
        Part(table["order"], _some(orders)),
        Part(table["history"]),
        Part(table["imaging-procedure"], _some(procedures)),
    ]
    if findings is not None:
        parts.append(Part(table["findings"], findings))
    if report.get("conclusion"):
        parts.append(Part(table["impression"], said=(str(report["conclusion"]),)))
    return tuple(parts)


def _some(found: list[Resource]) -> Selected | None:
    return Selected(tuple(found)) if found else None


def _has(concepts: list[Copy], coding: Copy) -> bool:
    pair = (coding["system"], coding["code"])
    return any(
        (one.get("system"), one.get("code")) == pair for each in concepts for one in each.get("coding", ())
    )


def _leads_to(reference: Resource, kind: str) -> bool:
    return str(reference.get("reference", "")).rpartition("/")[0].rpartition("/")[2] == kind


def fit_order(order: Copy) -> None:
    """Add the category of ServiceRequestOrderEuImaging."""
    need_coding(order, "category", ORDERED)


KIND = Kind(
    name="imaging-report",
    category="medical-imaging",
    priority="Medical-Imaging",
    codes=(CODE, STUDY),
    types=("DiagnosticReport",),
    is_about=is_about,
    compose=compose,
    looks_at=("Provenance",),
    title="category.medical-imaging",
    profile=PROFILES[0][0],
)
