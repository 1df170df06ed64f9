"""What a pharmacy abroad handed over is told to itself, and what it was, as the patient's home shows it."""

import httpx
import msgspec
import pytest
from tests.federation.conftest import local_caller, local_token, put
from tests.federation.test_dispensations import ANA, prescription, supply

from salus.core.access import Role
from salus.core.errors import Conflict
from salus.primary.cross_border import PatientAbroad
from salus.primary.dispensing_abroad import dispense, handed_over, list_prescriptions
from salus.web.abroad import desk_of
from salus.web.restrictions import set_restricted


@pytest.fixture
async def given(federation):
    """A pharmacist of ee-1 gave Ana of pt-1 a medicine; the desk, the patient, what was recorded."""
    await put(federation.nodes["pt-1"], ANA, prescription())
    desk = desk_of(
        federation.nodes["ee-1"].services,
        local_caller(federation.nodes["ee-1"], Role.PHARMACIST, "Jaan Kask"),
    )
    patient = PatientAbroad("pt-1", "ana", ANA, "present")
    (listed,) = await list_prescriptions(desk, patient)
    done = await dispense(desk, patient, listed.resource, supply("d1", 20))
    with pytest.raises(Conflict):
        await dispense(desk, patient, listed.resource, supply("d2", 60))
    return desk, patient, done.resource


def speaking(desk, **who):
    return msgspec.structs.replace(desk, caller=msgspec.structs.replace(desk.caller, **who))


def told(lines):
    return {each.value: b"Enalapril" in each.message for each in lines}


async def test_a_pharmacy_sees_what_it_handed_over_itself_and_nobody_else_sees_it(given):
    desk, patient, _ = given
    assert told(await handed_over(desk, patient)) == {"d1": True, "d2": True}
    assert told(await handed_over(speaking(desk, subject="mai", name="Mai Saar"), patient)) == {
        "d1": True,
        "d2": True,
    }
    assert await handed_over(speaking(desk, organisation="Another pharmacy"), patient) == []
    assert await handed_over(speaking(desk, organisation="", subject="alone"), patient) == []
    assert await handed_over(speaking(desk, role=Role.CLINICIAN), patient) == []


async def test_without_a_relationship_the_pharmacy_is_told_only_that_it_handed_something_over(given):
    desk, patient, _ = given
    stranger = msgspec.structs.replace(patient, relationship="none")
    lines = await handed_over(desk, stranger)
    assert told(lines) == {"d1": False, "d2": False}
    assert {(each.prescription, each.message, each.note) for each in lines} == {("", b"", "")}
    assert {each.value: each.state for each in lines} == {"d1": "recorded", "d2": "refused"}


@pytest.mark.parametrize(("kind", "shown"), [("MedicationDispense", {"d2": True}), ("MedicationRequest", {})])
async def test_what_the_citizen_hides_at_home_is_not_told(federation, given, kind, shown):
    desk, patient, dispensation = given
    home = federation.nodes["pt-1"]
    own = home.services.doorkeeper.identify(local_token(home, Role.CITIZEN, "ana", patient="ana"))
    name = dispensation["id"] if kind == "MedicationDispense" else "rx"
    await set_restricted(home.services, own, kind, name, hidden=True)
    assert told(await handed_over(desk, patient)) == {"d1": False, "d2": False} | shown


async def test_an_opt_out_of_exchange_is_heard(federation, given):
    desk, patient, _ = given
    home, abroad = federation.nodes["pt-1"], federation.nodes["ee-1"]
    async with httpx.AsyncClient(trust_env=False) as client:
        ana = {"authorization": f"Bearer {local_token(home, Role.CITIZEN, 'ana', patient='ana')}"}
        answer = await client.put(
            f"{home.url}/rights/exchange-opt-out", headers=ana, json={"risk_understood": True}
        )
        assert answer.status_code == 200, answer.text
        assert told(await handed_over(desk, patient)) == {"d1": False, "d2": False}
        for role, count in ((Role.PHARMACIST, 2), (Role.CLINICIAN, 0)):
            headers = {"authorization": f"Bearer {local_token(abroad, role, 'Jaan Kask')}"}
            body = {"node": "pt-1", "id": "ana", "relationship": "in-care"}
            answer = await client.post(f"{abroad.url}/abroad/handed-over", headers=headers, json=body)
            assert (answer.status_code, len(answer.json()["handed_over"])) == (200, count)
            assert "Enalapril" not in answer.text
