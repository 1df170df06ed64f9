"""What the store survives: a killed writer, a full disk, several processes at once, a lost server."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import asyncpg
import pytest

from salus.core.errors import SettingsInvalid, StorageUnavailable
from salus.core.identifiers import new_id
from salus.standards.fhir.search.index_row import IndexRow
from salus.store import resources
from salus.store.embedded import embedded_server
from salus.store.ledger import decode_entry
from salus.store.postgres import open_database
from salus.store.rows import make_row

WRITER = Path(__file__).with_name("_writer.py")


def row(size=10):
    index = IndexRow(("ana",), None, [], [], [])
    return make_row("Observation", new_id(), os.urandom(size), index=index)


def test_every_acknowledged_write_survives_kill_9_whole_and_with_its_leaf(tmp_path):
    """Twenty times: a writer is killed in the middle of its transactions."""
    acknowledged = []
    with embedded_server(tmp_path) as url:
        for attempt in range(20):
            command = [sys.executable, str(WRITER), str(tmp_path), f"p{attempt}"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
                # Killed at another moment each time: after so many acknowledged writes.
                lines = [writer.stdout.readline() for _ in range(1 + attempt % 7)]
                os.kill(writer.pid, signal.SIGKILL)
                lines += writer.stdout.readlines()
            acknowledged += [line.split() for line in lines if line.endswith("\n")]
        stored, leaves, halves = asyncio.run(_contents(url))
    assert len(acknowledged) >= 20
    assert {one for pair in acknowledged for one in pair} <= stored
    assert {pair[0] for pair in acknowledged} <= set(leaves)
    assert set(leaves.values()) == {2}
    assert halves == []


async def _contents(url):
    """Return the stored ids, the resources counted by each request's leaf, and what is not whole."""
    connection = await asyncpg.connect(url)
    stored = {one["id"] for one in await connection.fetch("SELECT id FROM resource")}
    entries = [decode_entry(one["entry"]) for one in await connection.fetch("SELECT entry FROM leaf")]
    halves = await connection.fetch(
        "SELECT id FROM resource r WHERE (SELECT count(*) FROM resource_range s WHERE s.id = r.id) <> 1 "
        "OR tokens <> ARRAY[1::bigint]"
    )
    assert len(stored) == 2 * len(entries)
    await connection.close()
    return stored, {leaf.request: leaf.resources for leaf in entries}, halves


@pytest.fixture
def small_disk(tmp_path):
    """Yield a file system of 150 MB and how to enlarge it; skip where mounting is not allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options):
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(disk)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    if not mount("size=150m"):
        pytest.skip("needs the right to mount a tmpfs (root, outside a restricted container)")
    yield disk, lambda: mount("remount,size=400m")
    subprocess.run(["umount", "-l", str(disk)], check=True)


async def test_a_full_disk_is_told_and_loses_nothing(small_disk, grant):
    disk, enlarge = small_disk
    stored = []
    async with open_database(disk) as database:
        with pytest.raises(StorageUnavailable, match=r"no room left|cannot be reached|whole or not at all"):
            await _fill(grant, database, stored)
        assert enlarge()
        async with open_database(disk):
            """The server has recovered, by itself or, when it had shut itself down, started again."""
        async with database.system() as connection:
            assert await connection.fetchval("SELECT count(*) FROM resource") >= len(stored)
    async with open_database(disk) as database:
        for one in stored:
            assert (await resources.read(grant(), database, "Observation", one.id)).content == one.content
        async with database.system() as connection:
            rows = await connection.fetchval("SELECT count(*) FROM resource")
            assert await connection.fetchval("SELECT count(*) FROM leaf") == rows
            assert len(stored) <= rows <= len(stored) + 1
    assert stored


def shut_down(data):
    """Stop the server as a failed recovery does: it is gone, and nobody who uses it has asked for that."""
    lock = data / "postmaster.pid"
    os.kill(int(lock.read_text().splitlines()[0]), signal.SIGQUIT)
    while lock.exists():
        time.sleep(0.01)


async def test_a_server_that_shut_itself_down_is_started_again_by_who_misses_it(tmp_path, grant):
    async with open_database(tmp_path) as database:
        one = row()
        await resources.create(grant(), database, one)
        shut_down(tmp_path / "postgres")
        with suppress(StorageUnavailable):  # the connection that was open
            await resources.read(grant(), database, "Observation", one.id)
        assert (await resources.read(grant(), database, "Observation", one.id)).content == one.content


async def _fill(grant, database, stored):
    for _ in range(500):
        one = row(size=1_000_000)
        await resources.create(grant(), database, one)
        stored.append(one)


def test_several_processes_share_one_server_and_the_last_one_stops_it(tmp_path):
    def is_running():
        return (tmp_path / "postgres" / "postmaster.pid").exists()

    with embedded_server(tmp_path) as first:
        command = [sys.executable, str(WRITER), str(tmp_path), "ana"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout.readline()
            with embedded_server(tmp_path) as second:
                assert first == second
            assert is_running()
            writer.kill()
    assert not is_running()


async def test_two_openers_at_once_both_work(tmp_path):
    async def use():
        async with open_database(tmp_path) as database, database.system() as connection:
            return await connection.fetchval("SELECT count(*) FROM resource")

    assert await asyncio.gather(use(), use(), use()) == [0, 0, 0]


async def test_a_lost_connection_is_told_and_the_requests_after_it_work(database, database_url, grant):
    one = row()
    await resources.create(grant(), database, one)
    owner = await asyncpg.connect(database_url)
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await owner.close()
    told = 0
    for _ in range(10):
        try:
            assert (await resources.read(grant(), database, "Observation", one.id)).version == 1
        except StorageUnavailable:
            told += 1
    assert told <= 1


async def test_an_unreachable_server_is_told():
    with pytest.raises(StorageUnavailable):
        async with open_database("postgresql://nobody@127.0.0.1:1/none"):
            pytest.fail("opened")


def test_a_folder_whose_initialisation_was_cut_short_is_begun_anew(tmp_path):
    (tmp_path / "postgres.new").mkdir()
    (tmp_path / "postgres.new" / "PG_VERSION").write_text("18")
    with embedded_server(tmp_path) as url:
        assert url


def test_a_server_that_cannot_start_says_why(tmp_path):
    with ExitStack() as stack:
        stack.enter_context(embedded_server(tmp_path))
    configuration = tmp_path / "postgres" / "postgresql.conf"
    configuration.write_text(configuration.read_text() + "\nno_such_setting = 1\n")
    with pytest.raises(StorageUnavailable, match=re.escape("no_such_setting")), embedded_server(tmp_path):
        pytest.fail("started")


async def test_a_schema_that_is_newer_or_was_edited_is_refused(database_url):
    owner = await asyncpg.connect(database_url)
    try:
        await owner.execute("INSERT INTO migration (name, sha256) VALUES ('9999_future.sql', 'x')")
        with pytest.raises(SettingsInvalid, match="newer Salus"):
            async with open_database(database_url):
                pytest.fail("opened")
        await owner.execute("DELETE FROM migration WHERE name = '9999_future.sql'")
        await owner.execute("UPDATE migration SET sha256 = 'x' WHERE name = '0001_resources.sql'")
        with pytest.raises(SettingsInvalid, match=re.escape("0001_resources.sql was changed")):
            async with open_database(database_url):
                pytest.fail("opened")
    finally:
        await owner.close()
