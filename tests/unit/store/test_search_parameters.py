"""A search parameter added to a running node is offered when what is stored has been indexed for it."""

import json

import msgspec
import pytest

from salus.core.errors import InvalidExpression, InvalidResource
from salus.core.limits import Limits
from salus.standards.fhir.model import SearchParameterRow
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.parameters import offered_parameters
from salus.store import resources
from salus.store.rows import make_row
from salus.store.search import search
from salus.store.search_parameters import register, reindex, remove, searching_registry

KEY = b"key of the search test"
NICKNAME = SearchParameterRow(
    url="http://node.example/SearchParameter/nickname",
    code="nickname",
    type="string",
    base=("Patient",),
    expression="Patient.name.where(use = 'nickname' and given.exists()).given.first()",
)


async def fill(database, grant, count):
    index = compile_indexer("Patient", KEY)
    for number in range(count):
        one = {
            "resourceType": "Patient",
            "id": f"p{number}",
            "name": [{"use": "nickname", "given": [f"Nick{number}"]}],
        }
        row = make_row("Patient", one["id"], json.dumps(one).encode(), index=index(one))
        await resources.create(grant(), database, row)


async def add(database, definition, *, at):
    async with database.system() as connection, connection.transaction():
        await register(connection, definition, at=at, resource_id=definition.code)


async def found(database, grant, text):
    registry = await searching_registry(database)
    query = parse_query("Patient", [tuple(text.split("="))], Limits(), strict=True, registry=registry)
    page = await search(grant(), database, query, key=KEY, registry=registry)
    return [one.id for one in page.resources]


async def test_it_is_offered_once_everything_is_indexed_and_finds_what_was_there(database, grant):
    await fill(database, grant, 5)
    await add(database, NICKNAME, at=grant().opened_at)
    assert "nickname" not in offered_parameters("Patient", await searching_registry(database))
    assert "nickname" in offered_parameters("Patient", database.parameters.indexing)
    counts = [progress.resources async for progress in reindex(database, key=KEY, batch=2)]
    assert counts == [2, 4, 5]
    assert "nickname" in offered_parameters("Patient", await searching_registry(database))
    assert await found(database, grant, "nickname=nick3") == ["p3"]
    assert await found(database, grant, "given=nick4") == ["p4"]


async def test_a_killed_run_goes_on_where_it_stopped(database, grant):
    await fill(database, grant, 5)
    await add(database, NICKNAME, at=grant().opened_at)
    run = reindex(database, key=KEY, batch=2)
    assert (await anext(run)).resources == 2
    await run.aclose()
    assert [progress.resources async for progress in reindex(database, key=KEY, batch=2)] == [2, 3]
    assert await found(database, grant, "nickname=nick1") == ["p1"]


async def test_what_is_removed_is_not_offered(database, grant):
    await add(database, NICKNAME, at=grant().opened_at)
    async with database.system() as connection, connection.transaction():
        await remove(connection, "another")
        await remove(connection, NICKNAME.code)
    assert "nickname" not in offered_parameters("Patient", await searching_registry(database))
    assert "nickname" not in offered_parameters("Patient", database.parameters.indexing)


async def test_an_expression_that_is_none_is_refused(database, grant):
    broken = msgspec.structs.replace(NICKNAME, expression="Patient.name.where(")
    with pytest.raises(InvalidExpression):
        await add(database, broken, at=grant().opened_at)


@pytest.mark.parametrize(
    "change", [{"base": ("Nothing",)}, {"code": ""}, {"expression": ""}, {"type": "special"}]
)
async def test_what_cannot_be_searched_by_is_refused(database, grant, change):
    fields = {name: getattr(NICKNAME, name) for name in NICKNAME.__struct_fields__}
    with pytest.raises(InvalidResource):
        await add(database, SearchParameterRow(**(fields | change)), at=grant().opened_at)
