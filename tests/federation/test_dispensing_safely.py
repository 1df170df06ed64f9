"""What was found in review: no way hands out more than was prescribed, and home and abroad agree."""

import asyncio
from decimal import Decimal

import httpx
import msgspec
import pytest
from tests.federation.conftest import get, local_caller, local_token, put
from tests.federation.test_dispensations import (
    ANA,
    RUI,
    TABLETS,
    dispense_locally,
    lines_abroad,
    prescription,
    recorded_at_home,
    status_at_home,
    supply,
)

from salus.core.access import Role
from salus.core.errors import AccessRefused, Conflict, NotFound, PeerUnavailable
from salus.primary.cross_border import PatientAbroad
from salus.primary.dispensing_abroad import (
    abandon,
    discard,
    dispense,
    dispense_id_of,
    finish_open,
    handed_over,
    list_prescriptions,
)
from salus.web.abroad import desk_of
from salus.web.restrictions import set_restricted

ID = "urn:oid:2.999.1"


@pytest.fixture
async def counter(federation):
    """Ana's prescription of 10 tablets is at home (pt-1); the pharmacist stands at ee-1."""
    once = {"quantity": {"value": 10, **TABLETS}, "numberOfRepeatsAllowed": 0}
    await put(
        federation.nodes["pt-1"],
        ANA,
        RUI,
        prescription(dispenseRequest=once),
        prescription("q", dispenseRequest=once),
    )
    abroad = federation.nodes["ee-1"]
    desk = desk_of(abroad.services, local_caller(abroad, Role.PHARMACIST, "Jaan Kask"))
    return federation, desk, PatientAbroad("pt-1", "ana", ANA, "present")


async def listed(desk, patient, name="rx"):
    found = await list_prescriptions(desk, patient)
    return next(each for each in found if each.resource["id"] == name)


def links(*names):
    return {"authorizingPrescription": [{"reference": f"MedicationRequest/{name}"} for name in names]}


def losing(desk, answers=2):
    """Let home do what it is asked, and lose its answers."""
    send, lost = desk.peers._send, []

    async def send_and_lose(member, method, url, headers, body, bytes_max):
        answer = await send(member, method, url, headers, body, bytes_max)
        if url.endswith("/fhir") and len(lost) < answers:
            lost.append(answer.status)
            raise PeerUnavailable("the line broke after the home node had answered")
        return answer

    desk.peers._send = send_and_lose


async def test_a_dispensation_names_one_prescription_of_its_patient_and_no_more_than_is_left(counter):
    federation, _, _ = counter
    home = federation.nodes["pt-1"]
    own = f"{home.url.upper()}/fhir/MedicationRequest/rx"
    for value, members in (
        (10, links("rx", "q")),
        (10, links("rx", "rx")),
        (10, links("gone")),
        (10, {"subject": {"reference": "Patient/rui"}}),
        (10, {"subject": {"display": "Ana"}}),
        (10, {"subject": {"reference": "https://other.example/fhir/Patient/ana"}}),
        (11, {"authorizingPrescription": [{"reference": own}]}),
    ):
        answer = await dispense_locally(home, value, "l1", **members)
        assert answer.status_code in (400, 404, 409, 422), (members, answer.text)
    assert await status_at_home(federation) == await status_at_home(federation, "q") == "active"
    assert await recorded_at_home(federation) == []
    assert (await dispense_locally(home, 10, "l1")).status_code == 201
    assert (await dispense_locally(home, 1, "l2")).status_code == 409


async def test_a_recorded_dispensation_moves_to_no_other_prescription(counter):
    federation, _, _ = counter
    home = federation.nodes["pt-1"]
    made = (await dispense_locally(home, 10, "l1")).json()
    path = f"MedicationDispense/{made['id']}"
    for members in (links("q"), links(), {"subject": {"reference": "Patient/rui"}}, {"identifier": []}):
        answer = await dispense_locally(home, 10, "l1", "PUT", path, id=made["id"], **members)
        assert answer.status_code in (404, 409, 422), answer.text
    headers = {
        "authorization": f"Bearer {local_token(home, Role.PHARMACIST, 'Rita')}",
        "content-type": "application/json-patch+json",
    }
    patch = [{"op": "remove", "path": "/authorizingPrescription"}]
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        assert (await client.patch(f"{home.url}/fhir/{path}", json=patch)).status_code == 409
    assert await status_at_home(federation) == "completed"
    back = await dispense_locally(home, 10, "l1", "PUT", path, id=made["id"], status="entered-in-error")
    assert back.status_code == 200, back.text
    assert await status_at_home(federation) == "active"


