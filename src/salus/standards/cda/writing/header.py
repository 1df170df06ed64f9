"""The header of a patient summary of MyHealth@EU (template 1.3.6.1.4.1.12559.11.10.1.3.1.1.3)."""

from __future__ import annotations

import uuid

from lxml import etree

from salus.standards.cda.conversion import NAMESPACE
from salus.standards.cda.node import V3, XSI
from salus.standards.cda.writing.elements import (
    PHARM,
    SDTC,
    Element,
    address,
    coded,
    human_name,
    identifier,
    identifiers,
    moment,
    null_of,
    put,
    telecom,
)
from salus.standards.cda.writing.people import People
from salus.standards.cda.writing.source import Resource, Source

TEMPLATE = "1.3.6.1.4.1.12559.11.10.1.3.1.1.3"
_TYPE_ID = ("2.16.840.1.113883.1.3", "POCD_HD000040")
_LOINC = "2.16.840.1.113883.6.1"
_CONFIDENTIALITY = "2.16.840.1.113883.5.25"
_GENDER = {"male": "M", "female": "F", "other": "UN"}
_GENDER_OID = "2.16.840.1.113883.5.1"
_RELATED = {"replaces": "RPLC", "appends": "APND", "transforms": "XFRM"}


def root_element() -> Element:
    """Return an empty ClinicalDocument with the namespaces that its content uses."""
    spaces = {None: V3, "xsi": XSI, "pharm": PHARM, "sdtc": SDTC}
    return etree.Element(
        f"{{{V3}}}ClinicalDocument", {"classCode": "DOCCLIN", "moodCode": "EVN"}, nsmap=spaces
    )


def write_header(root: Element, composition: Resource, source: Source, people: People) -> None:
    """Append everything above the body, in the order of the schema."""
    put(root, "typeId", root=_TYPE_ID[0], extension=_TYPE_ID[1])
    put(root, "templateId", root=TEMPLATE)
    _own_id(root, composition, source)
    source.take(source.get(composition, "type"))
    put(
        root, "code", code="60591-5", codeSystem=_LOINC, codeSystemName="LOINC", displayName="Patient Summary"
    )
    put(root, "title", source.text(composition, "title") or "Patient Summary")
    date = source.text(composition, "date") or source.text(source.bundle, "timestamp")
    written = moment(date)
    put(root, "effectiveTime", value=written) if written else put(root, "effectiveTime", nullFlavor="UNK")
    secrecy = source.text(composition, "confidentiality") or "N"
    put(root, "confidentialityCode", code=secrecy, codeSystem=_CONFIDENTIALITY)
    put(
        root,
        "languageCode",
        code=source.text(composition, "language") or str(source.bundle.get("language") or "en"),
    )
    if series := source.part(composition, "identifier"):
        identifier(root, series, source, "setId")
    _patient(root, source.resolve(composition, "subject"), source, people)
    authors = source.resolve_all(composition, "author")
    for each in authors:
        people.author(root, each, date)
    if not authors:
        _unknown_author(root)
    keeper = source.resolve(composition, "custodian") or next((_house(each, source) for each in authors), {})
    _custodian(root, keeper, people)
    _authenticator(root, composition, source, people)
    _service(root, composition, written, source)
    for relation in source.parts(composition, "relatesTo"):
        kind = _RELATED.get(source.text(relation, "code"), "")
        target = source.part(relation, "targetIdentifier")
        if kind and target:
            identifier(put(put(root, "relatedDocument", typeCode=kind), "parentDocument"), target, source)


def _own_id(root: Element, composition: Resource, source: Source) -> None:
    own = source.part(source.bundle, "identifier")
    if not own or not identifier(root, own, source):
        name = uuid.uuid5(NAMESPACE, str(composition.get("id", "")) + str(source.bundle.get("timestamp", "")))
        put(root, "id", root=str(name))


def _house(author: Resource, source: Source) -> Resource:
    if author.get("resourceType") == "Organization":
        return author
    return source.resolve(author, "organization")


