"""Abroad: list what may be dispensed on a visitor's prescriptions, dispense, and take it back.

docs/decisions/0002; what is decided is in `primary.dispensing`. A dispensation is an offer until the home
node has taken it: hand the medicine over afterwards. When the answer is lost, the same call with the same
dispense id finds what became of it; so does `finish_open`, and `abandon` gives it up.
"""

from __future__ import annotations

import msgspec

from salus.core.access import Action, Role
from salus.core.errors import (
    AccessRefused,
    AlreadyDone,
    Conflict,
    InvalidResource,
    NotFound,
    PeerUnavailable,
    SalusError,
)
from salus.primary.amounts import read_amount
from salus.primary.cross_border import PatientAbroad, Resource, depart, list_resources
from salus.primary.desk import Desk, leave
from salus.primary.dispensable import Remaining, remaining
from salus.primary.dispensing import (
    ANSWERED,
    TAKING_BACK,
    Answer,
    Line,
    Wish,
    answer_of,
    check_recorded,
    pharmacy_of,
    wished,
)
from salus.primary.hand_over_messages import send_discard, send_hand_over
from salus.primary.hand_overs import own_record
from salus.primary.prescribed import Prescribed, medications_meant, prescribed, with_medication
from salus.primary.prescriptions import read_dispensation, read_prescription, read_recorded
from salus.primary.products import is_same_product, read_product
from salus.primary.shown import changed_since, fingerprint, was_changed
from salus.primary.supplies import Supply, dispensation_resource
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.validation.aspects import STRUCTURE
from salus.standards.fhir.validation.validator import validate
from salus.store.dispensed_abroad import (
    DispensedAbroad,
    Record,
    begin,
    line_at,
    line_of,
    lines_of,
    move,
    unanswered_lines,
)
from salus.trust.gate import Access

SETTLED = frozenset({Line.RECORDED, Line.DISCARDED})
NOT_AT_HOME = frozenset({Line.OPEN, Line.ABANDONING, Line.REFUSED})
"""Lines of which home may hold nothing: they tell what their prescription tells."""
ASKED_TOGETHER = 20
"""Prescriptions that home is asked for at once, so that their hand-overs fit on one page."""


class Dispensed(msgspec.Struct, frozen=True):
    """What the home node recorded.

    Args:
        resource: the dispensation.
        repeated: whether an earlier call did it.
        left: what is left on the prescription, None where home shows it no longer or gave no answer to that.
        prescription_status: "" likewise.
    """

    resource: Resource
    repeated: bool
    left: Remaining | None
    prescription_status: str


async def list_prescriptions(desk: Desk, patient: PatientAbroad) -> list[Prescribed]:
    """Return the patient's active MedicationRequests with what is left on each and why nothing may be given.

    Raises:
        PeerUnavailable: the home node did not answer, or not completely.
    """
    found = await list_resources(
        desk,
        patient,
        "MedicationRequest",
        status="active",
        _include="MedicationRequest:medication",
        _revinclude="MedicationDispense:prescription",
    )
    if not found.complete:
        raise PeerUnavailable(f"node {patient.node} holds more prescriptions than it sent; nothing is listed")
    now = desk.peers.clock()
    country = desk.peers.membership.admitted(patient.node, now).country
    recorded = [each for each in found.resources if _is(each, "MedicationDispense")]
    orders = [each for each in found.resources if _is(each, "MedicationRequest")]
    listed = []
    for each in orders:
        meant = medications_meant(each, found.resources)
        if len(meant) > 1:  # home sent several versions, for several prescriptions: ask which is this one's
            each, meant = await _read_again(desk, patient, str(each["id"]))
        each, medications = with_medication(each, meant)
        listed.append(prescribed(each, recorded, medications, now=now, country=country, beside=orders))
    return listed


async def _read_again(desk: Desk, patient: PatientAbroad, identity: str) -> tuple[Resource, list[Resource]]:
    """Return a prescription as home holds it now, and the Medication that it refers to, if any.

    Raises:
        NotFound: home holds no such prescription of this patient.
    """
    found = await list_resources(
        desk, patient, "MedicationRequest", _id=identity, _include="MedicationRequest:medication"
    )
    requests = [each for each in found.resources if _is(each, "MedicationRequest")]
    if [each.get("id") for each in requests] != [identity]:
        raise NotFound(f"node {patient.node} holds no such prescription of this patient")
    return requests[0], medications_meant(requests[0], found.resources)


def _is(resource: Resource, kind: str) -> bool:
    return resource.get("resourceType") == kind


