"""Who sends statements of their own on a bound connection reads nothing around the gate (decision 0030)."""

import hashlib
import hmac
from contextlib import asynccontextmanager
from time import time

import asyncpg
import pytest

from salus.core.access import Role
from salus.core.errors import StorageUnavailable
from salus.store.asker import EVERYTHING
from salus.store.granted import KEPT_DAYS, LIFE_SECONDS, REFUSED, GrantKey, keep, register, signing_for
from salus.store.logins import application_url
from salus.store.postgres import BOUND, LOADING, open_database

INSERT = (
    "INSERT INTO resource (compartment, type, id, version, updated, hidden, digest, date, tokens, content) "
    "VALUES ($1, 'Observation', $2, 1, now(), $3, '', now(), '{1}', 'x')"
)
PROFESSIONAL = '{"is":["professionals"],"at":0}'
READ = "SELECT id FROM resource ORDER BY id"
SET = "SELECT set_config('salus.patients', $1, false), set_config('salus.asker', $2, false)"


@pytest.fixture
async def url(database_url):
    """Yield a database with three resources: two of ana (one restricted), one of rui."""
    owner = await asyncpg.connect(database_url)
    for values in (("ana", "open", False), ("ana", "hidden", True), ("rui", "other", False)):
        await owner.execute(INSERT, *values)
    await owner.close()
    return database_url


@pytest.fixture
async def key(url):
    """Return a key that the database knows."""
    made = GrantKey()
    owner = await asyncpg.connect(url)
    await register(owner, made)
    await owner.close()
    return made


@asynccontextmanager
async def stolen(url):
    """Lend a connection of the bound login, as an attacker who sends statements of their own has it."""
    connection = await asyncpg.connect(application_url(url, role=BOUND), server_settings={"role": BOUND})
    try:
        yield connection
    finally:
        await connection.close()


async def seen(connection, patients, asker, query=READ):
    """Return the ids that a query gives under these settings; none where the grant is refused."""
    await connection.execute(SET, patients, asker)
    if await refused(connection, query):
        return []
    await connection.execute(SET, patients, asker)
    return [row["id"] for row in await connection.fetch(query)]


async def refused(connection, query, *arguments):
    """Return whether the database refuses the grants, in the words that it has for all of it."""
    try:
        await connection.fetch(query, *arguments)
    except asyncpg.InsufficientPrivilegeError as error:
        return error.message == REFUSED
    return False


async def test_a_signed_grant_opens_its_patients_to_its_asker(url, key):
    async with stolen(url) as connection:
        signing = await signing_for(connection, key)
        assert await seen(connection, signing.sign("ana", PROFESSIONAL), PROFESSIONAL) == ["open"]
        assert await seen(connection, signing.sign("ana", EVERYTHING), EVERYTHING) == ["hidden", "open"]
        both = signing.sign("ana,rui", PROFESSIONAL)
        assert await seen(connection, both, PROFESSIONAL) == ["open", "other"]


@pytest.mark.parametrize(
    "forged", ["rui", "ana,rui", "", "x" * 64, "0" * 200 + "rui", "rui" * 40, "é\n" * 50]
)
async def test_names_that_nobody_signed_open_nothing(url, key, forged):
    async with stolen(url) as connection:
        assert await seen(connection, forged, EVERYTHING) == []
        made_up = GrantKey()
        strange = made_up.sign("rui", EVERYTHING, backend=1, expires_at=2**31)
        assert await seen(connection, strange, EVERYTHING) == []
        borrowed = strange[:64] + key.name + strange[72:]
        assert await seen(connection, borrowed, EVERYTHING) == []


async def test_what_is_changed_in_a_signed_grant_opens_nothing(url, key):
    async with stolen(url) as connection:
        signing = await signing_for(connection, key)
        good = signing.sign("ana", PROFESSIONAL)
        assert await seen(connection, good, PROFESSIONAL) == ["open"]
        for changed in (
            good[:-3] + "rui",
            good + ",rui",
            good[:72] + "9999999999" + good[82:],
            good[:64] + "00000000" + good[72:],
            good[:63] + ("0" if good[63] != "0" else "1") + good[64:],
            good.upper(),
        ):
            assert await seen(connection, changed, PROFESSIONAL) == [], changed
        for asker in (EVERYTHING, "", "{}", PROFESSIONAL + " ", PROFESSIONAL + "\nana"):
            assert await seen(connection, good, asker) == [], asker


