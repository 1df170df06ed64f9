"""A node that is updated indexes the strings of its records with its own key, before it answers anybody."""

import json

import asyncpg
from tests.flow.test_standing import country, folder

from salus.core.limits import Limits
from salus.node import open_services
from salus.standards.fhir.search.extract import compile_indexer
from salus.standards.fhir.search.grammar import parse_query
from salus.store import resources
from salus.store.rows import make_row
from salus.store.search import search

__all__ = ["country", "folder"]
PATIENT = {"resourceType": "Patient", "id": "ana", "name": [{"family": "Tamm"}], "birthDate": "1980-01-02"}


async def test_the_first_start_after_an_update_finds_names_by_hashes(folder, database_url, grant):
    async with open_services(folder) as (_, services):
        index = compile_indexer("Patient", services.keys.search)(PATIENT)
        row = make_row("Patient", "ana", json.dumps(PATIENT).encode(), index=index)
        await resources.create(grant(), services.database, row)
    owner = await asyncpg.connect(database_url)
    await owner.execute("UPDATE resource SET tokens = '{}'")  # as schema 0145 leaves what an older node wrote
    await owner.execute("CREATE TABLE strings_waiting AS SELECT compartment, type, id FROM resource")
    async with open_services(folder) as (_, services):
        query = parse_query("Patient", [("family", "tam"), ("birthdate", "1980")], Limits(), strict=True)
        found = await search(grant(), services.database, query, key=services.keys.search)
    assert [one.id for one in found.resources] == ["ana"]
    assert await owner.fetchval("SELECT to_regclass('strings_waiting')") is None
    assert await owner.fetchval("SELECT tokens FROM resource") == index.tokens
    await owner.close()