async def dispense(desk: Desk, patient: PatientAbroad, prescription: Resource, supply: Supply) -> Dispensed:
    """Record a hand-over at the patient's home node, exactly once however often it is called.

    Args:
        desk: the pharmacist.
        patient: who is at the counter.
        prescription: the MedicationRequest as listed; it is read again at home, and must still be that.
        supply: what is handed over.

    Raises:
        Conflict: the home node refused it, or the prescription was changed since it was listed: nothing may
            be handed over. The message says why.
        NotFound: home holds no such prescription of this patient.
        InvalidResource: the product given is not described as FHIR describes one.
        PeerUnavailable: nobody knows whether it was recorded: call again with the same dispense id.
    """
    desk.peers.membership.admitted(patient.node, desk.peers.clock())
    identity, what = str(prescription["id"]), f"MedicationDispense at {patient.node}"
    async with depart(desk, patient, Action.CREATE, "MedicationDispense", what) as access:
        line = await line_of(access.grant, desk.database, patient.here, *supply.dispense_id)
        begun = False
        if line is None or line.state == Line.REFUSED:
            line = await _compose(desk, patient, prescription, supply)
            line, begun = await begin(access.grant, desk.database, line)
        _check_own(desk, line)
        wished(Line(line.state), Wish.DISPENSE)
        _check_same_supply(desk, line, identity, supply)
        found = await _exchange(desk, access, patient, line, in_doubt=not begun)
    if found.error is not None and found.answer is not Answer.DONE:
        raise found.error
    return await _outcome(desk, patient, line.prescription, found)


async def discard(desk: Desk, patient: PatientAbroad, dispense_id: tuple[str, str]) -> Dispensed:
    """Take a hand-over back: its record stays, marked as entered in error, and what was taken is left again.

    Calling it again changes nothing.

    Raises:
        Conflict: this pharmacy has recorded no such hand-over, or home cannot take it back.
        PeerUnavailable: it is not known whether it is taken back: call again, or `finish_open`.
    """
    line, found = await _take_back(desk, patient, dispense_id, frozenset(Line))
    return await _outcome(desk, patient, line.prescription, found)


def dispense_id_of(dispensation: Resource) -> tuple[str, str]:
    """Return the dispense id (system, value) of a MedicationDispense.

    Raises:
        InvalidResource: it has none, or several.
    """
    system, _, value = read_dispensation(dispensation).identifier.partition("|")
    return system, value


async def abandon(desk: Desk, patient: PatientAbroad, dispense_id: tuple[str, str]) -> DispensedAbroad:
    """Give up a hand-over whose answer is missing: nothing was given, and what home recorded is taken back.

    Returns:
        The line: discarded, or refused when home holds nothing of it.

    Raises:
        Conflict: it is answered; one that is recorded is taken back by `discard`.
        PeerUnavailable: home does not answer; the line stays, and `finish_open` goes on with it.
    """
    unanswered = frozenset({Line.OPEN, Line.ABANDONING})
    _, found = await _take_back(desk, patient, dispense_id, unanswered)
    return found.line


async def _take_back(
    desk: Desk, patient: PatientAbroad, dispense_id: tuple[str, str], allowed: frozenset[Line]
) -> tuple[DispensedAbroad, _Exchanged]:
    """Discard a line in one of the states `allowed`.

    It may have been begun for another of the person's merged records.
    """
    what = f"MedicationDispense at {patient.node}"
    async with leave(desk, Action.UPDATE, "MedicationDispense", what) as access:
        line = await line_at(access.grant, desk.database, patient.here, *dispense_id)
        after = wished(None if line is None else Line(line.state), Wish.TAKE_BACK)
        assert line is not None
        _check_own(desk, line)
        if line.state not in allowed:
            raise Conflict(f"this hand-over is {line.state}; a recorded one is taken back by discarding it")
        if after == Line.DISCARDED:
            return line, _Exchanged(line, Answer.DONE, _message(desk, patient, line), repeated=True)
        fresh = after == Line.DISCARDING != line.state
        taking = msgspec.structs.replace(line, state=after, relationship=patient.relationship)
        if not await move(access.grant, desk.database, line, taking):
            raise Conflict("the hand-over changed meanwhile; look what became of it and call again")
        found = await _exchange(desk, access, patient, taking, in_doubt=not fresh)
    if found.error is not None and found.line.state not in (Line.DISCARDED, Line.REFUSED):
        raise found.error
    return line, found


