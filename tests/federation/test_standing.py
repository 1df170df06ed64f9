"""A professional abroad shows that the patient is there, or does not; or breaks the glass. Home weighs it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import httpx
import msgspec
import pytest
from tests.federation.conftest import local_caller, local_token, put
from tests.federation.test_asking_abroad import leaves
from tests.federation.test_crossing import condition, person
from tests.federation.test_tokens import MARI, ask

from salus.core.access import Purpose, Role
from salus.core.errors import AccessRefused, SalusError, Throttled
from salus.node import watch_ledger
from salus.primary.cross_border import PatientAbroad, find_patients, list_resources
from salus.web.abroad import desk_of

ANA = PatientAbroad("pt-1", "ana", {}, "present")


def stating(**evidence):
    return msgspec.structs.replace(ANA, **evidence)


@pytest.fixture
async def home(federation):
    node = federation.nodes["pt-1"]
    passport = {
        "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PPN"}]},
        "value": "C 123-456",
    }
    ana = person("ana")
    await put(node, ana | {"identifier": [*ana["identifier"], passport]}, person("rui", "Costa", "Rui"))
    await put(node, condition("c1", "ana"), condition("c2", "ana"))
    return node


@pytest.fixture
def desk(federation):
    abroad = federation.nodes["ee-1"]
    return desk_of(abroad.services, local_caller(abroad, Role.CLINICIAN, "Mari Tamm"))


def hurried(desk):
    return msgspec.structs.replace(
        desk, caller=msgspec.structs.replace(desk.caller, purpose=Purpose.EMERGENCY)
    )


async def citizen(node, method, path, body=None, patient="ana"):
    token = local_token(node, Role.CITIZEN, patient, patient=patient)
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        return (await client.request(method, f"{node.url}{path}", json=body)).json()


async def conditions(desk, patient):
    return {each["id"] for each in (await list_resources(desk, patient, "Condition")).resources}


async def marks(home):
    return [
        leaf.marks for leaf in await leaves(home) if leaf.node == "ee-1" and leaf.what.startswith("Condition")
    ]


@pytest.mark.clause("EHDS 11(1)")
async def test_without_evidence_an_access_is_marked_and_the_citizen_is_told(home, desk):
    assert await conditions(desk, ANA) == {"c1", "c2"}
    assert set(await marks(home)) == {("unproven",)}
    (notice,) = (await citizen(home, "GET", "/notices"))["notices"]
    assert (notice["kind"], notice["who"], notice["place"]) == (
        "unproven",
        "Mari Tamm",
        "Hospital of ee-1, ee-1",
    )


@pytest.mark.clause("EHDS 11(1)")
async def test_a_code_that_she_shows_proves_it_once_and_for_that_professional(federation, home, desk):
    code = (await citizen(home, "POST", "/rights/presence-code"))["code"]
    with pytest.raises(AccessRefused, match="code is wrong"):
        await conditions(desk, stating(presence_code="WRONG234"))
    shown = stating(presence_code=f"{code[:4]}-{code[4:].lower()}")
    assert await conditions(desk, shown) == {"c1", "c2"}
    assert set(await marks(home)) == {()}
    assert (await citizen(home, "GET", "/notices"))["notices"] == []
    assert await conditions(desk, ANA) == {"c1", "c2"}  # she is known to be there for the day
    assert set(await marks(home)) == {()}
    other = local_caller(federation.nodes["ee-1"], Role.CLINICIAN, "Jaan Kask")
    with pytest.raises(AccessRefused, match="code is wrong"):
        await conditions(msgspec.structs.replace(desk, caller=other), shown)


async def test_a_code_is_good_for_half_an_hour(home, desk):
    made = await citizen(home, "POST", "/rights/presence-code")
    code, left = made["code"], datetime.fromisoformat(made["until"]) - home.clock()
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)
    async with home.services.database.system() as connection:
        await connection.execute("UPDATE presence_code SET until = $1", home.clock())
    with pytest.raises(AccessRefused, match="older than half an hour"):
        await conditions(desk, stating(presence_code=code))


@pytest.mark.parametrize(("number", "proven"), [("c123456", True), ("C 123-457", False), ("n-ana", False)])
async def test_a_document_proves_it_and_a_number_that_one_is_looked_up_by_does_not(
    home, desk, number, proven
):
    await conditions(desk, stating(document=number))
    assert set(await marks(home)) == {() if proven else ("unproven",)}


async def test_a_node_gets_only_so_many_patients_a_day_without_evidence_but_every_emergency(home, desk):
    limits = msgspec.structs.replace(home.services.limits, unproven_patients_per_day_max=1)
    msgspec.structs.force_setattr(home.services, "limits", limits)
    assert await conditions(desk, ANA) == {"c1", "c2"}
    rui = msgspec.structs.replace(ANA, id="rui")
    with pytest.raises(Throttled, match="one-time code"):
        await conditions(desk, rui)
    code = (await citizen(home, "POST", "/rights/presence-code", patient="rui"))["code"]
    await conditions(desk, msgspec.structs.replace(rui, presence_code=code))
    assert [leaf.rule for leaf in await leaves(home) if leaf.patient == "rui" and leaf.action == "token"] == [
        "token-refused"
    ]


@pytest.mark.clause("EHDS 11(5)")
async def test_an_emergency_abroad_says_why_and_is_looked_at_again_at_home(home, desk):
    emergency = stating(relationship="emergency", reason="unconscious after a fall")
    assert await conditions(hurried(desk), emergency) == {"c1", "c2"}
    assert set(await marks(home)) == {("emergency", "unproven")}
    told = {each["kind"]: each for each in (await citizen(home, "GET", "/notices"))["notices"]}
    assert told["emergency"]["reason"] == "unconscious after a fall"
    token = local_token(home, Role.AUDITOR, "auditor")
    async with httpx.AsyncClient(trust_env=False, headers={"authorization": f"Bearer {token}"}) as client:
        (waits,) = (await client.get(f"{home.url}/emergencies")).json()["emergencies"]
    assert (waits["node"], waits["name"], waits["patient"]) == ("ee-1", "Mari Tamm", "ana")


async def test_an_emergency_without_a_reason_is_an_ordinary_access(home, desk):
    await conditions(hurried(desk), stating(relationship="emergency"))
    assert set(await marks(home)) == {("unproven",)}


async def test_words_that_are_none_are_refused(federation, home):
    for evidence in ({"reason": "x"}, {"reason": "x" * 201}, {"presence_code": "\x00"}):
        stated = {"purpose": Purpose.EMERGENCY, "relationship": "emergency"} | evidence
        answer = await ask(federation, asker=msgspec.structs.replace(MARI, **stated), jti=repr(evidence))
        assert answer.status_code in (400, 401), evidence


@pytest.mark.clause("EHDS 10")
async def test_an_opted_out_record_is_an_empty_one_abroad_and_opens_where_the_law_says(home, desk):
    await citizen(home, "PUT", "/rights/exchange-opt-out", {"risk_understood": True})
    assert await conditions(desk, ANA) == set()
    nothing = await conditions(desk, msgspec.structs.replace(ANA, id="rui"))
    assert nothing == set()
    # Portugal's law sets the opt-out aside where a life is at stake.
    assert await conditions(
        hurried(desk), stating(relationship="emergency", reason="unconscious after a fall")
    ) == {"c1", "c2"}
    await citizen(home, "DELETE", "/rights/exchange-opt-out")
    assert await conditions(desk, ANA) == {"c1", "c2"}


@pytest.mark.clause("EHDS 11(5)")
async def test_an_emergency_service_abroad_finds_the_patient_and_opens_the_record_for_a_reason(
    federation, home
):
    abroad = federation.nodes["ee-1"]
    crew = msgspec.structs.replace(
        local_caller(abroad, Role.EMERGENCY, "Rein Lepik"), purpose=Purpose.EMERGENCY
    )
    asking = desk_of(abroad.services, crew)
    answers, _ = await find_patients(
        asking, {"family": "Silva", "given": "Ana", "birthdate": "1970-01-01"}, countries=["PT"]
    )
    assert [each.id for each in answers.answers["pt-1"]] == ["ana"]
    emergency = stating(relationship="emergency", reason="unconscious after a fall")
    assert await conditions(asking, emergency) == {"c1", "c2"}
    assert set(await marks(home)) == {("emergency", "unproven")}
    with pytest.raises(SalusError):
        await conditions(asking, stating(id="rui", relationship="emergency"))
    ordinary = desk_of(abroad.services, msgspec.structs.replace(crew, purpose=Purpose.TREATMENT))
    with pytest.raises(SalusError):
        await conditions(ordinary, ANA)


@pytest.mark.clause("EHDS 11(5)")
async def test_many_emergencies_of_a_node_are_answered_and_told_to_the_auditor(home, desk):
    limits = msgspec.structs.replace(home.services.limits, emergency_patients_per_day_usual=1)
    msgspec.structs.force_setattr(home.services, "limits", limits)
    for patient in ("ana", "rui"):
        emergency = stating(id=patient, relationship="emergency", reason="unconscious after a fall")
        await conditions(hurried(desk), emergency)
        assert (await watch_ledger(home.services)).found == (patient == "rui")
    assert (await watch_ledger(home.services)).found == 0
    token = local_token(home, Role.AUDITOR, "auditor")
    async with httpx.AsyncClient(trust_env=False, headers={"authorization": f"Bearer {token}"}) as client:
        (found,) = (await client.get(f"{home.url}/incidents/findings")).json()["findings"]
    assert "opened 2 patients in emergencies" in json.dumps(found)
    assert "node:ee-1" in json.dumps(found)


@pytest.mark.clause("EHDS 11(1)")
async def test_a_number_is_shown_and_not_guessed(home, desk):
    for number in ("C 111-111", "C 222-222", "C 333-333"):
        assert await conditions(desk, stating(document=number)) == {"c1", "c2"}
    with pytest.raises(Throttled, match="too many codes or numbers were wrong"):
        await conditions(desk, stating(document="C 123-456"))  # the right one does not help any more
    written = [leaf for leaf in await leaves(home) if leaf.rule == "presence-not-shown"]
    assert [(leaf.patient, leaf.what, leaf.node) for leaf in written] == [
        ("ana", "wrong document", "ee-1")
    ] * 3
    assert not any("123" in leaf.what for leaf in await leaves(home))
    assert await conditions(desk, ANA) == {"c1", "c2"}  # without evidence, as before
    emergency = stating(relationship="emergency", reason="unconscious after a fall", document="C 444-444")
    assert await conditions(hurried(desk), emergency) == {"c1", "c2"}


async def test_wrong_numbers_take_no_place_in_the_ration_and_give_none(home, desk):
    limits = msgspec.structs.replace(home.services.limits, unproven_patients_per_day_max=1)
    msgspec.structs.force_setattr(home.services, "limits", limits)
    assert await conditions(desk, ANA) == {"c1", "c2"}
    for _ in range(2):
        with pytest.raises(Throttled, match="one-time code"):
            await conditions(desk, stating(id="rui", document="C 111-111"))


async def test_wrong_codes_are_counted_too(home, desk):
    for number in range(3):
        with pytest.raises(AccessRefused, match="code is wrong"):
            await conditions(desk, stating(presence_code=f"WRNG234{number}"))
    code = (await citizen(home, "POST", "/rights/presence-code"))["code"]
    with pytest.raises(Throttled, match="too many codes"):
        await conditions(desk, stating(presence_code=code))
