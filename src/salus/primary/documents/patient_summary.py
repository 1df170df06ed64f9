"""The patient summary: an International (IPS 2.0.1) and European (EPS 1.0.0) document from the record.

Sections that a guide requires are always there; one without entries says "no information available"
(list-empty-reason `unavailable`), because that nothing is known can only be said by explicit data, such as
an AllergyIntolerance "no known allergy", which is then an entry like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from salus.primary.composing.absent import need_elements, need_one_of
from salus.primary.composing.document import CUSTODIAN, write_document
from salus.primary.composing.draft import Copy, Draft, Part
from salus.primary.composing.material import Material, Resource, Terms, key_of, material_of
from salus.primary.documents.kind import Kind
from salus.primary.language import sections
from salus.primary.selection import select

EPS = "http://hl7.eu/fhir/eps/StructureDefinition/"
IPS = "http://hl7.org/fhir/uv/ips/StructureDefinition/"
IPS_BUNDLE, EPS_BUNDLE = f"{IPS}Bundle-uv-ips", f"{EPS}bundle-eu-eps"
PROFILES = (
    (EPS_BUNDLE, f"{EPS}composition-eu-eps"),
    (IPS_BUNDLE, f"{IPS}Composition-uv-ips"),
)
EFFECTIVE = ("effectiveDateTime", "effectivePeriod", "effectiveTiming", "effectiveInstant")
CODE = ("60591-5", "Patient summary Document")


def compose_summary(
    resources: Iterable[Resource],
    *,
    patient: Resource,
    author_organisation: str,
    now: datetime,
    languages: Sequence[str] = ("en",),
    merged: Sequence[str] = (),
    node: str = "",
) -> dict[str, Any]:
    """Compose the summary document of one patient.

    Args:
        resources: the patient's resources and those they refer to, each with its id.
        patient: the Patient, with its id.
        author_organisation: name of the organisation that composes the document.
        now: when it is composed (aware).
        languages: of titles and narratives; the first is the document's language.
        merged: ids of further Patients of the same person, whose resources are among these.
        node: the organisation's id in its federation, "" where it has none.

    Returns:
        A Bundle of type document: Composition first, then the Patient, the author, the entries and what
        they refer to, with fullUrls `urn:uuid:` that are the same for the same record.
    """
    terms = Terms(author_organisation, now, tuple(languages), node)
    return compose(material_of(resources, patient=patient, merged=merged), patient, terms)


def compose(material: Material, _about: Resource, terms: Terms) -> dict[str, Any]:
    """Compose the summary of a record."""
    selection = select(material.held.values())
    draft = Draft(
        identity=f"patient-summary {key_of(material.patient)}",
        profiles=PROFILES,
        concept={"coding": [{"system": "http://loinc.org", "code": CODE[0], "display": CODE[1]}]},
        title="word.title",
        parts=tuple(
            Part(section, selection.sections.get(name))
            for name, section in sections().items()
            if section.required or name in selection.sections
        ),
        authors=({"reference": CUSTODIAN},),
        fits={"Observation": fit_result, "DiagnosticReport": fit_report},
        not_shown=selection.not_shown,
        not_shown_phrase="not-shown",
    )
    return write_document(draft, material, terms)


def fit_result(observation: Copy) -> None:
    """Say of a result what medicalTestResult-eu-core asks for and the record does not hold."""
    need_elements(observation, "category")
    need_one_of(observation, EFFECTIVE, "effectiveDateTime")


def fit_report(report: Copy) -> None:
    """Say of a report what diagnosticReport-eu-eps asks for and the record does not hold."""
    need_elements(report, "category")
    need_one_of(report, EFFECTIVE[:2], "effectiveDateTime")


def is_about(resource: Mapping[str, Any], material: Material) -> bool:
    """Return whether it is the patient of the record."""
    return key_of(resource) == key_of(material.patient)


KIND = Kind(
    name="patient-summary",
    category="patient-summary",
    priority="Patient-Summaries",
    codes=(CODE,),
    types=("Patient",),
    is_about=is_about,
    compose=compose,
    looks_at=None,
    title="word.title",
    profile=EPS_BUNDLE,
)
