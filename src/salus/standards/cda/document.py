"""A CDA document to FHIR: a document, or a collection of a prescription, dispensation or enclosed file."""

from __future__ import annotations

import uuid

import msgspec

from salus.core.errors import MalformedContent, NotSupported
from salus.core.limits import Limits
from salus.core.quality import Quality
from salus.standards.cda.body import parted, payload, read_sections, with_required
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.header import (
    DocumentKind,
    authors,
    composition,
    document_title,
    document_type,
    kind_of_document,
    orders,
    relations_to,
    series,
)
from salus.standards.cda.identifiers import identifier
from salus.standards.cda.node import Node
from salus.standards.cda.patient import language_tag, patient, secrecy
from salus.standards.cda.people import organisation
from salus.standards.cda.reports import REPORTS, composition_address, report
from salus.standards.cda.tree import read_document, wide
from salus.standards.cda.unaccounted import account

_SECRECY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
SUMMARIES = frozenset({"patient-summary", "continuity-of-care"})


class Converted(msgspec.Struct, frozen=True):
    """A document in FHIR.

    Args:
        kind: its kind (`documents.toml`).
        bundle: the Bundle.
        header: the Composition, also of a collection, whose entry it is not; of an enclosed file {}.
        quality: what became of what the document says.
    """

    kind: str
    bundle: Resource
    header: Resource
    quality: Quality


def to_fhir(body: bytes, limits: Limits) -> Converted:
    """Return a CDA document as a FHIR Bundle; the same bytes give the same Bundle.

    Raises:
        TooLarge, MalformedContent, NotSupported: `tree.read_document` says when.
    """
    return convert(read_document(body, wide(limits)))


def convert(root: Node) -> Converted:
    """Return a document as a FHIR Bundle.

    Raises:
        NotSupported: it is about several patients: whose each entry is, its sections do not say.
        MalformedContent: it does not say when it was written.
    """
    patients = sum(1 for _ in root.all("recordTarget"))
    if patients > 1:
        raise NotSupported(f"The document is about {patients} patients (recordTarget); send one for each.")
    conversion = Conversion(root)
    name, kind = kind_of_document(root)
    conversion.account.source = f"CDA {name}"
    conversion.subject = patient(root, conversion)
    conversion.authors = authors(root, conversion)
    if root.first("component", "nonXMLBody") is not None:
        return _enclosed(root, name, kind, conversion)
    made = composition(root, kind, conversion)
    found = read_sections(root, conversion)
    if name in SUMMARIES:
        found = parted(found, conversion)
    if found := with_required(found, name):
        made["section"] = found
    if name in REPORTS:
        report(name, made, orders(root, conversion), conversion)
    if name == "electronic-dispensation":
        _fulfil(orders(root, conversion), conversion)
    entries = dict(conversion.resources)
    if kind.form == "collection":
        return _finish(root, name, "collection", entries, made, conversion)
    address = composition_address(conversion)
    return _finish(root, name, "document", {address: made, **entries}, made, conversion)


def _finish(
    root: Node, name: str, form: str, entries: dict[str, Resource], header: Resource, conversion: Conversion
) -> Converted:
    bundle: Resource = {"resourceType": "Bundle"}
    if language := header.get("language"):
        bundle["language"] = language
    own = root.first("id")
    number = identifier(own, conversion) if own is not None else {}
    if "system" in number:
        bundle["identifier"] = number
    elif form == "document":  # R4, bdl-9: a document has an identifier with a system
        whole = f"urn:uuid:{conversion.name}"
        bundle["identifier"] = {"system": "urn:ietf:rfc:3986", "value": whole}
        if number:
            bundle["identifier"] = {"system": "urn:salus:cda:id", "value": number["value"]}
    bundle["type"] = form
    time = conversion.moment(root.first("effectiveTime")) or conversion.moment(root.first("author", "time"))
    if len(time) > 10:
        bundle["timestamp"] = time
    elif form == "document":  # R4, bdl-10: a document has one, to the second
        if not time:
            raise MalformedContent(
                "ClinicalDocument.effectiveTime is no time, and a FHIR document needs one."
            )
        bundle["timestamp"] = f"{time}{'-01-01'[len(time) - 10 :] if len(time) < 10 else ''}T00:00:00Z"
        reason = (
            "the time of the Bundle, which FHIR wants to the second, is the beginning of the document's day"
        )
        conversion.account.approximate("ClinicalDocument/effectiveTime", reason, time)
    bundle["entry"] = [{"fullUrl": address, "resource": resource} for address, resource in entries.items()]
    account(root, conversion)
    return Converted(name, bundle, header, conversion.account.quality())


def _fulfil(wanted: list[Resource], conversion: Conversion) -> None:
    """Name the prescription that the header does in hand-overs that name none."""
    for resource in conversion.resources.values():
        if wanted and resource["resourceType"] == "MedicationDispense":
            resource.setdefault(
                "authorizingPrescription", [{"type": "MedicationRequest", **each} for each in wanted]
            )


def _enclosed(root: Node, name: str, kind: DocumentKind, conversion: Conversion) -> Converted:
    """Return a document that carries a file as a DocumentReference with it, and who is in its header."""
    content = payload(root, conversion)
    made: Resource = {"resourceType": "DocumentReference"}
    if language := language_tag(root.first("languageCode")):
        made["language"] = language
        content.setdefault("language", language)
    own = root.first("id")
    if own is not None and (number := identifier(own, conversion)):
        made["masterIdentifier"] = number
    if number := series(root, conversion):
        made["identifier"] = [number]
    made["status"] = "current"
    made["docStatus"] = "final"
    made["type"] = document_type(root, kind, conversion)
    made["subject"] = conversion.subject
    time = conversion.moment(root.first("effectiveTime"))
    if len(time) > 10:
        made["date"] = time
    made["author"] = conversion.authors
    confidentiality, label = secrecy(root, conversion)
    labels = [{"system": _SECRECY, "code": confidentiality}] if confidentiality else []
    made["securityLabel"] = [{"coding": [each]} for each in (*labels, *([label] if label else []))]
    keeper = root.first("custodian", "assignedCustodian", "representedCustodianOrganization")
    if custodian := organisation(keeper, conversion):
        made["custodian"] = custodian
    made["relatesTo"] = [
        {"code": each["code"], "target": {"identifier": each["targetIdentifier"]}}
        for each in relations_to(root, conversion)
    ]
    header = composition(root, kind, conversion)
    attested = [each for each in header.get("attester", ()) if each["mode"] == "legal" and "party" in each]
    if attested:
        made["authenticator"] = attested[0]["party"]
    if event := header.get("event"):
        made["context"] = {
            "event": [code for each in event for code in each.get("code", ())],
            "period": next((each["period"] for each in event if "period" in each), None),
        }
        made["context"] = {key: value for key, value in made["context"].items() if value}
    if "encounter" in header:
        made.setdefault("context", {})["encounter"] = [header["encounter"]]
    if time:
        content["creation"] = time
    content["title"] = document_title(root, made["type"])
    made["content"] = [{"attachment": content}]
    address = f"urn:uuid:{uuid.uuid5(conversion.name, 'DocumentReference')}"
    kept = {key: value for key, value in made.items() if value}
    header = {**header, "resourceType": "Composition"}
    return _finish(root, name, "collection", {address: kept, **conversion.resources}, header, conversion)
