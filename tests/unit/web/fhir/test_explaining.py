"""A citizen is told why an access to their record was permitted; nobody else is told."""

from salus.core.access import Action, Role
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web import ledger
from salus.web.fhir.face import face

ADDRESS = "https://node.test/ledger/explain"


async def _look_at(door, patient):
    asked = AccessRequest(Action.READ, "Observation", "Observation/1", frozenset({patient}))
    async with enter(door.services.gatehouse, door.make_caller(), asked) as access:
        access.record((patient,))
        return access.grant.request


def _as(door, patient):
    token = door.token(Role.CITIZEN, patient=patient, subject=patient)
    return {"authorization": f"Bearer {token}"}


async def test_a_citizen_is_told_who_what_why_and_by_which_law(open_door):
    door = open_door(faces=(face, ledger.face))
    request = await _look_at(door, "ana")
    answer = await door.client.get(f"{ADDRESS}?request={request}", headers=_as(door, "ana"))
    assert answer.status_code == 200
    (told,) = answer.json()["accesses"]
    assert told["said"][0].startswith("Mari Tamm (clinician) of Tartu Hospital")
    assert (told["rule"], told["law"]) == ("clinician-treats", "EHDS 11(1)")


async def test_another_persons_access_is_not_there_and_a_professional_is_refused(open_door):
    door = open_door(faces=(face, ledger.face))
    request = await _look_at(door, "ana")
    assert (
        await door.client.get(f"{ADDRESS}?request={request}", headers=_as(door, "rui"))
    ).status_code == 404
    assert (await door.client.get(f"{ADDRESS}?request=", headers=_as(door, "ana"))).status_code == 400
    professional = {"authorization": f"Bearer {door.token()}"}
    assert (await door.client.get(f"{ADDRESS}?request={request}", headers=professional)).status_code == 403
