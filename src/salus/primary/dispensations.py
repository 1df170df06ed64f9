"""At home: a dispensation changes its prescription's state, in the transaction that records it.

docs/decisions/0002; what is decided is in `primary.dispensing`. Every door that writes a MedicationDispense
passes here (`store.conditions.Rules`). Its dispense id and its prescription are locked first, so that of two
pharmacies the second sees what the first left. A hand-over is kept in the record that holds its prescription,
whichever of a person's merged records was named: so an unmerge leaves both together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from salus.core.access import Caller, Role
from salus.core.errors import AccessRefused, Conflict
from salus.primary.authorizing import check_addresses, check_said, with_references
from salus.primary.dispensing import (
    Home,
    Recorded,
    Recorder,
    check_known,
    check_prescribed,
    check_write,
    counted_once,
    pharmacy_of,
    status_after,
)
from salus.primary.medications import medications_of, prescribed_medications
from salus.primary.prescription_names import Names, names_of
from salus.primary.prescriptions import (
    Dispensation,
    Prescription,
    prescriptions_named,
    read_dispensation,
    read_prescription,
    read_recorded,
)
from salus.primary.same_prescription import named_with_copies, told_apart
from salus.standards.fhir.bundle import Entry, rewrite_links, splice_references
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.store import resources
from salus.store.changes import Operation
from salus.store.conditions import Here, current_of
from salus.store.continuity import Origin
from salus.store.prescriptions import (
    Beside,
    HandOver,
    dispensations_on,
    hold_dispense_id,
    hold_prescription,
    hold_prescriptions,
    is_received,
    is_used_up,
    keep_recorder,
    prescriptions_beside,
    recorders_of,
    records_of_person,
    sent_again,
    use_up,
)
from salus.store.rows import StoredResource
from salus.store.transaction import own_links, row_of

KIND, ORDER = "MedicationDispense", "MedicationRequest"
MIGRATING = frozenset({Role.OPERATOR})
NODE_SOURCE = "urn:salus:node:"
OWN_ID = "urn:salus:dispensation"
COPIES_ROUNDS_MAX = 10
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
Befores = Mapping[tuple[str, str], StoredResource]


class Held(msgspec.Struct):
    """A prescription held for this transaction, and what is dispensed on it by logical id.

    `records`: the patients whose records are this person's. `used_up`: see `store.prescriptions.is_used_up`.
    `names`: what it and its copies are named by. `copies`: those that the caller may see, held too.
    """

    stored: StoredResource
    resource: dict[str, Any]  # a parsed FHIR resource
    prescription: Prescription
    known: dict[str, Recorded]
    records: frozenset[str]
    used_up: bool
    names: Names
    copies: list[StoredResource]


async def keep_prescriptions(here: Here, operations: list[Operation], *, country: str) -> list[Operation]:
    """Return the writes with the changes of prescriptions that the dispensations among them cause.

    `country` is this node's: a prescription without a validity period holds as long as is usual there.

    What an operator brings is history and changes no prescription; neither does a dispensation that names no
    prescription of this node.

    Raises:
        Conflict: a rule of `primary.dispensing` forbids it, or it is the record of a hand-over on a
            prescription of another node.
        InvalidResource, NotFound, AccessRefused: as `primary.dispensing.check_write`.
    """
    befores = await _befores(here, operations)
    _spare_hand_overs(befores)
    caller = here.grant.caller
    if caller.role in MIGRATING:
        await _spare_recorded(here, befores)
        return operations
    await _keep_prescriptions(here, operations, befores)
    if not any(each.type == KIND for each in operations):
        return operations
    held: dict[str, Held] = {}
    written = {each.id for each in operations if each.type == ORDER}
    kept = []
    for operation in operations:
        if operation.type == KIND and operation.kind == "delete":
            raise Conflict("a dispensation is not deleted; send it again with status entered-in-error")
        if operation.type == KIND:
            operation = await _keep(here, operation, befores, held, written, country)
        kept.append(operation)
    changes = [change for found in held.values() for change in await _changes(here, found)]
    return [*kept, *{each.id: each for each in changes}.values()]


async def settle_loaded(here: Here, named: Collection[tuple[str, str]]) -> None:
    """Bring prescriptions that a source sent again, after something was handed over here, to what is left.

    Args:
        here: of the load, in its transaction; it writes the leaves.
        named: (patient, id) of those that were stored.
    """
    for each in await sent_again(here.connection, named):
        await hold_prescriptions(here.connection, [each.id])
        found = await _hold_stored(here, each)
        if not any(one.by.pharmacy and one.dispensation.counts for one in found.known.values()):
            continue  # what was loaded is history
        counted = counted_once(found.known.values())
        change = await _change(here, found.stored, found.resource, found.prescription, counted, found.used_up)
        if change is not None:
            await resources.change(here.grant, here.connection, [change])


async def check_match(here: Here, entry: Entry, found: StoredResource) -> None:
    """Check a conditional create that found its resource: the dispensation it repeats must be the same.

    Raises:
        Conflict: the dispense id stands for another hand-over, or is another pharmacy's.
    """
    caller = here.grant.caller
    if found.type != KIND or entry.resource is None or caller.role in MIGRATING:
        return
    stored = {**parse_json(found.content, here.rules.limits), "id": found.id}
    kept = prescriptions_named(stored)
    if not kept:  # of no prescription of this node
        return
    offered = entry.resource
    rewrite_links(offered, own_links(offered, here.rules.own_bases).get)  # as the stored one was
    if not _named(here, offered):  # named by a search or by its place in the Bundle
        offered = {**offered, "authorizingPrescription": stored["authorizingPrescription"]}
    sent = _read(offered, found.id, await medications_of(here, offered))
    recorder = (await recorders_of(here.connection, [found])).get(found.id)
    by = _recorder(recorder, found.source, stored)
    known = read_recorded([stored], kept[0], await medications_of(here, stored))[0]
    if known.identifier != sent.identifier:
        raise Conflict("the condition finds another hand-over than the one sent; nothing was recorded")
    check_known(Recorded(known, by), sent, _by(caller))


async def _befores(here: Here, operations: Sequence[Operation]) -> Befores:
    """Return what the writes of dispensations, and of prescriptions by others than operators, replace."""
    kinds = {KIND} if here.grant.caller.role in MIGRATING else {KIND, ORDER}
    keys = [(each.type, each.id) for each in operations if each.type in kinds and each.kind != "create"]
    return await current_of(here, keys) if keys else {}


def _spare_hand_overs(befores: Befores) -> None:
    """Refuse to change what `primary.hand_overs` keeps: it follows what the patient's home node says."""
    if any(":" in patient for each in befores.values() for patient in each.patients):
        raise Conflict(
            "this is the record of a hand-over on a prescription of another country: it is not changed or "
            "deleted here; take the hand-over back at /abroad/discard"
        )


