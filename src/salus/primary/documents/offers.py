"""The DocumentReference of a document that is composed when it is fetched (IHE MHD ITI-67, FHIR IPA $docref).

Such an on-demand document has no bytes yet: its description states neither hash nor size, and its address
is the operation that composes it.
"""

from __future__ import annotations

from typing import Any

from salus.core.identifiers import is_fhir_id
from salus.primary.composing.addresses import urn_of
from salus.primary.composing.document import URI
from salus.primary.composing.material import Material, Resource, Terms, key_of
from salus.primary.composing.people import authors_in, stated_authors
from salus.primary.dates import event_date, recorded_date
from salus.primary.documents.kind import Kind
from salus.primary.documents.registry import kinds
from salus.primary.wording.catalogue import text

PRIORITY = "http://hl7.eu/fhir/health-data-api/CodeSystem/eehrxf-document-priority-category-cs"
FHIR_JSON = "application/fhir+json"
Reference = dict[str, Any]  # a DocumentReference; its members are open JSON
WRITERS = ("resultsInterpreter", "requester", "performer", "interpreter")
"""Elements of what documents are about that name who wrote it."""


def offer_of(kind: Kind, about: Resource, material: Material, terms: Terms, base: str) -> Reference:
    """Return the description of the document about a resource.

    Args:
        kind: its kind.
        about: what it is about.
        material: holds at least what it is about, and the patient.
        terms: how it would be composed now.
        base: the node's FHIR base.
    """
    key = key_of(about)
    operation = "$summary" if about["resourceType"] == "Patient" else "$document"
    attachment = {
        "contentType": FHIR_JSON,
        "language": terms.languages[0],
        "url": f"{base}/{key}/{operation}",
        "title": text(kind.title, terms.languages[0]),
    }
    changed = str(about.get("meta", {}).get("lastUpdated", ""))
    described: Reference = {
        "resourceType": "DocumentReference",
        "id": name_of(kind, about),
        "meta": {"lastUpdated": changed or terms.composed_at},
        "identifier": [{"system": URI, "value": urn_of(f"{kind.name} {key}")}],
        "status": "current",
        "type": {
            "coding": [
                {"system": "http://loinc.org", "code": code, "display": display}
                for code, display in kind.codes
            ]
        },
        "category": [{"coding": [{"system": PRIORITY, "code": kind.priority}]}],
        "subject": {"reference": key_of(material.patient)},
        "date": terms.composed_at if operation == "$summary" or not changed else changed,
        "author": list(_authors(about, material)) or [{"display": terms.organisation}],
        "custodian": {"display": terms.organisation},
        "content": [{"attachment": attachment, "format": {"system": URI, "code": kind.profile}}],
    }
    if operation == "$document":
        described["context"] = {"related": [{"reference": key}], **_period(about)}
    return described


def name_of(kind: Kind, about: Resource) -> str:
    """Return the id of the description: the kind and the id of what the document is about.

    One that would be longer than an id may be is made from it, and can be found but not read by its name.
    """
    name = f"{kind.name}.{about['id']}"
    return name if is_fhir_id(name) else urn_of(name).removeprefix("urn:uuid:")


def named_by(name: str) -> tuple[Kind, str] | None:
    """Return the kind, and the id of what it is about, of a description's id; None for another id."""
    first, _, own_id = name.partition(".")
    kind = kinds().get(first)
    return (kind, own_id) if kind is not None and own_id else None


def _authors(about: Resource, material: Material) -> tuple[Resource, ...]:
    return stated_authors(about, material) or authors_in(*(about.get(name) for name in WRITERS))


def _period(about: Resource) -> Reference:
    """Return the time of care that a document is about, where the record says it."""
    period = about.get("period") or about.get("effectivePeriod")
    if isinstance(period, dict):
        return {"period": {name: period[name] for name in ("start", "end") if name in period}}
    moment = event_date(about) or recorded_date(about)
    return {"period": {"start": moment}} if moment else {}
