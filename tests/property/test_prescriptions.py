"""In whatever order and however often: never more than prescribed, and a repeat changes nothing."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from salus.core.errors import Conflict
from salus.primary.prescriptions import (
    Amount,
    Dispensation,
    Prescription,
    check_dispensable,
    is_repeat,
    remaining,
    status_after,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def tablets(value):
    return Amount(Decimal(value), "http://unitsofmeasure.org", "{tbl}", "tablet")


def receive(prescription, known, offered):
    """What home does with one message, on values: the new state, or the same when it is refused."""
    try:
        if is_repeat(known.values(), offered):
            return prescription, known
        if offered.counts:
            check_dispensable(prescription, known.values(), offered, now=NOW, country="PT")
    except Conflict:
        return prescription, known
    known = {**known, offered.identifier: offered}
    return msgspec.structs.replace(prescription, status=status_after(prescription, known.values())), known


messages = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.integers(1, 40),
        st.sampled_from(["completed", "completed", "in-progress", "entered-in-error"]),
    ),
    max_size=25,
)


@given(messages, st.integers(1, 4), st.one_of(st.none(), st.integers(5, 60)))
def test_no_order_of_messages_hands_out_more_than_was_prescribed(arriving, fills, total):
    each = tablets(30)
    overall = tablets(total) if total is not None else tablets(30 * fills)
    prescription = Prescription("p", "active", "", "", each, overall, fills, True, authored="2026-11-01")
    known = {}
    for name, value, status in arriving:
        offered = Dispensation(f"urn:x|{name}", "p", status, tablets(value), False, "")
        prescription, known = receive(prescription, known, offered)
        again = receive(prescription, known, offered)
        assert again == (prescription, known)
        left = remaining(prescription, known.values())
        handed_over = sum(found.amount.value for found in known.values() if found.counts)
        assert handed_over + left.amount.value == overall.value
        assert left.amount.value >= 0
        assert prescription.status == ("completed" if left.amount.value == 0 else "active")


@given(messages, st.integers(1, 3))
def test_without_an_amount_the_hand_overs_are_counted(arriving, fills):
    prescription = Prescription("p", "active", "", "", None, None, fills, True)
    known = {}
    for name, _, status in arriving:
        prescription, known = receive(
            prescription, known, Dispensation(f"urn:x|{name}", "p", status, None, False, "")
        )
        assert sum(found.counts for found in known.values()) <= fills


@given(st.permutations(["dispense", "dispense", "discard", "discard"]))
def test_a_discarded_hand_over_stays_discarded_when_its_message_comes_late(order):
    prescription, known = Prescription("p", "active", "", "", None, tablets(10), 1, True), {}
    for message in order:
        status = "completed" if message == "dispense" else "entered-in-error"
        prescription, known = receive(
            prescription, known, Dispensation("urn:x|a", "p", status, tablets(10), False, "")
        )
    assert remaining(prescription, known.values()).amount == tablets(10)
    assert prescription.status == "active"
