"""A medicine prescribed at home is dispensed abroad: once, whatever is lost, repeated or simultaneous."""

import asyncio
import json
from decimal import Decimal

import httpx
import pytest
from tests.federation.conftest import get, local_caller, local_token, put

from salus.core.access import Role
from salus.core.errors import AccessRefused, Conflict, NotFound, PeerUnavailable
from salus.primary.cross_border import PatientAbroad
from salus.primary.dispensing_abroad import (
    discard,
    dispense,
    dispense_id_of,
    finish_open,
    list_prescriptions,
)
from salus.primary.supplies import Supply
from salus.store.ledger import leaf_in
from salus.store.sealing import seal_of
from salus.web.abroad import desk_of
from salus.web.restrictions import set_restricted

TABLETS = {"system": "http://unitsofmeasure.org", "code": "{tbl}", "unit": "tablet"}
ANA = {"resourceType": "Patient", "id": "ana", "name": [{"family": "Silva"}], "birthDate": "1970-01-01"}
RUI = {"resourceType": "Patient", "id": "rui", "name": [{"family": "Costa"}]}


def prescription(name="rx", patient="ana", repeats=1, **members):
    return {
        "resourceType": "MedicationRequest",
        "id": name,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "Enalapril 10 mg"},
        "subject": {"reference": f"Patient/{patient}"},
        "authoredOn": "2026-11-01",
        "dispenseRequest": {"quantity": {"value": 30, **TABLETS}, "numberOfRepeatsAllowed": repeats},
    } | members


@pytest.fixture
async def counter(federation):
    """Ana's prescription is at home (pt-1); the pharmacist stands at ee-1."""
    await put(federation.nodes["pt-1"], ANA, RUI, prescription(), prescription("rui-rx", "rui"))
    abroad = federation.nodes["ee-1"]
    pharmacist = local_caller(abroad, Role.PHARMACIST, "Jaan Kask")
    desk = desk_of(abroad.services, pharmacist)
    return federation, desk, PatientAbroad("pt-1", "ana", ANA, "present")


def supply(name, value=30, **fields):
    return Supply(("urn:oid:2.999.1", name), Decimal(value), **fields)


async def only(desk, patient):
    listed = await list_prescriptions(desk, patient)
    assert len(listed) == 1
    return listed[0]


async def status_at_home(federation, name="rx"):
    return (await get(federation.nodes["pt-1"], f"MedicationRequest/{name}")).json()["status"]


async def recorded_at_home(federation):
    found = (await get(federation.nodes["pt-1"], "MedicationDispense?patient=Patient/ana")).json()
    return [entry["resource"] for entry in found.get("entry", [])]


async def test_partial_quantities_and_repeats_until_nothing_is_left(counter):
    federation, desk, patient = counter
    listed = await only(desk, patient)
    assert str(listed.left.amount) == "60 tablet"
    first = await dispense(desk, patient, listed.resource, supply("d1", 20))
    assert (str(first.left.amount), first.prescription_status, first.repeated) == (
        "40 tablet",
        "active",
        False,
    )
    await dispense(desk, patient, listed.resource, supply("d2", 30))
    with pytest.raises(Conflict, match="only 10 tablet"):
        await dispense(desk, patient, listed.resource, supply("d3", 11))
    last = await dispense(desk, patient, listed.resource, supply("d3", 10))
    assert (str(last.left.amount), last.prescription_status) == ("0 tablet", "completed")
    assert await status_at_home(federation) == "completed"
    assert await list_prescriptions(desk, patient) == []
    with pytest.raises(Conflict, match="nothing is left"):
        await dispense(desk, patient, listed.resource, supply("d4", 1))


async def test_a_repeated_call_changes_nothing(counter):
    federation, desk, patient = counter
    listed = await only(desk, patient)
    await dispense(desk, patient, listed.resource, supply("d1"))
    again = await dispense(desk, patient, listed.resource, supply("d1"))
    assert again.repeated
    assert str(again.left.amount) == "30 tablet"
    assert len(await recorded_at_home(federation)) == 1


async def test_the_same_id_for_another_hand_over_is_found_out(counter):
    _, desk, patient = counter
    listed = await only(desk, patient)
    await dispense(desk, patient, listed.resource, supply("d1", 30))
    with pytest.raises(Conflict, match="another hand-over"):
        await dispense(desk, patient, listed.resource, supply("d1", 29))


