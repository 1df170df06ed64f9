"""Who cannot say who they are is counted, not given a line of the audit each."""

from datetime import timedelta

from tests.conftest import NOW

from salus.core.access import Outcome
from salus.trust.refusals import ADDRESSES_MAX, ASSERTION, BEARER, FAILURES_MAX, Failures, Refusals


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


def test_too_many_failures_of_an_address_hold_up_its_unknown_clients_until_the_next_minute():
    failures = Failures()
    failures.welcome("lab")
    for _ in range(FAILURES_MAX):
        assert failures.seconds_left("10.0.0.1", "stranger", NOW) == 0
        failures.note("10.0.0.1", NOW)
    later = NOW + timedelta(seconds=20)
    assert failures.seconds_left("10.0.0.1", "stranger", later) == 40
    assert failures.seconds_left("10.0.0.1", "lab", later) == 0
    assert failures.seconds_left("10.0.0.2", "stranger", later) == 0
    assert failures.seconds_left("10.0.0.1", "stranger", NOW + timedelta(minutes=1)) == 0


def test_however_many_addresses_fail_no_more_than_so_many_are_remembered():
    failures = Failures()
    for number in range(ADDRESSES_MAX + FAILURES_MAX):
        failures.note(str(number), NOW)
    assert len(failures._counts) == ADDRESSES_MAX + 1
