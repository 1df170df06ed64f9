"""Vaccinations as substanceAdministrations of MyHealth@EU."""

from __future__ import annotations

from salus.standards.cda.writing.elements import Element, coded, moment, put, quantity, when
from salus.standards.cda.writing.entry import LOINC, Page, comment, fixed, name_of, own_ids, statement
from salus.standards.cda.writing.products import pharm
from salus.standards.cda.writing.source import Resource

_VACCINATION = (
    "1.3.6.1.4.1.12559.11.10.1.3.1.3.19",
    "1.3.6.1.4.1.19376.1.5.3.1.4.12",
    "2.16.840.1.113883.10.20.1.24",
)


def immunization(resource: Resource, page: Page) -> None:
    """Write an Immunization."""
    source = page.source
    status = source.text(resource, "status")
    made = statement(page.entry(), "substanceAdministration", "EVN", _VACCINATION)
    made.set("negationInd", "true" if status == "not-done" else "false")
    own_ids(made, resource, source)
    fixed(made, "code", "IMMUNIZ", "1.3.6.1.4.1.19376.1.5.3.2", "Immunization")
    code = source.part(resource, "vaccineCode")
    page.words(made, name_of(code))
    put(made, "statusCode", code="nullified" if status == "entered-in-error" else "completed")
    when(made, "effectiveTime", resource, "occurrence", source)
    for name, key in (("routeCode", "route"), ("approachSiteCode", "site")):
        if concept := source.part(resource, key):
            coded(made, name, concept, source)
    if much := source.part(resource, "doseQuantity"):
        quantity(made, "doseQuantity", much, source)
    product = put(put(made, "consumable", typeCode="CSM"), "manufacturedProduct")
    put(product, "templateId", root="1.3.6.1.4.1.12559.11.10.1.3.1.3.18")
    put(product, "templateId", root="2.16.840.1.113883.10.20.1.53")
    material = put(product, "manufacturedMaterial")
    coded(material, "code", code, source)
    if lot := source.text(resource, "lotNumber"):
        put(material, "lotNumberText", lot)
    if expires := moment(source.text(resource, "expirationDate")):
        put(material, pharm("expirationTime"), value=expires)
    if maker := source.resolve(resource, "manufacturer"):
        page.people.organisation(product, "manufacturerOrganization", maker, contacts=False)
    for actor in source.parts(resource, "performer"):
        if who := source.resolve(actor, "actor"):
            page.people.entity(put(made, "performer"), "assignedEntity", who)
    _protocol(made, resource, page)
    comment(made, page, resource)


def _protocol(made: Element, resource: Resource, page: Page) -> None:
    source = page.source
    numbers = []
    for protocol in source.parts(resource, "protocolApplied"):
        for disease in source.parts(protocol, "targetDisease"):
            role = put(put(made, "participant", typeCode="IND"), "participantRole", classCode="AGNT")
            coded(role, "code", disease, source)
        source.take(source.get(protocol, "_doseNumberString"))
        number = source.get(protocol, "doseNumberPositiveInt")
        if number is not None:
            numbers.append(str(number))
    for number in numbers[:1]:
        relation = put(made, "entryRelationship", typeCode="SUBJ")
        dose = statement(relation, "observation", "EVN", ("1.3.6.1.4.1.12559.11.10.1.3.1.3.28",))
        fixed(dose, "code", "30973-2", LOINC, "Dose number in series")
        put(dose, "statusCode", code="completed")
        put(dose, "value", xsi_type="INT", value=number)
