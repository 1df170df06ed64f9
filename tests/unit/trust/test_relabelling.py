"""What lies here is judged anew by another version of the table of sensitive codes."""

import pytest
from tests.conftest import NOW
from tests.unit.trust.consent.test_hanging import observation, row, sees, write
from tests.unit.trust.consent.test_hanging_labels import DENIED, HIV

from salus.core.access import Action, Role
from salus.standards.sensitivity.table import version
from salus.store import resources
from salus.store.access_log import access_log
from salus.store.changes import Operation
from salus.store.journal import open_journal
from salus.store.labelling import labelled_by, note_labelled, take
from salus.trust.consent import hanging
from salus.trust.gate import Gatehouse
from salus.trust.relabelling import NAME, Relabelled, relabel

__all__ = ["sees", "write"]


@pytest.fixture
def write_unjudged(database, grant):
    """Write as a version did that knew of no code: nothing is compared with what the person says."""

    async def run(resource):
        one = row(resource)
        allowed = grant(action=Action.UPDATE)

        async def work(connection):
            change = Operation("update", one.type, one.id, one, may_create=True)
            await resources.apply(allowed, connection, [change], what="Bundle")

        await resources.transact(allowed, database, work)

    return run


async def test_veils_are_worked_out_anew_once_by_one_process(database, write, write_unjudged, sees):
    await write({"resourceType": "Patient", "id": "a"}, DENIED)
    await write_unjudged(observation("o", "a", code=HIV))
    assert await sees("Observation/o") == {"Observation/o"}
    async with open_journal(database) as journal:
        gatehouse = Gatehouse(journal, lambda: NOW)
        await note_labelled(database, "an older version")
        assert await take(database, "another's", NOW)
        assert await relabel(gatehouse, database, issuer="https://node.example") == Relabelled()
        await note_labelled(database, "an older version")
        assert await relabel(gatehouse, database, issuer="https://node.example") == Relabelled(1)
        assert await labelled_by(database) == version()
        assert await relabel(gatehouse, database, issuer="https://node.example") == Relabelled()
    assert await sees("Observation/o") == set()


async def test_the_person_reads_of_it_in_the_access_log(database, write, grant):
    await write({"resourceType": "Patient", "id": "a"}, DENIED)
    async with open_journal(database) as journal:
        await note_labelled(database, "an older version")
        await relabel(Gatehouse(journal, lambda: NOW), database, issuer="https://node.example")
    own = grant("a", role=Role.CITIZEN, action=Action.AUDIT)
    log = await access_log(own, database, "a", count=10)
    assert [each.leaf.what for each in log if each.leaf.name == NAME] == ["restriction"]


async def test_who_says_more_than_is_heard_holds_up_nobody(
    database, monkeypatch, write, write_unjudged, sees
):
    for patient in ("a", "b"):
        await write({"resourceType": "Patient", "id": patient}, {**DENIED, "id": f"c-{patient}",
                    "patient": {"reference": f"Patient/{patient}"}})  # fmt: skip
    await write_unjudged({**DENIED, "id": "one-more"})
    await write_unjudged(observation("o", "b", code=HIV))
    monkeypatch.setattr(hanging, "ACTIVE_MAX", 1)
    async with open_journal(database) as journal:
        await note_labelled(database, "an older version")
        found = await relabel(Gatehouse(journal, lambda: NOW), database, issuer="https://node.example")
    assert found == Relabelled(1, 1)
    assert await labelled_by(database) == version()
    assert await sees("Observation/o") == set()