async def test_a_lost_answer_and_a_repeat_dispense_once(counter):
    federation, desk, patient = counter
    listed = await only(desk, patient)
    lost = []
    send = desk.peers._send

    async def losing(member, method, url, headers, body, bytes_max):
        answer = await send(member, method, url, headers, body, bytes_max)
        if url.endswith("/fhir") and len(lost) < 2:
            lost.append(answer.status)
            raise PeerUnavailable("the line broke after the home node had answered")
        return answer

    desk.peers._send = losing
    with pytest.raises(PeerUnavailable, match="call again with the same dispense id"):
        await dispense(desk, patient, listed.resource, supply("d1"))
    assert lost == [200, 200]
    done = await dispense(desk, patient, listed.resource, supply("d1"))
    assert done.repeated
    assert str(done.left.amount) == "30 tablet"
    assert len(await recorded_at_home(federation)) == 1


async def test_of_two_pharmacies_at_once_exactly_one_wins(counter):
    federation, desk, patient = counter
    await put(federation.nodes["pt-1"], prescription("rx", repeats=0))
    listed = await only(desk, patient)
    calls = [dispense(desk, patient, listed.resource, supply(f"d{each}")) for each in range(6)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    won = [each for each in results if not isinstance(each, BaseException)]
    assert len(won) == 1
    assert {type(each) for each in results if isinstance(each, BaseException)} == {Conflict}
    assert await status_at_home(federation) == "completed"
    assert len(await recorded_at_home(federation)) == 1


async def test_the_same_call_twice_at_once_is_one_dispensation(counter):
    federation, desk, patient = counter
    listed = await only(desk, patient)
    done = await asyncio.gather(*(dispense(desk, patient, listed.resource, supply("d1")) for _ in range(4)))
    assert sorted(each.repeated for each in done) == [False, True, True, True]
    assert {each.resource["id"] for each in done} == {done[0].resource["id"]}
    assert len(await recorded_at_home(federation)) == 1


async def test_a_discarded_dispensation_is_left_again_and_its_late_repeat_is_refused(counter):
    federation, desk, patient = counter
    await put(federation.nodes["pt-1"], prescription("rx", repeats=0))
    listed = await only(desk, patient)
    done = await dispense(desk, patient, listed.resource, supply("d1"))
    assert done.prescription_status == "completed"
    for _ in range(2):
        back = await discard(desk, patient, dispense_id_of(done.resource))
        assert (str(back.left.amount), back.prescription_status) == ("30 tablet", "active")
    with pytest.raises(Conflict, match="discarded"):
        await dispense(desk, patient, listed.resource, supply("d1"))
    assert [each["status"] for each in await recorded_at_home(federation)] == ["entered-in-error"]


async def test_what_the_prescriber_cancelled_or_forbade_is_not_dispensed(counter):
    federation, desk, patient = counter
    listed = await only(desk, patient)
    await put(federation.nodes["pt-1"], prescription(substitution={"allowedBoolean": False}))
    other = {"text": "Enalapril Generis 10 mg"}
    with pytest.raises(Conflict, match="substitution"):
        await dispense(desk, patient, listed.resource, supply("d1", substituted=True, medication=other))
    await put(federation.nodes["pt-1"], prescription(status="cancelled"))
    with pytest.raises(Conflict, match="cancelled"):
        await dispense(desk, patient, listed.resource, supply("d2"))
    assert await recorded_at_home(federation) == []


async def test_a_substituted_product_is_recorded_as_given(counter):
    federation, desk, patient = counter
    listed = await only(desk, patient)
    other = {"text": "Enalapril Generis 10 mg"}
    await dispense(desk, patient, listed.resource, supply("d1", substituted=True, medication=other))
    (kept,) = await recorded_at_home(federation)
    assert kept["medicationCodeableConcept"] == other
    assert kept["substitution"]["wasSubstituted"] is True


async def test_another_patients_prescription_is_out_of_reach(counter):
    federation, desk, patient = counter
    with pytest.raises((NotFound, AccessRefused)):
        await dispense(desk, patient, prescription("rui-rx"), supply("d1"))
    assert await status_at_home(federation, "rui-rx") == "active"
    assert await recorded_at_home(federation) == []


async def test_both_nodes_wrote_the_dispensation_down(counter):
    federation, desk, patient = counter
    listed = await only(desk, patient)
    await dispense(desk, patient, listed.resource, supply("d1"))
    for name, known_as in (("pt-1", "ana"), ("ee-1", "pt-1:ana")):
        async with federation.nodes[name].services.database.system() as connection:
            rows = await connection.fetch("SELECT entry FROM leaf WHERE patient = $1", known_as)
        written = b"".join(seal_of(connection).open(row["entry"]) for row in rows)
        assert b"Jaan Kask" in written
        assert b"create" in written


async def lines_abroad(federation):
    async with federation.nodes["ee-1"].services.database.system() as connection:
        rows = await connection.fetch("SELECT value, state FROM dispensed_abroad ORDER BY value")
    return {row["value"]: row["state"] for row in rows}


async def test_a_hand_over_whose_answer_was_lost_stays_open_abroad_and_is_finished_later(counter):
    federation, desk, patient = counter
    listed = await only(desk, patient)
    send = desk.peers._send

    async def losing(member, method, url, headers, body, bytes_max):
        answer = await send(member, method, url, headers, body, bytes_max)
        if url.endswith("/fhir"):
            raise PeerUnavailable("the line broke after the home node had answered")
        return answer

    desk.peers._send = losing
    with pytest.raises(PeerUnavailable):
        await dispense(desk, patient, listed.resource, supply("d1"))
    assert await lines_abroad(federation) == {"d1": "open"}
    desk.peers._send = send
    assert await finish_open(desk) == {("urn:oid:2.999.1", "d1"): "recorded"}
    assert await finish_open(desk) == {}
    assert await lines_abroad(federation) == {"d1": "recorded"}
    assert len(await recorded_at_home(federation)) == 1


async def test_both_countries_know_what_became_of_each_hand_over(counter):
    federation, desk, patient = counter
    listed = await only(desk, patient)
    done = await dispense(desk, patient, listed.resource, supply("d1"))
    with pytest.raises(Conflict):
        await dispense(desk, patient, listed.resource, supply("d2", 31))
    await discard(desk, patient, dispense_id_of(done.resource))
    assert await lines_abroad(federation) == {"d1": "discarded", "d2": "refused"}
    await dispense(desk, patient, listed.resource, supply("d2", 30))
    assert await lines_abroad(federation) == {"d1": "discarded", "d2": "recorded"}
    assert str((await only(desk, patient)).left.amount) == "30 tablet"


async def test_the_dispensing_node_keeps_a_record_of_its_own_also_when_home_is_gone(counter):
    federation, desk, patient = counter
    listed = await only(desk, patient)
    await dispense(desk, patient, listed.resource, supply("d1", 20))
    federation.publish(federation.member("ee-1"))
    node = federation.nodes["ee-1"]
    headers = {"authorization": f"Bearer {local_token(node, Role.PHARMACIST, 'Jaan Kask')}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        body = {"node": "pt-1", "id": "ana"}
        answer = await client.post(f"{node.url}/abroad/handed-over", json=body)
        other = await client.post(f"{node.url}/abroad/handed-over", json=body | {"id": "rui"})
    (line,) = answer.json()["handed_over"]
    assert (line["state"], line["prescription"], line["dispense_id"][1]) == ("recorded", None, "d1")
    assert (line["dispensation"], line["note"]) == (None, "")  # what it was, nobody at home shows
    assert other.json() == {"handed_over": []}


async def kept_abroad(federation, role=Role.PHARMACIST, path="MedicationDispense", **who):
    answer = await get(federation.nodes["ee-1"], path, role, **who)
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", [])]


async def test_the_dispensing_node_has_a_medication_dispense_of_its_own(counter):
    federation, desk, patient = counter
    listed = await only(desk, patient)
    done = await dispense(desk, patient, listed.resource, supply("d1", 20))
    await dispense(desk, patient, listed.resource, supply("d1", 20))
    with pytest.raises(Conflict):
        await dispense(desk, patient, listed.resource, supply("d2", 31))
    home = federation.nodes["pt-1"].url
    (own,) = await kept_abroad(federation)
    assert own["subject"]["reference"] == f"{home}/fhir/Patient/ana"
    assert own["authorizingPrescription"][0]["reference"] == f"{home}/fhir/MedicationRequest/rx"
    assert (own["status"], own["quantity"]["value"], own["meta"]["versionId"]) == ("completed", 20, "1")
    assert own["identifier"] == done.resource["identifier"]
    path = f"MedicationDispense?patient={home}/fhir/Patient/ana"
    assert [each["id"] for each in await kept_abroad(federation, Role.CLINICIAN, path)] == [own["id"]]
    await discard(desk, patient, dispense_id_of(done.resource))
    (own,) = await kept_abroad(federation)
    assert (own["status"], own["meta"]["versionId"]) == ("entered-in-error", "2")


async def test_the_own_record_is_for_own_professionals_and_each_reading_is_written_down(counter):
    federation, desk, patient = counter
    await dispense(desk, patient, (await only(desk, patient)).resource, supply("d1", 20))
    abroad = federation.nodes["ee-1"]
    (own,) = await kept_abroad(federation)
    path = f"MedicationDispense/{own['id']}"
    assert await kept_abroad(federation, Role.CITIZEN, patient="ana") == []
    assert (await get(abroad, path, Role.CITIZEN, patient="ana")).status_code == 404
    assert (await get(abroad, path, Role.PHARMACIST)).status_code == 200
    async with abroad.services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf WHERE patient = 'pt-1:ana'")
    told = [leaf_in(connection, bytes(row["entry"])) for row in rows]
    assert ("reader", "read", path) in [(each.subject, each.action, each.what) for each in told]
    changed = {**own, "status": "entered-in-error"}
    for method in ("PUT", "DELETE"):
        headers = {
            "authorization": f"Bearer {local_token(abroad, Role.OPERATOR, 'operator')}",
            "content-type": "application/fhir+json",
        }
        async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
            answer = await client.request(method, f"{abroad.url}/fhir/{path}", json=changed)
        assert answer.status_code == 409, answer.text
    assert [each["status"] for each in await kept_abroad(federation)] == ["completed"]


async def test_a_dispense_id_of_any_characters_selects_itself_only(counter):
    _, desk, patient = counter
    listed = await only(desk, patient)
    for value in ("a|b", "a,b", "a$b", "a&identifier=x", "a\\b", "ü 1", "a%2Cb", "a+b"):
        first = await dispense(desk, patient, listed.resource, supply(value, 1))
        again = await dispense(desk, patient, listed.resource, supply(value, 1))
        assert (first.repeated, again.repeated) == (False, True), value


async def dispense_locally(node, value, name, method="POST", path="MedicationDispense", **members):
    resource = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "identifier": [{"system": "urn:oid:2.999.2", "value": name}],
        "medicationCodeableConcept": {"text": "Enalapril 10 mg"},
        "subject": {"reference": "Patient/ana"},
        "authorizingPrescription": [{"reference": "MedicationRequest/rx"}],
        "quantity": {"value": value, **TABLETS},
    } | members
    headers = {
        "authorization": f"Bearer {local_token(node, Role.PHARMACIST, 'Rita')}",
        "content-type": "application/fhir+json",
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(method, f"{node.url}/fhir/{path}", json=resource, headers=headers)


async def test_the_pharmacy_at_home_is_bound_by_the_same_rule(counter):
    federation, desk, patient = counter
    home = federation.nodes["pt-1"]
    await dispense(desk, patient, (await only(desk, patient)).resource, supply("d1", 30))
    assert (await dispense_locally(home, 31, "l1")).status_code == 409
    assert (await dispense_locally(home, 30, "l1")).status_code == 201
    assert await status_at_home(federation) == "completed"
    assert (await dispense_locally(home, 1, "l2")).status_code == 409


async def test_only_the_node_that_recorded_a_dispensation_discards_it_and_nobody_deletes_it(counter):
    federation, desk, patient = counter
    home = federation.nodes["pt-1"]
    done = await dispense(desk, patient, (await only(desk, patient)).resource, supply("d1", 30))
    path = f"MedicationDispense/{done.resource['id']}"
    identifier = done.resource["identifier"]
    discarded = {"id": done.resource["id"], "identifier": identifier, "status": "entered-in-error"}
    answer = await dispense_locally(home, 30, "x", "PUT", path, **discarded)
    assert answer.status_code == 403, answer.text
    assert (await dispense_locally(home, 30, "x", "DELETE", path)).status_code in (403, 409)
    assert [each["status"] for each in await recorded_at_home(federation)] == ["completed"]
    assert str((await only(desk, patient)).left.amount) == "30 tablet"


async def test_a_product_that_is_referred_to_comes_along_and_can_be_dispensed(counter):
    federation, desk, patient = counter
    home = federation.nodes["pt-1"]
    product = {"resourceType": "Medication", "id": "m1", "code": {"text": "Cefuroxime 1500 mg"}}
    kept = prescription("rx")
    del kept["medicationCodeableConcept"]
    inside = {**kept, "id": "rx2", "contained": [{**product, "id": "med"}]}
    dispensing = {"quantity": {"value": 1, **TABLETS}}
    await put(
        home,
        product,
        {**kept, "medicationReference": {"reference": "Medication/m1"}},
        {**inside, "medicationReference": {"reference": "#med"}, "dispenseRequest": dispensing},
    )
    listed = {each.resource["id"]: each for each in await list_prescriptions(desk, patient)}
    assert listed["rx"].medication["code"]["text"] == "Cefuroxime 1500 mg"
    await dispense(desk, patient, listed["rx"].resource, supply("d1", 1))
    await dispense(desk, patient, listed["rx2"].resource, supply("d2", 1))
    recorded = {each["identifier"][0]["value"]: each for each in await recorded_at_home(federation)}
    assert recorded["d1"]["medicationReference"] == {
        "reference": "Medication/m1/_history/1",
        "display": "Cefuroxime 1500 mg",
    }
    assert recorded["d2"]["contained"][0]["code"]["text"] == "Cefuroxime 1500 mg"


async def test_an_expired_prescription_is_shown_as_such_and_not_dispensed(counter):
    federation, desk, patient = counter
    expired = prescription()
    expired["dispenseRequest"]["validityPeriod"] = {"end": "2020-01-01"}
    await put(federation.nodes["pt-1"], expired)
    listed = await only(desk, patient)
    assert not listed.is_valid
    with pytest.raises(Conflict, match="validity"):
        await dispense(desk, patient, listed.resource, supply("d1", 1))


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"intent": "plan"}, "no prescription"),
        ({"intent": "proposal"}, "no prescription"),
        ({"doNotPerform": True}, "must not be given"),
        ({"authoredOn": "1957-05-01"}, "validity"),
        ({"category": [{"coding": [{"code": "inpatient"}]}]}, "hospital"),
    ],
)
async def test_what_is_no_prescription_is_never_dispensed(counter, members, reason):
    federation, desk, patient = counter
    await put(federation.nodes["pt-1"], prescription(**members))
    listed = await only(desk, patient)
    assert not listed.is_valid
    assert reason in listed.why_not
    with pytest.raises(Conflict, match=reason):
        await dispense(desk, patient, listed.resource, supply("d1", 1))