async def test_the_signature_of_another_request_connection_or_time_opens_nothing(url, key):
    async with stolen(url) as mine, stolen(url) as theirs:
        of_theirs = (await signing_for(theirs, key)).sign("rui", EVERYTHING)
        assert await seen(theirs, of_theirs, EVERYTHING) == ["other"]
        assert await seen(mine, of_theirs, EVERYTHING) == []
        signing = await signing_for(mine, key)
        asked_otherwise = signing.sign("ana", EVERYTHING)
        assert await seen(mine, asked_otherwise, PROFESSIONAL) == []
        backend = await mine.fetchval("SELECT pg_backend_pid()")
        for since, opens in ((-1, []), (-10_000, []), (60, ["other"])):
            timed = key.sign("rui", EVERYTHING, backend=backend, expires_at=int(time()) + since)
            assert await seen(mine, timed, EVERYTHING) == opens


async def test_the_asker_that_is_changed_while_a_statement_runs_is_not_believed(url, key):
    async with stolen(url) as connection:
        good = (await signing_for(connection, key)).sign("ana", PROFESSIONAL)
        for order in ("hidden", "hidden DESC", "id DESC"):
            trick = (
                f"SELECT id, set_config('salus.asker', '{EVERYTHING}', false) "
                f"FROM (SELECT * FROM resource ORDER BY {order} OFFSET 0) AS r"
            )
            assert "hidden" not in await seen(connection, good, PROFESSIONAL, trick)
        trick = f"""
            WITH RECURSIVE walk (id, n) AS (
                SELECT id, 1 FROM resource WHERE NOT hidden
                UNION ALL
                SELECT r.id, n + 1 FROM walk, LATERAL (
                    SELECT set_config('salus.asker', '{EVERYTHING}', false)) AS s,
                    resource r WHERE n < 3)
            SELECT id FROM walk"""
        assert "hidden" not in await seen(connection, good, PROFESSIONAL, trick)


READ_MANY = "SELECT place, content FROM read_resources($1, $2, $3, $4, $5)"
SEARCH_MANY = "SELECT place, id FROM search_records($1, $2, $3, $4, $5, $6, $7)"


async def test_many_requests_have_one_signature_and_each_its_own_grant(url, key):
    kinds = ["Observation"] * 4
    patients, askers = ["ana", "ana", "rui", ""], [PROFESSIONAL, EVERYTHING, PROFESSIONAL, EVERYTHING]
    async with stolen(url) as connection:
        signed = (await signing_for(connection, key)).sign_many(patients, askers)
        for name, places in (("open", [1, 2]), ("hidden", [2]), ("other", [3])):
            rows = await connection.fetch(READ_MANY, signed, patients, askers, kinds, [name] * 4)
            assert [row["place"] for row in rows] == places
        asked = [["{1}"] * 4, [9] * 4]
        for whose, found in (("ana", [(1, "open"), (2, "hidden"), (2, "open")]), ("rui", [(3, "other")])):
            rows = await connection.fetch(SEARCH_MANY, signed, patients, askers, [whose] * 4, kinds, *asked)
            assert sorted(map(tuple, rows)) == found


@pytest.mark.parametrize(
    ("patients", "askers"),
    [
        (["rui", "ana"], [PROFESSIONAL, EVERYTHING]),
        (["ana", "rui"], [EVERYTHING, PROFESSIONAL]),
        (["ana", "rui"], [EVERYTHING, EVERYTHING]),
        (["ana", "rui", "rui"], [PROFESSIONAL, EVERYTHING, EVERYTHING]),
        (["ana"], [PROFESSIONAL]),
        (["rui"], [EVERYTHING]),
        (["ana\nrui"], [PROFESSIONAL + "\n" + EVERYTHING]),
        (["ana", "rui"], [PROFESSIONAL + "\n" + EVERYTHING]),
        (["rui"], [PROFESSIONAL, EVERYTHING, "ana"]),
        ([None, "ana", "rui"], [PROFESSIONAL, EVERYTHING, None]),
        ([], []),
    ],
)
async def test_the_signature_of_many_requests_is_good_for_these_alone(url, key, patients, askers):
    async with stolen(url) as connection, stolen(url) as another:
        signing = await signing_for(connection, key)
        signed = signing.sign_many(["ana", "rui"], [PROFESSIONAL, EVERYTHING])
        single = signing.sign("rui", EVERYTHING)
        named, told = [each or "" for each in patients], [each or "" for each in askers]
        elsewhere = (await signing_for(another, key)).sign_many(named, told)
        backend = await connection.fetchval("SELECT pg_backend_pid()")
        late = key.sign_many(named, told, backend=backend, expires_at=int(time()) - 1)
        count = max(len(patients), len(askers))
        kinds, ids = ["Observation"] * count, ["hidden"] * count
        for said in (signed, single, single[:82], elsewhere, late, "", None):
            assert await refused(connection, READ_MANY, said, patients, askers, kinds, ids)
            searched = [["ana"] * count, kinds, ["{1}"] * count, [9] * count]
            assert await refused(connection, SEARCH_MANY, said, patients, askers, *searched)


