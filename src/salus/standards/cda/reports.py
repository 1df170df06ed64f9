"""The DiagnosticReport beside a Composition: laboratory (HL7 Europe 2.0.0) and imaging (HL7 Europe 1.0.0)."""

from __future__ import annotations

import uuid

from salus.standards.cda.absent import absent
from salus.standards.cda.body import further
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.observations import CATEGORY

REPORTS = frozenset({"medical-test-results", "medical-imaging"})
"""Kinds of documents (`documents.toml`) that are reports."""
_ORDER = "55115-0"
_IMAGING = "medical-imaging"
_REPORT_OF = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.composition"
_PRIORITY = "http://hl7.eu/fhir/health-data-api/CodeSystem/eehrxf-document-priority-category-cs"
_IMAGING_CATEGORIES = [
    {"coding": [{"system": "http://loinc.org", "code": "85430-7"}]},
    {"coding": [{"system": _PRIORITY, "code": "Medical-Imaging"}]},
]


def composition_address(conversion: Conversion) -> str:
    """Return the fullUrl of the document's Composition."""
    return f"urn:uuid:{uuid.uuid5(conversion.name, 'Composition')}"


def report(name: str, made: Resource, wanted: list[Resource], conversion: Conversion) -> None:
    """Put the DiagnosticReport of a document beside its Composition.

    Args:
        name: the document's kind.
        made: its Composition, which gets the categories of imaging.
        wanted: the orders that it fulfils, as References by identifier.
        conversion: with the resources of its sections.
    """
    found: Resource = {
        "resourceType": "DiagnosticReport",
        "extension": [{"url": _REPORT_OF, "valueReference": {"reference": composition_address(conversion)}}],
    }
    if "identifier" in made:
        found["identifier"] = [made["identifier"]]
    if wanted and name == _IMAGING:
        _order(made, wanted, conversion)
    elif wanted:
        found["basedOn"] = [{"type": "ServiceRequest", **each} for each in wanted]
    found["status"] = made["status"]
    if name == _IMAGING:
        found["category"] = made["category"] = _IMAGING_CATEGORIES
    found |= {"code": made["type"], "subject": made["subject"]}
    if "encounter" in made:
        found["encounter"] = made["encounter"]
    if "date" in made:
        found["effectiveDateTime"] = made["date"]
        if len(made["date"]) > 10:
            found["issued"] = made["date"]
    results, laboratory = _of("Observation", conversion), _performer(made, conversion)
    found |= {"performer": laboratory, "specimen": _of("Specimen", conversion)}
    if name != _IMAGING:
        _complete(results, laboratory, conversion)
    inner = {
        member["reference"] for each in results for member in conversion.resource(each).get("hasMember", ())
    }
    found["result"] = [each for each in results if each["reference"] not in inner]
    found["imagingStudy"] = _of("ImagingStudy", conversion)
    conversion.add({key: value for key, value in found.items() if value})


def _order(made: Resource, wanted: list[Resource], conversion: Conversion) -> None:
    """Name the orders in a section of ours: which of their numbers is the accession number, nobody says."""
    numbers = [each["identifier"] for each in wanted]
    request = {
        "resourceType": "ServiceRequest",
        "identifier": numbers,
        "status": "unknown",
        "intent": "order",
    }
    reference = conversion.add({**request, "code": absent(), "subject": conversion.subject})
    made["section"] = [*made["section"], further("Order", _ORDER, [reference])]


def _of(kind: str, conversion: Conversion) -> list[Resource]:
    return [
        {"reference": address}
        for address, resource in conversion.resources.items()
        if resource["resourceType"] == kind
    ]


def _complete(results: list[Resource], laboratory: list[Resource], conversion: Conversion) -> None:
    """Say of each result of a laboratory that it is one, and of which, where it does not say so itself."""
    for reference in results:
        each = conversion.resource(reference)
        each.setdefault("category", [{"coding": [{"system": CATEGORY, "code": "laboratory"}]}])
        if laboratory or conversion.authors:
            each.setdefault("performer", laboratory or conversion.authors)


def _performer(made: Resource, conversion: Conversion) -> list[Resource]:
    """Return who is responsible: who performed what is documented (IHE), else its author's organisation."""
    named = [each for event in made.get("event", ()) for each in event.get("detail", ())]
    found = []
    for reference in [*named, *conversion.authors]:
        each = conversion.resource(reference)
        house = reference if each["resourceType"] == "Organization" else each.get("organization")
        if house:
            found.append(house)
    return found[:1]
