"""What a refusal says: who may not do what, for which purpose, and what may help. From the rules alone.

It is made before the store is asked, and so cannot tell what is stored or what a citizen restricts.
"""

from __future__ import annotations

from functools import cache

from salus.core.access import Action, Assurance, Caller, Purpose, Role
from salus.core.refusal import may_not
from salus.trust.circumstances import needed_assurance
from salus.trust.jurisdictions.law import Jurisdiction
from salus.trust.policy import AccessRequest, Decision, rules
from salus.trust.scopes import letters_for

_ADVICE = {
    "caller-has-no-record-here": "there is no record here that is theirs",
    "a-patient-must-be-named": "name the patient, or ask for one resource by its id",
    "no-deletion-of-many": "delete one at a time, by its id",
    "not-through-an-app": "an app asks for what it needs when it needs it; do it yourself, without the app",
    "scope-narrows-by-a-query": "a scope with a query permits read, search, history and export at /fhir; "
    "for anything else ask for one without",
}
_PEOPLE = (Role.CLINICIAN, Role.PHARMACIST, Role.CITIZEN, Role.OPERATOR, Role.AUDITOR)


WEAK = "log-in-not-sure-enough"
"""The rule that refuses for want of assurance."""


def step_up(caller: Caller, needed: Assurance) -> str:
    """Return what to do where the log-in is not sure enough, as a clause."""
    had = f"; this log-in is {caller.assurance.value}" if caller.assurance is not None else ""
    return f"log in again with a means of identification of level {needed.value}{had}"


def refusal(
    caller: Caller, request: AccessRequest, decision: Decision, request_id: str, law: Jurisdiction
) -> str:
    """Return the message of a request that was refused under a law."""
    if decision.rule == WEAK:
        advice = step_up(caller, needed_assurance(caller, request.type, law))
        told = f"{may_not(caller, request.action, request.type)}: {advice}"
        return f"{told} (rule {decision.rule}, request {request_id})."
    told = f"{may_not(caller, request.action, request.type)}: {_advice(caller, request, decision)}"
    return f"{told} (rule {decision.rule}, request {request_id})."


def _advice(caller: Caller, request: AccessRequest, decision: Decision) -> str:
    if decision.rule == "scope-does-not-permit-this":
        wanted = letters_for(request.action)
        if not wanted:
            return "no SMART scope permits it"
        return f"the token needs a scope such as system/{request.type or '*'}.{wanted}, without a query"
    if decision.rule in _ADVICE:
        return _ADVICE[decision.rule]
    of_rule = next((rule.advice for rule in rules() if rule.id == decision.rule), "")
    if of_rule:
        return of_rule
    purposes = _purposes(caller.role, request.action, request.type)
    if purposes - {caller.purpose}:
        return f"it takes the purpose of use {' or '.join(sorted(purposes))}"
    helpers = [role for role in _PEOPLE if caller.purpose in _purposes(role, request.action, request.type)]
    helpers = helpers or [role for role in _PEOPLE if _purposes(role, request.action, request.type)]
    helpers = [role for role in helpers if role is not caller.role]
    if not helpers:
        return "nobody may by the policy of this node"
    return "ask " + " or ".join(f"{'an' if role[0] in 'aeiou' else 'a'} {role}" for role in helpers[:2])


@cache
def _purposes(role: Role, action: Action, type_name: str) -> frozenset[Purpose]:
    """Return the purposes for which some rule lets the role at home do it."""
    return frozenset(
        purpose
        for rule in rules()
        if rule.effect == "permit" and rule.origin != "abroad"
        if role in rule.roles and action in rule.actions and not {type_name, "*"}.isdisjoint(rule.types)
        for purpose in Purpose
        if purpose in rule.purposes
    )