async def _spare_recorded(here: Here, befores: Befores) -> None:
    """Refuse that an operator changes what a pharmacy recorded: history is theirs, a hand-over is not."""
    if befores and await recorders_of(here.connection, list(befores.values())):
        raise AccessRefused("only the pharmacy that recorded a dispensation may change or discard it")


async def _keep_prescriptions(here: Here, operations: Sequence[Operation], befores: Befores) -> None:
    """Refuse what no prescriber may do to a prescription once something was handed over on it.

    It keeps its patient, and it is not active with nothing left. It is held meanwhile, so that a hand-over at
    the same moment comes before or after.
    """
    asked = []
    for each in operations:
        before = befores.get((each.type, each.id)) if each.type == ORDER else None
        if before is None or each.row is None or not before.patients:
            continue
        written = read_prescription(parse_json(each.row.content, here.rules.limits))
        moved = before.patients[:1] != (each.row.compartment,)
        if moved or written.status == "active":
            asked.append((before, written, moved))
    if asked:
        await hold_prescriptions(here.connection, [before.id for before, _, _ in asked])
    for before, written, moved in asked:
        known = (await _hold_stored(here, before)).known
        if known and moved:
            raise Conflict(
                "something was handed over on this prescription, so it stays its patient's; "
                "end it and write a new one"
            )
        check_prescribed(written, counted_once(known.values()))


