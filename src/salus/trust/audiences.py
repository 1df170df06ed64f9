"""To which audiences of a veil a caller belongs (docs/decisions/0015, rule 3). Pure."""

from __future__ import annotations

from salus.core.access import Caller, Role
from salus.trust.jurisdictions.law import Jurisdiction
from salus.trust.policy import Decision, Obligation

PROFESSIONALS = "professionals"
PROXIES = "proxies"
ABROAD = "abroad"
_PROFESSIONALS = frozenset({Role.CLINICIAN, Role.PHARMACIST, Role.EMERGENCY, Role.NODE})
_UNVEILED = frozenset({Role.CITIZEN, Role.OPERATOR, Role.AUDITOR})


def audiences_of(caller: Caller, decision: Decision, law: Jurisdiction) -> frozenset[str]:
    """Return the audiences, from whom a veil may hide, that the caller belongs to under the decision.

    The citizen, and those whom the law lets see all, belong to none. An emergency, which the decision owes a
    second look for, lifts all but `abroad` where the law keeps an opt-out of exchange closed.
    """
    if caller.role in _UNVEILED:
        return frozenset()
    abroad = {ABROAD, f"node:{caller.node}"} if caller.node is not None else set()
    if Obligation.REVIEW_AFTER in decision.obligations:
        return frozenset() if law.exchange_opt_out_opened_in_emergency.value else frozenset(abroad & {ABROAD})
    words = abroad | {f"person:{caller.subject}", f"purpose:{caller.purpose.value}"}
    if caller.organisation:
        words.add(f"organisation:{caller.organisation}")
    if caller.role in _PROFESSIONALS:
        words.add(PROFESSIONALS)
    if caller.role is Role.PROXY:
        words.add(PROXIES)
    return frozenset(words)
