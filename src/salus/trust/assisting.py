"""Staff at a desk help one person (EHDS 4(4)): what is shown begins it, it ends by itself, so many a day.

A one-time code that the person made, or a document that staff look at. The number of a passport or driving
licence is compared where the record knows one; of others a keyed hash is kept, so that it can be shown later
which document it was said to be.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from salus.core.access import Action, Caller
from salus.core.errors import AccessRefused, InvalidSearch, Throttled
from salus.store.assisted import end_assisted, keep_assisted
from salus.store.presence import knows_document
from salus.trust.gate import Passage, enter
from salus.trust.login.binding import document_seen
from salus.trust.policy import AccessRequest
from salus.trust.presence import Weigher, evidence_of

TYPE = "assistance"
MINUTES = 30
"""How long a session lasts; as long as one of the portal."""
_COMPARED = {"passport": "PPN", "driving-licence": "DL"}
"""HL7 v2 table 0203, by kind of document."""
_WRONG = "The number is not that of such a document in the record; look at it again, or take another."


class Shown(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person at a desk showed: a one-time code of theirs, or a document (`PROOFS`) with its number."""

    patient: str
    document: str = ""
    number: str = ""
    code: str = ""


async def begin(weigher: Weigher, caller: Caller, shown: Shown, *, people_max: int) -> datetime:
    """Begin to help a person; return until when.

    Raises:
        InvalidSearch: nothing is shown, or no kind and number of a document.
        AccessRefused: the caller is no desk, what is shown is wrong, or the person has died.
        Throttled: too many wrong ones, or too many people, today (UTC).
    """
    if not shown.code and not shown.document:
        raise InvalidSearch("Say what the person showed: `code`, or `document` and its `number`.")
    ward = weigher.ward
    seen = "code" if shown.code else document_seen(shown.document, shown.number, weigher.key)
    if await ward.standing.has_died(shown.patient):
        raise AccessRefused("The person has died; an executor acts as their proxy (docs/standing.md).")
    async with _enter(weigher, caller, shown.patient, f"begun, {seen.partition(' ')[0]}") as access:
        await _compare(weigher, caller, shown)
        until = access.grant.opened_at + timedelta(minutes=MINUTES)
        if not await keep_assisted(
            access.grant, ward.database, shown.patient, seen, until, people_max=people_max
        ):
            raise Throttled(
                f"You helped {people_max} people today (limits.assisted_people_per_day_max); "
                "a colleague goes on."
            )
        access.record([shown.patient])
    await ward.standing.refresh(shown.patient)
    return until


async def end(weigher: Weigher, caller: Caller, patient: str) -> None:
    """End the help to a person."""
    async with _enter(weigher, caller, patient, "ended") as access:
        await end_assisted(access.grant, weigher.ward.database, patient)
        access.record([patient])
    await weigher.ward.standing.refresh(patient)


async def _compare(weigher: Weigher, caller: Caller, shown: Shown) -> None:
    """Use the code, or compare the number where the record knows one; a wrong one is counted and told."""
    ward, kind = weigher.ward, _COMPARED.get(shown.document, "")
    number = "" if shown.code else shown.number
    if number and not (kind and await knows_document(ward.database, shown.patient, kind)):
        return
    now = ward.gatehouse.clock()
    if await evidence_of(weigher, caller, shown.patient, shown.code, number, now) is None:
        raise AccessRefused(_WRONG)


def _enter(weigher: Weigher, caller: Caller, patient: str, step: str) -> Passage:
    asked = AccessRequest(Action.READ, TYPE, f"{TYPE} {step}", frozenset({patient}))
    return enter(weigher.ward.gatehouse, caller, asked)
