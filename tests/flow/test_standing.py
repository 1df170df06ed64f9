"""What is known of a person reaches the decisions of a running node."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from tests.flow.assisting import assist, empower

from salus.cli.main import main
from salus.cli.node import make_node
from salus.core.access import Assurance, Purpose, Role
from salus.node import open_node, open_services, watch_ledger
from salus.settings import Settings
from salus.store.ledger import leaf_in
from salus.store.sequencer import sequence
from salus.trust.explain import explain_to_citizen, explain_to_professional
from salus.trust.tokens import issue
from salus.trust.wished import tell_wished
from salus.web.ledger import signer_of

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FHIR = {"content-type": "application/fhir+json"}
SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
ACTS = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
REASON = "unconscious, suspected overdose"


class Hand:
    """A clock that the test sets."""

    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Hand()


@pytest.fixture
def country():
    return "FR"


@pytest.fixture
def folder(tmp_path, database_url, country):
    settings = Settings(
        node="fr-1", name="Hôpital de synthèse", country=country, base_url="http://node.test", port=9,
        database=database_url, languages=("en", "fr"),
    )  # fmt: skip
    make_node(tmp_path, settings)
    return tmp_path


@pytest.fixture
async def node(folder, clock):
    async with open_node(folder, clock) as opened:
        yield opened


@pytest.fixture
async def ask(node, caller):
    """Return a way to send a request as somebody: `ask("GET", path, role, body, ...fields of the Caller)`."""
    services = node.services
    transport = httpx.ASGITransport(node.application)
    usual = {
        Role.CITIZEN: {"subject": "ana", "patient": "ana", "purpose": Purpose.PATIENT_REQUEST},
        Role.PROXY: {"subject": "eva", "name": "Eva", "patient": "ana", "purpose": Purpose.PATIENT_REQUEST},
        Role.CLINICIAN: {"subject": "s-1", "name": "Mari Tamm"},
        Role.EMERGENCY: {"subject": "ems-1", "name": "Rein Lepik", "purpose": Purpose.EMERGENCY},
        Role.AUDITOR: {"subject": "auditor", "purpose": Purpose.OPERATIONS},
        Role.OPERATOR: {"subject": "operator", "purpose": Purpose.OPERATIONS},
        Role.DESK: {"subject": "desk", "name": "Desk", "purpose": Purpose.PATIENT_REQUEST},
    }
    async with httpx.AsyncClient(transport=transport, base_url="http://node.test") as client:

        async def ask(method, path, role=Role.CLINICIAN, body=None, *, token="", **fields):
            who = caller(role, **(usual[role] | fields))
            token = token or issue(services.keys.token, who, services.terms, now=services.clock())
            headers = {"authorization": f"Bearer {token}"} | (FHIR if path.startswith("/fhir") else {})
            content = None if body is None else json.dumps(body).encode()
            return await client.request(method, path, content=content, headers=headers)

        yield ask


@pytest.fixture
async def ana(ask):
    """Return the record: Ana with two conditions, and Rui beside her."""
    for name in ("ana", "rui", "eva"):
        body = {"resourceType": "Patient", "id": name, "birthDate": "1980-02-02", "name": [{"family": name}]}
        assert (await ask("PUT", f"/fhir/Patient/{name}", Role.OPERATOR, body)).status_code == 201
    for name in ("c1", "c2"):
        body = {
            "resourceType": "Condition", "id": name, "subject": {"reference": "Patient/ana"},
            "code": {"text": f"condition {name}"},
        }  # fmt: skip
        assert (await ask("PUT", f"/fhir/Condition/{name}", Role.OPERATOR, body)).status_code == 201
    return "ana"


async def leaves(node):
    await node.services.database.bring_in()
    async with node.services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf ORDER BY arrival")
    return [leaf_in(connection, row["entry"]) for row in rows]


@pytest.mark.clause("EHDS 11(5)")
async def test_an_emergency_opens_what_is_restricted_is_told_and_looked_at_again(
    node, ask, ana, clock, folder
):
    assert (await ask("PUT", "/restrictions/Condition/c1", Role.CITIZEN)).status_code == 200
    assert (await ask("GET", "/fhir/Condition/c1")).status_code == 404
    emergency = {"purpose": Purpose.EMERGENCY}
    assert (await ask("GET", "/fhir/Condition/c1", **emergency)).status_code == 404

    opened = await ask("POST", "/emergency", body={"patient": "ana", "reason": REASON})
    assert opened.status_code == 201, opened.text
    told = opened.json()
    assert datetime.fromisoformat(told["ends_at"]) == NOW + 60 * MINUTE
    again = (await ask("POST", "/emergency", body={"patient": "ana", "reason": "still the same"})).json()
    assert again["id"] == told["id"]

    token = told["access_token"]
    assert (await ask("GET", "/fhir/Condition/c1", token=token)).status_code == 200
    found = (await ask("GET", "/fhir/Condition", token=token)).json()
    assert {each["resource"]["id"] for each in found["entry"]} == {"c1", "c2"}
    assert (await ask("GET", "/fhir/Patient/rui", token=token)).status_code == 404
    of_another = await ask("GET", "/fhir/Condition?patient=ana", subject="s-2", **emergency)
    assert of_another.json()["total"] == 1
    ordinary = (await ask("GET", "/fhir/Condition?patient=ana")).json()
    assert ordinary["total"] == 1

    marked = [leaf for leaf in await leaves(node) if "emergency" in leaf.marks]
    assert {leaf.patient for leaf in marked} == {"ana"}
    assert {leaf.what for leaf in marked} >= {f"emergency/{told['id']} claimed", "Condition/c1"}
    news = (await ask("GET", "/notices", Role.CITIZEN)).json()
    assert [(each["kind"], each["who"]) for each in news["notices"]] == [("emergency", "Mari Tamm")]
    assert REASON in news["notices"][0]["reason"]

    clock.now += 60 * MINUTE
    after = (await ask("GET", "/fhir/Condition?patient=ana", **emergency)).json()
    assert after["total"] == 1
    assert (await ask("GET", "/fhir/Condition/c1", token=token)).status_code == 401

    assert (await ask("GET", "/emergencies", Role.CLINICIAN)).status_code == 403
    assert (await ask("GET", "/emergencies", Role.OPERATOR)).status_code == 403
    (waits,) = (await ask("GET", "/emergencies", Role.AUDITOR)).json()["emergencies"]
    assert (waits["reason"], waits["overdue"]) == (REASON, False)
    path = f"/emergencies/{told['id']}/review"
    assert (await ask("POST", path, Role.AUDITOR, {"verdict": "fine", "note": "as told"})).status_code == 400
    looked = await ask("POST", path, Role.AUDITOR, {"verdict": "justified", "note": "as the ward told"})
    assert looked.status_code == 200
    assert (
        await ask("POST", path, Role.AUDITOR, {"verdict": "justified", "note": "again"})
    ).status_code == 409
    assert (await ask("GET", "/emergencies", Role.AUDITOR)).json()["emergencies"] == []


@pytest.mark.clause("EHDS 11(5)")
async def test_an_emergency_found_unjustified_ends_at_once_and_the_patient_is_told(node, ask, ana, clock):
    assert (await ask("PUT", "/restrictions/Condition/c1", Role.CITIZEN)).status_code == 200
    opened = (await ask("POST", "/emergency", body={"patient": "ana", "reason": REASON})).json()
    token = opened["access_token"]
    assert (await ask("GET", "/fhir/Condition/c1", token=token)).status_code == 200

    clock.now += MINUTE
    path = f"/emergencies/{opened['id']}/review"
    blank = await ask("POST", path, Role.AUDITOR, {"verdict": "unjustified", "note": "  a "})
    assert blank.status_code == 400
    assert "what you found" in blank.text
    verdict = {"verdict": "unjustified", "note": "nobody knew her"}
    looked = await ask("POST", path, Role.AUDITOR, verdict)
    assert looked.json() == {
        "id": opened["id"],
        "verdict": "unjustified",
        "ends_at": "2026-11-24T09:01:00+00:00",
    }
    assert (await ask("GET", "/fhir/Condition/c1", token=token)).status_code == 404
    news = (await ask("GET", "/notices", Role.CITIZEN)).json()
    assert [(each["kind"], each["who"], each["reason"]) for each in news["notices"]] == [
        ("emergency-unjustified", "Mari Tamm", REASON),
        ("emergency", "Mari Tamm", REASON),
    ]
    assert news["unread"] == 2
    leaf = next(each for each in await leaves(node) if each.what.endswith(" unjustified"))
    assert news["notices"][0]["request"] == leaf.request


@pytest.mark.clause("EHDS 11(5)")
async def test_a_verdict_leaves_the_end_of_an_access_that_was_over(ask, ana, clock):
    opened = (await ask("POST", "/emergency", body={"patient": "ana", "reason": REASON})).json()
    clock.now += 90 * MINUTE
    path = f"/emergencies/{opened['id']}/review"
    looked = await ask("POST", path, Role.AUDITOR, {"verdict": "unjustified", "note": "nobody knew her"})
    assert looked.json()["ends_at"] == opened["ends_at"]


@pytest.mark.clause("EHDS 11(5)")
@pytest.mark.parametrize(
    ("body", "role", "status"),
    [
        ({"patient": "ana", "reason": " "}, Role.CLINICIAN, 400),
        ({"patient": "ana"}, Role.CLINICIAN, 400),
        ({"patient": "nobody", "reason": REASON}, Role.CLINICIAN, 404),
        ({"patient": "../x", "reason": REASON}, Role.CLINICIAN, 404),
        ({"patient": "ana", "reason": REASON}, Role.CITIZEN, 403),
        ({"patient": "ana", "reason": REASON}, Role.OPERATOR, 403),
    ],
)
async def test_an_emergency_needs_a_professional_a_patient_and_a_reason(ask, ana, body, role, status):
    answer = await ask("POST", "/emergency", role, body)
    assert answer.status_code == status
    assert answer.json()["issue"][0]["details"]["text"]


@pytest.mark.clause("EHDS 11(5)")
async def test_an_emergency_that_nobody_looked_at_in_time_is_a_finding_once(node, ask, ana, clock):
    await ask("POST", "/emergency", body={"patient": "ana", "reason": REASON})
    assert (await watch_ledger(node.services)).found == 0
    clock.now += timedelta(hours=72)
    assert [(await watch_ledger(node.services)).found for _ in range(2)] == [1, 0]
    (found,) = (await ask("GET", "/incidents/findings", Role.AUDITOR)).json()["findings"]
    assert "nobody looked at it again" in found["sentence"]
    assert found["subject"] == "s-1"
    assert (await ask("GET", "/emergencies", Role.AUDITOR)).json()["emergencies"][0]["overdue"]


def test_the_command_line_lists_and_keeps_second_looks(folder, capsys):
    data = ["--data", str(folder)]
    assert main(["emergencies", "list", *data]) == 0
    assert "No emergency access waits" in capsys.readouterr().out
    assert main(["emergencies", "review", *data]) == 1
    assert main(["emergencies", "review", "x", "--verdict", "justified", "--note", "as told", *data]) == 1
    assert "no emergency access of this id" in capsys.readouterr().err


@pytest.mark.clause("EHDS 10")
@pytest.mark.parametrize("country", ["FR"])
async def test_an_opt_out_of_exchange_is_chosen_after_the_risk_and_taken_back(node, ask, ana):
    shown = (await ask("GET", "/rights/exchange-opt-out", Role.CITIZEN)).json()
    assert (shown["offered"], shown["opted_out"], shown["history"]) == (True, False, [])
    assert "allergy" in shown["risk"]
    assert "closed in an emergency too" in shown["risk"]
    blind = await ask("PUT", "/rights/exchange-opt-out", Role.CITIZEN, {})
    assert blind.status_code == 400
    assert "allergy" in blind.text
    assert (await ask("GET", "/fhir/Condition?patient=ana")).json()["total"] == 2

    chosen = await ask("PUT", "/rights/exchange-opt-out", Role.CITIZEN, {"risk_understood": True})
    assert chosen.status_code == 200
    for path in (
        "Condition?patient=ana",
        "Condition?_id=c1",
        "Patient?_id=ana&_revinclude=Condition:subject",
    ):
        found = (await ask("GET", f"/fhir/{path}")).json()
        assert "condition c" not in str(found), path
    assert (await ask("GET", "/fhir/Condition/c1")).status_code == 404
    body = {
        "resourceType": "Condition", "id": "c3", "subject": {"reference": "Patient/ana"},
        "code": {"text": "new"},
    }  # fmt: skip
    assert (await ask("PUT", "/fhir/Condition/c3", Role.OPERATOR, body)).status_code == 201
    assert (await ask("GET", "/fhir/Condition?patient=ana")).json()["total"] == 0
    opened = (await ask("POST", "/emergency", body={"patient": "ana", "reason": REASON})).json()
    assert (await ask("GET", "/fhir/Condition", token=opened["access_token"])).json()["total"] == 0
    assert (await ask("GET", "/fhir/Condition?patient=ana", Role.CITIZEN)).json()["total"] == 3
    told = [leaf for leaf in await leaves(node) if "opted-out" in leaf.marks]
    assert {leaf.patient for leaf in told} == {"ana"}
    assert "opted out" in explain_to_citizen(told[0]).said[-1]
    assert "opted out" not in str(explain_to_professional(told[0]))

    assert (await ask("DELETE", "/rights/exchange-opt-out", Role.CITIZEN)).status_code == 200
    assert (await ask("GET", "/fhir/Condition?patient=ana")).json()["total"] == 3
    history = (await ask("GET", "/rights/exchange-opt-out", Role.CITIZEN)).json()["history"]
    assert [each["opted_out"] for each in history] == [False, True]
    whats = [leaf.what for leaf in await leaves(node) if leaf.patient == "ana"]
    assert {"exchange-opt-out chosen", "exchange-opt-out taken back"} <= set(whats)


@pytest.mark.clause("EHDS 10")
@pytest.mark.parametrize("country", ["PT"])
async def test_where_the_law_says_so_an_emergency_opens_in_spite_of_an_opt_out(ask, ana):
    await ask("PUT", "/rights/exchange-opt-out", Role.CITIZEN, {"risk_understood": True})
    assert (await ask("GET", "/fhir/Condition?patient=ana")).json()["total"] == 0
    opened = (await ask("POST", "/emergency", body={"patient": "ana", "reason": REASON})).json()
    found = await ask("GET", "/fhir/Condition?patient=ana", token=opened["access_token"])
    assert found.json()["total"] == 2


@pytest.mark.clause("EHDS 71")
async def test_staff_at_a_desk_help_to_opt_out_of_secondary_use_and_nobody_else_may(node, ask, ana):
    path, body = "/rights/secondary-use-opt-out", {"risk_understood": True}
    assert (await ask("PUT", path, Role.CLINICIAN, body)).status_code == 403
    assert (await ask("PUT", f"{path}?patient=rui", Role.CITIZEN, body)).status_code == 403
    assert (await ask("PUT", path, Role.CITIZEN, body)).json()["opted_out"]
    await assist(ask, "rui")
    assert not (await ask("GET", f"{path}?patient=rui", Role.DESK)).json()["opted_out"]
    assert (await ask("PUT", f"{path}?patient=rui", Role.DESK, body)).status_code == 200
    assert (await ask("GET", f"{path}?patient=rui", Role.DESK)).json()["opted_out"]
    assert (await ask("GET", "/rights/nothing", Role.CITIZEN)).status_code == 404
    assisted = [leaf.patient for leaf in await leaves(node) if "assisted" in leaf.marks]
    assert set(assisted) == {"rui"}


async def test_notices_are_read_by_whom_they_tell_and_the_channel_is_theirs(ask, ana):
    await ask("POST", "/emergency", body={"patient": "ana", "reason": REASON})
    told = (await ask("GET", "/notices", Role.CITIZEN)).json()
    assert (told["unread"], told["quiet"], told["notices"][0]["read_at"]) == (1, False, None)
    number = told["notices"][0]["id"]
    rui = {"subject": "rui", "patient": "rui"}
    assert (await ask("POST", f"/notices/{number}/read", Role.CITIZEN, **rui)).status_code == 404
    assert (await ask("POST", f"/notices/{number}/read", Role.CITIZEN)).status_code == 200
    assert (await ask("PUT", "/notices/channel", Role.CITIZEN, {"quiet": True})).status_code == 200
    told = (await ask("GET", "/notices", Role.CITIZEN)).json()
    assert (told["unread"], told["quiet"]) == (0, True)
    assert (await ask("GET", "/notices", Role.CITIZEN, **rui)).json()["notices"] == []
    assert (await ask("GET", "/notices", Role.CLINICIAN)).status_code == 403


@pytest.mark.clause("EHDS 9(1)")
async def sequence_all(services):
    """Return when every leaf has its place: the node sequences as well, and one at a time does."""
    signer = signer_of(services.base_url, services.keys)
    placed, leaves_there = -1, 0
    while placed < leaves_there:
        placed = (await sequence(services.database, signer, services.clock())).size
        async with services.database.system() as connection:
            leaves_there = await connection.fetchval("SELECT count(*) FROM leaf")


async def test_who_wishes_it_is_told_of_each_access_of_others(node, ask, ana):
    async def look():
        assert (await ask("GET", "/fhir/Condition?patient=ana")).status_code == 200
        services = node.services
        await sequence_all(services)
        await tell_wished(services.gatehouse, services.database, issuer=services.base_url)
        return (await ask("GET", "/notices", Role.CITIZEN)).json()["notices"]

    assert await look() == []
    chosen = await ask("PUT", "/notices/channel", Role.CITIZEN, {"every": True})
    assert chosen.json() == {"quiet": False, "every": True}
    for _ in range(2):  # one a day for each who looks, and nothing of her own looking
        assert [(each["kind"], each["who"]) for each in await look()] == [("access", "Mari Tamm")]
    assert (await ask("GET", "/notices", Role.CITIZEN, subject="rui", patient="rui")).json()["notices"] == []
    quiet = await ask("PUT", "/notices/channel", Role.CITIZEN, {"quiet": True})
    assert quiet.json() == {"quiet": True, "every": True}
    own = [leaf for leaf in await leaves(node) if leaf.subject == "salus-notices"]
    assert {(leaf.patient, leaf.action) for leaf in own} == {("ana", "audit")}


@pytest.mark.clause("EHDS 9(3)")
async def test_a_notice_does_not_name_whom_the_log_withholds(node, ask, ana):
    await ask("POST", "/emergency", body={"patient": "ana", "reason": REASON})
    async with node.services.database.system() as connection:
        await connection.execute(
            "INSERT INTO withholding"
            " (patient, subject, reason, until, asked_by, asked_at, agreed_by, agreed_at)"
            " VALUES ('ana', 's-1', 'an inquiry', $1, 'a', $2, 'b', $2)",
            NOW + timedelta(days=1), NOW,
        )  # fmt: skip
    (notice,) = (await ask("GET", "/notices", Role.CITIZEN)).json()["notices"]
    assert (notice["kind"], notice["who"], notice["reason"]) == ("emergency", "withheld", "")
    assert "Mari" not in str(notice)


@pytest.mark.clause("EHDS 4(2)")
async def test_a_citizen_appoints_a_proxy_who_acts_until_it_ends(node, ask, ana, clock):
    eva = {"subject": "eva", "patient": "eva", "name": "Eva"}
    code = (await ask("POST", "/rights/presence-code", Role.CITIZEN, **eva)).json()["code"]
    asked = {"code": code, "name": "Eva, my sister", "kind": "carer", "types": ["Patient", "Condition"]}
    wrong = await ask("POST", "/proxies", Role.CITIZEN, asked | {"code": "AAAAAAAA"})
    assert wrong.status_code == 404
    assert (await ask("POST", "/proxies", Role.CITIZEN, asked | {"types": ["Thing"]})).status_code == 400
    made = await ask("POST", "/proxies", Role.CITIZEN, asked)
    assert made.status_code == 201, made.text
    assert (await ask("POST", "/proxies", Role.CITIZEN, asked)).status_code == 404  # the code is used up
    number = made.json()["id"]
    (held,) = (await ask("GET", "/proxies", Role.CITIZEN, **eva)).json()["proxies"]
    assert (held["id"], held["state"], held["patient"]) == (number, "in-force", "ana")

    given = await ask("POST", f"/proxies/{number}/token", Role.CITIZEN, **eva)
    token = given.json()["access_token"]
    assert (await ask("GET", "/fhir/Condition?patient=ana", token=token)).json()["total"] == 2
    assert (await ask("GET", "/fhir/Observation?patient=ana", token=token)).status_code != 500
    leaf = next(each for each in await leaves(node) if each.role == "proxy" and each.patient == "ana")
    assert (leaf.subject, leaf.name, leaf.rule) == ("eva", "Eva", "proxy-sees-the-record")
    rui = {"subject": "rui", "patient": "rui"}
    assert (await ask("POST", f"/proxies/{number}/token", Role.CITIZEN, **rui)).status_code == 404
    assert (await ask("GET", "/fhir/Condition?patient=ana", Role.PROXY, subject="rui")).json()["total"] == 0

    assert (await ask("POST", f"/proxies/{number}/dispute", Role.CITIZEN)).status_code == 200
    assert (await ask("GET", "/fhir/Condition?patient=ana", token=token)).json()["total"] == 0
    assert (await ask("POST", f"/proxies/{number}/token", Role.CITIZEN, **eva)).status_code == 403
    settle = f"/proxies/{number}/settle"
    assert (await ask("POST", settle, Role.CITIZEN, {"stands": True})).status_code == 403
    assert (await ask("POST", settle, Role.DESK, {"stands": True})).status_code == 200
    assert (await ask("GET", "/fhir/Condition?patient=ana", token=token)).json()["total"] == 2
    assert (await ask("DELETE", f"/proxies/{number}", Role.CITIZEN)).status_code == 200
    assert (await ask("GET", "/fhir/Condition?patient=ana", token=token)).json()["total"] == 0
    assert (await ask("DELETE", f"/proxies/{number}", Role.CITIZEN, **eva)).status_code == 409


@pytest.mark.clause("EHDS 4(2)")
async def test_a_parent_is_confirmed_by_staff_with_proof_and_until_the_child_is_of_age(ask, ana, clock):
    child = {"resourceType": "Patient", "id": "kim", "birthDate": "2010-12-01"}
    await ask("PUT", "/fhir/Patient/kim", Role.OPERATOR, child)
    asked = {"patient": "kim", "holder": "eva", "name": "Eva", "kind": "parent", "proof": "birth certificate"}
    assert (await ask("POST", "/proxies", Role.CLINICIAN, asked)).status_code == 403
    await assist(ask, asked["patient"], "rui")
    assert (await ask("POST", "/proxies", Role.DESK, asked | {"proof": " "})).status_code == 400
    assert (await ask("POST", "/proxies", Role.DESK, asked | {"patient": "nobody"})).status_code == 403
    assert (await ask("POST", "/proxies", Role.DESK, asked | {"patient": "rui"})).status_code == 409
    made = await empower(ask, asked)
    assert made["ends_at"] == "2028-12-01T00:00:00Z"
    kim = {"subject": "kim", "patient": "kim"}
    assert (await ask("POST", f"/proxies/{made['id']}/dispute", Role.CITIZEN, **kim)).status_code == 403
    as_parent = {"patient": "kim"}
    assert (await ask("GET", "/fhir/Patient/kim", Role.PROXY, **as_parent)).status_code == 200
    clock.now = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)  # sixteen: the law of France lets her decide
    assert (await ask("GET", "/fhir/Patient/kim", Role.PROXY, **as_parent)).status_code == 200
    assert (await ask("POST", f"/proxies/{made['id']}/dispute", Role.CITIZEN, **kim)).status_code == 200
    assert (await ask("GET", "/fhir/Patient/kim", Role.PROXY, **as_parent)).status_code == 404
    await ask("POST", f"/proxies/{made['id']}/settle", Role.DESK, {"stands": True})
    clock.now = datetime(2028, 12, 1, 0, 0, tzinfo=UTC)
    assert (await ask("GET", "/fhir/Patient/kim", Role.PROXY, **as_parent)).status_code == 404


async def test_nobody_logs_in_for_the_dead_and_an_executor_is_let_in(ask, ana, clock):
    asked = {"patient": "ana", "holder": "eva", "name": "Eva", "kind": "executor", "proof": "will"}
    await empower(ask, asked)
    assert (await ask("GET", "/fhir/Patient/ana", Role.PROXY)).status_code == 404
    assert (await ask("GET", "/fhir/Patient/ana", Role.CITIZEN)).status_code == 200
    dead = {"resourceType": "Patient", "id": "ana", "deceasedDateTime": "2026-11-23"}
    await ask("PUT", "/fhir/Patient/ana", Role.OPERATOR, dead)
    clock.now += timedelta(seconds=61)
    refused = await ask("GET", "/fhir/Patient/ana", Role.CITIZEN)
    assert (refused.status_code, "person-has-died" in refused.text) == (403, True)
    assert (await ask("GET", "/fhir/Patient/ana", Role.PROXY)).status_code == 200


async def test_another_process_knows_within_a_second(node, ask, ana, folder, clock, caller):
    async with open_services(folder, clock) as (_, other):
        await ask("PUT", "/rights/exchange-opt-out", Role.CITIZEN, {"risk_understood": True})
        async with asyncio.timeout(5):
            while "ana" not in other.standing.persons:  # noqa: ASYNC110  (another process's work)
                await asyncio.sleep(0.01)
        assert other.standing.persons["ana"].opted_out == {"exchange"}


@pytest.mark.clause("EHDS 16")
async def test_what_needs_a_surer_log_in_says_which(ask, ana):
    low, substantial = {"assurance": Assurance.LOW}, {"assurance": Assurance.SUBSTANTIAL}
    assert (
        "of level substantial; this log-in is low" in (await ask("GET", "/notices", Role.CITIZEN, **low)).text
    )
    assert (await ask("GET", "/notices", Role.CITIZEN, **substantial)).status_code == 200
    refused = await ask("GET", "/proxies", Role.CITIZEN, **substantial)
    assert (refused.status_code, "of level high" in refused.text) == (403, True)
    high = {"assurance": Assurance.HIGH}
    assert (await ask("GET", "/proxies", Role.CITIZEN, **high)).status_code == 200


@pytest.mark.clause("EHDS 8")
async def test_an_item_is_hidden_from_a_proxy_and_from_nobody_else(ask, ana):
    eva = {"subject": "eva", "patient": "eva", "name": "Eva"}
    code = (await ask("POST", "/rights/presence-code", Role.CITIZEN, **eva)).json()["code"]
    made = await ask("POST", "/proxies", Role.CITIZEN, {"code": code, "name": "Eva", "kind": "carer"})
    held = await ask("POST", f"/proxies/{made.json()['id']}/token", Role.CITIZEN, **eva)
    token = held.json()["access_token"]
    assert (await ask("GET", "/fhir/Condition/c1", token=token)).status_code == 200
    consent = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": SCOPES, "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "policyRule": {"coding": [{"system": ACTS, "code": "OPTIN"}]},
        "patient": {"reference": "Patient/ana"},
        "dateTime": "2026-11-20",
        "provision": {
            "type": "deny",
            "actor": [
                {
                    "role": {"coding": [{"system": PARTICIPATION, "code": "IRCP"}]},
                    "reference": {"identifier": {"system": "urn:salus:audience", "value": "proxies"}},
                }
            ],
            "data": [{"meaning": "instance", "reference": {"reference": "Condition/c1"}}],
        },
    }
    said = await ask("POST", "/fhir/Consent", Role.CITIZEN, consent)
    assert said.status_code == 201, said.text
    assert (await ask("GET", "/fhir/Condition/c1", token=token)).status_code == 404
    assert (await ask("GET", "/fhir/Condition", token=token)).json()["total"] == 1
    assert (await ask("GET", "/fhir/Condition/c1")).status_code == 200
    assert (await ask("GET", "/fhir/Condition/c1", Role.CITIZEN)).status_code == 200


async def test_the_example_of_the_documentation_is_taken_as_it_stands(ask, ana):
    page = (Path(__file__).parents[2] / "docs" / "standing.md").read_text(encoding="utf-8")
    request, body = re.search(r"```\n(POST /\w+)\n(\{.*?\})\n```", page, re.DOTALL).groups()
    method, path = request.split()
    answer = await ask(method, path, body=json.loads(body) | {"patient": "ana"})
    assert answer.status_code == 201


@pytest.mark.clause("EHDS 11(5)")
async def test_an_emergency_service_finds_the_patient_and_sees_what_an_emergency_opens_alone(ask, ana):
    number = {"identifier": [{"system": "urn:test", "value": "n-ana"}], "name": [{"family": "ana"}]}
    await ask("PUT", "/fhir/Patient/ana", Role.OPERATOR, {"resourceType": "Patient", "id": "ana"} | number)
    for path in ("/fhir/Condition?patient=ana", "/fhir/Condition/c1", "/fhir/Patient/ana"):
        assert (await ask("GET", path, Role.EMERGENCY)).status_code == 403, path
    claim = {"identifier": "urn:test|n-ana", "reason": REASON}
    opened = await ask("POST", "/emergency", Role.EMERGENCY, claim)
    assert (opened.status_code, opened.json()["patient"]) == (201, "ana")
    token = opened.json()["access_token"]
    assert (await ask("GET", "/fhir/Condition?patient=ana", token=token)).json()["total"] == 2
    assert (await ask("GET", "/fhir/Patient/ana/$summary", token=token)).status_code == 200
    body = {"resourceType": "Condition", "subject": {"reference": "Patient/ana"}}
    assert (await ask("POST", "/fhir/Condition", body=body, token=token)).status_code == 403
    for wrong in ({"identifier": "urn:test|nobody", "reason": REASON}, {"reason": REASON}):
        assert (await ask("POST", "/emergency", Role.EMERGENCY, wrong)).status_code in (400, 404)
    assert (await ask("POST", "/emergency", Role.CITIZEN, claim)).status_code == 403
