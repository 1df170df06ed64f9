"""At home: a dispensation changes its prescription's state, in the transaction that records it.

docs/decisions/0002. Every door that writes a MedicationDispense passes here (`store.conditions.Rules.obey`).
The prescription is locked first, so that of two pharmacies the second sees what the first left. The same
dispense id again is found by the condition of its create and never comes here; a discard is an update.
A hand-over is kept in the record that holds its prescription, whichever of a person's merged records was
named: so an unmerge leaves both together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from salus.core.access import Role
from salus.core.errors import AccessRefused, Conflict, NotFound
from salus.primary.prescriptions import (
    Dispensation,
    check_dispensable,
    is_repeat,
    read_dispensation,
    read_prescription,
    read_recorded,
    status_after,
)
from salus.primary.references import local_reference
from salus.standards.fhir.bundle import splice_references
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.store.changes import Operation
from salus.store.conditions import Here, current_of
from salus.store.continuity import Origin
from salus.store.prescriptions import dispensations_on, hold_prescription, records_of_person
from salus.store.rows import StoredResource
from salus.store.transaction import row_of

MIGRATING = frozenset({Role.OPERATOR})


class Held(msgspec.Struct):
    """A prescription held for this transaction, and what is dispensed on it by logical id.

    `records`: the patients whose records are this person's; empty when the prescription is about no patient.
    """

    stored: StoredResource
    resource: dict[str, Any]  # a parsed FHIR resource
    known: dict[str, Dispensation]
    sources: dict[str, str]
    records: frozenset[str]


async def keep_prescriptions(here: Here, operations: list[Operation], *, country: str) -> list[Operation]:
    """Return the writes with the changes of prescriptions that the dispensations among them cause.

    `country` is this node's: a prescription without a validity period holds as long as is usual there.

    What an operator brings is history and changes no prescription; neither does a dispensation on a
    prescription that is not kept here.

    Raises:
        Conflict: the prescription does not permit it, its dispense id stands for something else, or it is the
            record of a hand-over on a prescription of another node.
        InvalidResource, NotFound, AccessRefused: a dispensation from abroad that is not one of this node.
    """
    await _spare_hand_overs(here, operations)
    caller = here.grant.caller
    if caller.role in MIGRATING or not any(each.type == "MedicationDispense" for each in operations):
        return operations
    held: dict[str, Held] = {}
    kept = []
    for operation in operations:
        if operation.type == "MedicationDispense" and operation.kind == "delete":
            raise Conflict("a dispensation is not deleted; send it again with status entered-in-error")
        kept.append(
            await _keep(here, operation, held, country)
            if operation.type == "MedicationDispense"
            else operation
        )
    written = {(each.type, each.id) for each in operations}
    for prescription, found in held.items():
        change = _change(here, found)
        if change is None:
            continue
        if ("MedicationRequest", prescription) in written:
            raise Conflict("a Bundle must not change a prescription and dispense on it at once")
        kept.append(change)
    return kept


async def _spare_hand_overs(here: Here, operations: list[Operation]) -> None:
    """Refuse to change what `primary.hand_overs` keeps: it follows what the patient's home node says."""
    kind = "MedicationDispense"
    keys = [(kind, each.id) for each in operations if each.type == kind and each.kind != "create"]
    befores = (await current_of(here, keys)).values() if keys else ()
    if any(":" in patient for each in befores for patient in each.patients):
        raise Conflict(
            "this is the record of a hand-over on a prescription of another country: it is not changed or "
            "deleted here; take the hand-over back at /abroad/discard"
        )


async def _keep(here: Here, operation: Operation, held: dict[str, Held], country: str) -> Operation:
    assert operation.row is not None
    resource = parse_json(operation.row.content, here.rules.limits)
    abroad = here.grant.caller.node
    offered = _offered(resource, operation, required=abroad is not None)
    if offered is None:
        return operation
    found = held.get(offered.prescription) or await _hold(here, offered.prescription)
    if found is None:
        if abroad is not None:
            raise NotFound("the prescription is not kept at this node, or not for this patient")
        return operation
    held[offered.prescription] = found
    operation = _filed(here, found, operation, resource)
    assert operation.row is not None
    source = f"urn:salus:node:{abroad}" if abroad else operation.row.source
    _weigh(here, found, operation, offered, source, country)
    found.known[operation.id] = offered
    return msgspec.structs.replace(operation, row=msgspec.structs.replace(operation.row, source=source))


