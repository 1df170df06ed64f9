"""One person, one page: merged records, and persons whom a citizen registered, in the portal's look-ups."""

import pytest
from tests.flow.test_portal import (  # noqa: F401  fixtures
    browser,
    form_token,
    log_in,
    national_number,
    node,
    people,
)

from salus.cli.token import make_token
from salus.core.access import Action, Role
from salus.store import persons
from salus.store.merged import forget
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.portal.lookup import find_citizens


@pytest.fixture
def as_operator(node):  # noqa: F811
    async def act(verb, *names):
        services = node.services
        token = make_token(services.data, node.settings, Role.OPERATOR, None, None, seconds=None)
        operator = services.doorkeeper.identify(token)
        async with enter(
            services.gatehouse, operator, AccessRequest(Action.UPDATE, "Patient", "x")
        ) as access:
            await verb(access.grant, services.database, *names, key=services.keys.search)
        forget(services.database)

    return act


async def register(node, patient, citizen):  # noqa: F811
    """Register a person as the citizen does; return the new Patient's id."""
    token = make_token(node.services.data, node.settings, Role.CITIZEN, None, citizen, seconds=None)
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    body = {name: patient[name] for name in ("resourceType", "identifier", "name", "birthDate")}
    async with browser(node) as client:
        answer = await client.post("/fhir/Patient", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def look_up(node, number):  # noqa: F811
    """Return the page that a clinician comes to by a number."""
    async with browser(node) as client:
        await log_in(client, "clinician")
        form = {"csrf": form_token(await client.get("/patient")), "country": "pt-1", "identifier": number}
        return await client.post("/patient?language=en", data=form | {"present": "yes", "language": "en"})


async def test_a_merged_person_is_found_once_by_either_number(node, people, as_operator):  # noqa: F811
    first, second = people
    await as_operator(persons.merge, first["id"], second["id"])
    for patient in people:
        number = national_number(patient)
        assert [one.id for one in await find_citizens(node.services, number)] == [first["id"]]
        page = await look_up(node, number)
        assert (page.status_code, page.url.path) == (200, f"/patient/pt-1/{first['id']}")
        async with browser(node) as client:
            assert (await log_in(client, "citizen", number)).url.path == "/record"


async def test_who_was_registered_by_a_citizen_is_found_once_confirmed(node, people, as_operator):  # noqa: F811
    first, second = people
    number = national_number(first)
    made = await register(node, first, second["id"])
    assert [one.id for one in await find_citizens(node.services, number)] == [first["id"]]
    assert (await look_up(node, number)).url.path == f"/patient/pt-1/{first['id']}"
    await as_operator(persons.confirm, made)
    found = {one.id for one in await find_citizens(node.services, number)}
    assert found == {first["id"], made}


async def test_a_merged_person_hides_what_either_record_holds(node, people, as_operator):  # noqa: F811
    first, second = people
    await as_operator(persons.merge, first["id"], second["id"])
    token = make_token(node.services.data, node.settings, Role.CITIZEN, None, first["id"], seconds=None)
    async with browser(node) as client:
        client.headers["authorization"] = f"Bearer {token}"
        found = (await client.get(f"/fhir/Condition?patient={first['id']}&_count=100")).json()["entry"]
        listed = [entry["resource"] for entry in found if entry["resource"]["resourceType"] == "Condition"]
        theirs = next(one for one in listed if one["subject"]["reference"] == f"Patient/{second['id']}")
        path = f"/restrictions/Condition/{theirs['id']}"
        for method in ("GET", "PUT"):
            assert (await client.request(method, path)).status_code == 200
        hidden = (await client.get("/restrictions")).json()["restrictions"]
        assert ("Condition", theirs["id"]) in {(each["type"], each["id"]) for each in hidden}


async def test_a_merged_person_sees_who_looked_at_either_record(node, people, as_operator):  # noqa: F811
    first, second = people
    async with browser(node) as client:
        doctor = make_token(node.services.data, node.settings, Role.CLINICIAN, None, None, seconds=None)
        headers = {"authorization": f"Bearer {doctor}"}
        assert (await client.get(f"/fhir/Patient/{second['id']}", headers=headers)).status_code == 200
        await as_operator(persons.merge, first["id"], second["id"])
        token = make_token(node.services.data, node.settings, Role.CITIZEN, None, first["id"], seconds=None)
        answer = await client.get("/ledger/accesses", headers={"authorization": f"Bearer {token}"})
        assert f"Patient/{second['id']}" in {each["what"] for each in answer.json()["accesses"]}
        await log_in(client, "citizen", national_number(second))
        assert f"Patient/{second['id']}" in (await client.get("/accesses?language=en")).text
