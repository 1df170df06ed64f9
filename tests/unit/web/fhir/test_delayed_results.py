"""What the law delays is hidden from the person until its time, a release or their choice (EHDS 3(3))."""

from datetime import UTC, timedelta
from functools import partial

import msgspec
import pytest

from salus.core.access import Action, Purpose, Role
from salus.core.clock import utc_now
from salus.core.errors import AccessRefused
from salus.store import restrictions
from salus.store.standing import Standing
from salus.store.veils import end_delays, release
from salus.trust.audiences import WAITING, audiences_of
from salus.trust.consent.hanging import hang_loaded
from salus.trust.gate import Gatehouse, enter
from salus.trust.jurisdictions.law import jurisdiction_of
from salus.trust.policy import AccessRequest, decide
from salus.trust.standing import RESULTS_DELAY, facts_of
from salus.web.fhir.face import face
from salus.web.rights.choices import opt_out

LAW = jurisdiction_of("EE")


class Clock:
    ahead = timedelta()

    def __call__(self):
        return utc_now() + self.ahead


def result(name, issued=None, code="laboratory"):
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "subject": {"reference": "Patient/ana"},
        "category": [{"coding": [{"code": code}]}],
        "code": {"text": name},
        "issued": (issued or utc_now()).isoformat(),
    }


@pytest.fixture
async def ward(open_door, database):
    """A door under Estonian law: a new result, a report that states it, an old result and a pressure."""
    clock = Clock()
    standing = Standing(database, clock)
    door = open_door((face,), standing=standing, clock=clock)
    house = Gatehouse(door.services.journal, clock, law=LAW, knows=partial(facts_of, standing, clock, LAW))
    msgspec.structs.force_setattr(door.services, "gatehouse", house)
    door.clock = clock
    report = {
        "resourceType": "DiagnosticReport",
        "id": "report",
        "status": "final",
        "subject": {"reference": "Patient/ana"},
        "code": {"text": "panel"},
        "result": [{"reference": "Observation/new"}],
    }
    old = utc_now().astimezone(UTC) - timedelta(days=6)
    for each in (
        {"resourceType": "Patient", "id": "ana"},
        result("new"),
        report,
        result("old", old),
        result("pressure", code="vital-signs"),
    ):
        answer = await door.operator("PUT", f"/{each['resourceType']}/{each['id']}", each)
        assert answer.status_code == 201, answer.text
    return door


async def seen(door, path="/Observation?patient=ana", **who):
    answer = await (door("GET", path, **who) if who else door.citizen("GET", path, patient="ana"))
    assert answer.status_code == 200, answer.text
    return {entry["resource"]["id"] for entry in answer.json().get("entry", ()) if "resource" in entry}


async def status(door, path):
    return (await door.citizen("GET", path, patient="ana")).status_code


@pytest.mark.clause("EHDS 3")
async def test_a_new_result_and_what_states_it_are_absent_for_the_person_until_their_time(ward):
    assert await seen(ward) == {"old", "pressure"}
    assert await seen(ward, "/DiagnosticReport?patient=ana") == set()
    assert await seen(ward, "/Observation?patient=ana&_summary=count") == set()
    total = (await ward.citizen("GET", "/Observation?patient=ana&_total=accurate", patient="ana")).json()
    assert total["total"] == 2
    for path in ("/Observation/new", "/Observation/new/_history", "/DiagnosticReport/report"):
        assert await status(ward, path) == 404, path
    everything = await seen(ward, "/Patient/ana/$everything")
    assert everything == {"ana", "old", "pressure"}
    ward.clock.ahead = timedelta(hours=121)
    assert await seen(ward) == {"new", "old", "pressure"}
    assert await status(ward, "/DiagnosticReport/report") == 200


async def test_who_acts_for_the_person_waits_and_professionals_do_not(ward):
    assert await seen(ward, role=Role.CLINICIAN, purpose=Purpose.TREATMENT) == {"new", "old", "pressure"}
    app = {
        "role": Role.APP,
        "purpose": Purpose.PATIENT_REQUEST,
        "patient": "ana",
        "scopes": ("patient/*.rs",),
    }
    assert await seen(ward, **app) == {"old", "pressure"}


