"""Every decision can be explained; a professional's explanation never tells of a restriction."""

import ast
from importlib import resources

import msgspec
import pytest
from tests.conftest import NOW

from salus.core.access import Leaf, Outcome
from salus.trust import policy
from salus.trust.explain import (
    LIMITED,
    MARKED,
    MARKED_FOR_PROFESSIONAL,
    explain_to_citizen,
    explain_to_professional,
    known_rules,
)
from salus.trust.login.person import LOGGED_IN
from salus.trust.policy import rules
from salus.trust.presence import NOT_SHOWN
from salus.trust.refusals import RULE

LEAF = Leaf(
    at=NOW,
    request="r1",
    patient="ana",
    subject="s-1",
    name="Mari Tamm",
    role="clinician",
    organisation="Tartu Hospital",
    node="",
    purpose="TREAT",
    action="read",
    what="Observation/1",
    resources=1,
    outcome=Outcome.SERVED,
    rule="clinician-treats",
)


def _given_by_code() -> set[str]:
    """Return the ids that decisions have without a rule of the table: Decision(False, "...")."""
    sources = [resources.files("salus.trust").joinpath(name) for name in ("policy.py", "gate.py")]
    trees = [ast.parse(source.read_text(encoding="utf-8")) for source in sources]
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        call.args[1].value
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == policy.Decision.__name__ and len(call.args) > 1
        if isinstance(call.args[1], ast.Constant)
    }


def test_every_rule_has_an_explanation_and_every_explanation_a_rule():
    assert known_rules() == {rule.id for rule in rules()} | _given_by_code() | {RULE, LOGGED_IN, NOT_SHOWN}


def test_the_citizen_hears_who_what_why_and_the_rule():
    found = explain_to_citizen(LEAF)
    assert "Mari Tamm (clinician) of Tartu Hospital" in found.said[0]
    assert found.said[1:] == (
        "This was permitted.",
        "A clinician may read the records of those whom they treat.",
    )
    assert found.rule == "clinician-treats"


def test_the_citizen_hears_that_it_was_their_own_restriction():
    refused = msgspec.structs.replace(LEAF, outcome=Outcome.REFUSED, rule="restricted-by-the-citizen")
    assert "You have restricted" in explain_to_citizen(refused).said[2]
    assert explain_to_citizen(refused).law == "EHDS 8"


@pytest.mark.parametrize("rule", [rule.id for rule in rules() if rule.absent])
def test_a_professional_hears_the_same_of_a_restriction_and_of_nothing(rule):
    hidden = msgspec.structs.replace(LEAF, outcome=Outcome.REFUSED, rule=rule, resources=0)
    nothing = msgspec.structs.replace(LEAF, resources=0)
    assert explain_to_professional(hidden) == explain_to_professional(nothing)


def test_every_professional_hears_that_the_citizen_may_have_limited_it():
    for outcome in Outcome:
        for rule in known_rules():
            leaf = msgspec.structs.replace(LEAF, outcome=outcome, rule=rule)
            assert explain_to_professional(leaf).said[-1] == LIMITED


def test_a_rule_of_former_times_is_said_to_be_one():
    assert "not in use any more" in explain_to_citizen(msgspec.structs.replace(LEAF, rule="gone")).said[2]


@pytest.mark.clause("EHDS 9")
def test_what_was_out_of_the_ordinary_is_told_and_an_opt_out_to_the_citizen_alone():
    leaf = msgspec.structs.replace(LEAF, marks=("emergency", "opted-out", "unproven"))
    citizen, professional = explain_to_citizen(leaf).said, explain_to_professional(leaf).said
    assert {MARKED[mark] for mark in leaf.marks} <= set(citizen)
    assert {MARKED_FOR_PROFESSIONAL["emergency"], MARKED_FOR_PROFESSIONAL["unproven"]} <= set(professional)
    assert not any("opted" in sentence for sentence in professional)
    assert "opted-out" not in MARKED_FOR_PROFESSIONAL
