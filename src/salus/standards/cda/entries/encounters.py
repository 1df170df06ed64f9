"""Encounters: encounter, and the one that a document is about (componentOf), to Encounter."""

from __future__ import annotations

from salus.standards.cda.absent import absent
from salus.standards.cda.coded import concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import Entry, begun, performers, relations, status_of
from salus.standards.cda.entries.places import location
from salus.standards.cda.entries.registry import read_entry
from salus.standards.cda.entries.remarks import remarks
from salus.standards.cda.identifiers import identifiers
from salus.standards.cda.names import addresses
from salus.standards.cda.node import Node
from salus.standards.cda.people import organisation, participant
from salus.standards.cda.sections import Section
from salus.standards.cda.values import period

_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_CLASSES = frozenset(
    {"AMB", "EMER", "FLD", "HH", "IMP", "ACUTE", "NONAC", "OBSENC", "PRENC", "SS", "VR"}
)  # v3-ActEncounterCode


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the Encounter; its diagnoses are entries of their own that it names."""
    made = begun("Encounter", node, conversion)
    made["status"] = status_of(node, "encounter-status") or "finished"
    if node.first("statusCode") is None:
        conversion.approximate(node, "an encounter without a status is taken as over")
    _kind(node.first("code"), made, conversion)
    made["subject"] = conversion.subject
    who = [{"individual": each} for each in performers(node, conversion) if _is_person(each, conversion)]
    if who:
        made["participant"] = who
    when = period(node.first("effectiveTime"), conversion)
    if when:
        made["period"] = when
    diagnoses: list[Resource] = []
    rest = []
    for relation in relations(node):
        found = (
            read_entry(relation.node, section, conversion)
            if relation.node.name in ("act", "observation")
            else []
        )
        conditions = [each for each in found if conversion.resource(each)["resourceType"] == "Condition"]
        diagnoses += conditions
        if not found:
            rest.append(relation)
    if diagnoses:
        made["diagnosis"] = [{"condition": each} for each in diagnoses]
    discharged = concept(node.first("dischargeDispositionCode"), conversion)
    if discharged:
        made["hospitalization"] = {"dischargeDisposition": discharged}
    places = [
        {"location": where}
        for each in node.all("participant", "participantRole")
        if each.peek("classCode") == "SDLOC" and (where := location(each, conversion))
    ]
    if places:
        made["location"] = places
    words, beside = remarks(rest, section, conversion)
    words.append(conversion.said_in_narrative(node.first("text")))
    told = [text for text in words if text]
    if told:
        conversion.approximate(node, "what an encounter says in words is told as its reason", told[0])
        made["reasonCode"] = [{"text": text} for text in told]
    return [conversion.add(made), *beside]


def _is_person(reference: Resource, conversion: Conversion) -> bool:
    return str(conversion.resource(reference)["resourceType"]) in (
        "Practitioner",
        "PractitionerRole",
        "RelatedPerson",
    )


def _kind(code: Node | None, made: Resource, conversion: Conversion) -> None:
    """Say the class (which R4 wants) and the type."""
    found = concept(code, conversion)
    for each in found.get("coding", ()):
        if each.get("system") == _ACT_CODE and each["code"] in _CLASSES:
            made["class"] = each
            found["coding"] = [other for other in found["coding"] if other is not each]
            break
    made.setdefault("class", absent(code))
    found = {key: value for key, value in found.items() if value}
    if found:
        made["type"] = [found]


def encompassing(root: Node, conversion: Conversion) -> Resource:
    """Return a Reference to the Encounter that the document is about, {} for none."""
    node = root.first("componentOf", "encompassingEncounter")
    if node is None:
        return {}
    made: Resource = {"resourceType": "Encounter"}
    if ids := identifiers(node, conversion):
        made["identifier"] = ids
    when = period(node.first("effectiveTime"), conversion)
    made["status"] = "finished" if "end" in when else "unknown"
    _kind(node.first("code"), made, conversion)
    made["subject"] = conversion.subject
    who = [
        {"individual": found}
        for each in (*node.all("responsibleParty"), *node.all("encounterParticipant"))
        if (found := participant(each.first("assignedEntity"), conversion)) and _is_person(found, conversion)
    ]
    if who:
        made["participant"] = who
    if when:
        made["period"] = when
    discharged = concept(node.first("dischargeDispositionCode"), conversion)
    if discharged:
        made["hospitalization"] = {"dischargeDisposition": discharged}
    facility = node.first("location", "healthCareFacility")
    if facility is not None:
        where = location(facility, conversion)
        place = facility.first("location")
        if not where and place is not None and (places := addresses(place, conversion)):
            where = conversion.add({"resourceType": "Location", "address": places[0]})
        if where:
            made["location"] = [{"location": where}]
        owner = organisation(facility.first("serviceProviderOrganization"), conversion)
        if owner:
            made["serviceProvider"] = owner
    return conversion.add(made)


ENTRY = Entry("encounters", frozenset({"2.16.840.1.113883.10.20.22.4.49"}), frozenset({"encounter"}), read)
