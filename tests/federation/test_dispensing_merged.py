"""A prescription in a record that was merged is dispensed, at home and abroad; an unmerge takes it along."""

import pytest
from tests.federation.conftest import local_caller, put
from tests.federation.test_dispensations import (
    ANA,
    RUI,
    dispense_locally,
    only,
    prescription,
    recorded_at_home,
    status_at_home,
    supply,
)

from salus.core.access import Action, Role
from salus.core.errors import Conflict, NotFound
from salus.primary.cross_border import PatientAbroad
from salus.primary.dispensing_abroad import discard, dispense, dispense_id_of, list_prescriptions
from salus.store import persons
from salus.store.merged import forget
from salus.store.sealing import seal_of
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.abroad import desk_of

OLD = {**ANA, "id": "ana-old"}


async def join(federation, verb):
    """Merge the record ana-old into ana, or take the two apart again."""
    services = federation.nodes["pt-1"].services
    operator = local_caller(federation.nodes["pt-1"], Role.OPERATOR, "operator")
    request = AccessRequest(Action.UPDATE, "Patient", "Patient.link")
    async with enter(services.gatehouse, operator, request) as access:
        await verb(access.grant, services.database, "ana", "ana-old", key=services.keys.search)
    forget(services.database)


@pytest.fixture
async def counter(federation):
    """Ana's prescription is in her old record, which was merged into ana; the pharmacist stands at ee-1."""
    await put(federation.nodes["pt-1"], ANA, OLD, RUI, prescription("rx", "ana-old"))
    await join(federation, persons.merge)
    abroad = federation.nodes["ee-1"]
    pharmacist = local_caller(abroad, Role.PHARMACIST, "Jaan Kask")
    desk = desk_of(abroad.services, pharmacist)
    return federation, desk, PatientAbroad("pt-1", "ana", ANA, "present")


async def test_a_prescription_of_the_merged_record_is_dispensed_abroad_and_taken_back(counter):
    federation, desk, patient = counter
    listed = await only(desk, patient)
    first = await dispense(desk, patient, listed.resource, supply("d1", 30))
    assert (str(first.left.amount), first.prescription_status) == ("30 tablet", "active")
    assert (await dispense(desk, patient, listed.resource, supply("d1", 30))).repeated
    last = await dispense(desk, patient, listed.resource, supply("d2", 30))
    assert last.prescription_status == await status_at_home(federation) == "completed"
    back = await discard(desk, patient, dispense_id_of(last.resource))
    assert (str(back.left.amount), back.prescription_status) == ("30 tablet", "active")


async def test_the_hand_over_is_kept_in_the_record_of_its_prescription(counter):
    federation, desk, patient = counter
    done = await dispense(desk, patient, (await only(desk, patient)).resource, supply("d1", 30))
    assert done.resource["subject"]["reference"] == "Patient/ana-old"
    found = await recorded_at_home(federation)  # of Patient/ana
    assert done.resource["id"] in [each.get("id") for each in found]


async def test_after_an_unmerge_the_prescription_and_what_was_handed_over_are_the_old_records_alone(counter):
    federation, desk, patient = counter
    done = await dispense(desk, patient, (await only(desk, patient)).resource, supply("d1", 30))
    await join(federation, persons.unmerge)
    assert await list_prescriptions(desk, patient) == []
    assert await recorded_at_home(federation) == []
    with pytest.raises(NotFound):
        await dispense(desk, patient, prescription("rx", "ana-old"), supply("d2", 30))
    old = PatientAbroad("pt-1", "ana-old", OLD, "present")
    listed = await only(desk, old)
    assert str(listed.left.amount) == "30 tablet"
    with pytest.raises(Conflict, match="only 30 tablet"):
        await dispense(desk, old, listed.resource, supply("d3", 31))
    back = await discard(desk, old, dispense_id_of(done.resource))
    assert str(back.left.amount) == "60 tablet"


