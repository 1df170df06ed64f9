"""What documents about a DiagnosticReport have in common: its results, its link to the Composition."""

from __future__ import annotations

from typing import Any

from salus.primary.composing.addresses import urn_of
from salus.primary.composing.document import URI, composition_address
from salus.primary.composing.material import Material, Resource, key_of
from salus.primary.references import local_reference
from salus.primary.selection import Selected

Copy = dict[str, Any]  # a copy of a resource, made for a document; its members are open JSON
COMPOSITION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.composition"
ENDED = frozenset({"cancelled", "entered-in-error"})
SAYING = ("result", "conclusion", "conclusionCode", "presentedForm", "imagingStudy", "media")
RESULTS_MAX = 400
LAST = {
    "registered": "preliminary",
    "partial": "preliminary",
    "preliminary": "preliminary",
    "amended": "amended",
    "corrected": "amended",
    "appended": "amended",
}
"""DiagnosticReport.status as Composition.status; of any other the document is final."""


def is_reported(report: Resource) -> bool:
    """Return whether a report was no error and says anything: one that is only registered may not yet."""
    return report.get("status") not in ENDED and any(report.get(name) for name in SAYING)


def results_of(report: Resource, material: Material) -> tuple[Selected | None, dict[str, int]]:
    """Return the results that a report names, panels before members, and how many are not at hand.

    The number is in the form of `Draft.not_shown`.
    """
    found: dict[str, Resource] = {}
    missing: set[str] = set()

    def take(references: object) -> None:
        for each in references if isinstance(references, list) else []:
            link = local_reference(str(each.get("reference", "")))
            result = material.held.get(link)
            if result is None or len(found) >= RESULTS_MAX:
                missing.add(link)
            elif link not in found and result.get("status") != "entered-in-error":
                found[link] = result
                take(result.get("hasMember"))

    take(report.get("result"))
    selected = Selected(tuple(found.values())) if found else None
    return selected, {"Observation": len(missing)} if missing else {}


def identifier_of(report: Resource) -> Copy:
    """Return the identifier that a report and the document about it share."""
    named = [each for each in report.get("identifier", ()) if each.get("system") and each.get("value")]
    return dict(named[0]) if named else {"system": URI, "value": urn_of(f"report {key_of(report)}")}


def categories_of(report: Resource) -> list[Copy]:
    """Return the categories of a report, for the document about it."""
    return [dict(each) for each in report.get("category", ())]


def members_of(report: Resource) -> Copy:
    """Return what the Composition says of a report as the report says it."""
    members: Copy = {
        "identifier": identifier_of(report),
        "status": LAST.get(str(report.get("status")), "final"),
        "subject": report["subject"],
    }
    if report.get("encounter"):
        members["encounter"] = report["encounter"]
    return members


def join_to_composition(report: Copy, identifier: Copy, identity: str) -> None:
    """Let a copy of a report bear the document's identifier, and name the Composition that presents it."""
    listed = report.setdefault("identifier", [])
    if identifier not in listed:
        listed.append(dict(identifier))
    others = [each for each in report.get("extension", ()) if each.get("url") != COMPOSITION]
    presented = {"url": COMPOSITION, "valueReference": {"reference": composition_address(identity)}}
    report["extension"] = [*others, presented]