def _patient(root: Element, patient: Resource, source: Source, people: People) -> None:
    people.written.add(id(patient))
    role = put(put(root, "recordTarget"), "patientRole")
    identifiers(role, patient, source, least=1)
    places = source.parts(patient, "address")
    for each in places:
        address(role, each, source)
    if not places:
        put(role, "addr", nullFlavor="NI")
    numbers = source.parts(patient, "telecom")
    for each in numbers:
        telecom(role, each, source)
    if not numbers:
        put(role, "telecom", nullFlavor="NI")
    made = put(role, "patient")
    names = source.parts(patient, "name")
    for each in names:
        human_name(made, each, source)
    if not names:
        put(made, "name", nullFlavor="UNK")
    gender = _GENDER.get(source.text(patient, "gender"), "")
    if gender:
        put(made, "administrativeGenderCode", code=gender, codeSystem=_GENDER_OID)
    else:
        put(made, "administrativeGenderCode", nullFlavor=null_of(source.part(patient, "_gender"), source))
    born = moment(source.text(patient, "birthDate"))
    if born:
        put(made, "birthTime", value=born)
    else:
        put(made, "birthTime", nullFlavor=null_of(source.part(patient, "_birthDate"), source))
    dead = source.get(patient, "deceasedBoolean")
    dead_at = moment(source.text(patient, "deceasedDateTime"))
    if dead is not None or dead_at:
        put(made, f"{{{SDTC}}}deceasedInd", value="true" if dead_at else str(dead).lower())
    if dead_at:
        put(made, f"{{{SDTC}}}deceasedTime", value=dead_at)
    if status := source.part(patient, "maritalStatus"):
        coded(made, "maritalStatusCode", status, source)
    for speaks in source.parts(patient, "communication"):
        language = source.part(source.part(speaks, "language"), "coding")
        source.text(language, "system")
        if code := source.text(language, "code"):
            put(put(made, "languageCommunication"), "languageCode", code=code)
    house = source.resolve(patient, "managingOrganization")
    if house:
        people.organisation(role, "providerOrganization", house)


def _unknown_author(root: Element) -> None:
    author = put(root, "author")
    put(author, "time", nullFlavor="UNK")
    assigned = put(author, "assignedAuthor")
    for name in ("id", "addr", "telecom"):
        put(assigned, name, nullFlavor="UNK")
    put(put(assigned, "assignedPerson"), "name", nullFlavor="UNK")


def _custodian(root: Element, keeper: Resource, people: People) -> None:
    within = put(put(root, "custodian"), "assignedCustodian")
    people.organisation(within, "representedCustodianOrganization", keeper)


def _authenticator(root: Element, composition: Resource, source: Source, people: People) -> None:
    """Append who answers for the document in law, which the template demands: else unknown."""
    legal = next((each for each in source.parts(composition, "attester") if each.get("mode") == "legal"), {})
    made = put(root, "legalAuthenticator")
    source.text(legal, "mode")
    signed = moment(source.text(legal, "time"))
    put(made, "time", value=signed) if signed else put(made, "time", nullFlavor="UNK")
    put(made, "signatureCode", code="S") if legal else put(made, "signatureCode", nullFlavor="UNK")
    party = source.resolve(legal, "party") if legal else {}
    if party:
        people.entity(made, "assignedEntity", party)
        return
    entity = put(made, "assignedEntity")
    for name in ("id", "addr", "telecom"):
        put(entity, name, nullFlavor="UNK")
    put(put(entity, "assignedPerson"), "name", nullFlavor="UNK")


def _service(root: Element, composition: Resource, written: str, source: Source) -> None:
    """Append the provision of care that is summed up: its end is when it was summed up last."""
    event = source.part(composition, "event")
    service = put(put(root, "documentationOf"), "serviceEvent", classCode="PCPR", moodCode="EVN")
    for code in source.parts(event, "code"):
        coded(service, "code", code, source)
        break
    span = source.part(event, "period")
    start, end = (moment(source.text(span, key)) for key in ("start", "end"))
    time = put(service, "effectiveTime")
    if start:
        put(time, "low", value=start)
    last = end or written
    put(time, "high", value=last) if last else put(time, "high", nullFlavor="UNK")
