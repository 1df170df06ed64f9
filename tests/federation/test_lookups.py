"""A look-up of another node points at one person, finds them once, and is counted and written down."""

import asyncio
import itertools
import string
from datetime import UTC, datetime, timedelta
from functools import partial

import httpx
import msgspec
import pytest
from tests.federation.conftest import local_caller, local_token, put

from salus.core.access import Action, Purpose, Role
from salus.primary.cross_border import find_patients
from salus.primary.demographics import BIRTH_PLACE_URL
from salus.store import persons
from salus.store.ledger import leaf_in
from salus.store.lookups import Asked, count_lookup, forget_lookups
from salus.store.merged import forget
from salus.trust.gate import enter
from salus.trust.jurisdictions.law import jurisdiction_of
from salus.trust.policy import AccessRequest
from salus.web.abroad import desk_of

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


def of_law(home, country):
    msgspec.structs.force_setattr(home.services.gatehouse, "law", jurisdiction_of(country))


def limited(home, **limits):
    changed = msgspec.structs.replace(home.services.limits, **limits)
    msgspec.structs.force_setattr(home.services, "limits", changed)


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


async def test_the_law_of_the_home_country_says_what_is_enough(home, desk):
    """The home stands in France for once: five traits together, or an identifier."""
    place = {"url": BIRTH_PLACE_URL, "valueAddress": {"city": "Nîmes"}}
    await put(home, person("zoe", "7", "Roux", ("Zoé",), gender="female", extension=[place]))
    of_law(home, "FR")
    traits = {"family": "Roux", "given": "Zoé", "birthdate": "1980-05-06", "gender": "female"}
    found, reason = await look_up(desk, **traits)
    assert (found, "family, given, birthdate, gender and birth-place" in reason) == ([], True)
    assert await look_up(desk, **traits, **{"birth-place": "nimes"}) == (["zoe"], "")
    assert await look_up(desk, **traits, **{"birth-place": "Lyon"}) == ([], "")
    of_law(home, "EE")
    found, reason = await look_up(desk, **traits, **{"birth-place": "nimes"})
    assert (found, "asks for an identifier" in reason) == ([], True)
    assert await look_up(desk, identifier=f"{CARD}|7") == (["zoe"], "")


async def test_several_who_match_look_like_nobody(home, desk):
    await put(home, person("other", "9"), *(person(f"twin-{n}", "10", "Pires") for n in range(2)))
    for asked in (
        {"family": "Silva", "given": "Ana", "birthdate": "1980-05-06"},
        {"identifier": f"{CARD}|10"},
    ):
        assert await look_up(desk, **asked) == ([], "")


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


async def test_the_ration_of_a_node_is_one_for_all_processes_and_emergencies_have_their_own(home, desk):
    limited(home, lookups_per_minute_max=100, lookups_per_day_max=3)
    asked = {"identifier": f"{CARD}|1"}
    answers = await asyncio.gather(*(look_up(desk, **asked) for _ in range(5)))
    assert sorted(found for found, _ in answers) == [[], [], ["ana"], ["ana"], ["ana"]]
    assert all("429" in reason for found, reason in answers if not found)
    crew = msgspec.structs.replace(desk.caller, role=Role.EMERGENCY, purpose=Purpose.EMERGENCY)
    assert await look_up(msgspec.structs.replace(desk, caller=crew), **asked) == (["ana"], "")
    async with home.services.database.system() as connection:
        counted = "SELECT asked FROM looked_up WHERE node = 'ee-1' AND minute = -1 ORDER BY emergency"
        assert [row["asked"] for row in await connection.fetch(counted)] == [5, 1]


async def test_what_a_minute_refuses_is_not_taken_from_the_day(home):
    database, now = home.services.database, datetime(2026, 5, 4, 23, 59, 58, tzinfo=UTC)
    count = partial(count_lookup, database, emergency=False, per_minute_max=2)
    told = [await count("fr-1", now) for _ in range(3)]
    assert told == [Asked(1, 1), Asked(2, 2), Asked(3, 0)]
    assert await count("it-1", now) == Asked(1, 1)
    assert await count("fr-1", now + timedelta(seconds=2)) == Asked(1, 1)
    await forget_lookups(database, now + timedelta(days=1))
    assert await count("fr-1", now + timedelta(seconds=2)) == Asked(2, 2)
    assert await count("it-1", now) == Asked(1, 1)
