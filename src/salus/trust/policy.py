"""May they? A pure decision over caller, request, facts and law, by the rules of `policy.toml`."""

from __future__ import annotations

from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from typing import Literal

import msgspec

from salus.core.access import Action, Caller, Narrowing, Purpose, Role
from salus.standards.fhir.model import resource_types
from salus.trust.circumstances import Circumstance, circumstances_of
from salus.trust.facts import ORDINARY, TIED, Facts
from salus.trust.jurisdictions.law import NEUTRAL, Jurisdiction, jurisdiction_of
from salus.trust.scopes import parse_grantable, permitting

_UNTIED = "not-in-their-care"
SUMMARY = "summary"
"""The word for a patient summary, which is one document of many types."""
TAKING_OVER = "document-taking-over"
"""The word for taking what a kept document says into the record (intake.taking_apart)."""


class AccessRequest(msgspec.Struct, frozen=True):
    """What is asked of the gate.

    Args:
        action: what is to be done.
        type: the resource type, "" when the request is about no single one (system search, Bundle), or a word
            of ours for what is more than one: "summary", "restriction".
        what: what the leaf will say, without values: "Observation/123", "Observation?patient,code".
        patients: logical ids of the patients the request names; None when it names none. Naming one confines
            the grant to them, so leave it away for a write whose patient is not known yet.
        many: whether a condition may hit several resources (a conditional delete of many).
        narrows: whether the store holds the answer to `Decision.narrowed`; without, a scope with a query
            permits nothing.
    """

    action: Action
    type: str
    what: str
    patients: frozenset[str] | None = None
    many: bool = False
    narrows: bool = False


class Obligation(StrEnum):
    """What must happen besides, where an access is permitted."""

    LOG = "log"
    SHOWN_IN_ACCESS_LOG = "citizen-can-see-in-access-log"
    INFORM_CITIZEN = "inform-citizen"
    REVIEW_AFTER = "review-after"
    MARK_UNPROVEN = "mark-unproven"
    MARK_ASSISTED = "mark-as-assisted"
    MARK_CUT_OFF = "mark-cut-off"
    MARK_ENTERED_BY_CITIZEN = "mark-as-entered-by-citizen"
    AUTHOR_RECORDED = "author-recorded"
    CONTROLLER_ANSWERS = "controller-answers"


class Decision(msgspec.Struct, frozen=True):
    """The answer.

    Args:
        permitted: whether.
        rule: by which rule.
        patients: whose compartments open, None for all.
        types: resource types that may be read on the way (`core.access.Grant.types`), None for all.
        obligations: what must happen besides; none where it is refused.
        absent: whether the answer must look as if the person, or what is asked, were not there.
        narrowed: resource types that may be read only as far as they satisfy a search
            (`core.access.Grant.narrowed`).
    """

    permitted: bool
    rule: str
    patients: frozenset[str] | None = None
    types: frozenset[str] | None = frozenset()
    obligations: frozenset[Obligation] = frozenset()
    absent: bool = False
    narrowed: tuple[tuple[str, Narrowing], ...] = ()


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table; its head says what the columns mean."""

    id: str
    roles: frozenset[str]
    purposes: frozenset[str]
    actions: frozenset[str]
    types: frozenset[str]
    opens: frozenset[str] = frozenset()
    advice: str = ""
    effect: Literal["permit", "refuse"] = "permit"
    reach: Literal["own", "named", "node", "scope"] = "own"
    origin: Literal["anywhere", "here", "abroad"] = msgspec.field(default="anywhere", name="from")
    when: frozenset[Circumstance] = frozenset()
    unless: frozenset[Circumstance] = frozenset()
    absent: bool = False
    law: str = ""


class Duty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Obligations, and of what is permitted they are; columns as in `Rule`."""

    obligations: frozenset[Obligation]
    roles: frozenset[str]
    actions: frozenset[str]
    types: frozenset[str]
    when: frozenset[Circumstance] = frozenset()
    law: str = ""


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    groups: dict[str, frozenset[str]]
    rule: list[Rule]
    duty: list[Duty]


@cache
def rules() -> tuple[Rule, ...]:
    """Return the rules in their order, groups of types expanded."""
    table = _table()
    return tuple(
        msgspec.structs.replace(
            rule, types=_expand(rule.types, table.groups), opens=_expand(rule.opens, table.groups)
        )
        for rule in table.rule
    )


@cache
def duties() -> tuple[Duty, ...]:
    """Return the duties, groups of types expanded."""
    table = _table()
    return tuple(
        msgspec.structs.replace(duty, types=_expand(duty.types, table.groups)) for duty in table.duty
    )


