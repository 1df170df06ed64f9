"""Those who take part: persons, their roles, organisations and devices (assigned and associated entities)."""

from __future__ import annotations

from salus.standards.cda.absent import absent
from salus.standards.cda.coded import concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.identifiers import identifiers
from salus.standards.cda.names import addresses, human_names, organisation_name, telecoms
from salus.standards.cda.node import Node

_PERSONS = ("assignedPerson", "informationRecipient", "associatedPerson", "playingEntity", "relatedPerson")
_ORGANISATIONS = (
    "representedOrganization", "scopingOrganization", "receivedOrganization", "scopingEntity",
    "representedCustodianOrganization",
)  # fmt: skip
_DEVICES = ("assignedAuthoringDevice", "assignedDevice")


def organisation(node: Node | None, conversion: Conversion) -> Resource:
    """Return a Reference to an Organization, {} when nothing is said of it."""
    if node is None:
        return {}
    made: Resource = {"resourceType": "Organization"}
    if ids := identifiers(node, conversion):
        made["identifier"] = ids
    kind = concept(node.first("standardIndustryClassCode"), conversion)
    if kind:
        made["type"] = [kind]
    name = organisation_name(node) or _description(node)
    if name:
        made["name"] = name
    if found := telecoms(node, conversion):
        made["telecom"] = [_for_organisation(each) for each in found]
    if places := addresses(node, conversion):
        made["address"] = [_for_organisation(each) for each in places]
    whole = node.first("asOrganizationPartOf", "wholeOrganization")
    if part_of := organisation(whole, conversion):
        made["partOf"] = part_of
    if len(made) == 1:
        return {}
    if "name" not in made and "identifier" not in made:  # R4, org-1
        made["_name"] = absent(node.first("name"))
    return conversion.add(made)


def _for_organisation(found: Resource) -> Resource:
    """Return a telecom or address without a use that an organisation's never has (R4, org-2 and org-3)."""
    return {key: value for key, value in found.items() if not (key == "use" and value == "home")}


def _description(node: Node) -> str:
    described = node.first("desc")
    return described.words() if described is not None else ""


def participant(node: Node | None, conversion: Conversion, function: Node | None = None) -> Resource:
    """Return a Reference to whoever takes part, {} when nothing is said of them.

    A person in an organisation, or with a profession, is a PractitionerRole; a person alone a Practitioner.

    Args:
        node: assignedAuthor, assignedEntity, associatedEntity, intendedRecipient, participantRole.
        conversion: whose document it is.
        function: the functionCode beside it.
    """
    if node is None:
        return {}
    device = next((one for each in _DEVICES if (one := node.first(each)) is not None), None)
    house = next((one for each in _ORGANISATIONS if (one := node.first(each)) is not None), None)
    if device is not None:
        return _device(node, device, house, conversion)
    person = next((one for each in _PERSONS if (one := node.first(each)) is not None), None)
    who = _practitioner(node, person, conversion)
    role = [found for each in (node.first("code"), function) if (found := concept(each, conversion))]
    at = organisation(house, conversion)
    if at and not who and not role:
        return at
    if who and not at and not role:
        return who
    if not (who or at or role):
        return {}
    made: Resource = {"resourceType": "PractitionerRole"}
    if who:
        made["practitioner"] = who
    if at:
        made["organization"] = at
    if role:
        made["code"] = role
    return conversion.add(made)


def _practitioner(node: Node, person: Node | None, conversion: Conversion) -> Resource:
    made: Resource = {"resourceType": "Practitioner"}
    names = human_names(person, conversion)
    ids = identifiers(node, conversion)
    if person is None and node.first("representedOrganization") is not None and not ids:
        return {}
    if ids:
        made["identifier"] = ids
    if names:
        made["name"] = names
    if found := telecoms(node, conversion):
        made["telecom"] = found
    if places := addresses(node, conversion):
        made["address"] = places
    if len(made) == 1:
        return {}
    if "name" not in made:
        made["name"] = [absent(person)]
    return conversion.add(made)


def _device(node: Node, device: Node, house: Node | None, conversion: Conversion) -> Resource:
    made: Resource = {"resourceType": "Device"}
    if ids := identifiers(node, conversion):
        made["identifier"] = ids
    kind = concept(device.first("code"), conversion)
    if kind:
        made["type"] = kind
    names = [
        {"name": words, "type": name_type}
        for each, name_type in (("manufacturerModelName", "model-name"), ("softwareName", "other"))
        if (one := device.first(each)) is not None and (words := _name(one, conversion))
    ]
    if names:
        made["deviceName"] = names
    if owner := organisation(house, conversion):
        made["owner"] = owner
    if found := telecoms(node, conversion):
        made["contact"] = found
    return conversion.add(made) if len(made) > 1 else {}


def _name(node: Node, conversion: Conversion) -> str:
    """Return a name (SC): its words, else those of its code."""
    coded = concept(node, conversion) if node.peek("code") else {}
    shown = coded.get("coding", [{}])[0].get("display", "") if coded else ""
    return conversion.text(node) or shown or node.get("displayName")
