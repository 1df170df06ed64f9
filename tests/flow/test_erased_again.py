"""What was erased stays away: from loads of the same source, from restored backups, through kill -9."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys

import asyncpg
import pytest
from tests.flow.opened import opened
from tests.flow.test_erasure import FAMILY, NUMBER, REASON, TEXT, WHY, found_in, named_in
from tests.flow.test_standing import country, folder

from salus.cli.main import main
from salus.core.access import Role
from salus.core.errors import Conflict, KeyMissing, SettingsInvalid
from salus.node import open_node, open_services
from salus.settings import FILE_NAME
from salus.store.tombstones import FILE, read_file
from salus.trust.jurisdictions.law import Ground
from salus.web.peer_notices import work_once
from salus.web.rights.erasures import Answer, Asked, answer, ask, erase_again

__all__ = ["country", "folder"]
SOURCE = "https://hospital-a.test/fhir"


def person(number, family=FAMILY, **more):
    identifier = [{"system": "urn:x", "value": NUMBER if family == FAMILY else "1234567"}]
    name = [{"family": family}]
    return {"resourceType": "Patient", "id": number, "name": name, "identifier": identifier, **more}


def finding(number, subject, text=TEXT, **more):
    return {
        "resourceType": "Observation", "id": number, "status": "final", "code": {"text": text},
        "subject": {"reference": f"Patient/{subject}"}, "effectiveDateTime": "1970-01-01", **more,
    }  # fmt: skip


def write(path, *contents):
    path.write_text("\n".join(json.dumps(one) for one in contents) + "\n")
    return path


async def load(folder, path, *options):
    words = [
        "load",
        str(path),
        "--source",
        SOURCE,
        "--data",
        str(folder),
        "--workers",
        "1",
        "--json",
        *options,
    ]
    return await asyncio.to_thread(main, words)


async def ids_of(folder, text):
    async with opened(folder) as connection:
        rows = await connection.fetch("SELECT id, content FROM resource WHERE type = 'Patient'")
    return [row["id"] for row in rows if text.encode() in row["content"]]


@pytest.fixture
def asked(caller):
    """Return a way to ask for erasure, as the citizen; and the operator who answers."""

    async def ask_for(services, patient, entry="record", ground="mistake"):
        who = caller(Role.CITIZEN, subject=patient, name="P", organisation="", patient=patient)
        return (await ask(services, who, Asked(entry, Ground(ground), WHY))).request

    return ask_for


@pytest.fixture
def operator(caller):
    return caller(Role.OPERATOR, subject="operator")


@pytest.fixture
async def erased(folder, database_url, tmp_path, asked, operator):
    """Return the id of a loaded person who was erased; another of the same file is there."""
    await load(folder, write(tmp_path / "a.ndjson", person("1"), finding("o1", "1"), person("2", "Rui")))
    (who,) = await ids_of(folder, FAMILY)
    async with open_services(folder) as (_, services):
        done = await answer(services, operator, (await asked(services, who)).id, Answer("accepted", REASON))
    assert done.erased.resources == 2
    assert await found_in(folder, FAMILY, TEXT) == set()
    return who


async def test_a_load_of_the_same_source_brings_nobody_back(folder, database_url, tmp_path, erased, capsys):
    capsys.readouterr()
    broken = {**finding("o3", "1"), "status": 7}
    composition = {
        "resourceType": "Composition", "id": "k", "status": "final", "date": "2026-01-01", "title": TEXT,
        "type": {"text": "x"}, "author": [{"display": "x"}], "subject": {"reference": "Patient/1"},
    }  # fmt: skip
    document = {
        "resourceType": "Bundle", "type": "document", "timestamp": "2026-01-01T00:00:00Z",
        "identifier": {"system": "urn:x", "value": "doc-1"},
        "entry": [
            {"fullUrl": f"{SOURCE}/Composition/k", "resource": composition},
            {"fullUrl": f"{SOURCE}/Patient/1", "resource": person("1")},
            {"fullUrl": f"{SOURCE}/Observation/o1", "resource": finding("o1", "1")},
        ],
    }  # fmt: skip
    file = write(
        tmp_path / "b.ndjson", person("1", active=True), finding("o1", "1"), finding("o2", "1"), broken,
        person("2", "Rui", active=True), finding("o9", "2", "of Rui"), document,
    )  # fmt: skip
    await load(folder, file)
    report = json.loads(capsys.readouterr().out)
    assert report["stored"] == 2
    assert report["kept"] == 6
    assert report["documents"] == 0
    await load(folder, file, "--overwrite")
    assert await found_in(folder, FAMILY, TEXT) == set()
    assert await ids_of(folder, "Rui") != []


async def test_who_is_registered_anew_by_hand_is_there_again(
    folder, database_url, tmp_path, erased, operator
):
    connection = await asyncpg.connect(database_url)
    held = await connection.fetchval("SELECT count(*) FROM erased_among($1)", [f"Patient/{erased}"])
    await connection.execute(
        "INSERT INTO resource (compartment, type, id, version, updated, digest, tokens, content)"
        " VALUES ($1, 'Patient', $1, 1, now(), '', '{}', '{}')", erased,
    )  # fmt: skip
    free = await connection.fetchval("SELECT count(*) FROM erased_among($1)", [f"Patient/{erased}"])
    await connection.close()
    assert (held, free) == (1, 0)
    async with open_services(folder) as (_, services):
        assert (await erase_again(services, operator))[1] == []


async def test_the_file_outside_the_database_names_nobody(folder, erased):
    body = (folder / FILE).read_bytes()
    assert erased.encode() not in body
    assert (folder / FILE).stat().st_mode & 0o077 == 0
    salt, stones = read_file(folder / FILE)
    assert (len(salt), len(stones), stones[0].whole) == (32, 1, True)


async def clear_in(database_url, *words):
    """Return the columns of contents in which one of the words stands in clear."""
    connection = await asyncpg.connect(database_url)
    found = set()
    for table, column in await connection.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND udt_name = 'bytea'"
    ):
        for (content,) in await connection.fetch(f'SELECT "{column}" FROM "{table}"'):
            if content is not None and any(word.encode() in content for word in words):
                found.add(f"{table}.{column}")
    await connection.close()
    return found


async def backup_of(database_url, name):
    """Copy a database; nobody may be connected to it."""
    connection = await asyncpg.connect(database_url, database="postgres")
    source = database_url.partition("?")[0].rpartition("/")[2]
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {source} STRATEGY file_copy")
    await connection.close()
    return database_url.replace(f"/{source}?", f"/{name}?")


@pytest.mark.clause("GDPR 17")
async def test_a_restored_backup_serves_nobody_until_it_was_erased_again(
    folder, database_url, tmp_path, asked, operator
):
    await load(folder, write(tmp_path / "a.ndjson", person("1"), finding("o1", "1"), person("2", "Rui")))
    (who,) = await ids_of(folder, FAMILY)
    backup = await backup_of(database_url, f"restored_{who[:8]}".replace("-", "_").replace(".", "_"))
    async with open_services(folder) as (_, services):
        await answer(services, operator, (await asked(services, who)).id, Answer("accepted", REASON))
    settings = folder / FILE_NAME
    settings.write_text(settings.read_text().replace(database_url, backup))
    with pytest.raises(KeyMissing, match="erased"):
        await found_in(folder, FAMILY)
    assert await clear_in(backup, FAMILY, TEXT, "Rui") == set()
    with pytest.raises(SettingsInvalid, match="erase --again"):
        async with open_node(folder):
            pass
    assert await asyncio.to_thread(main, ["erase", "--again", "--data", str(folder)]) == 0
    assert await found_in(folder, FAMILY, TEXT) == set()
    assert await named_in(backup, who) <= {"leaf", "leaf_index", "peer_act"}
    assert await ids_of(folder, "Rui") != []
    async with open_node(folder), open_services(folder) as (_, services):
        assert await erase_again(services, operator) == (0, [])
    async with open_services(folder) as (_, services):
        await work_once(services)  # as the node does: nobody abroad is to be told
    assert await named_in(backup, who) <= {"leaf", "leaf_index"}


async def test_the_file_of_another_node_is_not_replayed(folder, database_url, erased, operator):
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE erased_salt SET salt = sha256('another')")
    await connection.close()
    async with open_services(folder) as (_, services):
        with pytest.raises(Conflict):
            await erase_again(services, operator)


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from salus.core.access import Caller, Purpose, Role
from salus.node import open_services
from salus.store import {module} as place
from salus.trust.jurisdictions.law import Ground
from salus.web.rights.erasures import Answer, answer

async def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with open_services(Path(sys.argv[1])) as (_, services):
        who = Caller("operator", "O", Role.OPERATOR, "N", "https://node.test", Purpose.OPERATIONS)
        place.{name} = die
        await answer(services, who, sys.argv[2], Answer("accepted", "We looked at it and agree."))

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("module", "name", "is_there"), [("erasing", "keep_tombstones", True), ("tombstones", "mirror", False)]
)
async def test_kill_9_leaves_all_or_nothing_and_the_file_is_made_whole(
    folder, database_url, tmp_path, asked, operator, module, name, is_there
):
    await load(folder, write(tmp_path / "a.ndjson", person("1"), finding("o1", "1")))
    (who,) = await ids_of(folder, FAMILY)
    async with open_services(folder) as (_, services):
        request = await asked(services, who)
    script = KILLED.format(module=module, name=name)
    words = [sys.executable, "-c", script, str(folder), request.id]
    killed = await asyncio.to_thread(subprocess.run, words, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert ("resource" in await found_in(folder, FAMILY)) is is_there
    async with open_services(folder) as (_, services):
        if is_there:
            await answer(services, operator, request.id, Answer("accepted", REASON))
    async with open_node(folder):
        pass
    assert await found_in(folder, FAMILY, TEXT) == set()
    assert len(read_file(folder / FILE)[1]) == 1
