"""From what is known of a person to the facts of one request (docs/decisions/0015, rule 1).

Only whether somebody has died is looked up, and only for those who act as that person or for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from salus.core.access import Caller, Purpose, Role
from salus.core.clock import Clock
from salus.store.standing import Person, Power, Standing
from salus.trust.care import Care, Known
from salus.trust.circumstances import SECONDARY_PURPOSES, opt_out_holds
from salus.trust.consent.at_the_gate import voice_at_the_gate
from salus.trust.facts import ORDINARY, Facts, Relationship, Voice
from salus.trust.jurisdictions.law import Jurisdiction
from salus.trust.policy import AccessRequest

EXCHANGE, SECONDARY, RESULTS_DELAY = "exchange", "secondary-use", "results-delay"
_NOBODY = Person()
_PROFESSIONALS = frozenset({Role.CLINICIAN, Role.PHARMACIST, Role.EMERGENCY, Role.NODE})
_REUSERS = frozenset({Role.RESEARCHER, Role.ACCESS_BODY, Role.APP})
_THEMSELVES = frozenset({Role.CITIZEN, Role.PROXY})


async def facts_of(
    standing: Standing,
    clock: Clock,
    law: Jurisdiction,
    caller: Caller,
    request: AccessRequest,
    care: Care | None = None,
) -> Facts:
    """Return what is known of the patients whom the request is about; `care` says who treats whom."""
    facts = await _in_force(standing, clock, law, caller, request)
    if law.delays and caller.purpose is Purpose.PATIENT_REQUEST and _want_now(standing, caller, request):
        facts = msgspec.structs.replace(facts, wants_results_now=True)
    if care is None or care.known is Known.ORGANISATION:
        return facts
    return await care.facts(caller, request, facts, clock())


async def _in_force(
    standing: Standing, clock: Clock, law: Jurisdiction, caller: Caller, request: AccessRequest
) -> Facts:
    persons = standing.persons
    patients = _about(caller, request)
    known = [persons[patient] for patient in patients if patient in persons]
    if caller.role in _THEMSELVES and caller.patient:
        died = await standing.has_died(caller.patient)
        person = persons.get(caller.patient, _NOBODY)
        if caller.role is Role.PROXY:
            return facts_of_proxy(person, caller, clock(), law, has_died=died)
        return Facts(has_died=True) if died else ORDINARY
    if caller.role is Role.DESK and patients:
        now = clock()
        helped = all(_is_helped(persons.get(each, _NOBODY), caller, now) for each in patients)
        return ORDINARY if helped else Facts(is_assisting=False)
    if caller.role in _PROFESSIONALS and patients and (known or caller.node is not None):
        now = clock()
        facts = facts_of_professional(known, len(patients), caller, now, law)
        return await _heard(standing, known, patients, caller, now, facts, law)
    if caller.role in _REUSERS and caller.purpose in SECONDARY_PURPOSES and known:
        if any(SECONDARY in person.opted_out for person in known):
            return Facts(is_opted_out_of_secondary_use=True)
        return await _permitted(standing, known, patients, caller, clock())
    return ORDINARY


async def _permitted(
    standing: Standing, known: list[Person], patients: frozenset[str], caller: Caller, now: datetime
) -> Facts:
    """Return whether the one person asked about permits a study by a Consent (GDPR 6(1)(a) and 9(2)(a)).

    What they deny is a veil, and says nothing here: without a permit nothing is there for a study.
    """
    is_study = caller.role is Role.RESEARCHER and caller.purpose is Purpose.RESEARCH
    if not is_study or len(patients) != 1 or not any(person.has_consents for person in known):
        return ORDINARY
    said = await standing.consents_of(next(iter(patients)))
    if voice_at_the_gate(said, caller, now.timestamp()) is not Voice.PERMIT:
        return ORDINARY
    return Facts(voice=Voice.PERMIT)


def _want_now(standing: Standing, caller: Caller, request: AccessRequest) -> bool:
    """Return whether all whom the request is about chose to see results at once."""
    patients = _about(caller, request)
    known = [standing.persons.get(patient, _NOBODY) for patient in patients]
    return bool(known) and all(RESULTS_DELAY in person.opted_out for person in known)


def left_out(standing: Standing, caller: Caller, law: Jurisdiction) -> frozenset[str]:
    """Return the patients whom what the caller asks leaves out: who opted out of secondary use (EHDS 71)."""
    if not opt_out_holds(caller, law):
        return frozenset()
    return frozenset(patient for patient, person in standing.persons.items() if SECONDARY in person.opted_out)


def _about(caller: Caller, request: AccessRequest) -> frozenset[str]:
    """Return whom the request is about, as far as it says: whoever its token is confined to counts."""
    named = request.patients or frozenset()
    return named | {caller.patient} if caller.patient else named


async def _heard(
    standing: Standing,
    known: list[Person],
    patients: frozenset[str],
    caller: Caller,
    now: datetime,
    facts: Facts,
    law: Jurisdiction,
) -> Facts:
    """Return the facts with what the patient's Consents say of the request, where there are any.

    Of several patients each one's Consents are veils over their own rows; a law that opens nothing without a
    Consent is answered for one patient only.
    """
    if len(patients) != 1 or not any(person.has_consents for person in known):
        return facts
    said = await standing.consents_of(next(iter(patients)))
    voice = voice_at_the_gate(said, caller, now.timestamp())
    # A denial of all is a veil as well, and says nothing here that would tell it from an empty record.
    if law.default_access.value == "permit" and voice is Voice.DENY:
        return facts
    return msgspec.structs.replace(facts, voice=voice)


def facts_of_professional(
    known: Iterable[Person], asked: int, caller: Caller, now: datetime, law: Jurisdiction
) -> Facts:
    """Return what a professional's request meets.

    Args:
        known: of the patients asked about, those of whom something is known.
        asked: how many patients are asked about. Where several are, what holds for some is left to the
            database, which shows those of the others.
        caller: who asks.
        now: the present.
        law: of the node's country.

    An opt-out of exchange decides nothing here: it is a veil over the whole record (schema 0063), so that the
    answers are those of a person with an empty one.
    """
    persons = list(known)
    everybody = len(persons) == asked
    reason = _reason(persons, asked, caller, now)
    opened = reason is not None and law.exchange_opt_out_opened_in_emergency.value
    return Facts(
        is_proven=caller.node is None or (everybody and all(_is_with(each, caller, now) for each in persons)),
        emergency_reason=reason,
        is_veiled_whole=not opened and any(EXCHANGE in each.opted_out for each in persons),
    )


def _is_helped(person: Person, caller: Caller, now: datetime) -> bool:
    """Return whether the staff at a desk were shown who the person is, and help them now."""
    until = person.assisted.get(caller.subject)
    return until is not None and now < until


def _is_with(person: Person, caller: Caller, now: datetime) -> bool:
    until = person.presences.get((caller.node or "", caller.subject))
    return until is not None and now < until


def _reason(persons: list[Person], asked: int, caller: Caller, now: datetime) -> str | None:
    """Return why the caller's emergency access to the one patient was opened, None where none runs."""
    if caller.purpose is not Purpose.EMERGENCY or asked != 1 or not persons:
        return None
    mine = (caller.subject, caller.node or "")
    for rescue in persons[0].rescues:
        if (rescue.subject, rescue.node) == mine and rescue.began_at <= now < rescue.ends_at:
            return rescue.reason
    return None


