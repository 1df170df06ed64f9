"""Specimens: what was examined, a participant of an observation or of a collection, to Specimen."""

from __future__ import annotations

from salus.standards.cda.coded import concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.identifiers import identifiers
from salus.standards.cda.node import Node
from salus.standards.cda.people import participant
from salus.standards.cda.values import occurrence

COLLECTION = "1.3.6.1.4.1.19376.1.3.1.2"
"""IHE Laboratory, Specimen Collection."""


def specimen(node: Node, conversion: Conversion) -> Resource:
    """Return a Reference to the Specimen that an observation names itself, {} for none."""
    role = node.first("specimen", "specimenRole")
    if role is None:
        return {}
    return _specimen(role, role.first("specimenPlayingEntity"), conversion, {})


def collected(procedure: Node, conversion: Conversion) -> Resource:
    """Return a Reference to the Specimen that a procedure collected, {} for none."""
    procedure.get("moodCode")
    for code in procedure.all("code"):
        code.take()
    collection = occurrence(procedure.first("effectiveTime"), conversion, "collected")
    site = concept(procedure.first("targetSiteCode"), conversion)
    if site:
        collection["bodySite"] = site
    who = participant(procedure.first("performer", "assignedEntity"), conversion)
    if who and conversion.resource(who)["resourceType"] != "Organization":
        collection["collector"] = who
    for each in procedure.all("participant"):
        role = each.first("participantRole")
        if role is not None and role.peek("classCode") == "SPEC":
            return _specimen(role, role.first("playingEntity"), conversion, collection)
    return {}


def _specimen(role: Node, entity: Node | None, conversion: Conversion, collection: Resource) -> Resource:
    made: Resource = {"resourceType": "Specimen"}
    if ids := identifiers(role, conversion):
        made["identifier"] = ids
    kind = concept(entity.first("code"), conversion) if entity is not None else {}
    if kind:
        made["type"] = kind
    if collection:
        made["collection"] = collection
    if len(made) == 1:
        return {}
    made["subject"] = conversion.subject
    return conversion.add(made)