async def test_nobody_but_its_recorder_changes_a_dispensation(counter):
    federation, desk, patient = counter
    home = federation.nodes["pt-1"]
    done = await dispense(desk, patient, (await listed(desk, patient)).resource, supply("d1", 10))
    name = done.resource["id"]
    for members in (
        links("q"),
        {"status": "entered-in-error"},
        {"identifier": [{"system": "urn:x", "value": "1"}]},
    ):
        answer = await dispense_locally(
            home, 10, "d1", "PUT", f"MedicationDispense/{name}", id=name, **members
        )
        assert answer.status_code == 403, answer.text
    kept = (await get(home, f"MedicationDispense/{name}")).json()
    headers = {
        "authorization": f"Bearer {local_token(home, Role.OPERATOR, 'operator')}",
        "content-type": "application/fhir+json",
    }
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        address = f"{home.url}/fhir/MedicationDispense/{name}"
        changed = await client.put(address, json=kept | {"status": "entered-in-error"})
        assert (changed.status_code, (await client.delete(address)).status_code) == (403, 403)
    assert [each["status"] for each in await recorded_at_home(federation)] == ["completed"]
    assert await status_at_home(federation) == "completed"


async def test_what_its_prescriber_ended_is_not_active_again(counter):
    federation, desk, patient = counter
    home = federation.nodes["pt-1"]
    each = await listed(desk, patient)
    first = await dispense(desk, patient, each.resource, supply("d1", 4))
    ended = (await get(home, "MedicationRequest/rx")).json() | {"status": "completed"}
    await put(home, ended)
    back = await discard(desk, patient, dispense_id_of(first.resource))
    assert back.prescription_status == await status_at_home(federation) == "completed"
    with pytest.raises(Conflict, match="completed"):
        await dispense(desk, patient, each.resource, supply("d2", 1))


async def test_a_dispense_id_is_one_pharmacys(counter):
    federation, desk, patient = counter
    home, abroad = federation.nodes["pt-1"], federation.nodes["ee-1"]
    each = await listed(desk, patient)
    await dispense(desk, patient, each.resource, supply("0001", 4))
    mine = {"identifier": [{"system": ID, "value": "0001"}]}
    headers = {
        "authorization": f"Bearer {local_token(home, Role.PHARMACIST, 'Rita')}",
        "content-type": "application/fhir+json",
        "if-none-exist": f"identifier={ID}|0001",
    }
    resource = (await recorded_at_home(federation))[0]
    sent = {name: member for name, member in resource.items() if name not in ("id", "meta")} | mine
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        answer = await client.post(f"{home.url}/fhir/MedicationDispense", json=sent)
    assert answer.status_code == 409, answer.text
    assert "another pharmacy" in answer.text
    caller = msgspec.structs.replace(desk.caller, organisation="Another pharmacy", subject="mari")
    elsewhere = desk_of(abroad.services, caller)
    with pytest.raises(Conflict, match="another pharmacy"):
        await dispense(elsewhere, patient, each.resource, supply("0001", 4))
    with pytest.raises(Conflict, match="another pharmacy"):
        await discard(elsewhere, patient, (ID, "0001"))
    assert await finish_open(elsewhere) == {}
    assert str((await listed(desk, patient)).left.amount) == "6 tablet"


async def test_substitution_is_judged_from_the_prescription_at_home(counter):
    federation, desk, patient = counter
    home = federation.nodes["pt-1"]
    once = {"quantity": {"value": 10, **TABLETS}}
    brand = {"coding": [{"system": "http://snomed.info/sct", "code": "111"}], "text": "Brand X"}
    await put(
        home,
        prescription(
            medicationCodeableConcept=brand, substitution={"allowedBoolean": False}, dispenseRequest=once
        ),
    )
    each = await listed(desk, patient)
    echoed = {**each.resource, "medicationCodeableConcept": {"text": "OTHER DRUG"}, "substitution": {}}
    other = {"coding": [{"system": "http://snomed.info/sct", "code": "222"}]}
    with pytest.raises(Conflict, match="changed since it was shown"):
        await dispense(desk, patient, echoed, supply("d1", 1, medication=other))
    with pytest.raises(Conflict, match="substitution"):
        await dispense(desk, patient, each.resource, supply("d1", 1, medication=other))
    assert (await dispense_locally(home, 1, "l1")).status_code == 409
    done = await dispense(desk, patient, each.resource, supply("d2", 1))
    assert done.resource["medicationCodeableConcept"] == brand
    await put(home, prescription(medicationCodeableConcept=brand, dispenseRequest=once))
    changed = await listed(desk, patient)
    done = await dispense(desk, patient, changed.resource, supply("d3", 1, medication=other))
    assert done.resource["substitution"]["wasSubstituted"] is True


async def test_what_was_refused_is_not_recorded_later(counter):
    federation, desk, patient = counter
    each = await listed(desk, patient)
    stranger = PatientAbroad("pt-1", "ana", ANA, "none")
    with pytest.raises(AccessRefused):
        await dispense(desk, stranger, each.resource, supply("d1", 10))
    with pytest.raises(AccessRefused):
        await dispense(desk, PatientAbroad("zz-1", "ana", ANA, "present"), each.resource, supply("d2", 10))
    assert await finish_open(desk) == {}
    assert await lines_abroad(federation) == {}
    assert await recorded_at_home(federation) == []


