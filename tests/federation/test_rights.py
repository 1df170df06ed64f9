"""The citizen sees the accesses from abroad, proves them, and restricts a document: it is gone abroad."""

import base64
import hashlib

import httpx
import pytest
from tests.federation.conftest import local_caller, local_token, put
from tests.federation.test_crossing import condition, found, person, publish, published

from salus.core.access import Role
from salus.primary.cross_border import fetch_summary, list_documents, list_resources, present
from salus.primary.sharing import Rule, consent_of
from salus.standards.merkle.checkpoint import open_checkpoint
from salus.standards.merkle.note import parse_key
from salus.standards.merkle.proof import verify_inclusion
from salus.standards.merkle.tree import leaf_hash
from salus.store.sequencer import sequence
from salus.web.abroad import desk_of
from salus.web.ledger import signer_of


@pytest.fixture
async def home(federation):
    node = federation.nodes["pt-1"]
    await put(node, person("ana"), person("rui", "Costa", "Rui"), condition("c1", "ana"))
    return node


@pytest.fixture
def desk(federation):
    abroad = federation.nodes["ee-1"]
    mari = local_caller(abroad, Role.CLINICIAN, "Mari Tamm")
    return desk_of(abroad.services, mari)


async def ask(node, method, path, *, role=Role.CITIZEN, patient="ana", **more):
    own = patient if role is Role.CITIZEN else None
    token = local_token(node, role, patient, patient=own)
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"authorization": f"Bearer {token}"}
        return await client.request(method, f"{node.url}{path}", headers=headers, **more)


async def own_accesses(node, patient="ana"):
    return (await ask(node, "GET", "/ledger/accesses", patient=patient)).json()["accesses"]


async def test_she_sees_who_looked_from_abroad_and_can_prove_it(home, desk):
    await fetch_summary(desk, present(await found(desk)))
    await sequence(
        home.services.database, signer_of(home.services.base_url, home.services.keys), home.clock()
    )
    accesses = await own_accesses(home)
    assert ("Mari Tamm", "ee-1", "Patient/ana/$summary") in {
        (each["name"], each["node"], each["what"]) for each in accesses
    }
    log = parse_key((await ask(home, "GET", "/ledger/key")).text.strip())
    report = (await ask(home, "GET", "/ledger/report")).json()
    checkpoint = open_checkpoint(report["checkpoint"], log)
    proved = set()
    for each in report["accesses"]:
        hashes = [base64.b64decode(one) for one in each["hashes"]]
        digest = leaf_hash(each["link"].encode())
        assert verify_inclusion(digest, each["index"], checkpoint.size, hashes, checkpoint.root)
        assert hashlib.sha256(base64.b64decode(each["entry"])).hexdigest() in each["link"]
        proved.add(each["index"])
    assert {each["index"] for each in accesses} <= proved
    assert (await own_accesses(home))[0]["role"] == "citizen"


async def test_nobody_reads_the_access_log_of_another(home):
    assert {each["patient"] for each in await own_accesses(home, "rui")} <= {"rui"}
    assert (await ask(home, "GET", "/ledger/accesses", role=Role.CLINICIAN)).status_code == 403


async def test_a_restricted_document_is_absent_abroad_and_comes_back(home, desk):
    reference = (await publish(home, b"%PDF-1 result")).json()["id"]
    patient = present(await found(desk))
    assert [each["id"] for each in published(await list_documents(desk, patient))] == [reference]
    path = f"/restrictions/DocumentReference/{reference}"
    assert (await ask(home, "PUT", path)).json()["resources"] == 1
    assert published(await list_documents(desk, patient)) == []
    assert (await ask(home, "DELETE", path)).json()["resources"] == 1
    assert len(published(await list_documents(desk, patient))) == 1


@pytest.mark.clause("EHDS 8")
async def test_she_reads_what_goes_and_the_risk_before_she_hides_it(home):
    report = {"resourceType": "DiagnosticReport", "id": "r1", "status": "final", "code": {"text": "x"},
              "subject": {"reference": "Patient/ana"},
              "extension": [{"url": "urn:x", "valueReference": {"reference": "Condition/c1"}}]}  # fmt: skip
    await put(home, report)
    told = (await ask(home, "GET", "/restrictions/Condition/c1")).json()
    assert told["hides"] == {"Condition": 1, "DiagnosticReport": 1}
    assert "may repeat an examination" in told["risk"]
    assert (await ask(home, "GET", "/restrictions")).json() == {"restrictions": []}
    assert (await ask(home, "PUT", "/restrictions/Condition/c1")).json()["resources"] == 2
    listed = (await ask(home, "GET", "/restrictions")).json()["restrictions"]
    assert [(each["type"], each["with"]) for each in listed] == [
        ("Condition", ""),
        ("DiagnosticReport", "Condition/c1"),
    ]
    whats = [(each["action"], each["what"]) for each in await own_accesses(home)]
    assert whats.count(("update", "Condition/c1 restricted")) == 1
    assert whats.count(("read", "Condition/c1")) == 1


async def test_her_own_identity_cannot_be_hidden_and_she_is_told_why(home):
    for method in ("GET", "PUT"):
        refused = await ask(home, method, "/restrictions/Patient/ana")
        assert refused.status_code == 409
        assert "nobody could find your record" in refused.text
    assert (await ask(home, "GET", "/restrictions")).json() == {"restrictions": []}
    assert (await ask(home, "PUT", "/restrictions/Patient/ana", role=Role.CLINICIAN)).status_code == 403
    assert (await ask(home, "DELETE", "/restrictions/Patient/ana")).status_code != 409


async def test_a_restricted_condition_leaves_no_trace_in_the_summary(home, desk):
    await ask(home, "PUT", "/restrictions/Condition/c1")
    patient = present(await found(desk))
    summary = await fetch_summary(desk, patient)
    assert summary.is_valid
    assert "I10" not in summary.body.decode()
    assert "may have limited" in summary.body.decode()
    assert (await list_resources(desk, patient, "Condition")).resources == []


@pytest.mark.clause("EHDS 8")
@pytest.mark.parametrize(
    ("rule", "hides"), [(Rule("country", "EE"), True), (Rule("abroad"), True), (Rule("country", "FR"), False)]
)
async def test_what_she_hides_from_a_country_is_absent_there_and_seen_at_home(home, desk, rule, hides):
    consent = consent_of(rule, "ana", home.clock())
    said = await ask(home, "POST", "/fhir/Consent", json=consent)
    assert said.status_code == 201, said.text
    patient = present(await found(desk))
    abroad = (await list_resources(desk, patient, "Condition")).resources
    assert [each["id"] for each in abroad] == ([] if hides else ["c1"])
    summary = (await fetch_summary(desk, patient)).body.decode()
    assert ("I10" in summary) is not hides
    assert "may have limited" in summary
    at_home = await ask(home, "GET", "/fhir/Condition/c1", role=Role.CLINICIAN)
    assert at_home.status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_what_is_not_hers_she_cannot_restrict(home, method):
    path = "/restrictions/Condition/c1"
    assert (await ask(home, method, path, patient="rui")).status_code == 404
    assert (await ask(home, method, path, role=Role.CLINICIAN)).status_code == 403