async def test_places_are_not_shifted_against_the_signature(url, key):
    async with stolen(url) as connection:
        signed = (await signing_for(connection, key)).sign_many(["ana", "rui"], [PROFESSIONAL, EVERYTHING])
        for patients, askers in (
            ("'[0:1]={ana,rui}'", "$2"),
            ("'{ana,rui}'", '(\'[0:1]={"",""}\'::text[]) || $2::text[]'),
            ("'{{ana,rui}}'", "$2"),
        ):
            query = (
                f"SELECT * FROM read_resources($1, {patients}, {askers}, "
                "'{Observation,Observation}', '{hidden,hidden}')"
            )
            assert await refused(connection, query, signed, [PROFESSIONAL, EVERYTHING]) or (
                await connection.fetch(query, signed, [PROFESSIONAL, EVERYTHING]) == []
            )


async def test_the_functions_of_many_requests_open_what_the_policies_open(url, key):
    """Two ways to one answer: rows of every kind of place, under grants over some of their patients."""
    owner = await asyncpg.connect(url)
    for place, kind, others in (
        ("Organization/h", "Organization", []),
        ("Organization/h2", "Organization", ["ana"]),
        ("Binary/b1", "Binary", []),
        ("Binary/b2", "Binary", ["ana"]),
        ("Binary/b3", "Binary", ["ana", "rui"]),
        ("ana", "Binary", ["rui"]),
        ("Organization", "Organization", ["ana"]),
    ):
        for hidden in (False, True):
            name = f"{place}-{hidden}".replace("/", "-")
            await owner.execute(INSERT, place, name, hidden)
            await owner.execute(
                "UPDATE resource SET type = $2, others = $3 WHERE id = $1", name, kind, others
            )
            if hidden:
                await owner.execute("INSERT INTO restriction VALUES ('ana', $1, $2, now())", kind, name)
    rows = await owner.fetch("SELECT compartment, type, id, hidden FROM resource ORDER BY id")
    await owner.close()
    assert len(rows) == 17
    async with stolen(url) as connection:
        signing = await signing_for(connection, key)
        for patients in ("", "ana", "rui", "ana,rui", "Binary/b1", "Organization/h"):
            for asker in (PROFESSIONAL, EVERYTHING, "{}"):
                by_policy = set(await seen(connection, signing.sign(patients, asker), asker))
                told = [patients] * len(rows), [asker] * len(rows)
                kinds, ids = [row["type"] for row in rows], [row["id"] for row in rows]
                read = await connection.fetch(READ_MANY, signing.sign_many(*told), *told, kinds, ids)
                by_function = {rows[row["place"] - 1]["id"] for row in read}
                shared = {row["id"] for row in rows if row["type"] == "Organization" and row["hidden"]}
                assert by_function == by_policy - (shared if asker != EVERYTHING else set()), patients
                places = [row["compartment"] for row in rows]
                asked = [["{1}"] * len(rows), [99] * len(rows)]
                found = await connection.fetch(
                    SEARCH_MANY, signing.sign_many(*told), *told, places, kinds, *asked
                )
                assert {row["id"] for row in found} == by_function, patients


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM versions_of_person('rui', NULL)",
        "SELECT * FROM consents_of_person('rui', 9)",
        "SELECT * FROM named_by_person('rui', '{Observation}', '{other}')",
        "SELECT * FROM preview_restriction('{rui}', 'Observation/other')",
        "SELECT set_restriction('{rui}', 'Observation/other', true, now())",
        "SELECT hang_veils('rui', '[]', now(), true)",
        "SELECT hold_persons('{rui}')",
        "SELECT keep_grant_key('00000000')",
        "SELECT * FROM grant_key",
        "SELECT inner_pad FROM grant_key",
        "SELECT set_restriction(NULL, 'Observation/other', true, now())",
        "SELECT * FROM versions_of_person(NULL, NULL)",
    ],
)
@pytest.mark.parametrize("settings", ["none", "bare", "good"])
async def test_what_runs_as_the_owner_opens_no_other_record_either(url, key, statement, settings):
    async with stolen(url) as connection:
        if settings == "bare":
            await connection.execute(SET, "rui", EVERYTHING)
        elif settings == "good":
            signed = (await signing_for(connection, key)).sign("ana", EVERYTHING)
            await connection.execute(SET, signed, EVERYTHING)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(statement)


async def test_a_statement_slipped_into_a_request_reads_that_requests_patients_alone(url, grant):
    """As an injection would run: on the node's own connection, under a grant that was signed for it."""
    async with open_database(url) as database:
        async with database.reading(grant("ana", role=Role.CITIZEN)) as connection:
            assert [row["id"] for row in await connection.fetch(READ)] == ["hidden", "open"]
        async with database.reading(grant("ana", role=Role.CLINICIAN)) as connection:
            assert [row["id"] for row in await connection.fetch(READ)] == ["open"]
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("SET ROLE salus_wide")
            await connection.execute("SELECT set_config('salus.asker', $1, false)", EVERYTHING)
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match=REFUSED):
                await connection.fetch(READ)
            await connection.execute("SET ROLE NONE")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(READ)
            await connection.execute("SET ROLE salus_bound")


