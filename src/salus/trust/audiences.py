"""To which audiences of a veil a caller belongs (docs/decisions/0015, rule 3). Pure."""

from __future__ import annotations

from functools import lru_cache

from salus.core.access import Caller, Purpose, Role
from salus.trust.jurisdictions.law import Jurisdiction
from salus.trust.policy import Decision, Obligation

PROFESSIONALS = "professionals"
PROXIES = "proxies"
ABROAD = "abroad"
NAMED = "organisation-named"
"""Of an organisation by its name alone, of which no identifier is vouched for."""
STUDY = "study"
"""Who reads for research what a person permitted to a study, and nothing else of them."""
EXCHANGE = "exchange"
"""Whoever a record is exchanged with, here or abroad (EHDS 10)."""
WAITING = "waiting"
"""The person and whoever acts for them, while the law delays results for them (EHDS 3(3))."""
_UNVEILED = frozenset({Role.CITIZEN, Role.OPERATOR, Role.AUDITOR})


def audiences_of(
    caller: Caller, decision: Decision, law: Jurisdiction, country: str = "", *, waits: bool = False
) -> frozenset[str]:
    """Return the audiences, from whom a veil may hide, that the caller belongs to under the decision.

    `country` is that of the member node that asks for them, ISO 3166-1 alpha-2; "" for a local caller.
    `waits`: the law delays results, and the person did not choose to see them at once.

    The citizen, and those whom the law lets see all, belong to none, but who asks for the person may have to
    wait. An emergency, which the decision owes a second look for, lifts all but `exchange` and `abroad` where
    the law keeps an opt-out of exchange closed.
    """
    waiting = frozenset({WAITING}) if waits and caller.purpose is Purpose.PATIENT_REQUEST else frozenset()
    if caller.role in _UNVEILED:
        return waiting
    if Obligation.REVIEW_AFTER in decision.obligations and law.restriction_opened_in_emergency.value:
        if law.exchange_opt_out_opened_in_emergency.value:
            return frozenset()
        return frozenset({EXCHANGE, ABROAD} if caller.node is not None else {EXCHANGE})
    return words_of(caller, country) | waiting


def is_professional(caller: Caller) -> bool:
    """Return whether a citizen may have hidden something from the caller as from any professional.

    Not the citizen, who acts for them, or whom the law lets see all.
    """
    return caller.role not in _UNVEILED and caller.role is not Role.PROXY


@lru_cache(maxsize=4_096)
def words_of(caller: Caller, country: str = "") -> frozenset[str]:
    """Return all the audiences that the caller belongs to by what they are, whatever was decided.

    Who is neither the citizen nor a proxy counts as a professional: an app and a desk see no more than the
    staff they stand beside.
    """
    words = {f"person:{caller.subject}", f"purpose:{caller.purpose.value}"}
    words |= {PROXIES} if caller.role is Role.PROXY else {PROFESSIONALS, EXCHANGE}
    if caller.organisation:
        words.add(f"organisation:{caller.organisation}")
    if caller.organisation_id:
        words.add(f"organisation:{caller.organisation_id}")
    elif caller.organisation:
        words.add(f"{NAMED}:{caller.organisation}")
    if caller.role is Role.RESEARCHER:
        words.add(STUDY)
    if caller.node is not None:
        words |= {ABROAD, f"node:{caller.node}"}
    if country:
        words.add(f"country:{country}")
    return frozenset(words)
