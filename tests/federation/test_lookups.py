"""A look-up of another node points at one person, finds them once, and is counted and written down."""

import itertools
import string

import httpx
import pytest
from tests.federation.conftest import local_caller, local_token, put

from salus.core.access import Action, Role
from salus.core.clock import utc_now
from salus.core.errors import Throttled
from salus.primary.cross_border import find_patients
from salus.store import persons
from salus.store.ledger import leaf_in
from salus.store.merged import forget
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.abroad import desk_of
from salus.web.pdqm import Rates

CARD = "urn:example:card"


def person(name, number, family="Silva", given=("Ana",), born="1980-05-06", **more):
    return {
        "resourceType": "Patient",
        "id": name,
        "identifier": [{"system": CARD, "value": number}],
        "name": [{"use": "official", "family": family, "given": list(given)}],
        "birthDate": born,
    } | more


@pytest.fixture
async def home(federation):
    node = federation.nodes["pt-1"]
    await put(node, person("ana", "1", given=("Ana", "Maria")), person("rui", "2", "Costa", ("Rui",)))
    return node


@pytest.fixture
def desk(federation):
    abroad = federation.nodes["ee-1"]
    return desk_of(abroad.services, local_caller(abroad, Role.CLINICIAN, "Mari Tamm"))


async def look_up(desk, **asked):
    answers, _ = await find_patients(desk, asked)
    return [each.id for each in answers.answers.get("pt-1", [])], dict(answers.silent).get("pt-1", "")


async def merge(home, stays, goes):
    services = home.services
    operator = local_caller(home, Role.OPERATOR, "operator")
    async with enter(services.gatehouse, operator, AccessRequest(Action.UPDATE, "Patient", "x")) as access:
        await persons.merge(access.grant, services.database, stays, goes, key=services.keys.search)
    forget(services.database)


async def test_nobody_lists_the_population_by_letters_and_wide_dates(home, desk):
    letters = ",".join(string.ascii_lowercase)
    wide = {"family": letters, "given": letters, "birthdate": "1980-05-06"}
    assert (await look_up(desk, **wide))[0] == []
    for family, given in itertools.product("sc", "ar"):
        assert await look_up(desk, family=family, given=given, birthdate="1980-05-06") == ([], "")
    found, reason = await look_up(desk, family="Silva", given="Ana", birthdate="ge1900-01-01")
    assert (found, "whole day" in reason) == ([], True)
    assert await look_up(desk, family="silva", given="Ana Maria", birthdate="1980-05-06") == (["ana"], "")


async def test_a_merged_person_is_answered_once_by_the_record_that_stays(home, desk):
    await put(home, person("old", "1-old"), person("twin", "1"))
    await merge(home, "ana", "old")
    await merge(home, "ana", "twin")
    for asked in ("1", "1-old"):
        assert (asked, *await look_up(desk, identifier=f"{CARD}|{asked}")) == (asked, ["ana"], "")
    assert await look_up(desk, family="Silva", given="Ana", birthdate="1980-05-06") == (["ana"], "")


async def register(home, resource):
    headers = {"authorization": f"Bearer {local_token(home, Role.CITIZEN, 'rui', patient='rui')}"}
    async with httpx.AsyncClient(trust_env=False, headers=headers) as client:
        body = {name: value for name, value in resource.items() if name != "id"}
        answer = await client.post(f"{home.url}/fhir/Patient", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def test_who_was_registered_by_a_citizen_is_found_once_staff_confirm_it(home, desk):
    made = [await register(home, person("", "1")) for _ in range(6)]
    assert await look_up(desk, identifier=f"{CARD}|1") == (["ana"], "")
    child = await register(home, person("", "3", "Costa", ("Eva",), "2026-01-01"))
    assert await look_up(desk, identifier=f"{CARD}|3") == ([], "")
    services = home.services
    operator = local_caller(home, Role.OPERATOR, "operator")
    async with enter(services.gatehouse, operator, AccessRequest(Action.UPDATE, "Patient", "x")) as access:
        await persons.confirm(access.grant, services.database, child, key=services.keys.search)
    assert await look_up(desk, identifier=f"{CARD}|3") == ([child], "")
    assert child not in made


async def test_a_node_looks_up_only_so_many_in_a_minute_and_each_question_is_a_leaf(home, desk):
    for asked in ({"identifier": f"{CARD}|1"}, {"family": "a,b"}):
        await look_up(desk, **asked)
    async with home.services.database.system() as connection:
        rows = await connection.fetch("SELECT entry FROM leaf ORDER BY arrival")
    leaves = [leaf_in(connection, bytes(row["entry"])) for row in rows]
    found = [
        (leaf.patient, leaf.outcome) for leaf in leaves if leaf.node == "ee-1" and leaf.action == "search"
    ]
    assert found == [("ana", "served"), ("", "failed")]
    rates, now = Rates(), utc_now()
    for node in ("ee-1", "ee-1", "fr-1"):
        rates.note(node, now, per_minute_max=2)
    with pytest.raises(Throttled):
        rates.note("ee-1", now, per_minute_max=2)