_NEARNESS = (
    Relationship.OWN,
    Relationship.WITHDRAWN,
    Relationship.NOT_YET,
    Relationship.ENDED,
    Relationship.NONE,
)


def facts_of_proxy(
    person: Person, caller: Caller, now: datetime, law: Jurisdiction, *, has_died: bool
) -> Facts:
    """Return what ties a proxy to the represented: of several powers the one that is in force."""
    found = [
        (relationship_of(power, now, law, has_died=has_died), power)
        for power in person.powers
        if power.holder == caller.subject
    ]
    if not found:
        return Facts(relationship=Relationship.NONE, mandate=None)
    tie = min((each for each, _ in found), key=_NEARNESS.index)
    covered = [power.types for each, power in found if each is tie]
    if any(types is None for types in covered):
        return Facts(relationship=tie)
    return Facts(relationship=tie, mandate=frozenset().union(*(types for types in covered if types)))


def holds_power(person: Person, holder: str, now: datetime, law: Jurisdiction, *, has_died: bool) -> bool:
    """Return whether somebody has a power in force to act for the person."""
    ties = (
        relationship_of(each, now, law, has_died=has_died) for each in person.powers if each.holder == holder
    )
    return any(tie is Relationship.OWN for tie in ties)


def relationship_of(power: Power, now: datetime, law: Jurisdiction, *, has_died: bool) -> Relationship:
    """Return whether a power is in force: an executor's begins with death, which ends most others'."""
    if power.disputed_at is not None:
        return Relationship.WITHDRAWN
    if power.ended_at is not None and power.ended_at <= now:
        return Relationship.WITHDRAWN
    if now < power.starts_at or (power.kind == "executor" and not has_died):
        return Relationship.NOT_YET
    if power.ends_at is not None and power.ends_at <= now:
        return Relationship.ENDED
    if has_died and power.kind not in law.acts_after_death.value:
        return Relationship.ENDED
    return Relationship.OWN