async def handed_over(desk: Desk, patient: PatientAbroad) -> list[DispensedAbroad]:
    """Return what the caller's own pharmacy handed over to the patient, newest first; [] to a clinician.

    That and when it handed something out is the pharmacy's own record, kept also when home is gone. Of what
    it was, home is asked: the patient may have hidden it there, or opted out. A line that home does not show
    has no prescription, note and message.
    """
    what = f"MedicationDispense for {patient.node}"
    async with depart(desk, patient, Action.SEARCH, "MedicationDispense", what) as access:
        found: list[DispensedAbroad] = []
        if desk.caller.role is Role.PHARMACIST:
            found = await lines_of(access.grant, desk.database, patient.here, pharmacy_of(desk.caller))
        access.record([patient.here], count=len(found))
    shown = await _shown_at_home(desk, patient, found)
    return [line if _key(line) in shown else _withheld(line) for line in found]


async def _shown_at_home(
    desk: Desk, patient: PatientAbroad, lines: list[DispensedAbroad]
) -> frozenset[tuple[str, str]]:
    """Return the dispense ids of the lines whose content home shows the caller now."""
    wanted = sorted({line.prescription for line in lines})
    requests: set[str] = set()
    given: set[tuple[str, str]] = set()
    try:
        for start in range(0, len(wanted), ASKED_TOGETHER):
            listed = await list_resources(
                desk,
                patient,
                "MedicationRequest",
                _id=",".join(wanted[start : start + ASKED_TOGETHER]),
                _revinclude="MedicationDispense:prescription",
            )
            requests |= {str(each["id"]) for each in listed.resources if _is(each, "MedicationRequest")}
            recorded = [each for each in listed.resources if _is(each, "MedicationDispense")]
            given |= {pair for each in recorded for pair in _identifiers(each)}
    except SalusError:  # whatever keeps home from showing it, the pharmacy's own lines stay
        return frozenset()
    return frozenset(
        _key(line)
        for line in lines
        if _key(line) in given or (line.state in NOT_AT_HOME and line.prescription in requests)
    )


def _key(line: DispensedAbroad) -> tuple[str, str]:
    return line.system, line.value


def _identifiers(dispensation: Resource) -> list[tuple[str, str]]:
    listed = dispensation.get("identifier") or []
    return [(str(each.get("system", "")), str(each.get("value", ""))) for each in listed]


def _withheld(line: DispensedAbroad) -> DispensedAbroad:
    """Return the line without what was handed over and on which prescription."""
    return msgspec.structs.replace(line, prescription="", message=b"", note="")


async def finish_open(desk: Desk) -> dict[tuple[str, str], str]:
    """Send every message of this pharmacy again whose answer is still missing, after a crash or an outage.

    The relationship stated is the one that was stated when it was begun; home decides again.

    Returns:
        By dispense id, the state it is in now, or why it is not known yet, in the order begun.
    """
    what = "MedicationDispense, answers missing"
    found: dict[tuple[str, str], str] = {}
    async with leave(desk, Action.CREATE, "MedicationDispense", what) as access:
        pharmacies = (pharmacy_of(desk.caller), "")
        for line in await unanswered_lines(access.grant, desk.database, pharmacies):
            node, _, identity = line.patient.partition(":")
            patient = PatientAbroad(node, identity, {}, line.relationship)
            try:
                done = await _exchange(desk, access, patient, line, in_doubt=True)
            except SalusError as error:
                found[line.system, line.value] = error.message
            else:
                refused = done.error if done.line.state == Line.REFUSED else None
                found[line.system, line.value] = refused.message if refused else done.line.state
    return found


class _Exchanged(msgspec.Struct, frozen=True):
    """A line after its message was answered: what home said, and the dispensation as it is recorded."""

    line: DispensedAbroad
    answer: Answer
    resource: Resource
    repeated: bool = False
    error: SalusError | None = None


async def _exchange(
    desk: Desk, access: Access, patient: PatientAbroad, line: DispensedAbroad, *, in_doubt: bool
) -> _Exchanged:
    """Send what the line's state asks for, and write down what home answered.

    Raises:
        SalusError: home did not say what it holds; the line stays as it is.
        Conflict: another call brought the line to another state meanwhile.
    """
    access.record({patient.here, line.patient})
    request = access.cross()
    message, state = _message(desk, patient, line), Line(line.state)
    answer, response, recorded, error = Answer.DONE, "", message, None
    try:
        if state in TAKING_BACK:
            response, recorded = await send_discard(desk, patient, message, request)
        else:
            response, recorded = await send_hand_over(desk, patient, message, request)
            check_recorded(read_dispensation(message), read_dispensation(recorded))
    except SalusError as caught:
        answer, error = answer_of(caught, in_doubt=in_doubt), caught
    if answer is Answer.UNKNOWN:
        assert error is not None
        raise error
    after = msgspec.structs.replace(
        line,
        state=ANSWERED[state, answer],
        note=error.message if error is not None and answer is not Answer.DONE else "",
        settled=desk.peers.clock(),
        relationship=patient.relationship,
    )
    if not await move(access.grant, desk.database, line, after, _own(desk, patient, after)):
        now = await line_of(access.grant, desk.database, line.patient, line.system, line.value)
        if now is None or now.state != after.state:
            raise Conflict("the hand-over was changed meanwhile; look what became of it")
    repeated = response.startswith("200") or isinstance(error, AlreadyDone)
    return _Exchanged(after, answer, recorded, repeated, error)


