"""An HL7 v2 message as FHIR R4 resources (HL7 Version 2 to FHIR, 1.0.0), with an account of every value.

ADT, ORU, OUL, ORM, OML, MDM, VXU, SIU, RDE and RDS are read; what the segments of other messages say is
taken the same way. Nothing is dropped silently: a value that no reader took is in the account, by its place.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from salus.core.errors import MalformedContent, NotSupported
from salus.core.limits import Limits
from salus.core.quality import Account, Quality
from salus.standards.hl7v2.datatypes import Json, date_time, loses_time
from salus.standards.hl7v2.er7 import Segment, read_message
from salus.standards.hl7v2.making import NO_ZONE, Making
from salus.standards.hl7v2.segments import appointments, documents
from salus.standards.hl7v2.segments.registry import segments_found

LOINC = "http://loinc.org"
HISTORY = {"coding": [{"system": LOINC, "code": "11503-0", "display": "Medical records"}]}
NO_DATA = frozenset({"ACK", "QBP", "QRY", "RSP", "ORL", "ORR", "ERP", "MCF"})
"""Messages that answer or ask, and say nothing of a patient to be kept."""

DELETIONS = frozenset({"A23", "A29"})
"""Trigger events that ask to delete (v2.5.1, 3.3.23 and 3.3.29)."""

ENVELOPE = {
    "MSH": "of the envelope",
    "SFT": "of the envelope",
    "EVN": "of the envelope",
    "MSA": "of the envelope",
}
NOT_CARE = {
    "IN1": "insurance", "IN2": "insurance", "IN3": "insurance", "GT1": "who pays", "FT1": "a charge",
    "BLG": "a charge", "ACC": "an accident, for billing", "RF1": "a referral, which is not kept",
}  # fmt: skip
"""Segments whose content the node does not keep, and what it is."""
NOT_SAID = {
    "PID-10": "race, for which FHIR has no element",
    "PID-18": "an account, for billing",
    "PID-22": "ethnic group, for which FHIR has no element",
    "PID-33": "when the sender changed the record, not when the node did",
}
"""Fields that are left out on purpose, and why."""
SET_IDS = frozenset({
    "PID", "PV1", "NK1", "DG1", "AL1", "IAM", "PR1", "OBR", "OBX", "NTE", "SPM", "TXA", "AIS",
    "AIL", "AIP", "AIG", "RGS", "IN1", "GT1", "TQ1", "DB1"
})  # fmt: skip
"""Segments whose first field only counts them."""
_TIMES = {
    "PV1": (44, 45), "OBR": (7, 8, 22), "OBX": (14,), "ORC": (9,), "TXA": (4, 6, 7), "DG1": (5, 19),
    "PR1": (5,), "RXA": (3,), "RXD": (3,), "SPM": (18,),
}  # fmt: skip


class Made(msgspec.Struct, frozen=True):
    """A message in FHIR.

    Args:
        bundle: a collection of its resources.
        header: a Composition that describes the message as one thing.
        quality: what became of what it says.
    """

    bundle: Json
    header: Json
    quality: Quality


def to_fhir(body: bytes, limits: Limits) -> Made:
    """Return what a message says.

    Args:
        body: one message, without the frame of MLLP.
        limits: how long it may be.

    Raises:
        MalformedContent: it cannot be read, or is about no patient.
        NotSupported: its kind says nothing that is kept.
    """
    if len(body) > limits.document_bytes_max:
        raise MalformedContent(
            f"The message has more than {limits.document_bytes_max} bytes (limits.document_bytes_max)."
        )
    message = read_message(body)
    header = message.header
    kind, event = header.text(9, 1), header.text(9, 2)
    if kind == "ADT" and event in DELETIONS:
        raise NotSupported(
            f"ADT^{event} asks to delete a person or visit: it is told, and not done. See `salus erase`, and "
            "`salus persons` for what was sent by mistake.",
            expression="MSH-9",
        )
    if not kind:
        raise MalformedContent(
            "MSH-9 does not say what kind of message it is, as ADT^A01.", expression="MSH-9"
        )
    if kind in NO_DATA:
        raise NotSupported(
            f"A message of kind {kind} answers or asks another system: there is nothing to keep.",
            expression="MSH-9",
        )
    account = Account(f"HL7 v2 {kind}{f'^{event}' if event else ''}")
    making = Making(message, account, limits)
    for segment in message.segments:
        _read(making, segment)
    if not making.context.patient:
        raise MalformedContent(
            "The message names no patient (PID): whose record it belongs to is not known.", expression="PID"
        )
    appointments.complete(making)
    documents.complete(making)
    _settle_account(making)
    entries = [{"fullUrl": address, "resource": one} for address, one in making.resources.items()]
    bundle: Json = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return Made(bundle, _description(making, kind, event), account.quality())


def _read(making: Making, segment: Segment) -> None:
    reads = segments_found().get(segment.name)
    if segment.name == "PID" and making.context.patient:
        making.account.approximate("PID", "a second patient in one message: its segments are theirs")
        making.context = msgspec.structs.replace(
            making.context, patient="", encounter="", order=None, report=None
        )
    if segment.name in SET_IDS:
        segment.take(1)
    if reads is not None:
        reads.read(making, segment)
        for field in _TIMES.get(segment.name, ()):
            if loses_time(segment, field):
                making.account.approximate(f"{segment.name}-{field}", NO_ZONE, segment.text(field))


def _settle_account(making: Making) -> None:
    """Tell what nobody took; count the rest as mapped."""
    known = segments_found()
    left_out = 0
    for segment in making.message.segments:
        values = sum(text != '""' for _, text in segment.values())
        making.account.absent += sum(text == '""' for _, text in segment.values())
        left = 0
        for path, text in segment.left():
            left += 1
            if segment.name in ENVELOPE:
                continue
            reason = (
                NOT_CARE.get(segment.name)
                or NOT_SAID.get(path.partition(".")[0])
                or ("a field that is not read" if segment.name in known else "a segment that is not read")
            )
            making.account.drop(path, reason, text)
            left_out += 1
        making.account.mapped += values - left


def _description(making: Making, kind: str, event: str) -> Json:
    """Return a Composition that describes the message: what, of whom, when, from whom."""
    header = making.message.header
    sender = ", ".join(filter(None, (header.text(3), header.text(4)))) or "(not named)"
    sent = date_time(header, 7)
    return {
        "resourceType": "Composition",
        "identifier": {"value": header.text(10) or "(none)"},
        "status": "final",
        "type": HISTORY,
        "subject": {"reference": making.context.patient},
        "date": sent or datetime(1970, 1, 1, tzinfo=UTC).date().isoformat(),
        "author": [{"display": sender}],
        "title": f"HL7 v2 message {kind}{f'^{event}' if event else ''}",
    }
