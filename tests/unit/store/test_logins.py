"""Whoever takes hold of a serving node's connection to the database stays behind the wall."""

import os
import pwd
import socket
import stat
import struct
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from salus.core.access import Action
from salus.core.errors import SettingsInvalid
from salus.store.embedded import embedded_server
from salus.store.logins import LOGINS, application_url, scram_verifier, strangers
from salus.store.postgres import BOUND, LOADING, WIDE, open_database

INSERT = (
    "INSERT INTO resource (compartment, type, id, version, updated, digest, date, tokens, content) "
    "VALUES ('ana', 'Observation', 'o1', 1, now(), '', now(), '{1}', 'x')"
)


@pytest.fixture
async def served(database_url):
    """Yield a database with one resource and one leaf, as a node serves it, and the URL of its owner."""
    owner = await asyncpg.connect(database_url)
    await owner.execute(INSERT)
    await owner.execute("SELECT append_leaves('{ana}', ARRAY[now()], ARRAY['x'::bytea])")
    await owner.close()
    async with open_database(database_url) as database:
        yield database, database_url


async def test_a_node_is_served_as_logins_that_own_nothing_and_become_one_role_each(served, grant):
    database, _ = served
    wide, bound = ("salus_app", "salus_wide"), ("salus_app_bound", "salus_bound")
    for lent, who in ((database.system(), wide), (database.reading(grant("ana")), bound)):
        async with lent as connection:
            assert await connection.fetchrow("SELECT session_user, current_user") == who
    listening = await database.listening()
    assert await listening.fetchrow("SELECT session_user, current_user") == wide
    await listening.close()
    async with database.system() as connection:
        for login, role in (wide, bound):
            assert await connection.fetch(
                "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolinherit "
                "FROM pg_roles WHERE rolname = $1",
                login,
            ) == [(False,) * 6]
            reached = await connection.fetch(
                "SELECT rolname FROM pg_roles WHERE pg_has_role($1, oid, 'MEMBER') ORDER BY 1", login
            )
            assert [row[0] for row in reached] == [login, role]
            owned = "SELECT count(*) FROM pg_shdepend WHERE refobjid = $1::text::regrole AND deptype = 'o'"
            assert await connection.fetchval(owned, login) == 0


ESCAPES = [
    "SET ROLE postgres",
    "SELECT * FROM grant_key",
    "UPDATE grant_key SET seen_at = 'infinity'",
    "INSERT INTO grant_key VALUES ('mine', '', '')",
    "DELETE FROM grant_key",
    "TABLE grant_key",
    "SELECT set_config('role', 'postgres', false)",
    "SET SESSION AUTHORIZATION postgres",
    "SET session_replication_role = replica",
    "ALTER TABLE resource DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE resource OWNER TO salus_app",
    "ALTER TABLE leaf DISABLE TRIGGER append_only",
    "ALTER TABLE leaf DISABLE TRIGGER ALL",
    "ALTER FUNCTION append_leaves(text[], timestamptz[], bytea[]) RESET ALL",
    "ALTER ROLE salus_app SUPERUSER",
    "ALTER ROLE salus_app BYPASSRLS",
    "ALTER ROLE postgres PASSWORD 'x'",
    "GRANT postgres TO salus_app",
    "GRANT pg_read_all_data TO salus_app",
    "CREATE ROLE mine LOGIN SUPERUSER",
    "CREATE TABLE mine (a int)",
    "CREATE TEMPORARY TABLE mine (a int)",
    "CREATE SCHEMA mine",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE LANGUAGE mine HANDLER plpgsql_call_handler",
    "CREATE FOREIGN DATA WRAPPER mine",
    "CREATE SUBSCRIPTION mine CONNECTION 'host=/tmp' PUBLICATION mine",
    "CREATE POLICY mine ON resource USING (true)",
    "DROP POLICY wide ON resource",
    "DROP TABLE resource",
    "DROP TRIGGER append_only ON leaf",
    "DROP DATABASE postgres",
    "TRUNCATE leaf",
    "UPDATE leaf SET entry = 'y'",
    "DELETE FROM leaf_index",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/mine'",
    "COPY resource FROM '/etc/hostname'",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/hostname')",
    "SELECT * FROM pg_authid",
    "ALTER SYSTEM SET log_statement = 'all'",
    "SELECT pg_reload_conf()",
    "DO LANGUAGE plpgsql $$ BEGIN EXECUTE 'RESET ROLE'; EXECUTE 'SET ROLE postgres'; END $$",
]