def _message(desk: Desk, patient: PatientAbroad, line: DispensedAbroad) -> Resource:
    """Return the dispensation as it is sent in the line's state, about the patient as home knows them now."""
    message = parse_json(line.message, desk.peers.limits)
    if line.state in TAKING_BACK or line.state == Line.DISCARDED:
        return {
            **message,
            "status": "entered-in-error",
            "subject": {"reference": f"Patient/{patient.id}"},
        }
    return message


def _own(desk: Desk, patient: PatientAbroad, line: DispensedAbroad) -> Record | None:
    """Return this node's own MedicationDispense of a line, None while home holds nothing of it."""
    if line.state not in SETTLED:
        return None
    home = desk.peers.membership.admitted(patient.node, desk.peers.clock()).base_url
    sent = parse_json(line.message, desk.peers.limits)
    return Record(own_record(line, sent, home=home, state=line.state), desk.search_key)


def _check_own(desk: Desk, line: DispensedAbroad) -> None:
    if line.pharmacy not in (pharmacy_of(desk.caller), ""):
        raise Conflict("this dispense id is another pharmacy's; a new hand-over needs a new dispense id")


def _check_same_supply(desk: Desk, line: DispensedAbroad, prescription: str, supply: Supply) -> None:
    """Check that the call asks for the hand-over that its dispense id stands for."""
    message = parse_json(line.message, desk.peers.limits)
    amount = read_amount(message.get("quantity"))
    given = read_product({"medicationCodeableConcept": supply.medication or {}})
    product = supply.medication is None or is_same_product(given, read_product(message))
    quantity = amount.value if amount is not None else None
    was_other = bool(message.get("substitution", {}).get("wasSubstituted"))
    product = product and (supply.medication is not None or was_other == supply.substituted)
    if (line.prescription, quantity) != (prescription, supply.quantity) or not product:
        raise Conflict(
            "this dispense id stands for another hand-over; a new hand-over needs a new dispense id"
        )


async def _compose(desk: Desk, patient: PatientAbroad, listed: Resource, supply: Supply) -> DispensedAbroad:
    """Return the line of a new hand-over, on the prescription as the home node holds it now.

    Raises:
        Conflict: that is not the one that was listed.
    """
    identity = str(listed["id"])
    prescription, medications = with_medication(*await _read_again(desk, patient, identity))
    changed = changed_since(fingerprint(listed), prescription)
    if changed and prescription.get("status") == "active":  # of any other, home says what it is
        raise was_changed(changed)
    now, caller = desk.peers.clock(), desk.caller
    resource = dispensation_resource(
        patient, prescription, supply, caller.name, caller.organisation, now, medications
    )
    for issue in validate(resource, checks=STRUCTURE):
        if issue.severity == "error" and issue.code != "required":
            raise InvalidResource(f"{issue.expression}: {issue.message}")
    read_dispensation(resource)
    system, value = supply.dispense_id
    return DispensedAbroad(
        patient.here, system, value, identity, write_json(resource), now, pharmacy_of(caller),
        patient.relationship,
    )  # fmt: skip


async def _outcome(desk: Desk, patient: PatientAbroad, prescription: str, found: _Exchanged) -> Dispensed:
    """Return what is recorded, with what is left on the prescription as far as home tells it now."""
    done = Dispensed(found.resource, found.repeated, None, "")
    try:
        listed = await list_resources(
            desk,
            patient,
            "MedicationRequest",
            _id=prescription,
            _revinclude="MedicationDispense:prescription",
        )
    except (AccessRefused, NotFound, PeerUnavailable):
        return done
    requests = [each for each in listed.resources if _is(each, "MedicationRequest")]
    if len(requests) != 1:
        return done
    recorded = [each for each in listed.resources if _is(each, "MedicationDispense")]
    known = read_recorded(recorded, prescription)
    left = remaining(read_prescription(requests[0]), known)
    return msgspec.structs.replace(done, left=left, prescription_status=str(requests[0].get("status", "")))
