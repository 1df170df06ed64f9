"""TXA: a document and its state (v2.5.1, 9.6.1); its content is in the OBX that follow."""

from __future__ import annotations

from salus.standards.hl7v2.datatypes import Json, concept, date_time, entity, practitioner, repeated
from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.making import Making
from salus.standards.hl7v2.segments.segment import Reads
from salus.standards.hl7v2.tables import in_fhir

CANCELLED = frozenset({"T11"})


def _document(making: Making, txa: Segment) -> None:
    number, parent = entity(txa, 12), entity(txa, 13)
    cancelled = making.message.header.text(9, 2) in CANCELLED or txa.text(19) in ("CA", "OB")
    found: Json = {
        "resourceType": "DocumentReference",
        "status": "entered-in-error" if cancelled else "current",
        "content": [],
    }
    if number is not None:
        found["masterIdentifier"] = number
    if (kind := concept(txa, 2, table="0270")) is not None:
        found["type"] = kind
    if state := in_fhir("document-status", txa.text(17)):
        found["docStatus"] = state
    at = next((text for field in (7, 6, 4) if len(text := date_time(txa, field)) > 10), "")
    if at:
        found["date"] = at
    authors = [
        reference
        for field in (5, 9)
        for place, each in enumerate(repeated(txa, field, practitioner))
        if (reference := making.aside(each, txa, f"{field}-{place}")) is not None
    ]
    if authors:
        found["author"] = authors
    if (by := repeated(txa, 10, practitioner)) and (who := making.aside(by[0], txa, "10")) is not None:
        found["authenticator"] = who
    if parent is not None:
        other = making.address_of("DocumentReference", parent, txa)
        if other in making.resources:
            found["relatesTo"] = [{"code": "replaces", "target": {"reference": other}}]
        else:
            target = {"identifier": parent, "type": "DocumentReference"}
            found["relatesTo"] = [{"code": "replaces", "target": target}]
    if making.context.encounter:
        found["context"] = {"encounter": [{"reference": making.context.encounter}]}
    found = making.about_patient(found)
    making.context.report = making.context.noted = found
    making.add(making.address_of("DocumentReference", number, txa), found)


def complete(making: Making) -> None:
    """Say of a document that the message only tells of that it is not in it."""
    for each in making.resources.values():
        if each["resourceType"] == "DocumentReference" and not each["content"]:
            each["content"] = [{"attachment": {"title": "(not in the message)"}}]


SEGMENTS = (Reads("TXA", _document),)