def definitions() -> frozenset[str]:
    """Return the types by which the node reads and checks everybody's records: the operator's to write."""
    return _table().groups["definitions"]


@cache
def _table() -> _Table:
    text = resources.files("salus.trust").joinpath("policy.toml").read_bytes()
    return msgspec.toml.decode(text, type=_Table)


def _expand(types: frozenset[str], groups: dict[str, frozenset[str]]) -> frozenset[str]:
    names: set[str] = set()
    for name in types:
        names |= groups[name[1:]] if name.startswith("@") else {name}
    return frozenset(names)


def decide(
    caller: Caller, request: AccessRequest, facts: Facts = ORDINARY, law: Jurisdiction | None = None
) -> Decision:
    """Return the decision of the first rule that fits; without one the answer is no.

    `law` is that of the node's country, by default of the Regulation alone.
    """
    words = circumstances_of(caller, request.type, facts, law or jurisdiction_of(NEUTRAL))
    rule = _rule_for(caller, request, words)
    decision = _by_rule(rule, caller, request)
    if rule is None or not decision.permitted:
        absent = rule.absent if rule else Circumstance.NO_TIE in words
        return msgspec.structs.replace(decision, absent=absent)
    if facts.in_care is not None:
        opened = facts.in_care if decision.patients is None else decision.patients & facts.in_care
        if decision.patients and not opened:
            return Decision(False, _UNTIED, absent=True)
        decision = msgspec.structs.replace(decision, patients=opened)
    types = rule.opens or readable_types(caller, request.action, decision.patients, words)
    if facts.mandate is not None:
        types = facts.mandate if types is None else types & facts.mandate
    owed = _obligations(caller.role, request.action, request.type, words)
    narrowed: tuple[tuple[str, Narrowing], ...] = ()
    if caller.scopes and any("?" in scope for scope in caller.scopes):
        narrowed = narrowed_types(caller, request.action, decision.patients, words)
    if facts.mandate is not None:
        narrowed = tuple(one for one in narrowed if one[0] in facts.mandate)
    return Decision(True, decision.rule, decision.patients, types, owed, narrowed=narrowed)


def refuse_purpose(facts: Facts) -> Decision:
    """Return the decision on a purpose that no rule knows: advertising, insurance, jobs (article 54)."""
    return Decision(False, "purpose-is-not-permitted", absent=facts.relationship not in TIED)


def readable_types(
    caller: Caller,
    action: Action,
    patients: frozenset[str] | None,
    words: frozenset[Circumstance] = frozenset(),
) -> frozenset[str] | None:
    """Return the resource types that the caller may read in all of the compartments; None for all types.

    An action that does not read needs to look: it counts as a search.
    """
    looking = action if action in _LOOKING else Action.SEARCH
    reach = _types_by_reach(
        caller.role, caller.purpose, caller.node is not None, caller.scopes, looking, words
    )
    if patients is None:
        return reach[0]
    return reach[2] if patients == {caller.patient} else reach[1]


def writable_types(
    caller: Caller, action: Action, patients: frozenset[str] | None, law: Jurisdiction
) -> frozenset[str]:
    """Return the resource types of which the caller may create, or change, single resources by themselves."""
    return frozenset(
        name
        for name in resource_types()
        if decide(caller, AccessRequest(action, name, "", patients), ORDINARY, law).permitted
    )


def narrowed_types(
    caller: Caller,
    action: Action,
    patients: frozenset[str] | None,
    words: frozenset[Circumstance] = frozenset(),
) -> tuple[tuple[str, Narrowing], ...]:
    """Return the types of which the scopes let the caller read only what satisfies a search, with it."""
    named = {scope.type for scope in map(parse_grantable, caller.scopes) if scope is not None and scope.query}
    looking = action if action in _LOOKING else Action.SEARCH
    return tuple(
        (name, permission.narrowing)
        for name in sorted(named)
        if (permission := permitting(caller.scopes, looking, name)) is not None and permission.narrowing
        if _is_permitted(caller, AccessRequest(looking, name, "", patients, narrows=True), words)
    )


def _is_permitted(caller: Caller, request: AccessRequest, words: frozenset[Circumstance]) -> bool:
    decision = _by_rule(_rule_for(caller, request, words), caller, request)
    return decision.permitted and decision.patients == request.patients


