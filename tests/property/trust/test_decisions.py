"""Whatever is asked has a decision with a rule; no denial opens; an emergency opens where the law does."""

import itertools

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.core.access import Action, Assurance, Caller, Purpose, Role
from salus.trust.consent.provisions import provisions_of
from salus.trust.consent.voice import Asked, Item, voice_of
from salus.trust.facts import Environment, Facts, Relationship, Restriction, Voice
from salus.trust.jurisdictions.law import jurisdiction_of
from salus.trust.policy import AccessRequest, decide

ANA = frozenset({"ana"})
TYPES = (
    "Observation",
    "Patient",
    "Consent",
    "AuditEvent",
    "dataset",
    "summary",
    "restriction",
    "incident",
    "",
)
FACTS = st.builds(
    Facts,
    relationship=st.sampled_from(Relationship),
    is_proven=st.booleans(),
    voice=st.sampled_from(Voice),
    restriction=st.sampled_from(Restriction),
    emergency_reason=st.sampled_from([None, "", "unconscious"]),
    is_opted_out_of_exchange=st.booleans(),
    is_opted_out_of_secondary_use=st.booleans(),
    mandate=st.sampled_from([None, frozenset(), frozenset({"Observation"})]),
    has_permit=st.booleans(),
    environment=st.sampled_from(Environment),
    is_output_checked=st.booleans(),
    wants_results_now=st.booleans(),
)
OPEN = msgspec.structs.replace(
    jurisdiction_of("EU"),
    exchange_opt_out_opened_in_emergency=msgspec.structs.replace(
        jurisdiction_of("EU").exchange_opt_out_opened_in_emergency, value=True
    ),
)


def _caller(role, purpose, assurance=Assurance.HIGH):
    return Caller("s", "", role, "", "", purpose, patient="ana", assurance=assurance)


@settings(max_examples=10)
@given(FACTS)
def test_every_role_purpose_action_and_type_has_a_decision_with_a_rule(facts):
    for role, purpose, action, kind in itertools.product(Role, Purpose, Action, TYPES):
        decision = decide(_caller(role, purpose), AccessRequest(action, kind, "x", ANA), facts)
        assert decision.rule
        assert decision.permitted == bool(decision.obligations)
        assert not (decision.permitted and decision.absent)


@given(FACTS, st.sampled_from([Role.CLINICIAN, Role.EMERGENCY]), st.sampled_from(["EU", "PT", "EE", "FR"]))
def test_an_emergency_is_refused_only_where_the_law_keeps_an_opt_out_closed(facts, role, country):
    facts = msgspec.structs.replace(facts, emergency_reason="unconscious")
    request = AccessRequest(Action.READ, "Observation", "x", ANA)
    law = jurisdiction_of(country)
    decision = decide(_caller(role, Purpose.EMERGENCY), request, facts, law)
    closed = facts.is_opted_out_of_exchange and not law.exchange_opt_out_opened_in_emergency.value
    assert decision.permitted != closed
    assert decide(_caller(role, Purpose.EMERGENCY), request, facts, OPEN).permitted


@given(FACTS, st.sampled_from(Role), st.sampled_from(Purpose), st.sampled_from(TYPES))
def test_a_denial_of_the_citizen_never_opens(facts, role, purpose, kind):
    request = AccessRequest(Action.READ, kind, "x", ANA)
    before = decide(_caller(role, purpose), request, msgspec.structs.replace(facts, voice=Voice.NONE))
    after = decide(_caller(role, purpose), request, msgspec.structs.replace(facts, voice=Voice.DENY))
    assert before.permitted or not after.permitted


def _codes(*codes):
    return st.lists(st.sampled_from([{"code": code} for code in codes]), max_size=2, unique_by=str)


def _references(*references):
    listed = [{"reference": {"reference": each}} for each in references]
    return st.lists(st.sampled_from(listed), max_size=2, unique_by=str)


def _provision(children):
    return st.fixed_dictionaries(
        {"type": st.sampled_from(["permit", "deny"])},
        optional={
            "purpose": _codes("TREAT", "ETREAT", "HRESCH"),
            "actor": _references("Practitioner/a", "Organization/o", "Group/g"),
            "class": _codes("Observation", "Condition"),
            "securityLabel": _codes("N", "R", "PSY", "ETH"),
            "dataPeriod": st.sampled_from(
                [{"start": "2022"}, {"end": "2022"}, {"start": "2022", "end": "2023"}]
            ),
            "period": st.sampled_from([{"end": "2025"}, {"start": "2026"}]),
            "provision": children,
        },
    )


ROOTS = st.recursive(
    _provision(st.just([])), lambda inner: _provision(st.lists(inner, max_size=2)), max_leaves=4
)
ASKED = st.builds(
    Asked,
    purpose=st.sampled_from(["TREAT", "ETREAT", "HRESCH", "BTG"]),
    actors=st.frozensets(st.sampled_from(["Practitioner/a", "Organization/o", "Group/g"])),
    at=st.just(1_790_000_000.0),
    item=st.builds(
        Item,
        st.just("Observation/1"),
        classes=st.sampled_from([None, frozenset({"Observation"})]),
        labels=st.frozensets(st.sampled_from(["N", "R", "PSY", "ETHUD"]), max_size=2),
        period=st.sampled_from([None, (1_650_000_000.0, 1_650_000_001.0)]),
    ),
)


def _voice(roots, asked):
    return voice_of(
        provisions_of([{"status": "active", "provision": root} for root in roots]),
        asked,
    )


@given(st.lists(ROOTS, max_size=3), ROOTS, ASKED)
def test_one_more_denial_never_permits(roots, denial, asked):
    denial = {name: value for name, value in denial.items() if name != "provision"} | {"type": "deny"}
    if _voice(roots, asked) is not Voice.PERMIT:
        assert _voice([*roots, denial], asked) is not Voice.PERMIT


@given(st.lists(ROOTS, min_size=1, max_size=3), st.integers(0, 2), ROOTS, ASKED)
def test_one_more_nested_denial_never_permits(roots, place, denial, asked):
    denial = {name: value for name, value in denial.items() if name != "provision"} | {"type": "deny"}
    changed = list(roots)
    root = changed[place % len(roots)]
    changed[place % len(roots)] = root | {"provision": [*root.get("provision", ()), denial]}
    if _voice(roots, asked) is not Voice.PERMIT:
        assert _voice(changed, asked) is not Voice.PERMIT


@given(st.lists(ROOTS, max_size=3), ASKED)
def test_the_order_of_consents_does_not_count(roots, asked):
    assert _voice(roots, asked) is _voice(roots[::-1], asked)
