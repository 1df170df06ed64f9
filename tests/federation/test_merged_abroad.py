"""Abroad, a merged person is one person, whichever of their records the asker knows."""

import pytest
from tests.federation.conftest import local_caller, put
from tests.federation.test_crossing import published
from tests.federation.test_dispensations import ANA, RUI, prescription, supply
from tests.federation.test_dispensing_merged import OLD, join

from salus.core.access import Role
from salus.primary.cross_border import PatientAbroad, fetch_summary, list_documents
from salus.primary.dispensing_abroad import discard, dispense, dispense_id_of, list_prescriptions
from salus.store import persons
from salus.web.abroad import desk_of

OLDEST = {**ANA, "id": "ana-oldest"}
STAYS = PatientAbroad("pt-1", "ana", {}, "present")
GONE = PatientAbroad("pt-1", "ana-old", {}, "present")


def letter(patient):
    return {
        "resourceType": "DocumentReference",
        "id": f"letter-{patient}",
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "content": [{"attachment": {"url": "Binary/x"}}],
    }


@pytest.fixture
async def desk(federation):
    home, abroad = federation.nodes["pt-1"], federation.nodes["ee-1"]
    await put(home, ANA, OLD, OLDEST, RUI, prescription("rx", "ana"), prescription("rx-old", "ana-old"))
    await put(home, letter("ana"), letter("ana-old"), letter("ana-oldest"), letter("rui"))
    await join(federation, persons.merge)
    return desk_of(abroad.services, local_caller(abroad, Role.CLINICIAN, "Mari Tamm"))


@pytest.mark.parametrize("patient", [STAYS, GONE])
async def test_documents_and_summary_are_the_persons(desk, patient):
    listed = await list_documents(desk, patient)
    assert sorted(each["id"] for each in published(listed)) == ["letter-ana", "letter-ana-old"]
    summary = (await fetch_summary(desk, patient)).resource
    held = [each["resource"] for each in summary["entry"] if each["resource"]["resourceType"] == "Patient"]
    assert [each["id"] for each in held] == ["ana"]


@pytest.mark.parametrize("patient", [STAYS, GONE])
async def test_every_prescription_that_is_listed_can_be_dispensed_and_taken_back(federation, desk, patient):
    abroad = federation.nodes["ee-1"]
    counter = desk_of(abroad.services, local_caller(abroad, Role.PHARMACIST, "Jaan Kask"))
    listed = await list_prescriptions(counter, patient)
    assert sorted(each.resource["id"] for each in listed) == ["rx", "rx-old"]
    for each in listed:
        given = await dispense(counter, patient, each.resource, supply(each.resource["id"], 30))
        assert str(given.left.amount) == "30 tablet"
        back = await discard(counter, patient, dispense_id_of(given.resource))
        assert str(back.left.amount) == "60 tablet"


async def test_a_chain_of_merges_is_one_person(federation, desk):
    async def further(grant, database, _stays, _goes, *, key):
        await persons.unmerge(grant, database, "ana", "ana-old", key=key)
        await persons.merge(grant, database, "ana-old", "ana-oldest", key=key)
        await persons.merge(grant, database, "ana", "ana-old", key=key)

    await join(federation, further)
    for name in ("ana", "ana-old", "ana-oldest"):
        listed = await list_documents(desk, PatientAbroad("pt-1", name, {}, "present"))
        assert len(published(listed)) == 3, name
