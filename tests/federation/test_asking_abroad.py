"""Who may ask abroad through a node: its own professionals, and nobody whom another node vouches for."""

import httpx
import msgspec
import pytest
from tests.federation.conftest import local_token, put
from tests.federation.test_tokens import MARI, ask, shown

from salus.core.access import Caller, Outcome, Purpose, Role
from salus.store.ledger import leaf_in
from salus.trust.tokens import issue

NUMBER = {"system": "urn:x", "value": "1"}
RUI = {
    "resourceType": "Patient", "id": "rui", "name": [{"family": "Costa"}], "birthDate": "1980-02-02",
    "identifier": [NUMBER],
}  # fmt: skip
WHOM = {"node": "ee-1", "id": "rui", "relationship": "present"}
ASKED = {
    "/abroad/patients": {"identifier": "urn:x|1"},
    "/abroad/summary": WHOM,
    "/abroad/documents": WHOM,
    "/abroad/document": WHOM | {"reference": {"content": [{"attachment": {"url": "Binary/b"}}]}},
    "/abroad/prescriptions": WHOM,
    "/abroad/finish": {},
}


async def post(node, path, token, body, headers=None):
    headers = headers or {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        return await client.post(f"{node.url}{path}", json=body)


async def leaves(node):
    async with node.services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf ORDER BY arrival")
    return [leaf_in(connection, row["entry"]) for row in rows]


@pytest.fixture
async def home(federation):
    await put(federation.nodes["ee-1"], RUI)
    return federation.nodes["pt-1"]


async def test_the_token_of_another_node_asks_nothing_abroad_and_the_attempt_is_written_down(
    federation, home
):
    patient = (await ask(federation)).json()["access_token"]
    lookup = msgspec.structs.replace(MARI, patient="", relationship="none")
    looking = (await ask(federation, asker=lookup, jti="j2")).json()["access_token"]
    for token in (patient, looking):
        for path, body in ASKED.items():
            headers = shown(federation, "POST", f"{home.url}{path}", token)
            answer = await post(home, path, token, body, headers)
            assert answer.status_code == 403, (path, answer.text)
            assert "own professionals" in answer.text
    refused = [leaf for leaf in await leaves(home) if leaf.rule == "speaks-for-own-professionals-only"]
    assert len(refused) == 2 * len(ASKED)
    assert {(leaf.node, leaf.outcome) for leaf in refused} == {("ee-1", Outcome.REFUSED)}
    assert {leaf.patient for leaf in refused} == {"", "ee-1:rui"}
    assert not any(leaf.node == "pt-1" for leaf in await leaves(federation.nodes["ee-1"]))


CONFINED = [
    ({"patient": "ana"}, "token-is-for-one-record"),
    ({"scopes": ("patient/*.rs",)}, "token-is-for-one-record"),
    ({"scopes": ("system/*.rs", "lookup")}, "token-is-for-one-record"),
    ({"role": Role.APP, "scopes": ("system/*.rs",)}, "asks-abroad-as-a-professional"),
    ({"role": Role.OPERATOR, "purpose": Purpose.OPERATIONS}, "asks-abroad-as-a-professional"),
    ({"role": Role.CITIZEN, "purpose": Purpose.PATIENT_REQUEST}, "asks-abroad-as-a-professional"),
    ({"role": Role.NODE}, "asks-abroad-as-a-professional"),
]


async def test_only_a_professional_whose_token_is_for_everybody_asks_abroad(home):
    for fields, rule in CONFINED:
        caller = Caller("x", "X", Role.CLINICIAN, "Hospital", home.url, Purpose.TREATMENT)
        caller = msgspec.structs.replace(caller, **fields)
        token = issue(home.services.keys.token, caller, home.services.terms, now=home.clock())
        for path, body in ASKED.items():
            answer = await post(home, path, token, body)
            assert answer.status_code == 403, (fields, path, answer.text)
            assert rule in answer.text


async def test_a_patient_of_the_own_node_is_not_asked_for_abroad(home):
    token = local_token(home, Role.CLINICIAN, "Dr Sousa")
    answer = await post(home, "/abroad/summary", token, WHOM | {"node": "pt-1"})
    assert (answer.status_code, "of this node" in answer.text) == (403, True)
    assert (await leaves(home))[-1].rule == "patient-is-of-this-node"


async def test_the_own_clinician_asks_and_is_answered(home):
    token = local_token(home, Role.CLINICIAN, "Dr Sousa")
    for path in ("/abroad/patients", "/abroad/summary", "/abroad/documents"):
        answer = await post(home, path, token, ASKED[path])
        assert answer.status_code == 200, answer.text
