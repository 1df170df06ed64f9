"""A leaf of the ledger as an AuditEvent (R4; IHE Basic Audit Log Patterns 1.1, https://profiles.ihe.net/ITI/BALP).

A profile is claimed where BALP has one: its patterns are of accesses that were served. One that was refused
or failed is written in the same form and claims none. No leaf has the asking system's address; the event
says so.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from salus.core.access import Leaf, Outcome

Json = dict[str, Any]  # FHIR content is open JSON

PROFILES = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
EVENT_TYPE = {"system": f"{TERMINOLOGY}/audit-event-type", "code": "rest", "display": "RESTful Operation"}
INTERACTION = "http://hl7.org/fhir/restful-interaction"
PERSON = {"system": f"{TERMINOLOGY}/audit-entity-type", "code": "1", "display": "Person"}
SYSTEM_OBJECT = {"system": f"{TERMINOLOGY}/audit-entity-type", "code": "2", "display": "System Object"}
REQUEST_ID = {
    "system": "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType",
    "code": "XrequestId",
}
PATIENT = {"system": f"{TERMINOLOGY}/object-role", "code": "1", "display": "Patient"}
DOMAIN_RESOURCE = {"system": f"{TERMINOLOGY}/object-role", "code": "4", "display": "Domain Resource"}
QUERY = {"system": f"{TERMINOLOGY}/object-role", "code": "24", "display": "Query"}
PROVIDER = {"system": f"{TERMINOLOGY}/v3-RoleClass", "code": "PROV", "display": "healthcare provider"}
SERVER = {"system": f"{TERMINOLOGY}/security-source-type", "code": "4", "display": "Application Server"}
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
URI = "5"
OUTCOMES = {Outcome.SERVED: "0", Outcome.REFUSED: "4", Outcome.FAILED: "8"}
_RESOURCE = re.compile(r"([A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64})(?:/.*)?")


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the events of one action have in common; the fields are explained in `audit_patterns.toml`."""

    interactions: tuple[str, ...]
    action: str
    profile: str
    client: str
    server: str
    user: str
    searched: bool = False


class Patterns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table: codings of what agents are, patterns by action, and the pattern of all other actions."""

    types: dict[str, dict[str, str]]
    patterns: dict[str, Pattern]
    other: Pattern


@cache
def patterns() -> Patterns:
    """Return the table."""
    table = resources.files(__package__).joinpath("audit_patterns.toml").read_bytes()
    return msgspec.toml.decode(table, type=Patterns)


def audit_event(leaf: Leaf, *, identity: str, node: str, address: str) -> Json:
    """Return a leaf as an AuditEvent.

    Args:
        leaf: the access.
        identity: the event's logical id.
        node: name of the node that wrote the leaf, for people.
        address: its FHIR base.
    """
    pattern = patterns().patterns.get(leaf.action, patterns().other)
    event: Json = {
        "resourceType": "AuditEvent",
        "id": identity,
        "type": EVENT_TYPE,
        "subtype": [{"system": INTERACTION, "code": code} for code in pattern.interactions],
        "action": pattern.action,
        "recorded": instant(leaf.at),
        "outcome": OUTCOMES[leaf.outcome],
        "outcomeDesc": f"{leaf.outcome} by rule {leaf.rule}, {leaf.resources} resources",
        "purposeOfEvent": [_purpose(leaf)],
        "agent": _agents(leaf, pattern, node, address),
        "source": {"site": address, "observer": {"display": node}, "type": [SERVER]},
        "entity": _entities(leaf, pattern),
    }
    if pattern.profile and leaf.outcome is Outcome.SERVED:
        about = "Patient" if leaf.patient else ""
        event["meta"] = {"profile": [f"{PROFILES}{about}{pattern.profile}"]}
    return event


def instant(at: datetime) -> str:
    """Return when an access was, as the event says it."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _agents(leaf: Leaf, pattern: Pattern, node: str, address: str) -> list[Json]:
    types = patterns().types
    unknown = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
    user: Json = {
        "type": {"coding": [types[pattern.user]]},
        "role": [{"text": leaf.role}],
        "who": {"identifier": {"value": leaf.subject}, "display": leaf.name},
        "requestor": True,
        "purposeOfUse": [_purpose(leaf)],
    }
    client: Json = {
        "type": {"coding": [types[pattern.client]]},
        "who": {"display": leaf.node or leaf.organisation or leaf.name},
        "requestor": False,
        "network": unknown,
    }
    server: Json = {
        "type": {"coding": [types[pattern.server]]},
        "who": {"display": node},
        "requestor": False,
        "network": {"address": address, "type": URI},
    }
    if not leaf.organisation:
        return [user, client, server]
    who: Json = {"display": leaf.organisation}
    if leaf.organisation_id:
        system, _, value = leaf.organisation_id.partition("|")
        who["identifier"] = {"system": system, "value": value}
    employer = {"type": {"coding": [PROVIDER]}, "who": who, "requestor": False}
    return [user, employer, client, server]


def _entities(leaf: Leaf, pattern: Pattern) -> list[Json]:
    request = {"type": REQUEST_ID, "what": {"identifier": {"value": leaf.request}}}
    touched = _query(leaf) if pattern.searched else _resource(leaf)
    if not leaf.patient:
        return [touched, request]
    return [{"what": _person(leaf.patient), "type": PERSON, "role": PATIENT}, touched, request]


def _query(leaf: Leaf) -> Json:
    """Return the search as recorded: parameters without their values."""
    asked = base64.b64encode(leaf.what.encode()).decode()
    return {"type": SYSTEM_OBJECT, "role": QUERY, "description": leaf.what, "query": asked}


def _resource(leaf: Leaf) -> Json:
    found = _RESOURCE.fullmatch(leaf.what)
    what = {"reference": found[1]} if found else {"display": leaf.what}
    return {"what": what, "type": SYSTEM_OBJECT, "role": DOMAIN_RESOURCE, "name": leaf.what}


def _person(patient: str) -> Json:
    """Return the reference to a patient of this node, or the identifier of one of another ("node:id")."""
    if ":" in patient:
        return {"type": "Patient", "identifier": {"system": "urn:salus:patient-abroad", "value": patient}}
    return {"reference": f"Patient/{patient}"}


def _purpose(leaf: Leaf) -> Json:
    return {"coding": [{"system": f"{TERMINOLOGY}/v3-ActReason", "code": leaf.purpose}]}
