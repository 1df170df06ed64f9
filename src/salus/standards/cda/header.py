"""The header of a ClinicalDocument to Composition, without its sections."""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

from salus.standards.cda.absent import absent
from salus.standards.cda.coded import codes_of, concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.encounters import encompassing
from salus.standards.cda.identifiers import identifier, identifiers
from salus.standards.cda.node import Node
from salus.standards.cda.patient import codes, language_tag, secrecy
from salus.standards.cda.people import organisation, participant
from salus.standards.cda.values import period

VERSION = "http://hl7.org/fhir/StructureDefinition/composition-clinicaldocument-versionNumber"
LOINC = "http://loinc.org"


class DocumentKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a document is.

    Args:
        codes: LOINC codes.
        templates: ids of document templates.
        form: "document" or "collection".
        also: LOINC code under which the European format knows it, "" for its own.
        display: the name of that code, or of the first of `codes`.
    """

    codes: tuple[str, ...]
    templates: tuple[str, ...]
    form: str
    also: str = ""
    display: str = ""


@cache
def document_kinds() -> dict[str, DocumentKind]:
    """Return the table, keyed by the kind's short name."""
    table = resources.files("salus.standards.cda").joinpath("documents.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, DocumentKind])


def kind_of_document(root: Node) -> tuple[str, DocumentKind]:
    """Return which kind of document it is: by its code, else by a template."""
    found = codes_of(root.first("code"))
    for name, kind in document_kinds().items():
        if set(found) & set(kind.codes):
            return name, kind
    templates = root.templates()
    for name, kind in document_kinds().items():
        if templates & set(kind.templates):
            return name, kind
    return "other", document_kinds()["other"]


def composition(root: Node, kind: DocumentKind, conversion: Conversion) -> Resource:
    """Return the Composition of a document; `conversion.subject` and `.authors` are known by now."""
    made: Resource = {"resourceType": "Composition"}
    language = language_tag(root.first("languageCode"))
    if language:
        made["language"] = language
    version = root.first("versionNumber")
    if version is not None and (number := version.get("value")):
        made["extension"] = [{"url": VERSION, "valueString": number}]
    own = series(root, conversion)
    if own:
        made["identifier"] = own
    made["status"] = "final"
    made["type"] = document_type(root, kind, conversion)
    made["subject"] = conversion.subject
    visit = encompassing(root, conversion)
    if visit:
        made["encounter"] = visit
    time = root.first("effectiveTime")
    when = conversion.moment(time)
    made |= {"date": when} if when else {"_date": absent(time)}
    made["author"] = conversion.authors or [absent()]
    made["title"] = document_title(root, made["type"])
    confidentiality, label = secrecy(root, conversion)
    if confidentiality:
        made["confidentiality"] = confidentiality
    if label:
        made["meta"] = {"security": [label]}
    if attesters := _attesters(root, conversion):
        made["attester"] = attesters
    keeper = root.first("custodian", "assignedCustodian", "representedCustodianOrganization")
    if custodian := organisation(keeper, conversion):
        made["custodian"] = custodian
    if related := relations_to(root, conversion):
        made["relatesTo"] = related
    if events := _events(root, conversion):
        made["event"] = events
    return made


def series(root: Node, conversion: Conversion) -> Resource:
    """Return what all versions of a document have in common (setId), else its own id."""
    for name in ("setId", "id"):
        node = root.first(name)
        if node is not None and (found := identifier(node, conversion)):
            return found
    return {}


def document_type(root: Node, kind: DocumentKind, conversion: Conversion) -> Resource:
    """Return the type, also under the code by which the European format knows it, where it bears another."""
    node = root.first("code")
    found = concept(node, conversion) or absent(node)
    known = (kind.also,) if kind.also else kind.codes
    own = {each["code"] for each in found.get("coding", ()) if each.get("system") == LOINC}
    if known and not own & set(known):
        coding = {"system": LOINC, "code": known[0], **({"display": kind.display} if kind.display else {})}
        found["coding"] = [*found.get("coding", []), coding]
        reason = "the document is also called by its European name, which its template or another code says"
        conversion.approximate(node or root, reason, known[0])
    return found


def document_title(root: Node, kind: Resource) -> str:
    """Return the title, else the name of the document's type."""
    node = root.first("title")
    own = node.words() if node is not None else ""
    names = [each.get("display", "") for each in kind.get("coding", ())]
    return own or next(filter(None, names), "") or "Clinical document"


def authors(root: Node, conversion: Conversion) -> list[Resource]:
    """Return References to those who wrote it, each once."""
    found: dict[str, Resource] = {}
    written = root.first("effectiveTime")
    day = written.peek("value")[:8] if written is not None else ""
    for node in root.all("author"):
        time = node.first("time")
        if time is not None and day and time.peek("value")[:8] == day:  # Composition.date says it
            time.get("value")
        who = participant(node.first("assignedAuthor"), conversion, node.first("functionCode"))
        if who:
            found[who["reference"]] = who
    return list(found.values())


def _attesters(root: Node, conversion: Conversion) -> list[Resource]:
    found = []
    for name, mode in (("legalAuthenticator", "legal"), ("authenticator", "professional")):
        for node in root.all(name):
            made: Resource = {"mode": mode}
            when = conversion.moment(node.first("time"))
            if when:
                made["time"] = when
            signed = node.first("signatureCode")
            if signed is not None:
                signed.get("code")
            who = participant(node.first("assignedEntity"), conversion)
            if who:
                made["party"] = who
            if len(made) > 1:
                found.append(made)
    return found


def relations_to(root: Node, conversion: Conversion) -> list[Resource]:
    """Return which other documents this one replaces, appends or was made from."""
    found = []
    for node in root.all("relatedDocument"):
        code = codes()["related"].get(node.get("typeCode"), "")
        parent = node.first("parentDocument")
        ids = identifiers(parent, conversion) if parent is not None else []
        if code:
            found += [{"code": code, "targetIdentifier": each} for each in ids]
    return found


def orders(root: Node, conversion: Conversion) -> list[Resource]:
    """Return References, by their ids, to the orders (prescriptions, requests) that it fulfils."""
    ids = [
        found for order in root.all("inFulfillmentOf", "order") for found in identifiers(order, conversion)
    ]
    return [{"identifier": each} for each in ids]


def _events(root: Node, conversion: Conversion) -> list[Resource]:
    """Return what the document documents: its time, its kind, and who did it."""
    found = []
    for node in root.all("documentationOf", "serviceEvent"):
        made: Resource = {}
        code = concept(node.first("code"), conversion)
        if code:
            made["code"] = [code]
        when = period(node.first("effectiveTime"), conversion)
        if when:
            made["period"] = when
        who = [
            reference
            for each in node.all("performer")
            if (
                reference := participant(each.first("assignedEntity"), conversion, each.first("functionCode"))
            )
        ]
        if who:
            made["detail"] = list({each["reference"]: each for each in who}.values())
        if made:
            found.append(made)
    return found
