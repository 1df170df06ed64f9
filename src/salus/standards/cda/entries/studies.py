"""Imaging studies: the DICOM object catalog of an imaging report (DICOM PS3.20) to ImagingStudy.

An act of a study (DCM 113014) holds acts of series (113015), and these the objects (class DGIMG), whose ids
are the DICOM UIDs. The pictures stay where they are; the addresses of WADO stand in the objects' texts.
"""

from __future__ import annotations

from salus.standards.cda.absent import absent
from salus.standards.cda.coded import codes_of, coding
from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.entries.entry import Entry, relations, take_status
from salus.standards.cda.node import Node
from salus.standards.cda.sections import Section

_STUDY = "2.16.840.1.113883.10.20.6.2.6"
_SERIES = "113015"
_DCM = "http://dicom.nema.org/resources/ontology/DCM"
_UID = "urn:dicom:uid"
_SOP_CLASS = "urn:ietf:rfc:3986"


def read(node: Node, section: Section, conversion: Conversion) -> list[Resource]:
    """Return the ImagingStudy."""
    node.get("moodCode")
    take_status(node)
    for code in node.all("code"):
        code.take()
    uid = _uid(node)
    made: Resource = {"resourceType": "ImagingStudy"}
    if uid:
        kind = {"coding": [{"system": _DCM, "code": "110180", "display": "Study Instance UID"}]}
        made["identifier"] = [{"type": kind, "system": _UID, "value": f"urn:oid:{uid}"}]
    made["status"] = "available"
    made["subject"] = conversion.subject
    started = conversion.moment(node.first("effectiveTime"))
    if started:
        made["started"] = started
    text = conversion.said_in_narrative(node.first("text"))
    if text:
        made["description"] = text
    found = [
        series
        for each in relations(node)
        if _SERIES in codes_of(each.node.first("code")) and (series := _series(each.node, conversion))
    ]
    if found:
        made["series"] = found
        made["numberOfSeries"] = len(found)
        made["numberOfInstances"] = sum(len(each.get("instance", ())) for each in found)
    return [conversion.add(made)]


def _uid(node: Node) -> str:
    own = node.first("id")
    return own.get("root") if own is not None else ""


def _series(node: Node, conversion: Conversion) -> Resource:
    node.get("moodCode")
    take_status(node)
    uid = _uid(node)
    if not uid:
        return {}
    code = node.first("code")
    modality = code.first("qualifier", "value") if code is not None else None
    made: Resource = {"uid": uid, "modality": coding(modality, conversion) if modality is not None else {}}
    made["modality"] = made["modality"] or absent(modality)
    if code is not None:
        code.take()
    started = conversion.moment(node.first("effectiveTime"))
    if started:
        made["started"] = started
    text = conversion.said_in_narrative(node.first("text"))
    if text:
        made["description"] = text
    found = [
        instance
        for each in relations(node)
        if each.node.name == "observation" and (instance := _instance(each.node, conversion))
    ]
    if found:
        made["instance"] = found
        made["numberOfInstances"] = len(found)
    return made


def _instance(node: Node, conversion: Conversion) -> Resource:
    node.get("moodCode")
    take_status(node)
    uid, code = _uid(node), node.first("code")
    kind = code.get("code") if code is not None else ""
    if not uid or not kind:
        return {}
    if code is not None:
        code.take()
    link = node.first("text", "reference")
    if link is not None and link.peek("value"):
        conversion.approximate(
            node, "where an object can be fetched is not told; its UIDs are", link.get("value")
        )
    return {"uid": uid, "sopClass": {"system": _SOP_CLASS, "code": f"urn:oid:{kind}"}}


ENTRY = Entry("studies", frozenset({_STUDY}), frozenset({"act"}), read)
