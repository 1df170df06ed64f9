"""Who cannot say who they are is counted, not given a line of the audit each."""

from tests.conftest import NOW

from salus.core.access import Outcome
from salus.trust.refusals import ASSERTION, BEARER, Refusals


def test_a_thousand_refusals_are_one_leaf_of_each_kind():
    refusals = Refusals()
    for _ in range(1_000):
        refusals.note(BEARER)
    refusals.note(ASSERTION)
    leaves = refusals.take(NOW, "r1")
    assert [(leaf.what, leaf.resources, leaf.outcome) for leaf in leaves] == [
        (BEARER, 1_000, Outcome.REFUSED),
        (ASSERTION, 1, Outcome.REFUSED),
    ]
    assert refusals.take(NOW, "r2") == []
