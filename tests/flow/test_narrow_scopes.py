"""Scopes that narrow by a query, at a running node: what they do not name is as good as not there."""

import httpx
import msgspec
import pytest

from salus.cli.node import make_node
from salus.core.access import Caller, Purpose, Role
from salus.node import open_node
from salus.settings import Settings
from salus.trust.tokens import issue

BASE = "http://127.0.0.1:9"
JSON = {"content-type": "application/fhir+json"}
HL7 = "http://terminology.hl7.org/CodeSystem"
CATEGORY = f"{HL7}/observation-category"
LAB, VITAL = "laboratory", "vital-signs"


def observation(identity, category, **more):
    return {
        "resourceType": "Observation", "id": identity, "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": category}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": {"reference": "Patient/ana"}, **more,
    }  # fmt: skip


RECORD = [
    {"resourceType": "Patient", "id": "ana", "name": [{"family": "Silva"}]},
    observation("lab-1", LAB),
    observation("lab-2", LAB, derivedFrom=[{"reference": "Observation/vital-1"}]),
    observation("vital-1", VITAL),
    observation("social-1", "social-history"),
    {
        "resourceType": "DiagnosticReport", "id": "report-1", "status": "final",
        "code": {"text": "all"}, "subject": {"reference": "Patient/ana"},
        "result": [{"reference": "Observation/lab-1"}, {"reference": "Observation/vital-1"}],
    },
]  # fmt: skip


@pytest.fixture
async def node(tmp_path, database_url):
    settings = Settings(
        node="pt-1", name="Portugal", country="PT", base_url=BASE, port=9, database=database_url, demo=True
    )
    make_node(tmp_path, settings)
    async with open_node(tmp_path) as opened, client(opened, Role.OPERATOR) as operator:
        for resource in RECORD:
            path = f"/fhir/{resource['resourceType']}/{resource['id']}"
            answer = await operator.put(path, content=msgspec.json.encode(resource), headers=JSON)
            assert answer.status_code == 201, answer.text
        yield opened


def client(node, role, *scopes):
    purposes = {Role.CITIZEN: Purpose.PATIENT_REQUEST}
    patient = "ana" if role is Role.CITIZEN else None
    caller = Caller(
        f"{role}", "Ana", role, "", BASE, purposes.get(role, Purpose.OPERATIONS), patient=patient,
        scopes=scopes,
    )  # fmt: skip
    token = issue(node.services.keys.token, caller, node.services.terms, now=node.services.clock())
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(node.application),
        base_url=BASE,
        headers={"authorization": f"Bearer {token}"},
    )


def ids(answer):
    entries = answer.json().get("entry", [])
    return sorted(each["resource"]["id"] for each in entries if each["search"]["mode"] != "outcome")


async def found(http, path):
    answer = await http.get(f"/fhir/{path}")
    assert answer.status_code == 200, answer.text
    return answer


LABS = f"patient/Observation.rs?category={LAB}"
REPORTS = "patient/DiagnosticReport.rs"


SEARCHES = [
    ((LABS,), "", ["lab-1", "lab-2"]),
    ((LABS,), f"category={VITAL}", []),
    ((LABS,), "_id=vital-1,lab-1", ["lab-1"]),
    ((LABS,), "code=718-7&_sort=-date", ["lab-1", "lab-2"]),
    ((LABS,), "_has:Observation:derived-from:_id=lab-2", []),
    ((LABS,), f"derived-from:Observation.category={VITAL}", []),
    ((LABS, f"patient/Observation.rs?category={VITAL}"), "", ["lab-1", "lab-2", "vital-1"]),
    ((LABS, "patient/Observation.s"), "", ["lab-1", "lab-2", "social-1", "vital-1"]),
    ((f"patient/Observation.rs?category={CATEGORY}|{LAB}&code=718-7",), "", ["lab-1", "lab-2"]),
    ((f"patient/Observation.rs?category={LAB},{VITAL}",), "", ["lab-1", "lab-2", "vital-1"]),
]


