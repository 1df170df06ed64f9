"""A running node decides for other purposes than treatment as the citizen's Consents say (IHE PCF)."""

import json
from pathlib import Path

import httpx
import pytest

from salus.cli.node import make_node
from salus.core.access import Caller, Purpose, Role
from salus.node import open_node
from salus.settings import Settings
from salus.trust.tokens import issue

BASE = "http://127.0.0.1:9"
VECTORS = Path(__file__).resolve().parents[3] / "shared" / "testvectors" / "consent-pcf"
JSON = {"content-type": "application/fhir+json"}
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
SENSITIVITY = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
DEPRESSION = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "F32.1"}]}
WEIGHT = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
STUDY, CLINIC = (Role.RESEARCHER, Purpose.RESEARCH), (Role.CLINICIAN, Purpose.TREATMENT)
SYSTEM = (Role.APP, Purpose.OPERATIONS)
BOTH = {"Observation/weight", "Condition/low"}


@pytest.fixture
async def node(tmp_path, database_url):
    settings = Settings(
        node="pt-1", name="Portugal", country="PT", base_url=BASE, port=9, database=database_url, demo=True,
        languages=("en",),
    )  # fmt: skip
    make_node(tmp_path, settings)
    async with open_node(tmp_path) as opened:
        yield opened


class Door:
    """Requests to a running node, each with a token for who asks and why."""

    def __init__(self, node, http):
        self.node, self.http, self.consent = node, http, ""

    async def __call__(self, who, method, path, body=None, *, patient="ana"):
        role, purpose = who
        services = self.node.services
        caller = Caller(
            subject=patient if role is Role.CITIZEN else f"test-{role.value}", name="N", role=role,
            organisation="" if role is Role.CITIZEN else "Clinic", issuer=BASE, purpose=purpose,
            patient=patient if role in (Role.CITIZEN, Role.RESEARCHER) else None,
            scopes={Role.RESEARCHER: ("patient/*.rs",), Role.APP: ("system/*.rs",)}.get(role, ()),
        )  # fmt: skip
        token = issue(services.keys.token, caller, services.terms, now=services.clock())
        content = None if body is None else json.dumps(body).encode()
        headers = {**JSON, "authorization": f"Bearer {token}"}
        return await self.http.request(method, f"/fhir/{path}", content=content, headers=headers)

    async def put(self, *resources):
        for each in resources:
            path = f"{each['resourceType']}/{each['id']}"
            made = await self((Role.OPERATOR, Purpose.OPERATIONS), "PUT", path, each)
            assert made.status_code in (200, 201), made.text

    async def sees(self, who, names=BOTH, patient="ana"):
        found = set()
        for name in names:
            answer = await self(who, "GET", name, patient=patient)
            assert answer.status_code in (200, 404), answer.text
            found |= {name} if answer.status_code == 200 else set()
        return found


@pytest.fixture
async def door(node):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(node.application), base_url=BASE) as http:
        door = Door(node, http)
        subject = {"subject": {"reference": "Patient/ana"}}
        await door.put(
            {"resourceType": "Patient", "id": "ana"},
            {"resourceType": "Observation", "id": "weight", "status": "final", "code": WEIGHT, **subject},
            {"resourceType": "Condition", "id": "low", "code": DEPRESSION, **subject},
        )
        yield door


def consent(provision, identity="c"):
    category = [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}]
    return {
        "resourceType": "Consent", "id": identity, "status": "active", "category": category,
        "scope": {"coding": [{"code": "patient-privacy"}]}, "policyRule": {"coding": [{"code": "OPTIN"}]},
        "patient": {"reference": "Patient/ana"}, "provision": provision,
    }  # fmt: skip


def for_purpose(code, kind, **more):
    return {"type": kind, "purpose": [{"system": REASON, "code": code}], **more}


async def says(door, provision):
    """Say it instead of what was said before."""
    who = (Role.CITIZEN, Purpose.PATIENT_REQUEST)
    if door.consent:
        said = await door(who, "PUT", f"Consent/{door.consent}", consent(provision, door.consent))
    else:
        said = await door(who, "POST", "Consent", consent(provision))
    assert said.status_code in (200, 201), said.text
    door.consent = said.json()["id"]
    await door.node.services.standing.refresh("ana")  # every process hears of a first Consent within a second


PSYCHIATRIC = [{"system": SENSITIVITY, "code": "PSY"}]


@pytest.mark.clause("EHDS 8")
async def test_a_study_reads_what_is_permitted_to_research_by_name_and_nothing_else(door):
    assert await door.sees(STUDY) == set(), "nobody said anything: without a Consent there is no study"
    for provision, seen in (
        (for_purpose("HRESCH", "permit"), BOTH),
        (for_purpose("HRESCH", "deny"), set()),
        (for_purpose("TREAT", "permit"), set()),
        ({"type": "permit"}, set()),
        (for_purpose("HRESCH", "permit", **{"class": [{"code": "Observation"}]}), {"Observation/weight"}),
        (
            for_purpose("HRESCH", "permit", provision=[{"type": "deny", "securityLabel": PSYCHIATRIC}]),
            {"Observation/weight"},
        ),
    ):
        await says(door, provision)
        assert await door.sees(STUDY) == seen, provision
    treated = for_purpose("HRESCH", "permit", **{"class": [{"code": "Observation"}]})
    await says(door, treated)
    assert await door.sees(CLINIC) == BOTH, "what a study may not see, who treats still does"


@pytest.mark.clause("EHDS 8")
async def test_a_denied_purpose_hides_from_it_and_from_no_other(door):
    assert await door.sees(SYSTEM) == BOTH
    await says(door, for_purpose("HOPERAT", "deny", securityLabel=PSYCHIATRIC))
    assert await door.sees(SYSTEM) == {"Observation/weight"}
    assert await door.sees(CLINIC) == BOTH


@pytest.mark.skipif(not VECTORS.is_dir(), reason="needs the shared vectors beside the checkout")
async def test_the_research_cases_of_the_vectors_are_decided_alike_by_the_running_node(door):
    cases = [json.loads(line) for line in (VECTORS / "requests.jsonl").read_text().splitlines()]
    cases = [case for case in cases if case["request"]["purpose"] == "HRESCH"]
    assert {case["decision"] for case in cases} == {"permit", "deny"}
    for case in cases:
        stated = json.loads((VECTORS / f"{case['consent'].replace('/', '-')}.json").read_text())
        patient = case["id"]
        text = json.dumps({name: part for name, part in stated.items() if name not in ("text", "id")})
        said = json.loads(text.replace("Patient/ex-patient", f"Patient/{patient}"))
        await door.put(
            {"resourceType": "Patient", "id": patient},
            {"resourceType": "Observation", "id": f"o-{patient}", "status": "final", "code": WEIGHT,
             "subject": {"reference": f"Patient/{patient}"}},
        )  # fmt: skip
        heard = await door((Role.CITIZEN, Purpose.PATIENT_REQUEST), "POST", "Consent", said, patient=patient)
        assert heard.status_code == 201, heard.text
        await door.node.services.standing.refresh(patient)
        name = f"Observation/o-{patient}"
        seen = await door.sees(STUDY, {name}, patient)
        assert seen == ({name} if case["decision"] == "permit" else set()), case["why"]
