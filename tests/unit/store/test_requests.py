"""The leaves of a request: one's own, those of everybody for the auditor, and no other request's."""

import pytest
from tests.conftest import NOW

from salus.core.access import Action, Leaf, Outcome, Role
from salus.store.ledger import append
from salus.store.requests import leaves_of_request


def _leaf(request, patient):
    return Leaf(
        at=NOW, request=request, patient=patient, subject="s-1", name="Mari Tamm", role="clinician",
        organisation="", node="", purpose="TREAT", action="read", what="Observation/r1", resources=1,
        outcome=Outcome.SERVED, rule="clinician-treats",
    )  # fmt: skip


@pytest.fixture
async def written(database):
    async with database.system() as connection:
        await append(connection, [_leaf("r1", "ana"), _leaf("r1", "rui"), _leaf("r2", "ana")])


@pytest.mark.usefixtures("written")
async def test_a_citizen_gets_their_own_leaves_of_the_request(database, grant):
    own = grant("ana", role=Role.CITIZEN, action=Action.AUDIT)
    found = await leaves_of_request(own, database, "r1")
    assert [(leaf.request, leaf.patient) for leaf in found] == [("r1", "ana")]


@pytest.mark.usefixtures("written")
async def test_the_auditor_gets_those_of_everybody(database, grant):
    found = await leaves_of_request(grant(role=Role.AUDITOR, action=Action.AUDIT), database, "r1")
    assert [leaf.patient for leaf in found] == ["ana", "rui"]
    assert await leaves_of_request(grant(role=Role.AUDITOR, action=Action.AUDIT), database, "r") == []
