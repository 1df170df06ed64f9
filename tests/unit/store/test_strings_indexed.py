"""What an older Salus kept of strings in clear is gone after the update, and is found by keyed hashes."""

import json
from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest

from salus.core.errors import SettingsInvalid
from salus.core.limits import Limits
from salus.standards.fhir.model import SearchParameterRow
from salus.standards.fhir.search.grammar import parse_query
from salus.store.migrations import migrate, migrations
from salus.store.postgres import open_database
from salus.store.search import search
from salus.store.strings_indexed import index_strings

KEY = b"key of the strings test"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAMILIES = ("Tamm", "Ångström", "Sóusa", "Xu", "Meri")
NICKNAME = SearchParameterRow(
    url="http://node.example/SearchParameter/nickname",
    code="nickname",
    type="string",
    base=("Patient",),
    expression="Patient.name.where(use = 'nickname').given",
)


def older():
    return [one for one in migrations() if one.name < "0145"]


@pytest.fixture
async def before(server):
    """Yield the URL of a database of an older Salus with Patients, their names in clear, and its owner."""
    connection = await asyncpg.connect(server)
    await connection.execute("CREATE DATABASE before_update")
    url = server.replace("/postgres?", "/before_update?")
    owner = await asyncpg.connect(url)
    await migrate(owner, older())
    for number, family in enumerate(FAMILIES):
        content = {"resourceType": "Patient", "name": [{"family": family}]}
        await owner.execute(
            "INSERT INTO resource (compartment, type, id, version, updated, digest, tokens, content) "
            "VALUES ($1, 'Patient', $1, 1, $2, '', '{1}', $3)",
            f"p{number}",
            NOW,
            json.dumps(content).encode(),
        )
        await owner.execute(
            "INSERT INTO resource_string VALUES ($1, 'Patient', $1, 1, $2, '{}')",
            f"p{number}",
            family.casefold(),
        )
    await owner.execute(
        "INSERT INTO resource_string VALUES ('gone', 'Patient', 'gone', 1, 'of an older row', '{}')"
    )
    await owner.execute(
        "INSERT INTO search_parameter (url, definition, state, added_at) VALUES ($1, $2, 'ready', $3)",
        NICKNAME.url,
        msgspec.json.encode(NICKNAME),
        NOW,
    )
    yield url, owner
    await owner.close()
    await connection.execute("DROP DATABASE before_update WITH (FORCE)")
    await connection.close()


async def found(database, grant, text):
    query = parse_query("Patient", [tuple(text.split("="))], Limits(), strict=True)
    return [one.id for one in (await search(grant(), database, query, key=KEY)).resources]


async def tables(owner):
    rows = await owner.fetch("SELECT relname FROM pg_class WHERE relname LIKE '%string%'")
    return {row["relname"] for row in rows}


async def test_an_update_indexes_the_strings_before_it_serves(before, grant):
    url, owner = before
    async with open_database(url, search_key=KEY) as database:
        assert await found(database, grant, "family=tam") == ["p0"]
        assert await found(database, grant, "name=ang") == ["p1"]
        assert await found(database, grant, "name:contains=ous") == ["p2"]
        assert await found(database, grant, "family:exact=Xu") == ["p3"]
    assert await tables(owner) == set()


async def test_the_clear_text_goes_with_the_schema_and_nothing_names_its_table(before):
    _, owner = before
    await migrate(owner, migrations())
    assert await tables(owner) == {"strings_waiting", "strings_waiting_pkey"}
    assert not await owner.fetch("SELECT proname FROM pg_proc WHERE prosrc LIKE '%resource_string%'")
    columns = await owner.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'strings_waiting'::regclass AND attnum > 0"
    )
    assert [row["attname"] for row in columns] == ["compartment", "type", "id"]


async def test_a_run_that_ended_early_goes_on_where_it_stopped(before, grant):
    url, owner = before
    await migrate(owner, migrations())
    await owner.execute("UPDATE resource SET content = '{' WHERE id = 'p2'")
    with pytest.raises(msgspec.DecodeError):
        await index_strings(owner, KEY, batch=2)
    assert await owner.fetchval("SELECT count(*) FROM strings_waiting") == 4
    content = json.dumps({"resourceType": "Patient", "name": [{"family": "Sóusa"}]}).encode()
    await owner.execute("UPDATE resource SET content = $1 WHERE id = 'p2'", content)
    assert await index_strings(owner, KEY, batch=2) == 4
    async with open_database(url) as database:
        assert [await found(database, grant, f"family={one}") for one in FAMILIES] == [
            [f"p{number}"] for number in range(len(FAMILIES))
        ]


async def test_without_the_key_nothing_is_served(before):
    url, _ = before
    with pytest.raises(SettingsInvalid, match="6 resources must be indexed anew with the node's index key"):
        async with open_database(url):
            pass


async def test_what_needs_no_index_anew_costs_nothing(database_url):
    owner = await asyncpg.connect(database_url)
    assert await index_strings(owner, b"") == 0
    assert await tables(owner) == set()
    await owner.close()
