"""From facts and law to the words that `policy.toml` decides by. Pure."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from salus.core.access import Assurance, Caller, Purpose, Role
from salus.trust.facts import ORDINARY, TIED, Environment, Facts, Restriction, Voice
from salus.trust.jurisdictions.law import Jurisdiction


class Circumstance(StrEnum):
    """One word of a decision, for the columns `when` and `unless` of `policy.toml`."""

    NO_TIE = "no-tie"
    UNPROVEN = "unproven"
    SESSION_ENDED = "session-ended"
    ASSURANCE_TOO_LOW = "assurance-too-low"
    EMERGENCY = "emergency"
    EMERGENCY_WITHOUT_REASON = "emergency-without-reason"
    RESTRICTED = "restricted"
    OPTED_OUT_OF_EXCHANGE = "opted-out-of-exchange"
    OPTED_OUT_OF_SECONDARY_USE = "opted-out-of-secondary-use"
    NO_OPT_OUT_HERE = "no-opt-out-here"
    CONSENT_PERMITS = "consent-permits"
    CONSENT_DENIES = "consent-denies"
    CONSENT_SILENT = "consent-silent"
    DEFAULT_IS_DENY = "default-is-deny"
    OUTSIDE_MANDATE = "outside-mandate"
    HAS_PERMIT = "has-permit"
    OUTSIDE_ENVIRONMENT = "outside-environment"
    OUTPUT_UNCHECKED = "output-unchecked"
    ANOTHER_AUTHOR = "another-author"
    CUT_OFF = "cut-off"
    DECEASED = "deceased"
    NOT_ASSISTING = "not-assisting"


_RESCUERS = frozenset({Role.CLINICIAN, Role.PHARMACIST, Role.EMERGENCY, Role.NODE})
_CARE = frozenset({Purpose.TREATMENT, Purpose.EMERGENCY})
_RANKS = {Assurance.LOW: 0, Assurance.SUBSTANTIAL: 1, Assurance.HIGH: 2}
_PEOPLE = frozenset({Role.CITIZEN, Role.PROXY})
_MACHINES = frozenset({Role.APP, Role.NODE})
_CUT_TO_MANDATE: frozenset[str] = frozenset({"", "restriction"})
"""A request about no single type, or a restriction, reaches what a proxy's mandate covers."""
_NONE: frozenset[str] = frozenset()
SECONDARY_PURPOSES = frozenset({Purpose.PUBLIC_HEALTH, Purpose.RESEARCH})
_PUBLIC_BODIES = frozenset({Role.ACCESS_BODY, Role.APP})
_VOICES = {
    Voice.PERMIT: Circumstance.CONSENT_PERMITS,
    Voice.DENY: Circumstance.CONSENT_DENIES,
    Voice.SILENT: Circumstance.CONSENT_SILENT,
}


def is_emergency(caller: Caller, facts: Facts) -> bool:
    """Return whether a professional takes the emergency way, and says why (article 11(5))."""
    reason = facts.emergency_reason
    return bool(reason and reason.strip()) and caller.role in _RESCUERS and caller.purpose in _CARE


def circumstances_of(
    caller: Caller, resource_type: str, facts: Facts, law: Jurisdiction
) -> frozenset[Circumstance]:
    """Return what is true of the request, in the policy's words."""
    if facts is ORDINARY and not caller.cut_off:
        act = resource_type if resource_type in law.assurance_of_acts.value else ""
        return _of_ordinary(caller.role, caller.purpose, caller.node is not None, caller.assurance, act, law)
    return _words(caller, resource_type, facts, law)


@lru_cache(maxsize=1_024)
def _of_ordinary(
    role: Role, purpose: Purpose, abroad: bool, assurance: Assurance | None, act: str, law: Jurisdiction
) -> frozenset[Circumstance]:
    """Return the words of a request that nothing out of the ordinary is known of, as of most."""
    node = "abroad" if abroad else None
    someone = Caller("", "", role, "", "", purpose, node=node, assurance=assurance)
    return _words(someone, act, ORDINARY, law)


def _words(caller: Caller, resource_type: str, facts: Facts, law: Jurisdiction) -> frozenset[Circumstance]:
    emergency = is_emergency(caller, facts)
    tied = facts.relationship in TIED
    found = {
        Circumstance.NO_TIE: not tied,
        Circumstance.UNPROVEN: not facts.is_proven and tied,
        Circumstance.SESSION_ENDED: not facts.has_session,
        Circumstance.ASSURANCE_TOO_LOW: caller.assurance is not None
        and _RANKS[caller.assurance] < _RANKS[needed_assurance(caller, resource_type, law)],
        Circumstance.EMERGENCY: emergency,
        Circumstance.EMERGENCY_WITHOUT_REASON: facts.emergency_reason is not None and not emergency,
        Circumstance.RESTRICTED: facts.restriction is Restriction.REACHES
        and not (emergency and law.restriction_opened_in_emergency.value),
        Circumstance.OPTED_OUT_OF_EXCHANGE: facts.is_opted_out_of_exchange
        and not (emergency and law.exchange_opt_out_opened_in_emergency.value),
        Circumstance.OPTED_OUT_OF_SECONDARY_USE: facts.is_opted_out_of_secondary_use
        and opt_out_holds(caller, law),
        Circumstance.NO_OPT_OUT_HERE: not law.exchange_opt_out_offered.value,
        Circumstance.DEFAULT_IS_DENY: law.default_access.value == "deny",
        Circumstance.OUTSIDE_MANDATE: facts.mandate is not None
        and resource_type not in facts.mandate | (_CUT_TO_MANDATE if caller.role is Role.PROXY else _NONE),
        Circumstance.HAS_PERMIT: facts.has_permit,
        Circumstance.OUTSIDE_ENVIRONMENT: facts.environment is Environment.OUTSIDE,
        Circumstance.OUTPUT_UNCHECKED: not facts.is_output_checked,
        Circumstance.ANOTHER_AUTHOR: not facts.is_own_entry,
        Circumstance.CUT_OFF: caller.cut_off,
        Circumstance.DECEASED: facts.has_died,
        Circumstance.NOT_ASSISTING: not facts.is_assisting,
    }
    words = {word for word, holds in found.items() if holds}
    said = _VOICES.get(facts.voice)
    return frozenset(words | {said} if said else words)


def opt_out_holds(caller: Caller, law: Jurisdiction) -> bool:
    """Return whether what the caller asks is kept from whoever opted out of secondary use (EHDS 71).

    A law may let a public body use data for public health all the same (71(4)); for research it may not.
    """
    overridden = law.secondary_opt_out_overridable.value and caller.role in _PUBLIC_BODIES
    return caller.purpose in SECONDARY_PURPOSES and not (
        overridden and caller.purpose is Purpose.PUBLIC_HEALTH
    )


def needed_assurance(caller: Caller, resource_type: str, law: Jurisdiction) -> Assurance:
    """Return the least assurance of a log-in for what is asked.

    A machine that asks for itself has no log-in to be sure of. What a word of ours stands for (an opt-out, a
    proxy's power) may need more than reading does.
    """
    needed = law.assurance.value
    if caller.role in _MACHINES:
        return Assurance.LOW
    if resource_type in law.assurance_of_acts.value and caller.role in _PEOPLE:
        return law.assurance_of_acts.value[resource_type]
    if caller.role in _PEOPLE:
        return needed.citizen
    return needed.professional if caller.node is None else needed.abroad
