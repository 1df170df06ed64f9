"""Who opted out of exchange is absent abroad, also in what names them and lies in no record."""

import httpx
import pytest
from tests.federation.conftest import local_token, put
from tests.federation.test_tokens import ask, shown

from salus.core.access import Role

ANA = {
    "resourceType": "Patient",
    "id": "ana",
    "name": [{"family": "Silva"}],
    "identifier": [{"system": "urn:x", "value": "7"}],
}
PATHS = (
    "Condition/c1", "Bundle/b1", "Observation/o1", "Bundle/b1/_history", "Observation/o1/_history/1",
    "Bundle", "Observation?subject:identifier=urn:x|7", "Condition?patient=ana",
)  # fmt: skip


def telling(url):
    condition = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": {"reference": "Patient/ana"},
        "code": {"text": "SECRET"},
    }
    copy = {name: each for name, each in condition.items() if name != "id"}
    held = {"fullUrl": "urn:uuid:7c0ee2c4-6f1b-4f9e-9c9c-0c9b3f1f7a01", "resource": copy}
    return (
        condition,
        {"resourceType": "Bundle", "id": "b1", "type": "collection",
         "entry": [{"fullUrl": f"{url}/fhir/Patient/ana", "resource": ANA}, held]},
        {"resourceType": "Observation", "id": "o1", "status": "final", "code": {"text": "SECRET"},
         "subject": {"identifier": {"system": "urn:x", "value": "7"}}},
    )  # fmt: skip


@pytest.mark.clause("EHDS 10")
@pytest.mark.parametrize("stored_first", [True, False])
async def test_an_opt_out_of_exchange_covers_what_lies_in_no_record(federation, stored_first):
    home = federation.nodes["pt-1"]
    await put(home, ANA, *(telling(home.url) if stored_first else ()))
    ana = {"authorization": f"Bearer {local_token(home, Role.CITIZEN, 'ana', patient='ana')}"}
    async with httpx.AsyncClient(trust_env=False, base_url=home.url) as client:
        token = (await ask(federation)).json()["access_token"]

        async def told():
            found = set()
            for path in PATHS:
                address = f"{home.url}/fhir/{path.partition('?')[0]}"
                answer = await client.get(f"/fhir/{path}", headers=shown(federation, "GET", address, token))
                found |= {path} if "SECRET" in answer.text else set()
            return found

        if stored_first:
            assert {"Bundle/b1", "Observation/o1", "Observation/o1/_history/1"} <= await told()
        answer = await client.put("/rights/exchange-opt-out", headers=ana, json={"risk_understood": True})
        assert answer.status_code == 200, answer.text
        if not stored_first:
            await put(home, *telling(home.url))
        assert await told() == set()
        assert "SECRET" in (await client.get("/fhir/Bundle/b1", headers=ana)).text
        clinician = {"authorization": f"Bearer {local_token(home, Role.CLINICIAN, 'Ines')}"}
        for path in ("Condition/c1", "Bundle/b1", "Observation/o1"):
            assert (await client.get(f"/fhir/{path}", headers=clinician)).status_code == 404