def _filed(here: Here, found: Held, operation: Operation, resource: dict[str, Any]) -> Operation:
    """Return the write of the dispensation into the record of its prescription.

    Raises:
        Conflict: it is not about the person whom the prescription is for.
    """
    row = operation.row
    assert row is not None
    if not found.records:
        return operation
    owner = f"Patient/{found.stored.patients[0]}"
    written = str(resource.get("subject", {}).get("reference", ""))
    subject = local_reference(written)
    if subject == owner:
        return operation
    if subject.removeprefix("Patient/") not in found.records:
        raise Conflict(
            "the subject of a dispensation is the patient of its prescription; refer to that patient"
        )
    content = splice_references(row.content, resource, {written: owner}.get, write_json)
    origin = Origin(row.source, row.source_id)
    moved = row_of(here, resource, content, "MedicationDispense", operation.id, origin)
    return msgspec.structs.replace(operation, row=moved)


def _offered(resource: Mapping[str, Any], operation: Operation, *, required: bool) -> Dispensation | None:
    """Return the dispensation; None for one that a local system records on no single prescription of ours."""
    if not required:
        named = resource.get("authorizingPrescription", ())
        if len(named) != 1 or "MedicationRequest/" not in str(named[0].get("reference", "")):
            return None
        if len(resource.get("identifier", ())) != 1:
            own = [{"system": "urn:salus:dispensation", "value": operation.id}]
            resource = {**resource, "identifier": own}
    return read_dispensation(resource)


async def _hold(here: Here, prescription: str) -> Held | None:
    stored = await hold_prescription(here.grant, here.connection, prescription)
    if stored is None:
        return None
    records, recorded = frozenset[str](), []
    if stored.patients:
        records = await records_of_person(here.connection, stored.patients[0])
        recorded = await dispensations_on(here.grant, here.connection, stored, sorted(records))
    known = {}
    for each in recorded:
        record = {**parse_json(each.content, here.rules.limits), "id": each.id}
        for one in read_recorded([record], prescription):
            known[each.id] = one
    resource = parse_json(stored.content, here.rules.limits)
    return Held(stored, resource, known, {each.id: each.source for each in recorded}, records)


def _weigh(
    here: Here, found: Held, operation: Operation, offered: Dispensation, source: str, country: str
) -> None:
    """Check the write against the prescription and what was dispensed on it before.

    Raises:
        Conflict, AccessRefused: it must not be.
    """
    prescription = read_prescription(found.resource)
    before = found.known.get(operation.id)
    if before is not None:
        if found.sources.get(operation.id, source) != source:
            raise AccessRefused("only the node that recorded a dispensation may discard it")
        if before.identifier != offered.identifier:
            raise Conflict("a dispensation keeps its dispense id")
        is_repeat([before], offered)
        return
    if is_repeat(found.known.values(), offered):
        raise Conflict("this dispensation is recorded; repeat it as a conditional create on its identifier")
    if offered.counts:
        now = here.grant.opened_at
        check_dispensable(prescription, found.known.values(), offered, now=now, country=country)


def _change(here: Here, found: Held) -> Operation | None:
    """Return the write that brings the prescription's status to what is left, None when it is right."""
    status = status_after(read_prescription(found.resource), found.known.values())
    if status == found.resource.get("status"):
        return None
    resource = {**found.resource, "status": status}
    row = row_of(here, resource, write_json(resource), "MedicationRequest", found.stored.id)
    row = msgspec.structs.replace(row, source=found.stored.source, source_id=found.stored.source_id)
    return Operation("update", "MedicationRequest", found.stored.id, row)