async def _keep(
    here: Here,
    operation: Operation,
    befores: Befores,
    held: dict[str, Held],
    written: Collection[str],
    country: str,
) -> Operation:
    """Return the write of a dispensation as it is to be stored, once it may be.

    `written`: the prescriptions that are written along with it.
    """
    assert operation.row is not None
    by = _by(here.grant.caller)
    resource = parse_json(operation.row.content, here.rules.limits)
    before = befores.get((KIND, operation.id))
    target = None if before is None or before.deleted else before
    stored = {} if target is None else parse_json(target.content, here.rules.limits)
    operation, resource = await with_references(here, operation, resource, stored)
    assert operation.row is not None
    await check_addresses(here, operation.row.compartment, resource, stored)
    named = _named(here, resource)
    if not named and not by.node:
        if _named(here, stored):
            raise Conflict("a dispensation keeps its prescription")
        if target is None and here.grant.caller.role is Role.PHARMACIST:
            check_said(resource)
        return operation
    medications = await medications_of(here, resource, stored)
    offered = _read(resource, operation.id, medications)
    if offered.prescription in written:
        raise Conflict("a Bundle must not write a prescription and dispense on it at once")
    same = await hold_dispense_id(here.connection, offered.identifier)
    found = await _held(here, offered.prescription, held)
    names = Names(frozenset(), frozenset()) if found is None else found.names
    if found is not None and any(each.id in written for each in found.copies):
        raise Conflict("a Bundle must not write a prescription and dispense on it at once")
    if found is not None:
        held[offered.prescription] = found
        operation = _filed(here, found, operation, resource)
    assert operation.row is not None
    home = Home(
        None if found is None else found.prescription,
        {} if found is None else found.known,
        _same(here, same, held, offered, by, medications),
        None if target is None else await _target(here, target, offered, medications, names),
    )
    check_write(home, offered, by, now=here.grant.opened_at, country=country)
    if found is None:
        if target is not None and target.patients[:1] != (operation.row.compartment,):
            raise Conflict("a dispensation stays its patient's")
        return operation
    found.known[operation.id] = Recorded(offered, by)
    row = operation.row
    if target is None:
        recorder = (by.node, by.pharmacy)
        await keep_recorder(here.connection, row.compartment, operation.id, offered.identifier, recorder)
    source = f"{NODE_SOURCE}{by.node}" if by.node else row.source
    return msgspec.structs.replace(operation, row=msgspec.structs.replace(row, source=source))


def _filed(here: Here, found: Held, operation: Operation, resource: dict[str, Any]) -> Operation:
    """Return the write of the dispensation into the record of its prescription.

    Raises:
        Conflict: it is not about the person whom the prescription is for.
    """
    row = operation.row
    assert row is not None
    patient = found.stored.patients[0]
    owner = f"Patient/{patient}"
    written = str(resource.get("subject", {}).get("reference", ""))
    if row.compartment == patient and written.split("/_history/")[0] == owner:
        return operation
    kind, _, subject = written.split("/_history/")[0].partition("/")
    if kind != "Patient" or subject not in found.records:
        raise Conflict(
            "the subject of a dispensation is the patient of its prescription; refer to that patient"
        )
    content = splice_references(row.content, resource, {written: owner}.get, write_json)
    origin = Origin(row.source, row.source_id)
    moved = row_of(here, resource, content, KIND, operation.id, origin)
    return msgspec.structs.replace(operation, row=moved)


def _named(here: Here, resource: Resource) -> list[str]:
    """Return the ids of the prescriptions of this node that a dispensation names."""
    return prescriptions_named(resource, bases=here.rules.own_bases)


def _read(resource: Resource, identity: str, medications: Mapping[str, Resource]) -> Dispensation:
    """Return the dispensation; one of a local system without a dispense id is known by its logical id."""
    if len(resource.get("identifier", ())) != 1:
        resource = {**resource, "identifier": [{"system": OWN_ID, "value": identity}]}
    return read_dispensation(resource, medications)


def _by(caller: Caller) -> Recorder:
    return Recorder(caller.node or "", pharmacy_of(caller))


def _recorder(recorder: tuple[str, str] | None, source: str, resource: Resource) -> Recorder:
    """Return who recorded a dispensation; of one that was loaded, the node at most is known."""
    if recorder is not None:
        return Recorder(*recorder)
    source = source or str(resource.get("meta", {}).get("source", ""))
    return Recorder(source.removeprefix(NODE_SOURCE) if source.startswith(NODE_SOURCE) else "", "")


def _same(
    here: Here,
    same: list[HandOver],
    held: Mapping[str, Held],
    offered: Dispensation,
    by: Recorder,
    medications: Mapping[str, Resource],
) -> Recorded | None:
    """Return what the dispense id stands for: recorded by the rules anywhere, or on a prescription held."""
    found = []
    for each in same:
        stored = {**parse_json(each.content, here.rules.limits), "id": each.id}
        found.append(
            Recorded(_read_stored(stored, offered, medications), _recorder(each.recorder, "", stored))
        )
    for one in held.values():
        found += [each for each in one.known.values() if offered.identifier in each.dispensation.known_as]
    return next((each for each in found if each.by.is_one_with(by)), found[0] if found else None)


async def _target(
    here: Here,
    target: StoredResource,
    offered: Dispensation,
    medications: Mapping[str, Resource],
    names: Names,
) -> Recorded:
    """Return the record that an update replaces."""
    stored = {**parse_json(target.content, here.rules.limits), "id": target.id}
    recorder = (await recorders_of(here.connection, [target])).get(target.id)
    by_number = (
        [] if _named(here, stored) else read_recorded([stored], offered.prescription, medications, names)
    )
    read = by_number[0] if by_number else _read_stored(stored, offered, medications)
    return Recorded(read, _recorder(recorder, target.source, stored))


