"""The second wall: what a role may not see, PostgreSQL does not give, and hot queries keep their index."""

from contextlib import asynccontextmanager

import asyncpg
import pytest

from salus.store.asker import EVERYTHING
from salus.store.granted import GrantKey, register, signing_for

INSERT = (
    "INSERT INTO resource (compartment, type, id, version, updated, hidden, digest, date, tokens, content) "
    "VALUES ($1, $2, $3, 1, now(), $4, '', now(), '{1}', 'x')"
)


PROFESSIONAL = '{"is":["professionals"],"at":0}'
ASKERS = {"yes": EVERYTHING, "no": PROFESSIONAL, "unset": ""}
VEILS = f"(NOT hidden OR salus_shows(type, id, '{PROFESSIONAL}'))"


@asynccontextmanager
async def connected(url, role, patients=None, sees_hidden="no"):
    key = GrantKey()
    owner = await asyncpg.connect(url)
    await register(owner, key)
    await owner.close()
    connection = await asyncpg.connect(url, server_settings={"role": role})
    if patients is not None:
        signed = (await signing_for(connection, key)).sign(patients, ASKERS[sees_hidden])
        await connection.execute("SELECT set_config('salus.patients', $1, false)", signed)
        await connection.execute("SELECT set_config('salus.asker', $1, false)", ASKERS[sees_hidden])
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def url(database_url):
    """Yield a database with four resources: two of ana (one restricted), one of rui, one of nobody."""
    owner = await asyncpg.connect(database_url)
    for values in (
        ("ana", "Observation", "o1", False),
        ("ana", "Observation", "o2", True),
        ("rui", "Observation", "o3", False),
        ("Organization/h1", "Organization", "h1", False),
        ("Observation/o4", "Observation", "o4", False),
    ):
        await owner.execute(INSERT, *values)
    await owner.close()
    return database_url


@pytest.mark.parametrize(
    ("patients", "sees_hidden", "seen"),
    [
        ("ana", "no", ["h1", "o1"]),
        ("ana", "yes", ["h1", "o1", "o2"]),
        ("ana", "unset", ["h1", "o1"]),
        ("rui", "no", ["h1", "o3"]),
        ("ana,rui", "no", ["h1", "o1", "o3"]),
        ("", "yes", ["h1"]),
        (None, "no", ["h1"]),
        ("Observation/o4", "no", ["h1", "o4"]),
    ],
)
async def test_a_bound_role_sees_its_patients_and_the_shared_directory(url, patients, sees_hidden, seen):
    async with connected(url, "salus_bound", patients, sees_hidden) as connection:
        rows = await connection.fetch("SELECT id FROM resource ORDER BY id")
        assert [row["id"] for row in rows] == seen


async def test_a_bound_role_writes_into_no_other_record(url):
    async with connected(url, "salus_bound", "ana") as connection:
        for compartment, kind in (("rui", "Observation"), ("Organization/h2", "Organization")):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(INSERT, compartment, kind, "new", False)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE resource SET compartment = 'rui' WHERE id = 'o1'")
        for statement in (
            "UPDATE resource SET content = 'y' WHERE id = 'o3'",
            "DELETE FROM resource WHERE id = 'o3'",
            "UPDATE resource SET content = 'y' WHERE id = 'o2'",
        ):
            assert (await connection.execute(statement)).endswith(" 0")


@pytest.mark.parametrize("role", ["salus_wide", "salus_bound"])
@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE resource DISABLE ROW LEVEL SECURITY",
        "DROP POLICY wide ON resource",
        "CREATE POLICY mine ON resource USING (true)",
        "ALTER ROLE salus_bound BYPASSRLS",
        "CREATE TABLE mine (a int)",
        "TRUNCATE resource",
        "INSERT INTO leaf (patient, at, entry) VALUES ('ana', now(), '')",
        "ALTER TABLE leaf DISABLE TRIGGER append_only",
    ],
)
async def test_no_role_of_the_node_can_take_the_wall_down(url, role, statement):
    async with connected(url, role, "ana") as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_every_table_that_holds_a_compartment_has_the_wall(database_url):
    owner = await asyncpg.connect(database_url)
    open_tables = await owner.fetch(
        "SELECT relname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid "
        "WHERE relkind = 'r' AND attname = 'compartment' AND NOT relrowsecurity"
    )
    reachable = await owner.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
        "AND has_table_privilege('salus_bound', oid, 'SELECT') AND NOT relrowsecurity"
    )
    await owner.close()
    assert (open_tables, reachable) == ([], [])


async def plan_of(connection, query, *arguments):
    rows = await connection.fetch(f"EXPLAIN {query}", *arguments)
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize(
    ("role", "query", "index"),
    [
        ("salus_wide", "type = 'Observation' AND id = 'n7'", "resource_id"),
        ("salus_bound", "type = 'Observation' AND id = 'n7'", "resource_id"),
        ("salus_wide", "tokens @> '{77}'", "resource_tokens"),
        ("salus_bound", "compartment = 'p7' AND type = 'Observation' AND tokens @> '{77}'", "resource_"),
        (
            "salus_wide",
            "compartment = 'p7' AND type = 'Observation' ORDER BY date DESC, id LIMIT 5",
            "resource_compartment_date",
        ),
        (
            "salus_bound",
            "compartment = 'p7' AND type = 'Observation' ORDER BY date DESC, id LIMIT 5",
            "resource_compartment_date",
        ),
    ],
)
async def test_hot_queries_use_an_index_with_the_wall_up(database_url, role, query, index):
    owner = await asyncpg.connect(database_url)
    await owner.execute(
        "INSERT INTO resource (compartment, type, id, version, updated, digest, date, tokens, content) "
        "SELECT 'p' || n % 500, 'Observation', 'n' || n, 1, now(), '', now() - n * interval '1 hour', "
        "ARRAY[n % 900, n], repeat('x', 500)::bytea FROM generate_series(1, 10000) AS n"
    )
    await owner.execute("ANALYZE resource")
    await owner.close()
    async with connected(database_url, role, "p7") as connection:
        plan = await plan_of(connection, f"SELECT id FROM resource WHERE {VEILS} AND {query}")
    assert index in plan
    assert "Seq Scan" not in plan


@pytest.mark.parametrize(
    ("patients", "sees_hidden", "seen"),
    [
        ("ana", "no", ["b1"]),
        ("ana", "yes", ["b1", "b3"]),
        ("ana,rui", "no", ["b1", "b2"]),
        ("rui", "yes", []),
        ("", "yes", []),
    ],
)
async def test_what_lies_in_no_record_is_read_by_whom_alone_it_is_about(
    database_url, patients, sees_hidden, seen
):
    owner = await asyncpg.connect(database_url)
    about = (("b1", ["ana"], False), ("b2", ["ana", "rui"], False), ("b3", ["ana"], True), ("b4", [], False))
    for name, others, hidden in about:
        await owner.execute(INSERT, f"Binary/{name}", "Binary", name, hidden)
        await owner.execute("UPDATE resource SET others = $2 WHERE id = $1", name, others)
    await owner.close()
    async with connected(database_url, "salus_bound", patients, sees_hidden) as connection:
        rows = await connection.fetch("SELECT id FROM resource ORDER BY id")
        assert [row["id"] for row in rows] == seen
        assert await connection.execute("UPDATE resource SET deleted = true WHERE id LIKE 'b%'") == "UPDATE 0"
        assert await connection.execute("DELETE FROM resource WHERE id LIKE 'b%'") == "DELETE 0"