async def test_a_hand_over_that_the_citizen_restricts_is_not_handed_over_again(counter):
    federation, desk, patient = counter
    home = federation.nodes["pt-1"]
    done = await dispense(desk, patient, (await only(desk, patient)).resource, supply("d1", 30))
    own = home.services.doorkeeper.identify(local_token(home, Role.CITIZEN, "ana", patient="ana"))
    await set_restricted(home.services, own, "MedicationDispense", done.resource["id"], hidden=True)
    listed = await only(desk, patient)
    await dispense(desk, patient, listed.resource, supply("d2", 30))
    assert await status_at_home(federation) == "completed"
    with pytest.raises(Conflict, match="nothing is left"):
        await dispense(desk, patient, listed.resource, supply("d3", 1))


async def test_a_reference_written_with_escapes_counts_all_the_same(counter):
    federation, desk, patient = counter
    home = federation.nodes["pt-1"]
    resource = {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationCodeableConcept": {"text": "Enalapril"},
        "subject": {"reference": "Patient/ana"},
        "authorizingPrescription": [{"reference": "MedicationRequest/ESCAPED"}],
        "quantity": {"value": 30, **TABLETS},
    }
    body = json.dumps(resource).replace("MedicationRequest/ESCAPED", "MedicationRequest\\/\\u0072x")
    headers = {
        "authorization": f"Bearer {local_token(home, Role.PHARMACIST, 'Rita')}",
        "content-type": "application/fhir+json",
    }
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.post(f"{home.url}/fhir/MedicationDispense", content=body, headers=headers)
    assert answer.status_code == 201, answer.text
    listed = await only(desk, patient)
    await dispense(desk, patient, listed.resource, supply("d0", 20))
    with pytest.raises(Conflict, match="only 10 tablet"):
        await dispense(desk, patient, listed.resource, supply("d1", 30))
