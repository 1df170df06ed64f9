"""The imaging manifest (HL7 Europe Imaging 1.0.0, ImagingStudyEuImaging): one study and its series.

A collection Bundle: a manifest has no Composition. Series and instances are named by their UIDs; the pictures
are fetched by DICOMweb at the study's endpoints.
"""

from __future__ import annotations

from typing import Any

from salus.primary.composing.carried import NAMED
from salus.primary.composing.collection import write_collection
from salus.primary.composing.material import Material, Resource, Terms, key_of
from salus.primary.composing.studies import fit_study
from salus.primary.documents.kind import Kind

PROFILE = "http://hl7.eu/fhir/imaging/StructureDefinition/ImagingStudyEuImaging"
CODE = ("18748-4", "Diagnostic imaging study")
ENDED = frozenset({"cancelled", "entered-in-error"})


def is_about(study: Resource, _material: Material) -> bool:
    """Return whether there is a manifest of a study: it was made, and was no error."""
    return study.get("status") not in ENDED


def compose(material: Material, study: Resource, terms: Terms) -> dict[str, Any]:  # FHIR JSON, hence Any
    """Compose the manifest of a study."""
    return write_collection(
        f"imaging-manifest {key_of(study)}",
        [study],
        material,
        terms,
        carried=NAMED | {"Endpoint", "ServiceRequest", "Encounter"},
        fits={"ImagingStudy": fit_study},
        profiles={"ImagingStudy": PROFILE},
    )


KIND = Kind(
    name="imaging-manifest",
    category="medical-imaging",
    priority="Medical-Imaging",
    codes=(CODE,),
    types=("ImagingStudy",),
    is_about=is_about,
    compose=compose,
    looks_at=(),
    title="section.imaging-studies",
    profile=PROFILE,
)
