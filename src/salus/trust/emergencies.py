"""Breaking the glass and the second look at it (EHDS article 11(5)): each step goes through the gate.

One professional opens one patient's record for a stated reason, for as long as the law says and no more than
an hour. What the citizen restricted (article 8) opens; an opt-out that the law makes absolute does not. A
person who is closed that way and one who is not there look the same.
"""

from __future__ import annotations

from datetime import date, timedelta

import msgspec

from salus.core.access import Action, Caller, Purpose, Role
from salus.core.errors import InvalidSearch, NotFound
from salus.core.identifiers import is_fhir_id, new_id
from salus.store import emergencies as store
from salus.store import resources
from salus.store.emergencies import Emergency
from salus.store.findings import keep_findings
from salus.store.postgres import Database
from salus.store.standing import Standing
from salus.trust.breach.finding import Finding, Reason
from salus.trust.breach.person import node_subject
from salus.trust.facts import ORDINARY
from salus.trust.gate import Gatehouse, enter
from salus.trust.policy import AccessRequest
from salus.trust.watching import SUBJECT

TYPE, REVIEW = "emergency", "emergency-review"
"""The policy's words for opening one and for the second look."""
REASON_MIN, REASON_MAX = 4, 500
OVERDUE_SCORE = 3.0
"""As sure as a thousand to one: that nobody looked is a fact, how bad it is the auditor finds."""
_LOOKED_BACK = timedelta(days=2)
VERDICTS = ("justified", "unjustified")
_NOBODY = "There is no patient of this id here; look the patient up and use the id of the answer."


class Ward(msgspec.Struct, frozen=True):
    """Where emergency accesses are opened, and who is to know of it at once."""

    gatehouse: Gatehouse
    database: Database
    standing: Standing


async def claim(ward: Ward, caller: Caller, patient: str, reason: str) -> Emergency:
    """Open the patient's record to the professional for their reason; a running access is given back.

    Raises:
        InvalidSearch: no reason is given, or none that tells anything.
        AccessRefused: the caller is no professional, or not surely enough.
        NotFound: there is no such patient, or an opt-out closes their record in emergencies too.
    """
    text = checked_reason(reason)
    if not is_fhir_id(patient):
        raise NotFound(_NOBODY)
    if caller.patient not in (None, patient):
        raise NotFound(_NOBODY)
    # What the token's scopes let be read is kept to afterwards; they have no word for claiming. An app has
    # nothing but its scopes: a person breaks the glass, not a program that speaks for them.
    scopes = caller.scopes if caller.app else ()
    asking = msgspec.structs.replace(caller, purpose=Purpose.EMERGENCY, scopes=scopes)
    request = AccessRequest(Action.CREATE, TYPE, TYPE, frozenset({patient}))
    gatehouse = ward.gatehouse
    known = await gatehouse.knows(asking, request) if gatehouse.knows is not None else ORDINARY
    facts = msgspec.structs.replace(known, emergency_reason=text)
    try:
        async with enter(gatehouse, asking, request, facts) as access:
            await resources.read(access.grant, ward.database, "Patient", patient)
            now, law = access.grant.opened_at, gatehouse.law
            claimed = Emergency(
                new_id(), patient, asking.subject, asking.name, asking.organisation, asking.node or "", text,
                now, now + timedelta(minutes=law.emergency_minutes_max.value),
                now + timedelta(hours=law.second_look_hours.value),
            )  # fmt: skip
            opened = await store.open_emergency(access.grant, ward.database, claimed)
    except NotFound as error:
        raise NotFound(_NOBODY) from error
    await ward.standing.refresh(patient)
    return opened


def checked_reason(reason: str) -> str:
    """Return the reason without blanks around it.

    Raises:
        InvalidSearch: it is none.
    """
    return told_in_words(
        reason, "why it cannot wait; the patient reads it, and somebody looks at it within days"
    )


def told_in_words(text: str, what: str) -> str:
    """Return the text without blanks around it, once it says something; `what` it is to say.

    Raises:
        InvalidSearch: it says nothing.
    """
    told = " ".join(text.split())
    if not REASON_MIN <= len(told) <= REASON_MAX or not told.isprintable():
        raise InvalidSearch(f"Say in a few words ({REASON_MIN} to {REASON_MAX} characters) {what}.")
    return told


