"""What refers to a restricted resource is hidden with it, now and later (EHDS 8)."""

import pytest

from salus.core.access import Action, Role
from salus.core.errors import NotFound
from salus.standards.fhir.search.index_row import IndexRow
from salus.store import resources
from salus.store.restrictions import lift, restrict
from salus.store.rows import make_row


def row(kind, identity, *names, patient="ana"):
    index = IndexRow((patient,), None, [], [], [], [])
    listed = ",".join(f'{{"reference":"{name}"}}' for name in names)
    return make_row(kind, identity, f'{{"resourceType":"{kind}","result":[{listed}]}}'.encode(), index=index)


@pytest.fixture
def node(database, grant):
    class Node:
        citizen = grant("ana", role=Role.CITIZEN)

        async def store(self, *rows):
            for one in rows:
                await resources.create(grant(action=Action.LOAD), database, one)

        async def seen(self, kind, identity):
            try:
                await resources.read(grant(role=Role.CLINICIAN), database, kind, identity)
            except NotFound:
                return False
            return True

        async def restrict(self, kind, identity):
            return await restrict(self.citizen, database, kind, identity)

        async def lift(self, kind, identity):
            return await lift(self.citizen, database, kind, identity)

    return Node()


@pytest.mark.clause("EHDS 8")
async def test_a_report_goes_and_comes_with_its_result(node):
    await node.store(
        row("Observation", "o1"),
        row("Observation", "o11"),
        row("DiagnosticReport", "r1", "Observation/o1"),
        row("DiagnosticReport", "r2", "Observation/o11"),
        row("DiagnosticReport", "r3", "Observation/o1", patient="ben"),
    )
    assert await node.restrict("Observation", "o1") == 2
    assert not await node.seen("DiagnosticReport", "r1")
    assert await node.seen("DiagnosticReport", "r2")
    assert await node.seen("DiagnosticReport", "r3")
    assert await node.lift("Observation", "o1") == 2
    assert await node.seen("DiagnosticReport", "r1")


@pytest.mark.clause("EHDS 8")
async def test_a_report_written_later_is_hidden_too(node, database, grant):
    await node.store(row("Observation", "o1"), row("DiagnosticReport", "r1"))
    await node.restrict("Observation", "o1")
    await node.store(row("DiagnosticReport", "r2", "Observation/o1/_history/1"))
    await resources.update(grant(), database, row("DiagnosticReport", "r1", "Observation/o1"))
    assert not await node.seen("DiagnosticReport", "r1")
    assert not await node.seen("DiagnosticReport", "r2")


@pytest.mark.clause("EHDS 8")
async def test_a_report_that_named_it_in_an_earlier_version_is_hidden_too(node, database, grant):
    await node.store(row("Observation", "o1"), row("DiagnosticReport", "r1", "Observation/o1"))
    await resources.update(grant(), database, row("DiagnosticReport", "r1"))
    await node.restrict("Observation", "o1")
    assert not await node.seen("DiagnosticReport", "r1")


@pytest.mark.clause("EHDS 8")
async def test_what_is_restricted_for_itself_or_names_another_stays_hidden(node):
    await node.store(
        row("Observation", "o1"),
        row("Observation", "o2"),
        row("DiagnosticReport", "r1", "Observation/o1"),
        row("DiagnosticReport", "r2", "Observation/o1", "Observation/o2"),
    )
    await node.restrict("DiagnosticReport", "r1")
    await node.restrict("Observation", "o1")
    await node.restrict("Observation", "o2")
    await node.lift("Observation", "o1")
    assert [await node.seen("DiagnosticReport", name) for name in ("r1", "r2")] == [False, False]
    assert await node.seen("Observation", "o1")
    await node.lift("Observation", "o2")
    await node.lift("DiagnosticReport", "r1")
    assert [await node.seen("DiagnosticReport", name) for name in ("r1", "r2")] == [True, True]