async def test_the_pharmacy_at_home_dispenses_to_the_person_and_to_nobody_else(counter):
    federation, _, _ = counter
    home = federation.nodes["pt-1"]
    assert (await dispense_locally(home, 30, "l1")).status_code == 201
    old = {"reference": "Patient/ana-old"}
    assert (await dispense_locally(home, 30, "l2", subject=old)).status_code == 201
    assert await status_at_home(federation) == "completed"
    for subject in ({"reference": "Patient/rui"}, {"display": "Ana"}):
        answer = await dispense_locally(home, 1, "l3", subject=subject)
        assert answer.status_code == 409, answer.text
        assert "patient" in answer.json()["issue"][0]["details"]["text"]


async def test_what_was_handed_over_on_the_other_record_counts(counter):
    federation, desk, patient = counter
    loaded = {
        "resourceType": "MedicationDispense",
        "id": "history",
        "status": "completed",
        "medicationCodeableConcept": {"text": "Enalapril 10 mg"},
        "subject": {"reference": "Patient/ana"},
        "authorizingPrescription": [{"reference": "MedicationRequest/rx"}],
        "quantity": prescription()["dispenseRequest"]["quantity"],
    }
    await put(federation.nodes["pt-1"], loaded)
    old = PatientAbroad("pt-1", "ana-old", OLD, "present")
    for whom in (patient, old):
        with pytest.raises(Conflict, match="only 30 tablet"):
            await dispense(desk, whom, prescription("rx", "ana-old"), supply("d0", 31))
    await dispense(desk, old, prescription("rx", "ana-old"), supply("d1", 30))
    with pytest.raises(Conflict, match="nothing is left"):
        await dispense(desk, old, prescription("rx", "ana-old"), supply("d2", 1))


async def test_the_leaves_of_a_hand_over_stand_under_the_record_that_it_changed(counter):
    federation, desk, patient = counter
    await dispense(desk, patient, (await only(desk, patient)).resource, supply("d1", 30))
    async with federation.nodes["pt-1"].services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf WHERE patient = 'ana-old'")
    entries = [seal_of(connection).open(row["entry"]) for row in rows]
    assert b"Jaan Kask" in b"".join(entries)
    assert any(b"create" in entry for entry in entries)


async def test_one_prescription_in_two_merged_records_is_handed_over_once(federation):
    number = {"identifier": [{"system": "urn:rx", "value": "77"}]}
    copies = [
        prescription(name, patient, 0, **number) for name, patient in (("rx", "ana"), ("r2", "ana-old"))
    ]
    await put(federation.nodes["pt-1"], ANA, OLD, *copies)
    await join(federation, persons.merge)
    abroad = federation.nodes["ee-1"]
    desk = desk_of(abroad.services, local_caller(abroad, Role.PHARMACIST, "Jaan Kask"))
    patient = PatientAbroad("pt-1", "ana", ANA, "present")
    listed = await list_prescriptions(desk, patient)
    assert [each.item.copies for each in listed] == [1, 1]
    await dispense(desk, patient, listed[0].resource, supply("d1", 10))
    assert [str(each.left.amount) for each in await list_prescriptions(desk, patient)] == ["20 tablet"] * 2
    await dispense(desk, patient, listed[0].resource, supply("d2", 20))
    with pytest.raises(Conflict, match=r"nothing is left.* 2 times under one number"):
        await dispense(desk, patient, listed[1].resource, supply("d3", 30))
    assert await list_prescriptions(desk, patient) == []


async def test_what_a_later_prescription_replaces_is_not_handed_over_abroad(federation):
    later = prescription("r2", "ana-old", priorPrescription={"reference": "MedicationRequest/rx"})
    await put(federation.nodes["pt-1"], ANA, OLD, prescription("rx", "ana"), later)
    await join(federation, persons.merge)
    abroad = federation.nodes["ee-1"]
    desk = desk_of(abroad.services, local_caller(abroad, Role.PHARMACIST, "Jaan Kask"))
    patient = PatientAbroad("pt-1", "ana", ANA, "present")
    listed = {each.resource["id"]: each for each in await list_prescriptions(desk, patient)}
    assert ("a later prescription replaces it" in listed["rx"].why_not, listed["r2"].why_not) == (True, "")
    with pytest.raises(Conflict, match="a later prescription replaces it"):
        await dispense(desk, patient, listed["rx"].resource, supply("d1", 30))
    await dispense(desk, patient, listed["r2"].resource, supply("d2", 30))
