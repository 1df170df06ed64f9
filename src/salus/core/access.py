"""Who asks, for what, and the Grant without which no personal data leaves the store.

Purposes of use: HL7 v3 PurposeOfUse (http://terminology.hl7.org/CodeSystem/v3-ActReason).
Only `salus.trust.gate` makes a `Grant`; `tests/unit/test_architecture.py` enforces it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class Purpose(StrEnum):
    """Purpose of use, spelled as HL7 v3 ActReason spells it."""

    TREATMENT = "TREAT"
    EMERGENCY = "ETREAT"
    PATIENT_REQUEST = "PATRQT"
    OPERATIONS = "HOPERAT"
    PUBLIC_HEALTH = "PUBHLTH"
    RESEARCH = "HRESCH"


class Role(StrEnum):
    """What the caller is to the person whose data it is."""

    CITIZEN = "citizen"
    CLINICIAN = "clinician"
    PHARMACIST = "pharmacist"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    APP = "app"
    NODE = "node"
    PROXY = "proxy"
    EMERGENCY = "emergency"
    DESK = "desk"
    RESEARCHER = "researcher"
    ACCESS_BODY = "access-body"


class Assurance(StrEnum):
    """How surely the caller is who they say (Regulation (EU) 910/2014, article 8)."""

    LOW = "low"
    SUBSTANTIAL = "substantial"
    HIGH = "high"


class Action(StrEnum):
    """What is done to the data; reads are written down at the gate, writes with the data.

    HISTORY is of one resource, CHANGES of all of a type or of the whole node.
    """

    READ = "read"
    SEARCH = "search"
    HISTORY = "history"
    CHANGES = "changes"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    LOAD = "load"
    EXPORT = "export"
    OPEN_QUARANTINE = "open-quarantine"
    AUDIT = "audit"


READS = frozenset(
    {
        Action.READ,
        Action.SEARCH,
        Action.HISTORY,
        Action.CHANGES,
        Action.EXPORT,
        Action.OPEN_QUARANTINE,
        Action.AUDIT,
    }
)


class Caller(msgspec.Struct, frozen=True):
    """The authenticated party behind a request.

    Args:
        subject: stable identifier of the person or system, unique at `issuer`.
        name: for the access log, as the citizen will read it.
        role: the role that the token vouches for.
        organisation: name of the health-care organisation, "" for a citizen.
        issuer: the node or provider that vouches for the caller.
        purpose: the purpose stated for this request.
        patient: logical id of the caller's own Patient, for a citizen; else None.
        scopes: SMART v2 scopes of the token, empty when unrestricted by scope.
        node: the member node that asks on the caller's behalf, None for a local caller.
        token_id: the token's jti.
        assurance: of the log-in behind the request; None for one whose token does not say, which its issuer
            answers for.
        app: client id of the app that acts for the caller within its scopes, "" without one.
        cut_off: this node could not ask the federation's anchor about `node` when it let the caller in.
        asked: id of the request at `node`, as its own leaf of this access has it; "" where it names none.
        organisation_id: identifier of the organisation, "system|value"; "" where nobody vouched for one, and
            it is known by its name alone.
    """

    subject: str
    name: str
    role: Role
    organisation: str
    issuer: str
    purpose: Purpose
    patient: str | None = None
    scopes: tuple[str, ...] = ()
    node: str | None = None
    token_id: str = ""
    assurance: Assurance | None = None
    app: str = ""
    cut_off: bool = False
    asked: str = ""
    organisation_id: str = ""


Narrowing = tuple[tuple[tuple[str, str], ...], ...]
"""Searches as (parameter, value), of which a resource must satisfy one whole."""


class Grant(msgspec.Struct, frozen=True):
    """Leave to touch personal data, once, for one request.

    Args:
        request: id of the request, also in the log and the leaf.
        caller: who asks.
        action: what is allowed.
        patients: logical ids of the patients whose compartments are open; None opens all
            of them (a clinician's or operator's search over the node).
        rule: id of the policy rule that decided.
        opened_at: when the gate opened.
        types: resource types whose content may be read on the way, whatever the address named: what is
            included, what a chain or _has passes through, what a compartment holds; None for all.
        narrowed: resource types of which the scopes let only what satisfies a search be read, with that
            search. They are not among `types`: a store function that does not narrow refuses them.
        marks: what the leaves say of the access besides (`Leaf.marks`).
        audiences: those from whom a citizen may hide that the caller belongs to (`trust.audiences`); nothing
            is hidden from who belongs to none, and all of it from who was not placed (None).
        country: of the node that asks, this one or a member, ISO 3166-1 alpha-2; "" where it is not known.
        delays: hours for which the law keeps a result that is written from the person, by its category
            (`trust.delays`).
        asked: as in `Leaf`.
    """

    request: str
    caller: Caller
    action: Action
    patients: frozenset[str] | None
    rule: str
    opened_at: datetime
    types: frozenset[str] | None = None
    narrowed: tuple[tuple[str, Narrowing], ...] = ()
    marks: tuple[str, ...] = ()
    audiences: frozenset[str] | None = None
    country: str = ""
    delays: tuple[tuple[str, int], ...] = ()
    asked: str = ""


class Outcome(StrEnum):
    """How an access ended."""

    SERVED = "served"
    REFUSED = "refused"
    FAILED = "failed"


class Leaf(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the audit: one patient whose data left or changed in one request.

    Args:
        at: when.
        request: id of the request.
        patient: logical id of the patient; "" where none is known (a refused login).
        subject, name, role, organisation, node, purpose: the caller's, as in `Caller`.
        action: what was done.
        what: resource type and id, or the search without its values, e.g. "Observation?patient,code".
        resources: how many resources of this patient left or changed.
        outcome: served, refused or failed.
        rule: id of the policy rule that decided.
        marks: what is out of the ordinary, sorted: "assisted" (by staff at a desk), "cut-off" (the anchor
            could not be asked about the node abroad), "emergency", "unproven" (that the patient is with the
            professional abroad). A leaf without marks has no such member.
        country: as in `Grant`; of a leaf of an earlier release, none.
        app: client id of the app that acted for the caller; none without one.
        asked: of an access across a border, the id of the request at the node that asked: the leaves of it at
            both nodes have the same. None of an access within one node, or of an earlier release.
        organisation_id: as in `Caller`; none without one.
    """

    at: datetime
    request: str
    patient: str
    subject: str
    name: str
    role: str
    organisation: str
    node: str
    purpose: str
    action: str
    what: str
    resources: int
    outcome: Outcome
    rule: str
    marks: tuple[str, ...] = ()
    country: str = ""
    app: str = ""
    asked: str = ""
    organisation_id: str = ""
