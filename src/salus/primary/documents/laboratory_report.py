"""The laboratory report (HL7 Europe Laboratory 2.0.0, Bundle-eu-lab) about one DiagnosticReport.

The Composition has the report's code, category, subject, encounter and identifier, as the guide's invariants
ask; the results are its one section of entries, the report's conclusion another.
"""

from __future__ import annotations

from typing import Any

from salus.primary.composing.absent import need_coding, need_elements, need_one_of
from salus.primary.composing.carried import NAMED
from salus.primary.composing.document import write_document
from salus.primary.composing.draft import Copy, Draft, Part
from salus.primary.composing.material import Material, Resource, Terms, key_of
from salus.primary.composing.people import attesters_of, authors_in, provenance_of, stated_authors
from salus.primary.composing.reports import (
    categories_of,
    is_reported,
    join_to_composition,
    members_of,
    results_of,
)
from salus.primary.documents.imaging_report import is_imaging
from salus.primary.documents.kind import Kind
from salus.primary.language import sections
from salus.primary.values import ABSENT_CODES
from salus.standards.fhir.profiles.categories import categories

GUIDE = "http://hl7.eu/fhir/laboratory/StructureDefinition/"
PROFILES = ((f"{GUIDE}Bundle-eu-lab", f"{GUIDE}Composition-eu-lab"),)
CODE = ("11502-2", "Laboratory report")
LABORATORY = {
    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
    "code": "laboratory",
    "display": "Laboratory",
}
SECTIONS = frozenset(
    {
        "LAB",
        "HM",
        "CH",
        "MB",
        "MCB",
        "IMM",
        "SR",
        "TX",
        "VR",
        "BLB",
        "GE",
        "MYC",
        "OSL",
        "URN",
        "PAR",
        "CP",
        "SP",
    }
)
"""HL7 v2 table 0074, diagnostic services whose results are a laboratory's."""
R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-"
NOT_KNOWN = {"coding": [{"system": ABSENT_CODES, "code": "unknown", "display": "Unknown"}]}
EFFECTIVE = ("effectiveDateTime", "effectivePeriod", "effectiveTiming", "effectiveInstant")


def is_about(report: Resource, material: Material) -> bool:
    """Return whether a report is a laboratory's, by its category, its code or its results."""
    if not is_reported(report) or is_imaging(report):
        return False
    codes = _codes(report.get("category", ())) | _codes([report.get("code", {})])
    if codes & (SECTIONS | {LABORATORY["code"], *categories()["medical-test-results"].codes}):
        return True
    results, _ = results_of(report, material)
    found = results.resources if results is not None else ()
    return any(LABORATORY["code"] in _codes(each.get("category", ())) for each in found)


def compose(material: Material, report: Resource, terms: Terms) -> dict[str, Any]:  # FHIR JSON, hence Any
    """Compose the document about a laboratory report."""
    identity = f"laboratory-report {key_of(report)}"
    members = members_of(report)
    if report.get("category"):
        members["category"] = categories_of(report)
    attesters = attesters_of(report, material)
    if attesters:
        members["attester"] = attesters
    results, not_shown = results_of(report, material)
    parts = [Part(sections()["laboratory"], results)]
    if report.get("conclusion"):
        parts.append(Part(sections()["annotation"], said=(str(report["conclusion"]),)))

    def fit_report(copy: Copy) -> None:
        join_to_composition(copy, members["identifier"], identity)

    draft = Draft(
        identity=identity,
        profiles=PROFILES,
        concept=report["code"],
        title="category.medical-test-results",
        parts=tuple(parts),
        members=members,
        authors=stated_authors(report, material)
        or authors_in(report.get("resultsInterpreter"), report.get("performer")),
        beside=(report, *provenance_of(report, material)),
        carried=NAMED | {"Encounter", "ServiceRequest", "Substance"},
        fits={"DiagnosticReport": fit_report, "Observation": fit_result, "ServiceRequest": fit_order},
        not_shown=not_shown,
    )
    return write_document(draft, material, terms)


def fit_result(observation: Copy) -> None:
    """Say of a result what Observation-resultslab-eu-lab asks for and the record does not hold."""
    need_coding(observation, "category", LABORATORY)
    need_one_of(observation, EFFECTIVE, "effectiveDateTime")
    need_elements(observation, "performer")
    if observation.get("status") in ("registered", "cancelled"):
        return
    if not _says(observation, "Observation.value") and not observation.keys() & {"hasMember", "component"}:
        observation["dataAbsentReason"] = NOT_KNOWN
    parts = observation.get("component", [])
    if parts and not any(_says(each, "Observation.component.value") for each in parts):
        for each in parts:
            each["dataAbsentReason"] = NOT_KNOWN


def _says(element: Copy, name: str) -> bool:
    """Return whether a result has a value, in R4 or by the extension of R5's, or a reason why not."""
    return (
        "dataAbsentReason" in element
        or any(key.startswith(("value", "_value")) for key in element)
        or any(each.get("url") == f"{R5}{name}" for each in element.get("extension", ()))
    )


def fit_order(order: Copy) -> None:
    """Say of an order that its number is not known (ServiceRequest-eu-lab)."""
    need_elements(order, "identifier")


def _codes(concepts: Any) -> set[str]:  # CodeableConcepts, which are open JSON
    return {str(coding.get("code")) for concept in concepts for coding in concept.get("coding", ())}


KIND = Kind(
    name="laboratory-report",
    category="medical-test-results",
    priority="Laboratory-Reports",
    codes=(CODE,),
    types=("DiagnosticReport",),
    is_about=is_about,
    compose=compose,
    looks_at=("Provenance",),
    title="category.medical-test-results",
    profile=PROFILES[0][0],
)
