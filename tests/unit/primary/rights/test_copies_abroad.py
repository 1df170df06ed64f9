"""Who is told of what: as the audit says, and of nothing that a node did not get."""

from datetime import UTC, datetime, timedelta

import pytest

from salus.core.access import Leaf, Outcome
from salus.primary.rights.copies_abroad import Entry, Holder, holders, may_hold

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def leaf(what, *, at=NOW, node="ee-1", patient="ana", action="search", resources=1, outcome=Outcome.SERVED):
    return Leaf(
        at=at, request="r", patient=patient, subject="mari", name="Mari", role="clinician", organisation="H",
        node=node, purpose="TREAT", action=action, what=what, resources=resources, outcome=outcome, rule="x",
    )  # fmt: skip


C1 = Entry("Condition/c1", NOW - HOUR)
LATER = NOW + HOUR


@pytest.mark.parametrize(
    ("what", "entry", "expected"),
    [
        ("Condition/c1", C1, True),
        ("Condition/c1/_history/2", C1, True),
        ("Condition/c10", C1, False),
        ("Condition?patient,code", C1, True),
        ("Observation?patient", C1, False),
        ("Patient/ana/$summary", C1, True),
        ("Patient/ana/$everything", C1, True),
        ("Patient/ana/$summary", Entry("DocumentReference/d", NOW - HOUR), False),
        ("Condition?patient", Entry("Condition/c1", NOW + HOUR), False),
        ("Condition/c1", Entry("Condition/c1", None, exact=True), True),
        ("Condition?patient", Entry("Condition/c1", None, exact=True), False),
        ("Condition?patient", Entry("Condition/c1"), True),
    ],
)
def test_an_answer_may_have_held_an_entry(what, entry, expected):
    assert may_hold(leaf(what), entry) is expected


@pytest.mark.parametrize(
    "access",
    [
        leaf("Condition/c1", node=""),
        leaf("Condition/c1", outcome=Outcome.REFUSED),
        leaf("Condition/c1", resources=0),
        leaf("accesses to reconcile", action="audit"),
        leaf("Condition/c1", at=LATER + HOUR),
    ],
)
def test_who_got_nothing_is_told_nothing(access):
    assert holders([access], [], until=LATER) == []


def test_each_node_is_told_what_it_got_of_the_records_it_knows():
    leaves = [
        leaf("Condition/c1"),
        leaf("Condition?patient", node="fr-1", patient="annie"),
        leaf("Observation?patient", node="es-1"),
        leaf("Condition/c2", node="fr-1", at=NOW - 3 * HOUR),
    ]
    told = holders(leaves, [C1, Entry("Condition/c2", NOW - 4 * HOUR)], until=LATER)
    both = ("Condition/c1", "Condition/c2")
    assert told == [
        Holder("ee-1", ("ana",), ("Condition/c1",)),
        Holder("fr-1", ("ana", "annie"), both),
    ]
    assert [each.node for each in holders(leaves, [], until=LATER)] == ["ee-1", "es-1", "fr-1"]
    assert [each.whom for each in holders(leaves, [], until=LATER, since=NOW)] == [("ana",)] * 2 + [
        ("annie",)
    ]
