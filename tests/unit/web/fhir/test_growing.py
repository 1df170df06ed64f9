"""An operator adds a SearchParameter to a running node: refused until indexed, then offered and true."""

import json

import pytest

from salus.standards.fhir.search.index_row import IndexRow
from salus.store import resources
from salus.store.rows import make_row
from salus.store.search_parameters import reindex, states

EMPTY = IndexRow((), None, [], [], [])

URL = "https://node.test/SearchParameter/nickname"


def parameter(**changes):
    return {
        "resourceType": "SearchParameter",
        "id": "nickname",
        "url": URL,
        "name": "Nickname",
        "status": "active",
        "description": "What friends say",
        "code": "nickname",
        "base": ["Patient"],
        "type": "string",
        "expression": "Patient.name.where(use = 'nickname').given",
    } | changes


def patient(number):
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "name": [{"use": "nickname", "given": [f"Nick{number}"]}],
    }


async def index(door):
    async for _ in reindex(door.services.database, key=door.services.keys.search):
        pass
    async with door.services.database.system() as connection:
        await door.services.database.parameters.refresh(connection)


async def offered(door):
    statement = (await door.client.get("https://node.test/fhir/metadata")).json()
    listed = next(one for one in statement["rest"][0]["resource"] if one["type"] == "Patient")
    return {one["name"]: one["definition"] for one in listed["searchParam"]}


async def found(door, query):
    answer = await door("GET", f"/Patient?{query}")
    assert answer.status_code == 200, answer.text
    return sorted(one["resource"]["id"] for one in answer.json().get("entry", ()))


async def test_a_parameter_is_refused_by_name_until_it_is_indexed_and_then_finds_everything(door):
    await door.operator("PUT", "/Patient/p1", patient(1))
    strict = {"prefer": "handling=strict"}
    assert (await door("GET", "/Patient?nickname=nick1", headers=strict)).status_code == 400
    assert (await door.operator("PUT", "/SearchParameter/nickname", parameter())).status_code == 201
    await door.operator("PUT", "/Patient/p2", patient(2))
    refused = await door("GET", "/Patient?nickname=nick1")
    assert refused.status_code == 400
    assert "nickname" in refused.text
    assert "nickname" not in await offered(door)
    await index(door)
    await door.operator("PUT", "/Patient/p3", patient(3))
    assert (await offered(door))["nickname"] == URL
    for number in (1, 2, 3):
        assert await found(door, f"nickname=nick{number}") == [f"p{number}"]
    assert await found(door, "nickname:exact=Nick1") == ["p1"]
    created = await door("POST", "/Patient", patient(9), headers={"if-none-exist": "nickname=nick2"})
    assert (created.status_code, created.json()["id"]) == (200, "p2")


async def test_a_parameter_of_r4_can_be_replaced_under_its_own_url(door):
    await door.operator("PUT", "/Patient/p1", patient(1))
    own = "http://hl7.org/fhir/SearchParameter/Patient-language"
    changed = parameter(url=own, code="language", type="token", expression="Patient.name.use")
    assert (await door.operator("PUT", "/SearchParameter/nickname", changed)).status_code == 201
    assert (await door("GET", "/Patient?language=nickname")).status_code == 400
    await index(door)
    assert await found(door, "language=nickname") == ["p1"]


async def test_the_same_definition_again_is_not_indexed_again(door):
    await door.operator("PUT", "/SearchParameter/nickname", parameter())
    await index(door)
    await door.operator("PUT", "/SearchParameter/nickname", parameter(description="Other words"))
    assert [one.state for one in await states(door.services.database)] == ["ready"]
    await door.operator("PUT", "/SearchParameter/nickname", parameter(expression="Patient.name.family"))
    assert [one.state for one in await states(door.services.database)] == ["indexing"]


@pytest.mark.parametrize("way", ["delete", "retire", "rename"])
async def test_what_is_deleted_retired_or_renamed_is_no_longer_known(door, way):
    await door.operator("PUT", "/SearchParameter/nickname", parameter())
    await index(door)
    if way == "delete":
        await door.operator("DELETE", "/SearchParameter/nickname")
    elif way == "retire":
        change = [{"op": "replace", "path": "/status", "value": "retired"}]
        headers = {"content-type": "application/json-patch+json"}
        await door.operator("PATCH", "/SearchParameter/nickname", json.dumps(change), headers=headers)
    else:
        await door.operator("PUT", "/SearchParameter/nickname", parameter(url=URL + "-2", code="friendly"))
        await index(door)
        assert "friendly" in await offered(door)
    assert "nickname" not in await offered(door)
    answer = await door("GET", "/Patient?nickname=nick1", headers={"prefer": "handling=strict"})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"expression": "Patient.name.where("}, "expression"),
        ({"expression": "Patient.nonsense"}, "reads no element"),
        ({"expression": "Patient.active", "type": "date"}, "reads no element"),
        ({"type": "special"}, "special"),
        ({"code": "birthdate"}, "birthdate"),
        ({"code": "_mine"}, "_"),
    ],
)
async def test_what_cannot_be_indexed_is_refused_and_not_stored(door, change, said):
    answer = await door.operator("PUT", "/SearchParameter/nickname", parameter(**change))
    assert answer.status_code in (400, 422), answer.text
    assert said in answer.text
    assert (await door.operator("GET", "/SearchParameter/nickname")).status_code == 404
    assert await states(door.services.database) == []


async def test_two_parameters_of_one_code_or_url_are_refused(door):
    await door.operator("PUT", "/SearchParameter/nickname", parameter())
    again = parameter(id="other")
    assert (await door.operator("PUT", "/SearchParameter/other", again)).status_code == 422
    other = parameter(id="other", url=URL + "-2")
    assert (await door.operator("PUT", "/SearchParameter/other", other)).status_code == 422


async def test_only_an_operator_adds_search_parameters(door):
    assert (await door("PUT", "/SearchParameter/nickname", parameter())).status_code == 403
    assert (await door("POST", "/SearchParameter", parameter())).status_code == 403


async def test_a_draft_is_stored_and_adds_nothing(door):
    answer = await door.operator("PUT", "/SearchParameter/nickname", parameter(status="draft"))
    assert answer.status_code == 201
    assert await states(door.services.database) == []


async def test_one_that_a_load_brought_becomes_active_when_an_operator_sends_it_again(door, grant):
    body = parameter()
    row = make_row("SearchParameter", "nickname", json.dumps(body).encode(), index=EMPTY)
    await resources.create(grant(), door.services.database, row)
    assert await states(door.services.database) == []
    answer = await door.operator("PUT", "/SearchParameter/nickname", body)
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"1"')
    assert [one.url for one in await states(door.services.database)] == [URL]
