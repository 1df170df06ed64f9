"""What a message becomes while it is read: resources with addresses that are the same whenever it is sent.

A resource is known by the identifier that the message gives it (a patient's number, a visit's, an order's),
so that a later message about the same thing changes it and does not double it; without one it is known by the
message's own control id and its place.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from salus.core.limits import Limits
from salus.core.quality import Account
from salus.standards.hl7v2.datatypes import Json
from salus.standards.hl7v2.er7 import Message, Segment

NAMESPACE = uuid.UUID("5f5c2f0e-6a53-5d0c-8f0e-0d7cf1c0b1a7")
NO_ZONE = "its time has no zone, which FHIR needs: the day is said"


class Context(msgspec.Struct):
    """Where in a message its reader is.

    Args:
        patient: address of the Patient, "" before PID.
        encounter: address of the Encounter, "" without PV1.
        order: the common order (ORC) that is open.
        request: address of the request that is open.
        report: the DiagnosticReport or DocumentReference that is open.
        number: the identifier that the report is known by.
        noted: the resource that notes (NTE) belong to.
        medication: the medication resource that is open, for RXR.
        appointment: the Appointment that is open.
        timing: when the order that comes next is to be done (TQ1).
    """

    patient: str = ""
    encounter: str = ""
    order: Segment | None = None
    request: str = ""
    report: Json | None = None
    number: Json | None = None
    noted: Json | None = None
    medication: Json | None = None
    appointment: Json | None = None
    timing: tuple[Segment, ...] = ()


class Making:
    """Resources in the order in which they were made, and what became of the message."""

    def __init__(self, message: Message, account: Account, limits: Limits) -> None:
        self.limits = limits
        self.message = message
        self.account = account
        self.context = Context()
        self.resources: dict[str, Json] = {}
        header = message.header
        sender = (header.text(3, 1), header.text(3, 2), header.text(4, 1), header.text(4, 2))
        self._control = "|".join((*sender, header.text(10)))

    def address_of(
        self, kind: str, identifier: Mapping[str, Any] | None, segment: Segment, more: str = ""
    ) -> str:
        """Return the address of a resource: by its identifier, else by the message and the place in it."""
        if identifier is not None and identifier.get("value"):
            named = f"{kind}|{identifier.get('system', '')}|{identifier['value']}|{more}"
        else:
            named = f"{kind}|{self._control}|{segment.place}|{more}"
        return f"urn:uuid:{uuid.uuid5(NAMESPACE, named)}"

    def add(self, address: str, resource: Json) -> str:
        """Keep a resource under its address and return that; what another segment said of it stays."""
        known = self.resources.get(address)
        self.resources[address] = resource if known is None else {**known, **resource}
        return address

    def aside(self, found: Json | None, segment: Segment, more: str) -> Json | None:
        """Keep what is named in passing (a person, an organisation, a place); return a reference to it."""
        if found is None:
            return None
        own = found.get("identifier", [None])[0]
        name = found.get("name")
        known = own or {"value": msgspec.json.encode(name).decode()}
        address = self.add(self.address_of(found["resourceType"], known, segment), found)
        shown = name if isinstance(name, str) else shown_name((name or [{}])[0])
        return {"reference": address} | ({"display": shown} if shown else {})

    def about_patient(self, resource: Json, name: str = "subject") -> Json:
        """Return the resource with who it is about and in which visit, as far as the message has said."""
        found = dict(resource)
        if self.context.patient:
            found[name] = {"reference": self.context.patient}
        return found

    def in_encounter(self, resource: Json, name: str = "encounter") -> Json:
        """Return the resource with the visit, if there is one."""
        if not self.context.encounter:
            return resource
        return {**resource, name: {"reference": self.context.encounter}}


def shown_name(name: Mapping[str, Any]) -> str:
    """Return a name in one line."""
    return " ".join(filter(None, (*name.get("prefix", ()), *name.get("given", ()), name.get("family", ""))))
