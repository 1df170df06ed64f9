"""What a resource names is in columns, and no SQL looks into content (docs/decisions/0027)."""

import json
import re
from itertools import count
from pathlib import Path

import asyncpg
import pytest

import salus.store
from salus.core.access import Action
from salus.standards.fhir.search.extract import compile_indexer
from salus.store import bulk, resources
from salus.store.copying import encode_row
from salus.store.directory import SHARED_TYPES
from salus.store.migrations import migrate, migrations
from salus.store.rows import make_row

KEY = b"key of the test of links"
LINKS = "SELECT links, links_stated FROM {} WHERE id = $1"
_NAMES = count()
ANSWERED = re.compile(r"\b[rvo]\.content(?=,|\s+FROM|$)", re.MULTILINE)
"""Content as a column of an answer."""
OTHERS_CONTENT = {
    "mirror_change",
    "erase_copies",
    "start_subscription",
    "forget_links_of_power",
    "end_links_of_power",
}
"""Functions about a column of the same name of other tables."""


def row(name, kind="Observation", **content):
    resource = {"resourceType": kind, "id": name, "subject": {"reference": "Patient/ana"}, **content}
    index = compile_indexer(kind, KEY)(resource)
    return make_row(kind, name, json.dumps(resource).encode(), index=index)


def ref(name):
    return {"reference": name}


async def test_no_function_index_or_policy_looks_into_content(database):
    async with database.system() as connection:
        sources = await connection.fetch(
            "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
        )
        indexes = await connection.fetch(
            "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'"
        )
        policies = await connection.fetch("SELECT qual, with_check FROM pg_policies")
    looking = {
        name
        for name, source in sources
        if name not in OTHERS_CONTENT and "content" in ANSWERED.sub("", source)
    }
    assert looking == {"erase_person"}  # a clause on refused input, to which `store.erasing` gives no needle
    assert [one for table, one in indexes if table.startswith("resource") and "content" in one] == []
    assert [one for policy in policies for one in policy if one and "content" in one] == []


def test_no_statement_of_the_store_looks_into_content():
    looking = re.compile(
        r"(?:position|strpos|sha256|digest|convert_from|encode|length|substring|md5)\s*\([^()]*\bcontent\b"
        r"|\bIN (?:\w\.)?content\b|\bcontent\s*(?:::|~|\|\||LIKE)|\bnullif\(\w*\.?content",
        re.IGNORECASE,
    )
    statement = re.compile(
        r'"""(?:(?!""").)*?\b(?:SELECT|UPDATE|DELETE|INSERT)\b.*?"""|"[^"\n]*\bSELECT\b[^"\n]*"', re.DOTALL
    )
    found = {
        (path.name, match[0])
        for path in Path(salus.store.__file__).parent.glob("*.py")
        for text in statement.findall(path.read_text())
        for match in looking.finditer(text)
    }
    assert found == set()


async def test_the_database_knows_the_types_that_are_in_no_record(database):
    async with database.system() as connection:
        shared = await connection.fetch(
            "SELECT kind FROM unnest($1::text[]) AS kind WHERE salus_is_shared(kind || '/x', kind)",
            [*SHARED_TYPES, "Patient", "Observation", "Device"],
        )
    assert {one[0] for one in shared} == SHARED_TYPES


@pytest.mark.parametrize("loaded", [False, True])
async def test_links_are_written_and_go_to_the_history(database, grant, loaded):
    async def store(one):
        if not loaded:
            await resources.update(grant(), database, one, may_create=True)
            return
        allowed = grant(action=Action.LOAD)
        async with database.loading(allowed) as connection, connection.transaction():
            await bulk.load(
                allowed, connection, [encode_row(one, ("ana",), allowed.opened_at)], rules=["overwrite"]
            )

    first = row("o", encounter=ref("Encounter/e"), hasMember=[ref("Observation/m")])
    await store(first)
    async with database.system() as connection:
        assert tuple(await connection.fetchrow(LINKS.format("resource"), "o")) == (
            ["Observation/m", "Encounter/e"],
            1,
        )
        await store(row("o"))
        assert tuple(await connection.fetchrow(LINKS.format("resource"), "o")) == ([], 0)
        old = await connection.fetchrow(LINKS.format("resource_version"), "o")
        assert tuple(old) == (["Observation/m", "Encounter/e"], 1)
        digest = first.digest if loaded else database.contents.digest(first.digest)
        assert await connection.fetchval("SELECT digest FROM resource_version WHERE id = 'o'") == digest


STORED = [
    row("o", encounter=ref("Encounter/e"), performer=[ref("Practitioner/p")],
        hasMember=[ref("Observation/m")]),
    row("t", encounter={"reference": "Encounter/e", "display": "Visit"}, note=[{"text": "See Flag/f."}]),
    row("d", "DocumentReference", context={"encounter": [ref("Encounter/e")], "related": [ref("List/l")]}),
    row("b", "Bundle", entry=[
        {"resource": {"resourceType": "Condition", "id": "c", "encounter": ref("Encounter/e")}}]),
    row("x", "Binary", data="AAAA", securityContext=ref("DocumentReference/d")),
]  # fmt: skip


async def test_what_was_stored_before_has_the_same_links(server):
    name = f"links_{next(_NAMES)}"
    admin = await asyncpg.connect(server)
    await admin.execute(f"CREATE DATABASE {name}")
    connection = await asyncpg.connect(server.replace("/postgres?", f"/{name}?"))
    try:
        await migrate(connection, [one for one in migrations() if one.name < "0134"])
        for one in STORED:
            await connection.execute(
                "INSERT INTO resource (compartment, type, id, version, updated, digest, tokens, content)"
                " VALUES ($1, $2, $3, 2, now(), $4, '{}', $5)",
                one.compartment, one.type, one.id, one.digest, one.content,
            )  # fmt: skip
            await connection.execute(
                "INSERT INTO resource_version (compartment, type, id, version, updated, deleted, source,"
                " source_id, content) VALUES ($1, $2, $3, 1, now(), false, '', '', $4)",
                one.compartment, one.type, one.id, one.content,
            )  # fmt: skip
        await migrate(connection, migrations())
        for table in ("resource", "resource_version"):
            for one in STORED:
                links, stated = await connection.fetchrow(LINKS.format(table), one.id)
                assert stated == one.index.links_stated
                assert set(links[:stated]) == set(one.index.links[:stated])
                assert set(links) == set(one.index.links)
                assert (
                    await connection.fetchval(f"SELECT digest FROM {table} WHERE id = $1", one.id)
                    == one.digest
                )
    finally:
        await connection.close()
        await admin.execute(f"DROP DATABASE {name}")
        await admin.close()