async def test_a_grant_that_the_database_refuses_is_an_error_and_no_empty_record(url, grant):
    """As after a jump of one of the clocks: the connection is closed, the next one learns the time anew."""
    async with open_database(url) as database:
        owner = await asyncpg.connect(url)
        await owner.execute("UPDATE grant_key SET name = 'gone'")
        with pytest.raises(StorageUnavailable, match="did not accept the grant"):
            await database.read(grant("ana"), "Observation", "open")
        with pytest.raises(StorageUnavailable, match="did not accept the grant"):
            async with database.reading(grant("ana")) as connection:
                await connection.fetch(READ)
        assert connection.is_closed()
        assert await database.read(grant(), "Observation", "open") is not None
        await owner.close()
    async with open_database(url) as database:
        for patient, found in (("ana", True), ("rui", False)):
            row = await database.read(grant(patient), "Observation", "open")
            assert (row is not None) is found


async def test_each_process_has_its_key_and_those_of_dead_ones_go(url, grant):
    owner = await asyncpg.connect(url)
    count = "SELECT count(*) FROM grant_key"
    async with open_database(url) as one, open_database(url, migrated=False, roles=LOADING) as other:
        assert await owner.fetchval(count) == 2
        for database in (one, other):
            async with database.reading(grant("rui")) as connection:
                assert [row["id"] for row in await connection.fetch(READ)] == ["other"]
        await owner.execute("UPDATE grant_key SET seen_at = now() - make_interval(days => $1)", KEPT_DAYS + 1)
        mine = GrantKey()
        await register(owner, mine)
        assert await owner.fetchval(count) == 1
        async with one.system() as connection:
            assert await keep(connection, mine)
            assert not await keep(connection, GrantKey())
    await owner.close()


async def test_the_functions_of_many_requests_use_an_index(url, key):
    """EXPLAIN shows no plan of a statement within a function; the counters of its scans do."""
    owner = await asyncpg.connect(url)
    await owner.execute(
        "INSERT INTO resource (compartment, type, id, version, updated, digest, date, tokens, content) "
        "SELECT 'p' || n % 500, 'Observation', 'n' || n, 1, now(), '', now() - n * interval '1 hour', "
        "ARRAY[n % 900, n], repeat('x', 500)::bytea FROM generate_series(1, 10000) AS n"
    )
    await owner.execute("ANALYZE resource")
    plan = await owner.fetch(
        "EXPLAIN SELECT id FROM resource WHERE type = 'Observation' AND id = 'n7' "
        "AND salus_opens(compartment, type, others, '{p7}')"
    )
    await owner.close()
    told = "\n".join(row[0] for row in plan)
    assert "resource_id" in told
    assert "salus_opens" not in told, "it is a part of the statement, not a call for each row"
    scans = "SELECT seq_scan, idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'resource'"
    patients, askers, kinds = ["p7"] * 7, [PROFESSIONAL] * 7, ["Observation"] * 7
    ids = [f"n{500 * number + 7}" for number in range(7)]
    async with stolen(url) as connection, connection.transaction():
        signed = (await signing_for(connection, key)).sign_many(patients, askers)
        read = await connection.fetch(READ_MANY, signed, patients, askers, kinds, ids)
        assert len(read) == 7
        searched = [patients, kinds, [f"{{{int(name[1:])}}}" for name in ids], [9] * 7]
        assert len(await connection.fetch(SEARCH_MANY, signed, patients, askers, *searched)) >= 7
        seq_scan, idx_scan = await connection.fetchrow(scans)
        assert (seq_scan, idx_scan >= 14) == (0, True)


def test_the_database_is_handed_the_pads_of_hmac():
    """RFC 2104: H(K xor opad, H(K xor ipad, text)), computed here by the standard library instead."""
    made = GrantKey()
    inner, outer = made.pads()
    signed = made.sign("ana", EVERYTHING, backend=7, expires_at=1_800_000_000)
    text = f"{made.name}18000000007\n{EVERYTHING}\nana".encode()
    assert signed[64:] == f"{made.name}1800000000ana"
    assert signed[:64] == hashlib.sha256(outer + hashlib.sha256(inner + text).digest()).hexdigest()
    block = bytes(byte ^ 0x36 for byte in inner)
    assert signed[:64] == hmac.new(block, text, "sha256").hexdigest()
    assert LIFE_SECONDS <= 600