async def test_a_search_finds_and_counts_what_the_scopes_name(node):
    for scopes, query, expected in SEARCHES:
        async with client(node, Role.CITIZEN, *scopes) as http:
            assert ids(await found(http, f"Observation?{query}")) == expected, (scopes, query)
            counted = await found(http, f"Observation?{query}&_total=accurate&_count=1")
            assert counted.json()["total"] == len(expected), (scopes, query)
            summary = await found(http, f"Observation?{query}&_summary=count")
            assert summary.json()["total"] == len(expected), (scopes, query)


async def test_what_the_scopes_do_not_name_is_as_absent_as_what_is_not_there(node):
    async with client(node, Role.CITIZEN, LABS) as http:
        assert (await http.get("/fhir/Observation/lab-1")).status_code == 200
        hidden, absent = [await http.get(f"/fhir/Observation/{name}") for name in ("vital-1", "vital-0")]
        for answer in (hidden, absent):
            assert answer.status_code == 404
        assert hidden.text.replace("vital-1", "vital-0") == absent.text
        assert (await http.get("/fhir/Observation/vital-1/_history/1")).status_code == 404
        assert (await http.get("/fhir/Observation/vital-1/_history")).status_code == 404
        assert (await http.get("/fhir/DiagnosticReport/report-1")).status_code == 403


async def test_includes_and_everything_bring_only_what_the_scopes_name(node):
    async with client(node, Role.CITIZEN, LABS, REPORTS, "patient/Patient.rs") as http:
        path = "DiagnosticReport?_include=DiagnosticReport:result"
        assert ids(await found(http, path)) == ["lab-1", "report-1"]
        path = "Patient?_revinclude=Observation:subject"
        assert ids(await found(http, path)) == ["ana", "lab-1", "lab-2"]
        path = f"DiagnosticReport?result.category={VITAL}"
        assert ids(await found(http, path)) == []
        every = await found(http, "Patient/ana/$everything?_count=2")
        seen = ids(every)
        while following := [x["url"] for x in every.json()["link"] if x["relation"] == "next"]:
            every = await http.get(following[0])
            seen += ids(every)
        assert sorted(seen) == ["ana", "lab-1", "lab-2", "report-1"]


async def test_a_resource_that_leaves_the_scope_takes_its_history_along(node):
    async with client(node, Role.OPERATOR) as operator, client(node, Role.CITIZEN, LABS) as http:
        versions = await found(http, "Observation/_history?_count=50")
        assert {each["resource"]["id"] for each in versions.json()["entry"]} == {"lab-1", "lab-2"}
        assert (await found(http, "Observation/lab-1/_history")).json()["entry"]
        body = msgspec.json.encode(observation("lab-1", "social-history"))
        assert (await operator.put("/fhir/Observation/lab-1", content=body, headers=JSON)).status_code == 200
        for path in ("", "/_history", "/_history/1"):
            assert (await http.get(f"/fhir/Observation/lab-1{path}")).status_code == 404
        versions = await found(http, "Observation/_history?_count=50")
        assert {each["resource"]["id"] for each in versions.json()["entry"]} == {"lab-2"}
        await operator.delete("/fhir/Observation/lab-2")
        absent = await http.get("/fhir/Observation/lab-2")
        assert absent.status_code == 404


async def test_a_bulk_export_holds_what_the_scopes_name(node):
    from salus.web.fhir.export import work_once

    scopes = (f"system/Observation.rs?category={LAB}", "system/Patient.rs")
    async with client(node, Role.APP, *scopes) as http:
        headers = {"prefer": "respond-async"}
        begun = await http.get("/fhir/$export?_type=Patient,Observation", headers=headers)
        assert begun.status_code == 202, begun.text
        while await work_once(node.services):
            pass
        while (status := await http.get(begun.headers["content-location"])).status_code == 202:
            await work_once(node.services)
        manifest = status.json()
        files = {each["type"]: each["url"] for each in manifest["output"]}
        lines = (await http.get(files["Observation"])).text.splitlines()
        assert sorted(msgspec.json.decode(line)["id"] for line in lines) == ["lab-1", "lab-2"]
    async with client(node, Role.APP, f"system/Observation.rs?category={VITAL}") as other:
        assert (await other.get(files["Observation"])).status_code == 403