def _read_stored(
    stored: Resource, offered: Dispensation, medications: Mapping[str, Resource]
) -> Dispensation:
    """Return a stored dispensation, known by the prescription it names alone: "" when that is not one."""
    named = prescriptions_named(stored)
    if len(named) == 1:
        return read_recorded([stored], named[0], medications)[0]
    return msgspec.structs.replace(offered, prescription="")


async def _held(here: Here, prescription: str, held: Mapping[str, Held]) -> Held | None:
    """Return the prescription held; copies share what is dispensed on them by this transaction."""
    found = held.get(prescription) or await _hold(here, prescription)
    same = [each for each in held.values() if found is not None and found.stored.id in each.names.ids]
    if found is not None and same:
        found.known = same[0].known
    return found


async def _hold(here: Here, prescription: str) -> Held | None:
    stored = await hold_prescription(here.grant, here.connection, prescription)
    return None if stored is None or not stored.patients else await _hold_stored(here, stored)


async def _hold_stored(here: Here, stored: StoredResource) -> Held:
    records = await records_of_person(here.connection, stored.patients[0])
    resource = parse_json(stored.content, here.rules.limits) if stored.content else {}
    names, beside = await _hold_copies(here, stored, resource, sorted(records))
    values = {value for _, value in names.numbers}
    found = await dispensations_on(here.grant, here.connection, names.ids, values, sorted(records))
    read = [{**parse_json(each.content, here.rules.limits), "id": each.id} for each in found]
    medications = await medications_of(here, *read)
    known = {}
    for each, record in zip(found, read, strict=True):
        for one in read_recorded([record], stored.id, medications, names):
            known[each.id] = Recorded(one, _recorder(each.recorder, each.source, record))
    prescription = read_prescription(resource, await prescribed_medications(here, stored, resource))
    shown = {each.stored.id: each.stored for each in beside if each.shown}
    orders = {each.id: parse_json(each.content, here.rules.limits) for each in shown.values()}
    prescription = told_apart(prescription, stored.id, {**orders, stored.id: resource}, shown)
    copies = [each for name, each in sorted(shown.items()) if name in names.ids - {stored.id}]
    used_up = await is_used_up(here.connection, stored)
    return Held(stored, resource, prescription, known, records, used_up, names, copies)


async def _hold_copies(
    here: Here, stored: StoredResource, resource: Resource, records: Sequence[str]
) -> tuple[Names, list[Beside]]:
    """Lock the copies of a prescription too; return what all are named by, and what may concern them.

    Raises:
        Conflict: they keep being written.
    """
    names, held = names_of(stored.id, resource), {stored.id}
    for _ in range(COPIES_ROUNDS_MAX):
        values = {value for _, value in names.numbers}
        beside = await prescriptions_beside(here.grant, here.connection, names.ids, values, records)
        orders = {each.stored.id: parse_json(each.stored.content, here.rules.limits) for each in beside}
        grown = named_with_copies(stored.id, {**orders, stored.id: resource})
        if grown == names and grown.ids <= held:
            return names, beside
        await hold_prescriptions(here.connection, grown.ids - held)
        names, held = grown, held | grown.ids
    raise Conflict("other prescriptions with this number keep being written; send it again")


async def _changes(here: Here, found: Held) -> list[Operation]:
    """Return the writes that bring the status of the prescription and its copies to what is left."""
    counted = counted_once(found.known.values())
    changes = [await _change(here, found.stored, found.resource, found.prescription, counted, found.used_up)]
    for each in found.copies:
        resource = parse_json(each.content, here.rules.limits)
        used_up = await is_used_up(here.connection, each)
        read = read_prescription(resource)
        changes.append(await _change(here, each, resource, read, counted, used_up))
    return [each for each in changes if each is not None]


async def _change(
    here: Here,
    stored: StoredResource,
    resource: Resource,
    prescription: Prescription,
    counted: Sequence[Dispensation],
    used_up: bool,
) -> Operation | None:
    """Return the write that brings a prescription's status to what is left, None when it is right.

    It is nobody's edit: what its source sends later is taken, as if the status had not changed (0009).
    """
    status = status_after(prescription, counted, used_up=used_up)
    if status == prescription.status:
        return None
    if status == "completed":
        await use_up(here.connection, stored, stored.version + 1)
    received = await is_received(here.connection, stored)
    resource = {**resource, "status": status}
    row = row_of(here, resource, write_json(resource), ORDER, stored.id)
    row = msgspec.structs.replace(row, source=stored.source, source_id=stored.source_id)
    return Operation("update", ORDER, stored.id, row, received=received)
