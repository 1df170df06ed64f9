"""A professional of this node shows or states that they treat a patient (EHDS article 11(1)).

With the patient's one-time code, or the number of a document, it is proven. Without, a reason is asked; the
accesses that follow are marked as unproven, the patient is told, and a professional may do so for a number of
patients a day. What a node asks for is `trust.care.Known`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from salus.core.access import Action, Caller, Purpose
from salus.core.errors import AccessRefused, Conflict, NotFound, Throttled
from salus.core.identifiers import is_fhir_id
from salus.store import resources
from salus.store.standing import DECLARED
from salus.store.stated import end_treatment, keep_treatment
from salus.trust.care import TREATMENT, Care, Known
from salus.trust.emergencies import told_in_words
from salus.trust.facts import ORDINARY, Relationship
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.trust.presence import PROVEN_HOURS, Weigher, evidence_of

NOT_ASKED = "This node asks for no treatment relationship: whoever is on duty here treats its patients."
SHOWN_ONLY = (
    "This node opens a record to who is known to treat the patient: an encounter, an appointment, a care "
    "team or the on-call rota says so, or the patient's one-time code or document. Where a life is at stake, "
    "open an emergency."
)
WHY = "why you treat the patient; they read it"
_NOBODY = "There is no patient of this id here; look the patient up and use the id of the answer."


class Statement(msgspec.Struct, frozen=True):
    """What a professional states: the reason, or what the patient showed them.

    Args:
        reason: why they treat the patient, in a few words; the patient reads it.
        presence_code, document: as `smart.asker` has them, "" without.
    """

    reason: str = ""
    presence_code: str = ""
    document: str = ""


async def state_treatment(
    weigher: Weigher, care: Care, caller: Caller, patient: str, stated: Statement
) -> tuple[bool, datetime]:
    """Keep that the professional treats the patient; return whether it is proven, and until when it holds.

    Raises:
        Conflict: this node asks for none.
        AccessRefused: the caller is no professional of this node, the code is wrong, or the node takes no
            word for it.
        InvalidSearch: no reason is given, or none that tells anything.
        NotFound: there is no such patient.
        Throttled: the professional has stated as many today as they may.
    """
    ward = weigher.ward
    now = ward.gatehouse.clock()
    if care.known is Known.ORGANISATION:
        raise Conflict(NOT_ASKED)
    if caller.node is not None:
        raise AccessRefused(
            "A professional abroad states what ties them to the patient when their node asks."
        )
    if not is_fhir_id(patient) or caller.patient not in (None, patient):
        raise NotFound(_NOBODY)
    # As for an emergency: scopes have no word for it, and a person states it, not a program that speaks.
    scopes = caller.scopes if caller.app else ()
    asking = msgspec.structs.replace(caller, purpose=Purpose.TREATMENT, scopes=scopes)
    request = AccessRequest(Action.CREATE, TREATMENT, TREATMENT, frozenset({patient}))
    known = await ward.gatehouse.knows(asking, request) if ward.gatehouse.knows is not None else ORDINARY
    if not ward.gatehouse.decide(
        asking, request, known
    ).permitted:  # before anything that is shown is weighed
        async with enter(ward.gatehouse, asking, request, known):
            raise AccessRefused("This access is not permitted.")
    evidence = await evidence_of(weigher, asking, patient, stated.presence_code, stated.document, now)
    reason = ""
    if evidence is None:
        if care.known is Known.REQUIRED:
            raise AccessRefused(SHOWN_ONLY)
        reason = told_in_words(stated.reason, WHY)
    tie = Relationship.OWN if evidence else Relationship.STATED
    facts = msgspec.structs.replace(known, relationship=tie, is_proven=evidence is not None)
    until = now + timedelta(hours=PROVEN_HOURS)
    try:
        async with enter(ward.gatehouse, asking, request, facts) as access:
            await resources.read(access.grant, ward.database, "Patient", patient)
            kept = await keep_treatment(
                access.grant, ward.database, patient, evidence or DECLARED, reason, until,
                stated_max=care.stated_max,
            )  # fmt: skip
            if kept is None:
                raise Throttled(
                    f"You have stated of {care.stated_max} patients today that you treat them, without "
                    "anything that shows it; ask the patient for a one-time code or a document's number, or "
                    "open an emergency."
                )
    except NotFound as error:
        raise NotFound(_NOBODY) from error
    await ward.standing.refresh(patient)
    care.forget(caller.subject)
    return evidence is not None, kept


async def finish_treatment(weigher: Weigher, care: Care, caller: Caller, patient: str) -> None:
    """End what the professional showed or stated of the patient, at once and in every process.

    Raises:
        NotFound: nothing of the kind is in force.
    """
    ward = weigher.ward
    request = AccessRequest(Action.DELETE, TREATMENT, TREATMENT, frozenset({patient[:64]}))
    asking = msgspec.structs.replace(caller, scopes=caller.scopes if caller.app else ())
    async with enter(ward.gatehouse, asking, request) as access:
        if not await end_treatment(access.grant, ward.database, patient):
            raise NotFound("You have stated nothing of this patient that is in force.")
    await ward.standing.refresh(patient)
    care.forget(caller.subject)