async def test_what_a_load_brings_waits_too(ward):
    gatehouse = ward.services.gatehouse
    msgspec.structs.force_setattr(gatehouse, "law", jurisdiction_of("PT"))
    for each in (result("loaded"), result("loaded-old", utc_now() - timedelta(days=9))):
        assert (await ward.operator("PUT", f"/Observation/{each['id']}", each)).status_code == 201
    msgspec.structs.force_setattr(gatehouse, "law", LAW)
    assert await seen(ward) == {"loaded", "loaded-old", "old", "pressure"}
    operator = ward.make_caller(Role.OPERATOR, purpose=Purpose.OPERATIONS)
    keys = [("ana", "Observation", name) for name in ("loaded", "loaded-old", "pressure")]
    async with enter(gatehouse, operator, AccessRequest(Action.LOAD, "", "load")) as access:
        async with ward.services.database.writing(access.grant) as connection:
            await hang_loaded(access.grant, connection, keys, default_denies=False)
        access.record(["ana"], count=3)
    assert await seen(ward) == {"loaded-old", "old", "pressure"}


@pytest.mark.parametrize("role", [Role.CITIZEN, Role.PROXY, Role.DESK, Role.APP])
async def test_whoever_asks_for_the_person_waits(caller, role):
    asking = caller(role, purpose=Purpose.PATIENT_REQUEST, patient="ana")
    decision = decide(asking, AccessRequest(Action.READ, "Observation", "x", frozenset({"ana"})))
    for waits in (True, False):
        assert (WAITING in audiences_of(asking, decision, LAW, waits=waits)) is waits


async def test_a_professional_releases_a_result_and_nobody_else_does(ward, leaves):
    asked = AccessRequest(Action.UPDATE, "results-release", "results-release", frozenset({"ana"}))
    mine = ward.make_caller(Role.CITIZEN, patient="ana", subject="ana")
    with pytest.raises(AccessRefused):
        async with enter(ward.services.gatehouse, mine, asked):
            pass
    treating = ward.make_caller(Role.CLINICIAN, purpose=Purpose.TREATMENT)
    async with enter(ward.services.gatehouse, treating, asked) as access:
        told = await release(
            access.grant, ward.services.database, "ana", ["Observation/new", "Observation/old"]
        )
    assert told == ["Observation/new"]
    assert (await leaves())[-1][0] == "ana"
    assert await seen(ward) == {"new", "old", "pressure"}
    assert await status(ward, "/DiagnosticReport/report") == 200


async def test_the_person_chooses_to_see_results_at_once_and_takes_it_back(ward):
    mine = ward.make_caller(Role.CITIZEN, patient="ana", subject="ana", purpose=Purpose.PATIENT_REQUEST)
    for out, expected in ((True, {"new", "old", "pressure"}), (False, {"old", "pressure"})):
        assert await opt_out(ward.services, mine, RESULTS_DELAY, opted_out=out)
        assert await seen(ward) == expected
    msgspec.structs.force_setattr(ward.services.gatehouse, "law", jurisdiction_of("PT"))
    with pytest.raises(AccessRefused, match="delays no results"):
        await opt_out(ward.services, mine, RESULTS_DELAY, opted_out=True)


async def test_a_restriction_and_a_consent_leave_the_delay_and_its_end_leaves_them(ward):
    mine = ward.make_caller(Role.CITIZEN, patient="ana", subject="ana", purpose=Purpose.PATIENT_REQUEST)
    wanted = AccessRequest(Action.UPDATE, "restriction", "old", patients=frozenset({"ana"}))
    async with enter(ward.services.gatehouse, mine, wanted) as access:
        await restrictions.restrict(access.grant, ward.services.database, "Observation", "old")
    consent = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"text": "privacy"}],
        "patient": {"reference": "Patient/ana"},
        "policyRule": {"coding": [{"code": "OPTIN"}]},
    }
    answer = await ward.citizen("POST", "/Consent", consent, patient="ana")
    assert answer.status_code == 201, answer.text
    assert await seen(ward) == {"old", "pressure"}
    clinician = {"role": Role.CLINICIAN, "purpose": Purpose.TREATMENT}
    assert await seen(ward, **clinician) == {"new", "pressure"}
    later = utc_now() + timedelta(hours=121)
    assert await end_delays(ward.services.database, utc_now()) == 0
    assert await end_delays(ward.services.database, later) == 1
    assert await end_delays(ward.services.database, later) == 0
    assert await seen(ward) == {"new", "old", "pressure"}
    assert await seen(ward, **clinician) == {"new", "pressure"}
