"""Read leaves in a file first: durable before the answer, in the database once and before anybody looks."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import pytest

from salus.core.access import Action, Outcome, Role
from salus.core.errors import StorageUnavailable
from salus.store import filed_journal
from salus.store.access_log import access_log
from salus.store.filed_journal import open_filed_journal
from salus.store.journal_files import JournalFiles, piece_of
from salus.store.journal_frames import columns_of, frame_of, length_of, moment
from salus.store.ledger import leaf_of
from salus.store.postgres import open_database
from salus.store.sealing import Seal
from salus.store.statistics import count

NOW = datetime(2026, 11, 24, 9, 0, 0, 123456, tzinfo=UTC)
SEAL = Seal(b"a" * 32)


@pytest.fixture
def leaf(grant):
    def make(patient="ana", what="Observation/1", marks=()):
        made = leaf_of(grant(), patient, what=what, resources=1, outcome=Outcome.SERVED)
        return msgspec.structs.replace(made, marks=marks)

    return make


@pytest.fixture
def files(tmp_path):
    return JournalFiles(tmp_path / "journal")


@pytest.fixture
def opened(database, files):
    return lambda: open_filed_journal(database, files, SEAL, lambda: NOW)


async def patients(database):
    async with database.system() as connection:
        return [row[0] for row in await connection.fetch("SELECT patient FROM leaf ORDER BY arrival")]


async def bring_in(database, files):
    async with database.system() as connection:
        return await files.bring_in(connection)


RECORDS = [("ana", NOW, b"sealed", sha256(b"1").digest(), "request-1"), ("", NOW, b"s" * 999, bytes(32), "")]


def test_frames_are_read_back_as_they_were_written():
    columns, length = columns_of(frame_of(RECORDS) + frame_of(RECORDS[:1]) + bytes(64))
    assert length == len(frame_of(RECORDS)) + len(frame_of(RECORDS[:1]))
    assert columns.patients == ["ana", "", "ana"]
    assert [moment(each) for each in columns.times] == [NOW] * 3
    assert columns.entries == [b"sealed", b"s" * 999, b"sealed"]
    assert columns.digests == [sha256(b"1").digest(), bytes(32), sha256(b"1").digest()]
    assert columns.requests == ["request-1", "", "request-1"]


@pytest.mark.parametrize("kept", range(40))
def test_a_torn_frame_is_no_frame(kept):
    whole, torn = frame_of(RECORDS), frame_of(RECORDS[:1])
    assert columns_of(whole + torn[: len(torn) * kept // 40] + bytes(99))[1] == len(whole)
    assert length_of(torn[:7]) == 0


async def test_a_leaf_is_in_the_file_before_its_request_goes_on_and_in_the_log_when_somebody_looks(
    database, files, opened, leaf, grant
):
    database.journals = files
    async with opened() as journal:
        await journal.write([leaf("ana", "Observation/7")])
        (name,) = files.names()
        columns, _ = piece_of(files.path_of(name), 0)
        assert columns.patients == ["ana"]
        assert b"Observation/7" not in columns.entries[0]
        assert sha256(SEAL.open(columns.entries[0])).digest() == columns.digests[0]
        assert (await count(database)).leaves == 1
        async with database.system() as connection:
            row = await connection.fetchrow("SELECT patient, at, entry, digest, request, filed FROM leaf")
        assert row["at"] == moment(columns.times[0])
        assert (row["patient"], row["filed"]) == ("ana", True)
        assert (row["entry"], row["digest"]) == (columns.entries[0], columns.digests[0])
        assert row["request"] == columns.requests[0]
    assert oct(os.stat(files.folder).st_mode)[-3:] == "700"
    assert oct(os.stat(files.path_of(name)).st_mode)[-3:] == "600"


async def test_a_person_sees_at_once_who_looked(database_url, files, leaf, grant):
    async with open_database(database_url, seal=SEAL) as database:
        database.journals = files
        async with open_filed_journal(database, files, SEAL, lambda: NOW) as journal:
            await journal.write([leaf("ana", "Observation/7")])
            ana = grant("ana", role=Role.CITIZEN, action=Action.AUDIT)
            lines = await access_log(ana, database, "ana", count=9)
    assert [line.leaf.what for line in lines] == ["Observation/7"]


async def test_leaves_come_into_the_database_by_themselves(database, opened, leaf):
    async with opened() as journal:
        await asyncio.gather(*(journal.write([leaf(f"p{number}")]) for number in range(50)))
        for _ in range(200):
            if len(await patients(database)) == 50:
                break
            await asyncio.sleep(0.05)
        journal.post([leaf("last")])
    assert len(await patients(database)) == 51
    assert (await patients(database))[-1] == "last"


async def test_each_leaf_comes_once_though_many_bring_it_in(database, files, opened, leaf):
    async with opened() as journal:
        for turn in range(10):
            await journal.write([leaf(f"p{turn}"), leaf(f"q{turn}")])
            await asyncio.gather(*(bring_in(database, JournalFiles(files.folder)) for _ in range(4)))
    found = await patients(database)
    assert found == [name for turn in range(10) for name in (f"p{turn}", f"q{turn}")]


async def test_a_file_that_is_too_long_is_followed_by_another(database, files, opened, leaf, monkeypatch):
    monkeypatch.setattr(filed_journal, "FILE_BYTES_MAX", 1_000)
    monkeypatch.setattr(filed_journal, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(filed_journal, "_START_AGAIN_SECONDS", 0.0)
    async with opened() as journal:
        async with asyncio.timeout(20):
            written = 0
            while len(files.names()) < 3:
                await journal.write([leaf(f"p{written}")])
                written += 1
    assert await bring_in(database, JournalFiles(files.folder)) == 0
    assert sorted(await patients(database)) == sorted(f"p{number}" for number in range(written))


async def test_a_leaf_that_its_patient_is_told_of_goes_with_its_notice(database, opened, leaf):
    async with opened() as journal:
        await journal.write([leaf("ana", marks=("unproven",))])
        async with database.system() as connection:
            assert await connection.fetchval("SELECT count(*) FROM leaf WHERE filed IS NULL") == 1
            assert await connection.fetchval("SELECT count(*) FROM notice") == 1


async def test_what_cannot_be_written_fails_its_own_request_alone(database, opened, leaf):
    async with opened() as journal:
        wanted = [
            journal.begin([each])
            for each in (leaf("ana"), leaf("no\0where"), leaf("eva", what="\ud800"), leaf("rui"))
        ]
        ended = await asyncio.wait_for(asyncio.gather(*wanted, return_exceptions=True), 30)
    refused = StorageUnavailable
    assert [type(each) for each in ended] == [type(None), refused, refused, type(None)]
    assert await patients(database) == ["ana", "rui"]


async def test_a_writer_that_dies_refuses_who_waits_and_is_started_again(
    database, files, opened, leaf, monkeypatch
):
    monkeypatch.setattr(filed_journal, "_START_AGAIN_SECONDS", 0.05)
    async with opened() as journal:
        await journal.write([leaf("before")])
        process = journal._writer._process
        process.send_signal(signal.SIGSTOP)
        waiting = journal.begin([leaf("lost")])
        await asyncio.sleep(0.05)
        process.kill()
        with pytest.raises(StorageUnavailable, match="cannot be written now"):
            await asyncio.wait_for(waiting, 30)
        async with asyncio.timeout(30):
            while True:
                try:
                    await journal.write([leaf("after")])
                    break
                except StorageUnavailable:
                    await asyncio.sleep(0.02)
    assert await patients(database) == ["before", "after"]
    assert len(files.names()) == 2


async def test_a_full_disk_refuses_the_request(database, files, opened, leaf):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))  # the writer inherits it
    try:
        async with opened() as journal:
            with pytest.raises(StorageUnavailable, match="cannot be written now"):
                await asyncio.wait_for(journal.write([leaf("ana")]), 30)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert await patients(database) == []


KILLED = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from salus.core.access import Leaf, Outcome
from salus.store.filed_journal import open_filed_journal
from salus.store.journal_files import JournalFiles
from salus.store.postgres import open_database
from salus.store.sealing import Seal
import salus.store.filed_journal as filed

filed._BRING_IN_SECONDS = filed._LOOK_SECONDS = 3600.0
NOW = datetime(2026, 11, 24, tzinfo=UTC)

async def main(url, folder):
    async with open_database(url) as database:
        files, seal = JournalFiles(Path(folder)), Seal(b"a" * 32)
        async with open_filed_journal(database, files, seal, lambda: NOW) as journal:
            for number in range(20):
                who, what = ("s", "n", "clinician", "o", "", "TREAT"), ("read", "w", 1, Outcome.SERVED, "r")
                await journal.write([Leaf(NOW, "r", f"p{number}", *who, *what)])
            os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_what_a_killed_process_made_durable_is_brought_in_by_another(database, database_url, files):
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", textwrap.dedent(KILLED), database_url, str(files.folder)],
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert await patients(database) == []
    (name,) = files.names()
    async with asyncio.timeout(10):  # its writer ends by itself
        while name not in files._whole:
            await bring_in(database, files)
            await asyncio.sleep(0.02)
    assert await patients(database) == [f"p{number}" for number in range(20)]
    with files.path_of(name).open("ab") as torn:
        torn.write(frame_of(RECORDS)[:-3])
    assert await bring_in(database, JournalFiles(files.folder)) == 0


async def test_what_the_database_forgets_is_brought_in_again(database, files, opened, leaf):
    """Its transaction is not flushed: a crash of the server takes the rows and the place together."""
    async with opened() as journal:
        await journal.write([leaf("ana")])
        async with database.system() as connection:
            transaction = connection.transaction()
            await transaction.start()
            assert await files.bring_in(connection) == 1
            await transaction.rollback()
        assert await bring_in(database, JournalFiles(files.folder)) == 1
    assert await patients(database) == ["ana"]


async def test_files_go_once_they_are_old_ended_and_brought_in(database, files, opened, leaf):
    async with opened() as journal:
        await journal.write([leaf("ana")])
        (name,) = files.names()
        os.utime(files.path_of(name), (0, 0))
        async with database.system() as connection:
            assert await files.forget(connection, NOW) == 0  # it is still written to
    os.utime(files.path_of(name), (0, 0))
    waiting = files.path_of("waiting")
    waiting.write_bytes(frame_of(RECORDS))
    os.utime(waiting, (0, 0))
    files.path_of("young").write_bytes(b"")
    async with database.system() as connection:
        assert await files.forget(connection, NOW) == 1
    assert files.names() == ["waiting", "young"]
