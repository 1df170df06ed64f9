"""Why an access was permitted or refused, in plain words, from its leaf alone. Pure.

The person whose data it is hears the rule that decided. A professional hears what is told of every refusal of
its kind, so that no explanation tells of a restriction, a consent or an opt-out; and the same last sentence
whether or not there is one.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

from salus.core.access import Leaf, Outcome
from salus.trust.policy import rules

LIMITED = "The citizen may have limited what is shown."
"""Said to every professional, restricted or not."""
_NOTHING = "There is nothing at this address that could be shown."
MARKED = {
    "emergency": "It was an emergency; the reason is in your notice, and somebody else looks at it again.",
    "unproven": "Nobody showed that you were with them; such accesses are counted, and you were told.",
    "cut-off": "Your node could not ask then whether the node abroad may still take part.",
    "assisted": "Staff at a desk did it together with you.",
    "opted-out": "You had opted out of the exchange of your health data: nothing of your record was shown.",
}
"""What a mark of a leaf means, to the person whose data it is."""
MARKED_FOR_PROFESSIONAL = {
    "emergency": "It was an emergency; the patient was told the reason, and somebody else looks at it again.",
    "unproven": "Nothing showed that the patient was there; their one-time code would have.",
    "cut-off": "The patient's node could not ask the federation's anchor then.",
}
"""The same to the professional; what would tell of the person's choices is not among them."""
_DONE = {
    Outcome.SERVED: "This was permitted.",
    Outcome.REFUSED: "This was refused.",
    Outcome.FAILED: "This was permitted, and did not come about.",
}


class Explanation(msgspec.Struct, frozen=True):
    """Why, for one leaf.

    Args:
        request: id of the request.
        said: sentences, in order.
        rule: id of the rule; "" where naming it would tell a professional of the person.
        law: the article behind the rule, "" where none is known or it would tell.
    """

    request: str
    said: tuple[str, ...]
    rule: str
    law: str


@cache
def _said() -> dict[str, str]:
    text = resources.files(__package__).joinpath("explanations.toml").read_bytes()
    return msgspec.toml.decode(text, type=dict[str, str])


@cache
def _laws() -> dict[str, str]:
    return {rule.id: rule.law for rule in rules()}


@cache
def _absent() -> frozenset[str]:
    return frozenset(rule.id for rule in rules() if rule.absent)


def known_rules() -> frozenset[str]:
    """Return the ids that have an explanation."""
    return frozenset(_said())


def explain_to_citizen(leaf: Leaf) -> Explanation:
    """Explain an access to the person whose data it was, or to the node's auditor."""
    said = _said().get(leaf.rule, "The rule that decided is not in use any more.")
    marked = (MARKED[mark] for mark in leaf.marks if mark in MARKED)
    told = (_facts(leaf), _DONE[leaf.outcome], said, *marked)
    return Explanation(leaf.request, told, leaf.rule, _law(leaf.rule))


def explain_to_professional(leaf: Leaf) -> Explanation:
    """Explain an access to the professional whose it was."""
    if leaf.rule in _absent() or (leaf.outcome is Outcome.SERVED and leaf.resources == 0):
        return Explanation(leaf.request, (_NOTHING, LIMITED), "", "")
    advice = next((rule.advice for rule in rules() if rule.id == leaf.rule and rule.advice), "")
    help_ = (f"What may help: {advice}.",) if advice else ()
    marked = (MARKED_FOR_PROFESSIONAL[mark] for mark in leaf.marks if mark in MARKED_FOR_PROFESSIONAL)
    told = (_DONE[leaf.outcome], *help_, *marked, LIMITED)
    return Explanation(leaf.request, told, leaf.rule, _law(leaf.rule))


def _law(rule: str) -> str:
    return _laws().get(rule, "")


def _facts(leaf: Leaf) -> str:
    who = f"{leaf.name or 'Somebody'} ({leaf.role or 'unknown'})"
    of = f" of {leaf.organisation}" if leaf.organisation else ""
    by_way = f", asking from the node {leaf.node}" if leaf.node else ""
    purpose = f", for the purpose {leaf.purpose}" if leaf.purpose else ""
    return f"{who}{of}{by_way}, at {leaf.at.isoformat()}: {leaf.action} {leaf.what}{purpose}."
