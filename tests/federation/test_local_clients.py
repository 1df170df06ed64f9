"""A local system's token: its registration decides for whom it may speak, not what it signs."""

import httpx
import msgspec
import pytest
from joserfc.jwk import ECKey
from tests.federation.conftest import put

from salus.core.access import Assurance, Outcome, Purpose, Role
from salus.standards.jose.compact import sign
from salus.standards.smart.asker import Asker
from salus.standards.smart.assertion import ASSERTION_TYPE, claims_for
from salus.store.federation import Client, register_client
from salus.store.ledger import leaf_in
from salus.trust.care import Known

KEY = ECKey.generate_key("P-384", {"kid": "e1"})
LIIS = Asker(
    "d-1", "Dr Liis Kask", Role.CLINICIAN, "Tartu Hospital", Purpose.TREATMENT, assurance=Assurance.HIGH
)
EHR = Client("ehr", "Tartu EHR", [KEY.as_dict(private=False)], ("system/*.cruds",))


async def register(home, *roles, purposes=(Purpose.TREATMENT,), scopes=EHR.scopes):
    client = msgspec.structs.replace(EHR, roles=roles, purposes=purposes, scopes=scopes)
    await register_client(home.services.database, client, now=home.clock())


async def ask(home, asker, jti, scope="system/*.cruds"):
    endpoint = f"{home.url}/oauth/token"
    claims = claims_for("ehr", endpoint, jti=jti, now=home.clock().timestamp(), asker=asker)
    fields = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": sign(claims, KEY, kid="e1"),
    }
    async with httpx.AsyncClient(trust_env=False) as http:
        return (await http.post(endpoint, data=fields)).json()


@pytest.fixture
def home(federation):
    return federation.nodes["pt-1"]


def stated(**changes):
    return msgspec.structs.replace(LIIS, **changes)


async def test_a_client_speaks_only_in_the_roles_that_the_operator_gave_it(home):
    await register(home, Role.APP)
    assert (await ask(home, LIIS, "1"))["error"] == "invalid_scope"
    assert "access_token" in await ask(home, None, "2")
    await register(home, Role.PHARMACIST)
    refused = await ask(home, LIIS, "3")
    assert "not registered to speak for a clinician" in refused["error_description"]
    assert (await ask(home, None, "4"))["error"] == "invalid_scope"
    assert "access_token" in await ask(home, stated(role=Role.PHARMACIST), "5")
    assert (await ask(home, stated(role=Role.PHARMACIST, purpose=Purpose.EMERGENCY), "6"))["error"]


async def test_no_client_speaks_for_a_citizen_whatever_it_is_registered_for(home):
    citizen = stated(role=Role.CITIZEN, purpose=Purpose.PATIENT_REQUEST, patient="ana")
    await register(home, Role.APP, Role.CLINICIAN, Role.CITIZEN, purposes=tuple(Purpose))
    assert (await ask(home, citizen, "1"))["error"] == "invalid_scope"


async def test_a_refused_statement_is_written_down_with_the_client(home):
    await register(home, Role.APP)
    await ask(home, stated(patient="ana"), "1")
    async with home.services.database.system() as connection:
        (row,) = await connection.fetch("SELECT entry FROM leaf WHERE patient = 'ana'")
    leaf = leaf_in(connection, row["entry"])
    assert (leaf.subject, leaf.outcome) == ("ehr/d-1", Outcome.REFUSED)


async def test_a_token_for_one_patient_opens_no_other(home):
    await register(home, Role.CLINICIAN)
    for name in ("ana", "rui"):
        await put(home, {"resourceType": "Patient", "id": name, "name": [{"family": "Silva"}]})
    token = (await ask(home, stated(patient="ana"), "1"))["access_token"]
    assert (await ask(home, stated(patient="a/b"), "2"))["error"] == "invalid_scope"
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as http:
        assert (await http.get(f"{home.url}/fhir/Patient/ana")).status_code == 200
        assert (await http.get(f"{home.url}/fhir/Patient/rui")).status_code in (403, 404)
        abroad = {"family": "Silva", "birthdate": "1970-01-01"}
        assert (await http.post(f"{home.url}/abroad/patients", json=abroad)).status_code == 403


async def test_a_client_states_why_the_professional_treats_the_patient(home):
    await register(home, Role.CLINICIAN)
    await put(home, {"resourceType": "Patient", "id": "ana", "name": [{"family": "Silva"}]})
    asking = stated(patient="ana", reason="called about her chest pain")
    care = home.services.care
    care.known = Known.DECLARED
    try:
        for jti, asker, status in (("1", stated(patient="ana"), 404), ("2", asking, 200)):
            token = (await ask(home, asker, jti))["access_token"]
            async with httpx.AsyncClient(trust_env=False) as http:
                answer = await http.get(
                    f"{home.url}/fhir/Patient/ana", headers={"authorization": f"Bearer {token}"}
                )
            assert answer.status_code == status
        care.known = Known.REQUIRED
        refused = await ask(home, asking, "3")
        assert "open an emergency" in refused["error_description"]
    finally:
        care.known = Known.ORGANISATION


async def test_a_client_says_how_surely_the_professional_logged_in(home):
    await register(home, Role.CLINICIAN)
    for jti, level, fits in (("1", None, False), ("2", Assurance.LOW, False), ("3", Assurance.HIGH, True)):
        answer = await ask(home, stated(assurance=level), jti)
        assert ("access_token" in answer) == fits
        assert fits or "salus.acr" in answer["error_description"]
