"""Medical devices and implants: supply with a device to DeviceUseStatement and Device.

Templates: eHDSI 1.3.6.1.4.1.12559.11.10.1.3.1.3.5, C-CDA Non-Medicinal Supply Activity
2.16.840.1.113883.10.20.22.4.50.
"""

from __future__ import annotations

from salus.standards.cda.absent import absent, says_nothing
from salus.standards.cda.coded import concept
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import (
    Entry,
    author_of,
    begun,
    is_negated,
    relations,
    status_of,
    with_notes,
)
from salus.standards.cda.entries.products import product
from salus.standards.cda.entries.remarks import measured, remarks
from salus.standards.cda.identifiers import identifiers
from salus.standards.cda.node import Node
from salus.standards.cda.people import organisation
from salus.standards.cda.sections import Section
from salus.standards.cda.values import occurrence

_UDI = "2.16.840.1.113883.3.3719"
"""OID of the FDA's unique device identifiers, as C-CDA writes them."""


def device(role: Node, conversion: Conversion) -> Resource:
    """Return a Reference to the Device of a participantRole, {} when nothing is said of it."""
    made: Resource = {"resourceType": "Device"}
    carriers = [
        each.get("extension")
        for each in role.all("id")
        if each.peek("root") == _UDI and each.peek("extension")
    ]
    if carriers:
        made["udiCarrier"] = [{"carrierHRF": each} for each in carriers]
    ids = [each for each in identifiers(role, conversion) if each.get("value") not in carriers]
    if ids:
        made["identifier"] = ids
    playing = role.first("playingDevice") or role.first("playingEntity")
    code = playing.first("code") if playing is not None else None
    kind = says_nothing(code, "no-device-info") or concept(code, conversion)
    if not kind:
        kind = concept(role.first("code"), conversion)
    if kind:
        made["type"] = kind
    names = []
    for name, name_type in (
        ("manufacturerModelName", "model-name"),
        ("softwareName", "other"),
        ("name", "other"),
    ):
        found = playing.first(name) if playing is not None else None
        if found is not None and (words := found.words() or found.get("displayName")):
            names.append({"name": words, "type": name_type})
    if names:
        made["deviceName"] = names
    maker = role.first("scopingEntity")
    if maker is not None:
        description = maker.first("desc")
        words = description.words() if description is not None else ""
        if words:
            made["manufacturer"] = words
        owner = organisation(maker, conversion)
        if owner:
            made["owner"] = owner
    if len(made) == 1:
        return {}
    made["patient"] = conversion.subject
    return conversion.add(made)


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the DeviceUseStatement."""
    made = begun("DeviceUseStatement", node, conversion)
    denied = is_negated(node)
    when = occurrence(node.first("effectiveTime"), conversion, "timing")
    status = status_of(node, "device-use-status")
    if not status:
        status = "completed" if "end" in when.get("timingPeriod", {}) else "active"
        conversion.approximate(node, "the state of a device's use is taken from its time", status)
    made["status"] = status
    made["subject"] = conversion.subject
    made |= when or {"_timingDateTime": absent(node.first("effectiveTime"))}
    who, recorded = author_of(node, conversion)
    made |= {"recordedOn": recorded} if recorded else {}
    made |= {"source": who} if who else {}
    roles = [
        role for each in node.all("participant", "participantRole") if (role := device(each, conversion))
    ]
    if not roles and node.first("product") is not None:
        kind, _ = product(node.first("product"), conversion)
        roles = [conversion.add({"resourceType": "Device", "type": kind, "patient": conversion.subject})]
    code = node.first("code")
    if not roles and (kind := concept(code, conversion)):
        roles = [conversion.add({"resourceType": "Device", "type": kind, "patient": conversion.subject})]
    if not roles:
        return []
    made["device"] = roles[0]
    sites = [found for each in node.all("targetSiteCode") if (found := concept(each, conversion))]
    if sites:
        made["bodySite"] = sites[0]
    words = [conversion.said_in_narrative(node.first("text"))]
    much = measured(node.first("quantity"), conversion)
    if much:
        conversion.approximate(node, "how many devices are in use is told as a note", much)
        words.append(f"Quantity: {much}")
    if denied:
        conversion.approximate(node, "that a device is not in use is told as a note, and its status")
        made["status"] = "entered-in-error" if status == "entered-in-error" else "stopped"
        words.append("Not in use")
    told, beside = remarks(relations(node), section, conversion)
    others = [conversion.add({**made, "device": role}) for role in roles[1:]]
    return [conversion.add(with_notes(made, [*words, *told])), *others, *beside]


ENTRY = Entry(
    "devices",
    frozenset(
        {
            "1.3.6.1.4.1.12559.11.10.1.3.1.3.5",
            "2.16.840.1.113883.10.20.22.4.50",
            "2.16.840.1.113883.10.20.1.34.1",
        }
    ),
    frozenset({"supply"}),
    read,
)
