"""What the watch is told besides the leaves."""

from datetime import timedelta

import pytest
from tests.conftest import NOW

from salus.core.access import Leaf, Outcome, Role
from salus.store.emergencies import Emergency, open_emergency, review
from salus.trust.breach.facts import Contact
from salus.trust.breach.memory import Watch
from salus.trust.watching import facts_of

LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(("verdict", "is_told"), [("justified", True), ("unjustified", False), ("", False)])
async def test_an_emergency_that_a_second_look_found_justified_is_told(database, grant, verdict, is_told):
    claimed = Emergency(
        "e1", "p1", "s1", "Mari", "House", "", "no pulse", NOW, LATER, NOW + timedelta(days=3)
    )
    await open_emergency(grant("p1", role=Role.CLINICIAN), database, claimed)
    auditor = grant(role=Role.AUDITOR)
    if verdict:
        await review(auditor, database, "e1", verdict, "the chart says so")
    leaf = Leaf(
        NOW, "r", "p1", "s1", "Mari", "clinician", "House", "", "ETREAT", "read", "summary", 1,
        Outcome.SERVED, "x",
    )  # fmt: skip
    async with database.writing(auditor) as connection:
        facts = await facts_of(auditor, connection, Watch(), [leaf])
    assert facts.justified == ({("s1", "p1"): [Contact(NOW, LATER)]} if is_told else {})