async def waiting(ward: Ward, caller: Caller, *, reviewed: bool = False) -> list[Emergency]:
    """Return the emergency accesses that wait for a second look, with `reviewed` all; each is a leaf."""
    async with enter(ward.gatehouse, caller, AccessRequest(Action.AUDIT, REVIEW, REVIEW)) as access:
        found = await store.emergencies(access.grant, ward.database, reviewed=reviewed)
        access.record({each.patient for each in found}, count=1)
    return found


async def find_overdue(gatehouse: Gatehouse, database: Database, *, issuer: str) -> int:
    """Make a finding of each emergency access that nobody looked at in time; return how many are new."""
    if not await store.has_overdue(database, gatehouse.clock()):
        return 0
    caller = Caller(SUBJECT, "Salus, watch over the ledger", Role.AUDITOR, "", issuer, Purpose.OPERATIONS)
    asked = AccessRequest(Action.AUDIT, REVIEW, "watch over second looks")
    async with enter(gatehouse, caller, asked) as access, database.writing(access.grant) as connection:
        found = {
            f"second-look|{each.id}": (OVERDUE_SCORE, msgspec.json.encode(_finding(each, index)))
            for each, index in await store.overdue(access.grant, connection)
        }
        return await keep_findings(access.grant, connection, found)


async def find_crowded(gatehouse: Gatehouse, database: Database, *, most: int, issuer: str) -> int:
    """Make a finding of each node abroad that opened more patients in emergencies on a day than `most`.

    None of them is refused: an emergency is one. Return how many findings are new.
    """
    crowded = await store.crowded_days(database, gatehouse.clock() - _LOOKED_BACK, most)
    if not crowded:
        return 0
    caller = Caller(SUBJECT, "Salus, watch over the ledger", Role.AUDITOR, "", issuer, Purpose.OPERATIONS)
    asked = AccessRequest(Action.AUDIT, REVIEW, "watch over emergencies of nodes")
    async with enter(gatehouse, caller, asked) as access, database.writing(access.grant) as connection:
        found = {
            f"emergencies|{node}|{day}": (
                OVERDUE_SCORE,
                msgspec.json.encode(_crowd(node, day, patients, most)),
            )
            for node, day, patients in crowded
        }
        return await keep_findings(access.grant, connection, found)


def _crowd(node: str, day: date, patients: int, most: int) -> Finding:
    sentence = (
        f"opened {patients} patients in emergencies on {day}, more than the {most} a day that are taken as "
        "usual; ask that node's operator, and look at the reasons (salus emergencies list)"
    )
    reason = Reason("emergencies", sentence, patients, most, OVERDUE_SCORE, ())
    return Finding(node_subject(node), f"Node {node}", Role.NODE, "", day, OVERDUE_SCORE, (reason,))


def _finding(each: Emergency, index: int | None) -> Finding:
    sentence = (
        f"opened a record in an emergency on {each.began_at:%Y-%m-%d}, and nobody looked at it again by "
        f"{each.review_by:%Y-%m-%d %H:%M} UTC (salus emergencies list)"
    )
    leaves = () if index is None else (index,)
    reason = Reason("second-look", sentence, 1, 0, OVERDUE_SCORE, leaves)
    unit = each.organisation or each.node
    return Finding(each.subject, each.name, "", unit, each.review_by.date(), OVERDUE_SCORE, (reason,))


async def second_look(ward: Ward, caller: Caller, identity: str, verdict: str, note: str) -> Emergency:
    """Keep what somebody else than the professional found; an access found unjustified ends at once.

    Raises:
        AccessRefused: the caller is not the auditor.
        InvalidSearch: the verdict is none, or nothing is said to it.
        NotFound, Conflict: as `store.emergencies.review`.
    """
    if verdict not in VERDICTS:
        raise InvalidSearch(f"The verdict is {' or '.join(VERDICTS)}.")
    text = told_in_words(note, "what you found and how you know it; it is kept with your verdict")
    request = AccessRequest(Action.UPDATE, REVIEW, f"{REVIEW}/{identity[:64]}")
    async with enter(ward.gatehouse, caller, request) as access:
        kept = await store.review(access.grant, ward.database, identity, verdict, text)
    await ward.standing.refresh(kept.patient)
    return kept