@pytest.fixture
async def bound(served):
    """Yield a connection of the bound login that no pool has, and the URL of the database's owner."""
    _, url = served
    opened = await asyncpg.connect(application_url(url, role=BOUND), server_settings={"role": BOUND})
    yield opened, url
    await opened.close()


@pytest.mark.parametrize("role", [WIDE, BOUND])
@pytest.mark.parametrize("before", ["SELECT", "RESET ROLE", "SET ROLE NONE"])
async def test_no_statement_on_its_connection_leaves_the_wall(served, role, before):
    _, url = served
    connection = await asyncpg.connect(application_url(url, role=role), server_settings={"role": role})
    passed = []
    try:
        for statement in ESCAPES:
            await connection.execute(before)
            try:
                await connection.execute(statement)
            except asyncpg.InsufficientPrivilegeError:
                continue
            passed.append(statement)
    finally:
        await connection.close()
    assert passed == []


@pytest.mark.parametrize("role", [WIDE, BOUND])
async def test_without_a_role_it_reads_no_table_and_a_bound_one_not_around_its_policy(served, role):
    _, url = served
    connection = await asyncpg.connect(application_url(url, role=role), server_settings={"role": role})
    try:
        tables = [
            row[0]
            for row in await connection.fetch(
                "SELECT quote_ident(relname) FROM pg_class "
                "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'm', 'p', 'S')"
            )
        ]
        assert len(tables) > 40
        await connection.execute("SET ROLE NONE")
        read = []
        for table in tables:
            with suppress(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM {table}")
                read.append(table)
        assert read == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.copy_from_table("resource", output="/dev/null")
        await connection.execute(f"SET ROLE {role}")
        assert len(await connection.fetch("SELECT * FROM resource")) == (1 if role == WIDE else 0)
        await connection.execute("SET row_security = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT * FROM resource")
    finally:
        await connection.close()


@pytest.mark.parametrize(("role", "other"), [(WIDE, BOUND), (BOUND, WIDE)])
async def test_a_login_of_one_class_of_grants_does_not_become_the_other(served, role, other):
    _, url = served
    connection = await asyncpg.connect(application_url(url, role=role), server_settings={"role": role})
    try:
        for statement in (
            f"SET ROLE {other}",
            f"SELECT set_config('role', '{other}', false)",
            f"RESET ROLE; SET ROLE {other}",
            f"GRANT {other} TO {LOGINS[role]}",
            f"SET SESSION AUTHORIZATION {LOGINS[other]}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(application_url(url, role=role), server_settings={"role": other})


async def test_a_function_that_runs_as_the_owner_does_not_meet_what_its_caller_made(database_url):
    """Even where temporary tables may be made, none stands in the place of the ledger's."""
    owner = await asyncpg.connect(database_url)
    name = await owner.fetchval("SELECT current_database()")
    await owner.execute(f"GRANT TEMPORARY ON DATABASE {name} TO salus_wide")
    connection = await asyncpg.connect(application_url(database_url), server_settings={"role": "salus_wide"})
    try:
        await connection.execute(
            "CREATE TEMPORARY TABLE leaf (patient text, at timestamptz, entry bytea);"
            "CREATE TEMPORARY TABLE ran (as_whom text);"
            "GRANT ALL ON leaf, ran TO PUBLIC;"
            "CREATE FUNCTION pg_temp.run() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO pg_temp.ran VALUES (current_user); RETURN NEW; END $$;"
            "CREATE TRIGGER run BEFORE INSERT ON leaf FOR EACH ROW EXECUTE FUNCTION pg_temp.run();"
        )
        await connection.execute("SELECT append_leaves('{ana}', ARRAY[now()], ARRAY['x'::bytea])")
        assert await connection.fetch("SELECT * FROM ran") == []
        assert await owner.fetchval("SELECT count(*) FROM public.leaf") == 1
        open_path = await owner.fetch(
            "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace "
            "AND NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, public, pg_temp'], false)"
        )
        assert [row[0] for row in open_path] == [], "a function that runs as its owner names pg_temp last"
    finally:
        await connection.close()
        await owner.close()


async def test_no_function_that_runs_as_the_owner_is_open_to_every_login(served):
    _, url = served
    owner = await asyncpg.connect(url)
    try:
        found = await owner.fetch(
            "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace AND "
            "EXISTS (SELECT FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0)"
        )
        assert [row[0] for row in found] == [], "REVOKE EXECUTE ... FROM PUBLIC, and grant it to the roles"
        await owner.execute("SET ROLE salus_app")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute("SELECT append_leaves('{ana}', ARRAY[now()], ARRAY['x'::bytea])")
    finally:
        await owner.close()


async def test_a_serving_process_has_no_connection_of_the_owner(served, database_url, grant):
    database, _ = served
    loading = grant(action=Action.LOAD)
    with pytest.raises(AssertionError, match="this process serves"):
        async with database.loading(loading):
            pass
    open_now = "SELECT DISTINCT usename FROM pg_stat_activity WHERE datname = current_database()"
    async with database.system() as connection:
        assert [row[0] for row in await connection.fetch(open_now)] == ["salus_app"]
    async with open_database(database_url, roles=LOADING) as other, other.loading(loading) as connection:
        assert await connection.fetchval("SELECT session_user") == "postgres"


async def test_what_a_stolen_connection_leaves_behind_is_gone_at_the_next_start(served, database_url):
    database, _ = served
    left = "SELECT count(*) FROM pg_db_role_setting WHERE setrole = 'salus_app'::regrole"
    async with database.system() as connection:
        name = await connection.fetchval("SELECT current_database()")
        await connection.execute("SET ROLE NONE; ALTER ROLE salus_app SET statement_timeout = 1")
        await connection.execute(f"ALTER ROLE salus_app IN DATABASE {name} SET statement_timeout = 1")
        assert await connection.fetchval(left) == 2
        await connection.execute("SET ROLE salus_wide")
    async with open_database(database_url) as again, again.system() as connection:
        assert await connection.fetchval(left) == 0


async def test_logins_that_reach_the_data_and_are_not_known_are_named(served):
    database, url = served
    owner = await asyncpg.connect(url)
    made = {
        "stranger_super": "CREATE ROLE stranger_super LOGIN SUPERUSER",
        "stranger_member": "CREATE ROLE stranger_member LOGIN; GRANT salus_wide TO stranger_member",
        "stranger_group": "CREATE ROLE stranger_group; GRANT stranger_member TO stranger_group",
        "stranger_reader": "CREATE ROLE stranger_reader LOGIN; GRANT pg_read_all_data TO stranger_reader",
        "stranger_bypass": "CREATE ROLE stranger_bypass BYPASSRLS REPLICATION",
        "stranger_table": "CREATE ROLE stranger_table LOGIN; GRANT SELECT ON resource TO stranger_table",
        "stranger_harmless": "CREATE ROLE stranger_harmless LOGIN",
    }
    try:
        for statement in made.values():
            await owner.execute(statement)
        await owner.execute("GRANT salus_bound TO salus_app")
        async with database.system() as connection:
            found = {one.name: one.why for one in await strangers(connection, known=("stranger_group",))}
    finally:
        await owner.execute("REVOKE ALL ON resource FROM stranger_table")
        await owner.execute("REVOKE salus_bound FROM salus_app")
        for name in made:
            await owner.execute(f"DROP ROLE {name}")
        await owner.close()
    assert found == {
        "salus_app": ("may become salus_bound",),
        "stranger_super": ("is a superuser",),
        "stranger_member": ("may become salus_wide",),
        "stranger_reader": ("may become pg_read_all_data",),
        "stranger_bypass": ("passes row-level security", "may copy the whole server"),
        "stranger_table": ("has rights of its own on the node's tables",),
    }
    async with database.system() as connection:
        assert await strangers(connection) == []


@pytest.fixture
def own_server(tmp_path):
    """Yield the folder and the URL of a server of its own."""
    with embedded_server(tmp_path / "node") as url:
        yield tmp_path / "node", url


def sent(path, login):
    """Return the first byte of the answer to a login at this socket: R let in or asked, E refused."""
    body = struct.pack("!I", 196608) + b"user\0" + login.encode() + b"\0database\0postgres\0\0"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(struct.pack("!I", len(body) + 4) + body)
        return connection.recv(1)


def test_the_machines_other_accounts_are_let_in_as_nobody(own_server):
    _, url = own_server
    folder = parse_qs(urlsplit(url).query)["host"][0]
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    path = f"{folder}/.s.PGSQL.5432"
    assert (sent(path, "postgres"), sent(path, "salus_bound"), sent(path, "root")) == (b"R", b"E", b"E")
    if os.geteuid() != 0:
        return
    for account in ("pgserver", "nobody"):
        who = pwd.getpwnam(account)
        child = os.fork()
        if child == 0:
            code = 2
            try:
                os.setgroups([])
                os.setgid(who.pw_gid)
                os.setuid(who.pw_uid)
                code = 0 if sent(path, "postgres") == b"E" else 1
            except PermissionError:
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0, account


async def test_a_node_of_before_starts_without_a_hands_work(own_server):
    data, url = own_server
    async with open_database(data) as database, database.system() as connection:
        assert await connection.fetchval("SELECT session_user") == "salus_app"
    owner = await asyncpg.connect(url)
    await owner.execute("GRANT TEMPORARY ON DATABASE postgres TO PUBLIC")
    await owner.execute("DROP OWNED BY salus_app; DROP ROLE salus_app")
    await owner.close()
    (data / "postgres" / "pg_hba.conf").write_text("local all all trust\n")
    async with open_database(data) as database, database.system() as connection:
        assert await connection.fetchval("SELECT session_user") == "salus_app"
        temporary = "SELECT has_database_privilege(current_database(), 'TEMPORARY')"
        assert await connection.fetchval(temporary) is False
    assert "peer map=salus" in (data / "postgres" / "pg_hba.conf").read_text()


@pytest.fixture
async def foreign(own_server):
    """Yield the URL of a server that asks for passwords, as an operator's does, and a superuser."""
    data, url = own_server
    superuser = await asyncpg.connect(url)
    await superuser.execute("CREATE ROLE chief LOGIN CREATEROLE")
    await superuser.execute("CREATE DATABASE node OWNER chief")
    (data / "postgres" / "pg_hba.conf").write_text(
        "local all postgres peer map=salus\nlocal all chief trust\nlocal all all scram-sha-256\n"
    )
    await superuser.execute("SELECT pg_reload_conf()")
    yield url.replace("postgres@/postgres", "chief@/node"), superuser
    await superuser.close()


DESKS = (
    "CREATE ROLE desk LOGIN NOINHERIT PASSWORD 'x'; GRANT salus_wide TO desk;"
    "CREATE ROLE clerk LOGIN NOINHERIT PASSWORD 'y'; GRANT salus_bound TO clerk"
)
REACHED = """
SELECT array_agg(role.rolname::text) FROM pg_auth_members m
JOIN pg_roles role ON role.oid = m.roleid JOIN pg_roles login ON login.oid = m.member WHERE login.rolname = $1
"""


def desks(url):
    """Return the URLs of the logins that an operator made."""
    return {WIDE: url.replace("chief@", "desk:x@"), BOUND: url.replace("chief@", "clerk:y@")}


async def test_where_the_owner_may_make_roles_the_node_makes_its_login_with_a_password(foreign):
    url, superuser = foreign
    async with open_database(url, password="it is secret/@:") as database, database.system() as connection:
        assert await connection.fetchval("SELECT session_user") == "salus_app"
        assert [one.name for one in await strangers(connection)] == ["postgres"]
        assert await strangers(connection, known=("postgres",)) == []
    kept = await superuser.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'salus_app'")
    assert kept.startswith("SCRAM-SHA-256$4096:")
    async with open_database(url, password="it is secret/@:") as database, database.system() as connection:
        assert await connection.fetchval("SELECT session_user") == "salus_app"
    with pytest.raises(SettingsInvalid, match=r"does not let the node in.*CREATE ROLE salus_app LOGIN"):
        async with open_database(url, password="another"):
            pass


async def test_for_its_first_start_the_owner_makes_roles(foreign):
    url, superuser = foreign
    await superuser.execute("ALTER ROLE chief NOCREATEROLE")
    with pytest.raises(SettingsInvalid, match="ALTER ROLE chief CREATEROLE"):
        async with open_database(url, password="first"):
            pass


async def test_where_the_owner_may_not_the_operator_is_told_what_to_run(foreign, grant):
    url, superuser = foreign
    async with open_database(url, password="first"):
        pass
    await superuser.execute("DROP ROLE salus_app; ALTER ROLE chief NOCREATEROLE")
    with pytest.raises(SettingsInvalid, match="CREATE ROLE salus_app LOGIN NOINHERIT PASSWORD") as told:
        async with open_database(url, password="first"):
            pass
    for said in ("GRANT salus_wide TO salus_app;", "GRANT salus_bound TO salus_app_bound;"):
        assert said in told.value.message
    await superuser.execute(DESKS)
    async with open_database(url, applications=desks(url)) as database:
        async with database.system() as connection:
            assert await connection.fetchval("SELECT session_user") == "desk"
            found = {one.name: one.why for one in await strangers(connection, database.logins, ("postgres",))}
        async with database.reading(grant("ana")) as connection:
            assert await connection.fetchval("SELECT session_user") == "clerk"
    assert found == {"salus_app_bound": ("may become salus_bound",)}


async def test_a_node_of_before_by_url_parts_the_logins_or_says_how(foreign):
    """One login became both roles: the node mends its own, an operator is told what to run for theirs."""
    url, superuser = foreign
    async with open_database(url, password="first"):
        pass
    await superuser.execute("DROP ROLE salus_app_bound; SET ROLE chief")
    await superuser.execute("GRANT salus_bound TO salus_app; RESET ROLE")
    async with open_database(url, password="first") as database, database.system() as connection:
        assert await connection.fetchval(REACHED, "salus_app") == ["salus_wide"]
        assert await connection.fetchval(REACHED, "salus_app_bound") == ["salus_bound"]
    await superuser.execute(DESKS + "; GRANT salus_bound TO desk")
    with pytest.raises(SettingsInvalid, match="as salus_wide takes: it may become salus_bound") as told:
        async with open_database(url, applications=desks(url)):
            pass
    assert "REVOKE salus_bound FROM desk;" in told.value.message
    await superuser.execute("REVOKE salus_bound FROM desk; REVOKE salus_bound FROM clerk")
    with pytest.raises(SettingsInvalid, match=r"clerk may not become salus_bound.* salus_bound TO clerk"):
        async with open_database(url, applications=desks(url)):
            pass


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("ALTER ROLE desk SUPERUSER", "it is a superuser"),
        ("ALTER ROLE desk BYPASSRLS", "it passes row-level security"),
        ("ALTER ROLE desk CREATEROLE", "it may make roles"),
        ("ALTER ROLE desk INHERIT", "without taking one"),
        ("ALTER ROLE clerk BYPASSRLS", "clerk may do more .* as salus_bound takes"),
        ("GRANT salus_wide TO clerk", "it may become salus_wide"),
        ("GRANT chief TO desk", "it may become chief"),
        ("GRANT pg_read_all_data TO salus_wide", "it may become pg_read_all_data"),
        ("GRANT CREATE ON DATABASE node TO desk", "it may make schemas"),
    ],
)
async def test_a_login_that_may_do_more_than_serve_is_refused(foreign, change, why):
    url, superuser = foreign
    async with open_database(url, password="first"):
        pass
    await superuser.execute(DESKS)
    await superuser.execute(change)
    with pytest.raises(SettingsInvalid, match=why):
        async with open_database(url, applications=desks(url)):
            pass


@pytest.mark.parametrize(
    ("owner", "served"),
    [
        ("postgresql://postgres@/postgres?host=/x", "postgresql://salus_app:p%2F@/postgres?host=/x"),
        ("postgresql://o:w@db.example:5433/node", "postgresql://salus_app:p%2F@db.example:5433/node"),
        (
            "postgres://db.example/node?user=o&password=w&sslmode=require",
            "postgres://salus_app:p%2F@db.example/node?sslmode=require",
        ),
    ],
)
def test_the_application_is_served_from_the_same_place(owner, served):
    assert application_url(owner, "p/") == served


def test_the_verifier_is_what_the_standard_computes():
    """RFC 7677, section 3: the exchange of user "user" with password "pencil"."""
    salt = b"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81"
    server_key = scram_verifier("pencil", salt).rpartition(":")[2]
    assert server_key == "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