async def test_a_door_that_does_not_narrow_refuses(node):
    async with client(node, Role.CITIZEN, LABS) as http:
        for path in ("Patient/$match", "Patient/ana/$summary"):
            answer = await http.get(f"/fhir/{path}")
            assert answer.status_code in (403, 404, 405), path
            assert "718-7" not in answer.text


async def test_nothing_is_written_under_a_scope_with_a_query(node):
    async with client(node, Role.CITIZEN, f"patient/Observation.cruds?category={LAB}", LABS) as http:
        body = msgspec.json.encode(observation("new", LAB))
        assert (await http.post("/fhir/Observation", content=body, headers=JSON)).status_code == 403
        assert (await http.get("/fhir/Observation/lab-1")).status_code == 200
    # Whoever may write all of a type and read some of it does not read the rest by writing.
    async with client(node, Role.CITIZEN, "patient/Observation.cud", LABS) as http:
        patch = b'[{"op": "add", "path": "/note", "value": [{"text": "x"}]}]'
        headers = {"content-type": "application/json-patch+json"}
        answer = await http.patch("/fhir/Observation/social-1", content=patch, headers=headers)
        assert answer.status_code == 403
        assert "718-7" not in answer.text


async def own_and_other(node):
    """Store what the vectors name: own resources of ana, one of another patient."""
    other = {**observation("o-other-patient", LAB), "subject": {"reference": "Patient/rui"}}
    condition = {
        "resourceType": "Condition", "id": "c-own", "subject": {"reference": "Patient/ana"},
        "code": {"text": "x"}, "encounter": {"reference": "Encounter/e-own"},
        "clinicalStatus": {"coding": [{"system": f"{HL7}/condition-clinical", "code": "active"}]},
    }  # fmt: skip
    encounter = {
        "resourceType": "Encounter", "id": "e-own", "status": "finished",
        "class": {"system": f"{HL7}/v3-ActCode", "code": "AMB"},
        "subject": {"reference": "Patient/ana"},
    }  # fmt: skip
    stored = [
        {"resourceType": "Patient", "id": "rui"}, {"resourceType": "Patient", "id": "p-own"}, encounter,
        condition, observation("o-own", LAB), observation("o-own-lab", LAB),
        observation("o-own-vital", VITAL), other,
    ]  # fmt: skip
    async with client(node, Role.OPERATOR) as operator:
        for resource in stored:
            path = f"/fhir/{resource['resourceType']}/{resource['id']}"
            answer = await operator.put(path, content=msgspec.json.encode(resource), headers=JSON)
            assert answer.status_code == 201, answer.text


async def asked(http, request):
    """Return how a node answers a request of the vectors: permit, deny, or filtered."""
    method, _, what = request.partition(" ")
    if what.startswith("batch"):
        entries = [{"request": {"method": "GET", "url": url}} for url in ("Condition?", "Observation?")]
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
        answer = await http.post("/fhir", content=msgspec.json.encode(bundle), headers=JSON)
        each = [entry["response"]["status"][:3] for entry in answer.json().get("entry", [])]
        return {"200": "permit", "": "deny"}.get("".join(dict.fromkeys(each)), "filtered")
    if method == "POST":
        fresh = msgspec.json.encode(observation("x", LAB))
        answer = await http.post(f"/fhir/{what}", content=fresh, headers=JSON)
        return "permit" if answer.status_code == 201 else "deny"
    answer = await http.get(f"/fhir/{what}")
    if answer.status_code != 200:
        return "deny"
    left_out = "Encounter" in answer.text and "e-own" not in ids(answer) if "_include" in what else False
    narrowed = what == "Observation" and not {"o-own-vital", "social-1"} & set(ids(answer))
    return "filtered" if left_out or narrowed else "permit"


async def test_the_vectors_of_scopes_hold_at_a_running_node(node, shared):
    await own_and_other(node)
    lines = (shared / "testvectors/own-tokens/smart/scopes.jsonl").read_text().splitlines()
    wrong = []
    for case in map(msgspec.json.decode, lines):
        role = Role.APP if case["scope"].startswith("system/") else Role.CITIZEN
        async with client(node, role, *case["scope"].split()) as http:
            found = await asked(http, case["request"])
        if found != case["allowed"]:
            wrong.append((case, found))
    assert wrong == []
