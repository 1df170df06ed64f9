"""Who made an access is withheld from a citizen where two auditors decided it, for a time, and is told so."""

import json
import subprocess
import sys
from datetime import timedelta

import pytest
from tests.flow.test_access_report import ROOT, sign
from tests.flow.test_portal import browser, citizen, node, people  # noqa: F401  fixtures

from salus.core.access import Caller, Purpose, Role
from salus.trust.tokens import issue

REASON = "A threat against the doctor was reported to the police on 2026-11-20."


@pytest.fixture
def bearer(node):  # noqa: F811
    """Return a maker of the headers of somebody logged in."""
    services = node.services

    def make(role, name, patient=None):
        purpose = {
            Role.AUDITOR: Purpose.OPERATIONS,
            Role.OPERATOR: Purpose.OPERATIONS,
            Role.CITIZEN: Purpose.PATIENT_REQUEST,
        }
        caller = Caller(
            name, name, role, "", services.base_url, purpose.get(role, Purpose.TREATMENT), patient=patient
        )
        token = issue(services.keys.token, caller, services.terms, now=services.clock())
        return {"authorization": f"Bearer {token}"}

    return make


@pytest.fixture
async def call(node, people, bearer):  # noqa: F811
    """Two clinicians looked at the first citizen's record; yield a way to ask."""
    patient = people[0]["id"]
    async with browser(node) as client:

        async def ask(method, path, who, **more):
            return await client.request(method, path, headers=who, **more)

        for name in ("Dr. Reis", "Dr. Luz"):
            answer = await ask("GET", f"/fhir/Patient/{patient}", bearer(Role.CLINICIAN, name))
            assert answer.status_code == 200
        yield ask


def checked(command):
    return subprocess.run(command, capture_output=True, encoding="utf-8")


def wish(node, patient, **changes):  # noqa: F811
    until = (node.services.clock() + timedelta(days=30)).isoformat()
    return {"patient": patient, "subject": "Dr. Reis", "reason": REASON, "until": until} | changes


@pytest.mark.clause("EHDS 9(3)")
async def test_two_auditors_withhold_who_looked_and_the_report_stays_whole(
    node, people, call, bearer, tmp_path  # noqa: F811
):  # fmt: skip
    patient = people[0]["id"]
    one, other = bearer(Role.AUDITOR, "auditor-1"), bearer(Role.AUDITOR, "auditor-2")
    own = bearer(Role.CITIZEN, "ana", patient)
    made = await call("POST", "/ledger/withholdings", one, json=wish(node, patient))
    assert made.status_code == 201, made.text
    number = made.json()["withholding"]

    async def names():
        found = (await call("GET", "/ledger/accesses", own)).json()["accesses"]
        return [each["name"] for each in found]

    assert "Dr. Reis" in await names()  # one alone decides nothing
    assert (await call("POST", f"/ledger/withholdings/{number}/agree", one)).status_code == 409
    assert (await call("POST", f"/ledger/withholdings/{number}/agree", other)).status_code == 200
    told = await names()
    assert "Dr. Reis" not in told
    assert {"withheld", "Dr. Luz"} <= set(told)
    await sign(node)
    report = (await call("GET", "/ledger/report", own)).json()
    assert "Dr. Reis" not in str(await call("GET", "/ledger/report", own))
    withheld = [each for each in report["accesses"] if "withheld_until" in each]
    assert [set(each) for each in withheld] == [{"index", "withheld_until", "link", "hashes"}]
    (tmp_path / "report.json").write_text(json.dumps(report))
    key = (await call("GET", "/ledger/key", {})).text
    command = [sys.executable, "-I", ROOT / "verifier" / "verify.py", tmp_path / "report.json", "--log", key]
    done = checked(command)
    assert done.returncode == 0, done.stdout
    assert "WITHHELD: of 1 accesses" in done.stdout
    assert "COMPLETE" in done.stdout
    listed = (await call("GET", "/ledger/withholdings", one)).json()["withholdings"]
    assert [(each["asked_by"], each["agreed_by"]) for each in listed] == [("auditor-1", "auditor-2")]
    # An auditor still sees all, and the decisions are accesses like any other.
    seen = (await call("GET", f"/fhir/AuditEvent?patient={patient}", one)).text
    assert "Dr. Reis" in seen
    assert "withholding" in str((await call("GET", "/ledger/accesses", own)).json())
    assert (await call("POST", f"/ledger/withholdings/{number}/lift", one)).status_code == 200
    assert "Dr. Reis" in await names()


async def test_what_is_withheld_is_told_nowhere_else(node, people, call, bearer):  # noqa: F811
    patient = people[0]["id"]
    own = bearer(Role.CITIZEN, "ana", patient)
    before = (await call("GET", "/ledger/accesses", own)).json()["accesses"]
    request = next(each["request"] for each in before if each["name"] == "Dr. Reis")
    made = await call(
        "POST", "/ledger/withholdings", bearer(Role.AUDITOR, "auditor-1"), json=wish(node, patient)
    )
    number = made.json()["withholding"]
    await call("POST", f"/ledger/withholdings/{number}/agree", bearer(Role.AUDITOR, "auditor-2"))
    assert (await call("GET", f"/ledger/explain?request={request}", own)).status_code == 404
    assert "Dr. Reis" not in (await call("GET", "/fhir/AuditEvent", own)).text


async def test_withholding_is_the_auditors_and_ends(node, people, call, bearer):  # noqa: F811
    patient = people[0]["id"]
    auditor = bearer(Role.AUDITOR, "auditor-1")
    for role in (Role.CITIZEN, Role.CLINICIAN, Role.OPERATOR, Role.PHARMACIST):
        who = bearer(role, "somebody", patient if role is Role.CITIZEN else None)
        for method, path in (
            ("GET", "/ledger/withholdings"),
            ("POST", "/ledger/withholdings"),
            ("POST", "/ledger/withholdings/1/agree"),
        ):
            body = (
                {"json": wish(node, patient)} if path == "/ledger/withholdings" and method == "POST" else {}
            )
            assert (await call(method, path, who, **body)).status_code == 403, (role, path)
    for wrong in (
        {"until": (node.services.clock() + timedelta(days=400)).isoformat()},
        {"until": (node.services.clock() - timedelta(days=1)).isoformat()},
        {"reason": "no"},
        {"until": "2026-12-01"},
    ):
        answer = await call("POST", "/ledger/withholdings", auditor, json=wish(node, patient, **wrong))
        assert answer.status_code == 400, wrong
    assert (await call("POST", "/ledger/withholdings/77/agree", auditor)).status_code == 404
