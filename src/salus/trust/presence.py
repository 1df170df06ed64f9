"""Has the professional abroad the patient in front of them? Evidence, and what goes without (EHDS 11(1)).

A one-time code that the citizen made, or the number of a document that the record knows: proven, for a day.
Without: marked as unproven, told to the citizen, and given to a node for so many patients a day only. An
emergency with its reason is never turned away for want of evidence.
"""

from __future__ import annotations

import hmac
import secrets
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec

from salus.core.access import Action, Caller, Leaf, Outcome, Purpose
from salus.core.errors import AccessRefused, NotFound, Throttled
from salus.standards.smart.asker import Asker
from salus.store.presence import (
    count_unproven,
    give_back_try,
    has_document,
    keep_presence,
    make_code,
    take_try,
    use_code,
)
from salus.trust.emergencies import Ward, claim
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest

TYPE = "presence-code"
LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Letters and digits that nobody mistakes for another when they are read out."""
CODE_LENGTH = 8
CODE_MINUTES = 30
PROVEN_HOURS = 24
"""How long a professional who was shown a code counts as with the patient: a visit, a night on a ward."""
NOT_SHOWN = "presence-not-shown"
"""The rule of a wrong code or number, as the audit has it."""
WRONG_MAX = 3
"""Wrong codes and numbers for one patient on one day (UTC), of a node abroad or of a professional here."""
TOO_MANY_WRONG = (
    "too many codes or numbers were wrong for this patient today; ask without: the access is then marked as "
    "unproven and the patient is told"
)
WRONG_CODE = (
    "the code is wrong, was used or is older than half an hour; ask the patient for a new one, or ask "
    "without: the access is then marked as unproven and the patient is told"
)


class Weigher(msgspec.Struct, frozen=True):
    """Where evidence is weighed.

    Args:
        ward: the gate, the database, what is in force.
        key: secret of the node, for digests of codes.
        unproven_max: patients that one node may ask for without evidence on one day (UTC).
    """

    ward: Ward
    key: bytes
    unproven_max: int


def new_code() -> str:
    """Return a fresh code, 39 random bits."""
    return "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))


def digest_of(key: bytes, code: str) -> bytes:
    """Return what is kept of a code; blanks, hyphens and case mean nothing."""
    plain = "".join(char for char in code.upper() if char.isalnum())
    return hmac.digest(key, b"salus presence code\0" + plain.encode(), "sha256")


async def give_code(weigher: Weigher, caller: Caller) -> tuple[str, datetime]:
    """Make a code for the citizen, good once and for half an hour; return it and until when.

    Raises:
        AccessRefused: the caller is not the citizen, nor somebody who acts for them.
    """
    patient = caller.patient or ""
    asked = AccessRequest(Action.CREATE, TYPE, TYPE, frozenset({patient}) if patient else None)
    async with enter(weigher.ward.gatehouse, caller, asked) as access:
        code, until = new_code(), access.grant.opened_at + timedelta(minutes=CODE_MINUTES)
        digest = digest_of(weigher.key, code)
        await make_code(access.grant, weigher.ward.database, patient, digest, until)
    return code, until


async def weigh(weigher: Weigher, caller: Caller, asker: Asker) -> None:
    """Weigh what a member node states of a professional and a patient, before it gets a token for them.

    Raises:
        AccessRefused: a code is stated that is not good.
        Throttled: the node has asked for as many patients without evidence as it may today, or given too many
            wrong codes or numbers of this patient.
    """
    if caller.node is None or not caller.patient:
        return
    ward, now = weigher.ward, weigher.ward.gatehouse.clock()
    if caller.purpose is Purpose.EMERGENCY and asker.reason:
        with suppress(NotFound):  # who is not here, or closed in emergencies too, is absent under the token
            await claim(ward, caller, caller.patient, asker.reason)
    is_emergency = caller.purpose is Purpose.EMERGENCY and bool(asker.reason)
    with suppress(*([Throttled] if is_emergency else [])):  # one is not turned away for wrong numbers
        if _is_known(ward, caller, now) or await _is_shown(weigher, caller, asker, now):
            return
    if is_emergency:
        return
    if not await count_unproven(ward.database, caller.node, caller.patient, now, weigher.unproven_max):
        raise Throttled(
            f"asked for {weigher.unproven_max} patients today without showing that they are there; state "
            "the patient's one-time code or a document's number, or, where a life is at stake, why it is an "
            "emergency"
        )


def _is_known(ward: Ward, caller: Caller, now: datetime) -> bool:
    person = ward.standing.persons.get(caller.patient or "")
    until = person.presences.get((caller.node or "", caller.subject)) if person else None
    return until is not None and now < until


async def evidence_of(
    weigher: Weigher, caller: Caller, patient: str, code: str, document: str, now: datetime
) -> str | None:
    """Return what shows that the patient is with the professional, "code" or "document", None for nothing.

    A code is used up. A wrong one, or a wrong number, is counted and written down; after a few none counts
    any more that day, so that a number is shown and not guessed.

    Raises:
        AccessRefused: the code is not good.
        Throttled: too many were wrong today.
    """
    if not code and not document:
        return None
    database, who = weigher.ward.database, caller.node or f"person:{caller.subject}"
    if await take_try(database, who, patient, now) > WRONG_MAX:
        raise Throttled(TOO_MANY_WRONG)
    if code:
        evidence, is_right = "code", await use_code(database, patient, digest_of(weigher.key, code), now)
    else:
        evidence, is_right = "document", await has_document(database, patient, document)
    if is_right:
        await give_back_try(database, who, patient, now)
        return evidence
    await weigher.ward.gatehouse.journal.write([_wrong(weigher.ward, caller, patient, evidence)])
    if code:
        raise AccessRefused(WRONG_CODE)
    return None


def _wrong(ward: Ward, caller: Caller, patient: str, what: str) -> Leaf:
    return Leaf(
        at=ward.gatehouse.clock(), request=ward.gatehouse.new_request(), patient=patient,
        subject=caller.subject, name=caller.name, role=caller.role.value, organisation=caller.organisation,
        node=caller.node or "", purpose=caller.purpose.value, action="token", what=f"wrong {what}",
        resources=0, outcome=Outcome.REFUSED, rule=NOT_SHOWN,
    )  # fmt: skip


async def _is_shown(weigher: Weigher, caller: Caller, asker: Asker, now: datetime) -> bool:
    """Weigh the evidence stated, and keep what it shows."""
    database, patient, node = weigher.ward.database, caller.patient or "", caller.node or ""
    evidence = await evidence_of(weigher, caller, patient, asker.presence_code, asker.document, now)
    if evidence is None:
        return False
    until = now + timedelta(hours=PROVEN_HOURS)
    await keep_presence(database, patient, node, caller.subject, evidence, now, until)
    await weigher.ward.standing.refresh(patient)
    return True
