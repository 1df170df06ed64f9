"""Places: a participantRole of a location to Location."""

from __future__ import annotations

from salus.standards.cda.coded import concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.identifiers import identifiers
from salus.standards.cda.names import addresses, telecoms
from salus.standards.cda.node import Node


def location(role: Node, conversion: Conversion) -> Resource:
    """Return a Reference to a Location, {} when nothing is said of it."""
    made: Resource = {"resourceType": "Location"}
    if ids := identifiers(role, conversion):
        made["identifier"] = ids
    entity = role.first("playingEntity") or role.first("location")
    name = entity.first("name") if entity is not None else None
    if name is not None and (words := name.words()):
        made["name"] = words
    kind = concept(role.first("code"), conversion)
    if kind:
        made["type"] = [kind]
    if found := telecoms(role, conversion):
        made["telecom"] = found
    places = addresses(role, conversion) or addresses(entity, conversion)
    if places:
        made["address"] = places[0]
    if len(places) > 1:
        conversion.approximate(role, "of several addresses of a place the first is told")
    return conversion.add(made) if len(made) > 1 else {}