_THE_PERSONS_OWN = frozenset({"Consent", "Subscription"})
_LOOKING = frozenset({Action.READ, Action.SEARCH, Action.HISTORY, Action.CHANGES, Action.EXPORT})
Types = frozenset[str] | None


@lru_cache(maxsize=4_096)
def _types_by_reach(
    role: Role,
    purpose: Purpose,
    abroad: bool,
    scopes: tuple[str, ...],
    action: Action,
    words: frozenset[Circumstance],
) -> tuple[Types, Types, Types]:
    """Return the types that may be read of everybody, of patients named, and of the caller themselves."""
    someone = Caller(
        "", "", role, "", "", purpose, patient="own", scopes=scopes, node="abroad" if abroad else None
    )
    found: tuple[set[str], set[str], set[str]] = (set(), set(), set())
    own, named = frozenset({"own"}), frozenset({"named"})
    for name in resource_types():
        for patients, place in ((None, 0), (named, 1), (own, 2)):
            request = AccessRequest(action, name, "", patients)
            decision = _by_rule(_rule_for(someone, request, words), someone, request)
            if decision.permitted and decision.patients == patients:
                found[place].add(name)
    everybody, of_named, of_own = (
        None if len(each) == len(resource_types()) else frozenset(each) for each in found
    )
    return everybody, of_named, of_own


def _rule_for(caller: Caller, request: AccessRequest, words: frozenset[Circumstance]) -> Rule | None:
    return _fitting(caller.role, caller.purpose, request.action, request.type, caller.node is not None, words)


@lru_cache(maxsize=16_384)
def _fitting(
    role: Role,
    purpose: Purpose,
    action: Action,
    type_name: str,
    abroad: bool,
    words: frozenset[Circumstance],
) -> Rule | None:
    for rule in _candidates(role, purpose, action):
        if not _names(rule.types, type_name):
            continue
        if rule.origin != "anywhere" and (rule.origin == "abroad") != abroad:
            continue
        if rule.when <= words and rule.unless.isdisjoint(words):
            return rule
    return None


@lru_cache(maxsize=16_384)
def _obligations(
    role: Role, action: Action, type_name: str, words: frozenset[Circumstance]
) -> frozenset[Obligation]:
    return frozenset(
        obligation
        for duty in duties()
        if _names(duty.roles, role) and _names(duty.actions, action) and _names(duty.types, type_name)
        if duty.when <= words
        for obligation in duty.obligations
    )


def _by_rule(rule: Rule | None, caller: Caller, request: AccessRequest) -> Decision:
    if rule is None:
        return Decision(False, "no-rule-permits-this")
    if rule.effect == "refuse":
        return Decision(False, rule.id)
    return _permit(rule, caller, request)


@cache
def _candidates(role: Role, purpose: Purpose, action: Action) -> tuple[Rule, ...]:
    return tuple(
        rule
        for rule in rules()
        if _names(rule.roles, role) and _names(rule.purposes, purpose) and _names(rule.actions, action)
    )


def _names(column: frozenset[str], value: str) -> bool:
    return "*" in column or value in column


def _permit(rule: Rule, caller: Caller, request: AccessRequest) -> Decision:
    """Return the permission with its reach: never wider than rule, scopes and request together."""
    reach = rule.reach
    if caller.scopes or reach == "scope":
        if caller.app and _outlives_a_consent(request):
            return Decision(False, "not-through-an-app")
        scope = permitting(caller.scopes, request.action, request.type)
        if scope is None:
            return Decision(False, "scope-does-not-permit-this")
        if scope.narrowing and not (request.narrows and request.action in _LOOKING):
            return Decision(False, "scope-narrows-by-a-query")
        if scope.context == "patient":
            reach = "own"
        elif reach == "scope":
            reach = "node"
    if reach == "own":
        return _own(rule, caller, request)
    if reach == "named" and not request.patients:
        return Decision(False, "a-patient-must-be-named")
    return Decision(True, rule.id, request.patients)


def _outlives_a_consent(request: AccessRequest) -> bool:
    """Return whether what is asked would go on when the person has ended what they allowed the app."""
    return request.action is Action.EXPORT or (
        request.type in _THE_PERSONS_OWN and request.action not in _LOOKING
    )


def _own(rule: Rule, caller: Caller, request: AccessRequest) -> Decision:
    if not caller.patient:
        return Decision(False, "caller-has-no-record-here")
    if request.many and request.action is Action.DELETE:
        return Decision(False, "no-deletion-of-many")
    # Another patient's record is not refused but absent: the grant simply does not reach it.
    return Decision(True, rule.id, frozenset((caller.patient,)))