async def test_a_lost_answer_is_finished_on_the_relationship_that_was_stated(counter):
    _, desk, patient = counter
    each = await listed(desk, patient)
    send = desk.peers._send
    losing(desk)
    with pytest.raises(PeerUnavailable, match="hand nothing over"):
        await dispense(desk, patient, each.resource, supply("d1", 10))
    desk.peers._send = send
    (line,) = await handed_over(desk, patient)
    assert (line.relationship, line.pharmacy) == ("present", "Hospital of ee-1")
    assert await finish_open(desk) == {(ID, "d1"): "recorded"}


async def test_a_lost_discard_is_finished_and_both_countries_agree(counter):
    federation, desk, patient = counter
    done = await dispense(desk, patient, (await listed(desk, patient)).resource, supply("d1", 10))
    send = desk.peers._send
    losing(desk)
    with pytest.raises(PeerUnavailable, match="taken back") as raised:
        await discard(desk, patient, dispense_id_of(done.resource))
    assert "hand nothing over" not in raised.value.message
    desk.peers._send = send
    assert await lines_abroad(federation) == {"d1": "discarding"}
    assert await finish_open(desk) == {(ID, "d1"): "discarded"}
    assert [each["status"] for each in await recorded_at_home(federation)] == ["entered-in-error"]
    assert await status_at_home(federation) == "active"


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_hand_over_that_is_not_known_can_be_given_up(counter, arrived):
    federation, desk, patient = counter
    each = await listed(desk, patient)
    send = desk.peers._send
    if arrived:
        losing(desk)
    else:

        async def silent(member, method, url, headers, body, bytes_max):
            if url.endswith("/fhir"):
                raise PeerUnavailable("nobody answers")
            return await send(member, method, url, headers, body, bytes_max)

        desk.peers._send = silent
    with pytest.raises(PeerUnavailable):
        await dispense(desk, patient, each.resource, supply("d1", 10))
    desk.peers._send = send
    assert (await abandon(desk, patient, (ID, "d1"))).state == "discarded"
    assert await finish_open(desk) == {}
    assert [one["status"] for one in await recorded_at_home(federation)] == ["entered-in-error"]
    assert await status_at_home(federation) == "active"
    with pytest.raises(Conflict, match="new dispense id"):
        await dispense(desk, patient, each.resource, supply("d1", 10))
    await dispense(desk, patient, each.resource, supply("d2", 10))
    with pytest.raises(Conflict, match="discard"):
        await abandon(desk, patient, (ID, "d2"))


async def test_nothing_new_is_dispensed_on_a_restricted_prescription_and_what_was_is_known(counter):
    federation, desk, patient = counter
    home = federation.nodes["pt-1"]
    each = await listed(desk, patient)
    send = desk.peers._send
    losing(desk)
    with pytest.raises(PeerUnavailable):
        await dispense(desk, patient, each.resource, supply("d1", 4))
    desk.peers._send = send
    own = home.services.doorkeeper.identify(local_token(home, Role.CITIZEN, "ana", patient="ana"))
    await set_restricted(home.services, own, "MedicationRequest", "rx", hidden=True)
    assert (await dispense_locally(home, 1, "l1")).status_code == 404
    assert (await dispense_locally(home, 1, "l1", **links("never-there"))).status_code == 404
    with pytest.raises(NotFound):
        await dispense(desk, patient, each.resource, supply("d2", 1))
    assert await finish_open(desk) == {(ID, "d1"): "recorded"}
    with pytest.raises(Conflict):
        await discard(desk, patient, (ID, "d1"))
    assert await lines_abroad(federation) == {"d1": "recorded"}
    await set_restricted(home.services, own, "MedicationRequest", "rx", hidden=False)
    assert str((await listed(desk, patient)).left.amount) == "6 tablet"
    assert (await discard(desk, patient, (ID, "d1"))).prescription_status == "active"


async def test_a_prescription_on_which_something_was_handed_over_stays_its_patients(counter):
    federation, desk, patient = counter
    home = federation.nodes["pt-1"]
    await dispense(desk, patient, (await listed(desk, patient)).resource, supply("d1", 4))
    moved = (await get(home, "MedicationRequest/rx")).json() | {"subject": {"reference": "Patient/rui"}}
    headers = {
        "authorization": f"Bearer {local_token(home, Role.CLINICIAN, 'Maria')}",
        "content-type": "application/fhir+json",
    }
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        answer = await client.put(f"{home.url}/fhir/MedicationRequest/rx", json=moved)
    assert answer.status_code == 409, answer.text


async def test_two_pharmacies_at_home_and_abroad_at_once_hand_out_no_more_than_prescribed(counter):
    federation, desk, patient = counter
    home = federation.nodes["pt-1"]
    each = await listed(desk, patient)
    await asyncio.gather(
        *(dispense(desk, patient, each.resource, supply(f"d{n}", 4)) for n in range(4)),
        *(dispense_locally(home, 4, f"l{n}") for n in range(4)),
        return_exceptions=True,
    )
    made = [one for one in await recorded_at_home(federation) if one["status"] == "completed"]
    assert sum(Decimal(one["quantity"]["value"]) for one in made) == 8
    assert str((await listed(desk, patient)).left.amount) == "2 tablet"
