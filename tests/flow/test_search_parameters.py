"""A search parameter is added to a running node of two processes, and reaches what is loaded meanwhile."""

import json
import socket
import subprocess
import sys
import time

import httpx

from salus.core.access import Action
from salus.core.limits import Limits
from salus.intake.conditions import lookup_in
from salus.intake.files import find_files
from salus.intake.formats.format import Unit
from salus.intake.prepare import prepare
from salus.intake.setting import Setting
from salus.intake.writer import Part, Writer
from salus.standards.fhir.model import SearchParameterRow
from salus.standards.fhir.search.grammar import parse_query
from salus.store.search import search
from salus.store.search_parameters import register, reindex, searching_registry

SALUS = [sys.executable, "-m", "salus.cli.main"]
KEY = b"key of the flow test"
NICKNAME = {
    "resourceType": "SearchParameter",
    "id": "nickname",
    "url": "https://node.test/SearchParameter/nickname",
    "name": "Nickname",
    "status": "active",
    "description": "What friends say",
    "code": "nickname",
    "base": ["Patient"],
    "type": "string",
    "expression": "Patient.name.where(use = 'nickname').given",
}
ROW = SearchParameterRow(
    url=NICKNAME["url"], code="nickname", type="string", base=("Patient",), expression=NICKNAME["expression"]
)
LISTED_SECONDS_MAX = 60


def salus(*words):
    done = subprocess.run([*SALUS, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def add(database, definition, *, at):
    async with database.system() as connection, connection.transaction():
        await register(connection, definition, at=at, resource_id=definition.code)


def patient(number):
    name = {"use": "nickname", "given": [f"Nick{number}"]}
    return {"resourceType": "Patient", "id": f"p{number}", "name": [name]}


def offers(client):
    statement = client.get("metadata").json()
    listed = next(one for one in statement["rest"][0]["resource"] if one["type"] == "Patient")
    return any(one["name"] == "nickname" for one in listed["searchParam"])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_running_node_learns_a_parameter_in_every_process(tmp_path):
    port = free_port()
    data = tmp_path / "node"
    salus("node", "init", "--data", data, "--country", "EE", "--name", "E", "--port", port, "--demo")
    settings = data / "salus.toml"
    settings.write_text(settings.read_text() + "workers = 2\n")
    command = [*SALUS, "serve", "--stop-with-input", "--data", str(data)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert "listens" in server.stdout.readline()
        token = salus("token", "--data", data, "--role", "operator").strip()
        headers = {"authorization": f"Bearer {token}", "prefer": "handling=strict"}
        base = f"http://127.0.0.1:{port}/fhir/"
        with httpx.Client(base_url=base, headers=headers) as client:
            client.put("Patient/p1", json=patient(1)).raise_for_status()
            assert client.get("Patient", params={"nickname": "nick1"}).status_code == 400
            assert client.put("SearchParameter/nickname", json=NICKNAME).status_code == 201
            client.put("Patient/p2", json=patient(2)).raise_for_status()
            until = time.monotonic() + LISTED_SECONDS_MAX
            while not all(offers(httpx.Client(base_url=base)) for _ in range(8)):
                assert time.monotonic() < until
            for number in (1, 2):
                found = client.get("Patient", params={"nickname": f"nick{number}"}).json()
                assert [one["resource"]["id"] for one in found["entry"]] == [f"p{number}"]
            state = json.loads(salus("search-parameters", "--data", data, "--json"))
            assert [(one["code"], one["state"]) for one in state] == [("nickname", "ready")]
        server.stdin.close()
        assert server.wait(30) == 0


async def test_what_was_prepared_before_a_parameter_came_is_stored_with_it(database, grant, tmp_path):
    file = tmp_path / "patients.ndjson"
    file.write_text(json.dumps(patient(1)) + "\n")
    allowed = grant(action=Action.LOAD)
    files = find_files([str(file)], "urn:h")
    settings = [Setting("urn:h", str(file), KEY, allowed.opened_at, Limits())]
    unit = Unit(0, 1, file.read_bytes().strip())
    part = Part(0, unit, prepare(unit, settings[0]))
    await add(database, ROW, at=allowed.opened_at)
    async with Writer(allowed, database, files, settings, lookup_in(allowed, database, KEY, Limits())) as one:
        await one.begin(0)
        await one.write([part], [0])
    async with database.system() as connection:
        await connection.execute("UPDATE search_parameter SET state = 'ready'")
        await connection.execute("UPDATE search_parameter_generation SET number = number + 1")
    registry = await searching_registry(database)
    query = parse_query("Patient", [("nickname", "nick1")], Limits(), strict=True, registry=registry)
    page = await search(grant(), database, query, key=KEY, registry=registry)
    assert len(page.resources) == 1


async def test_indexing_waits_for_writers_that_began_before(database, grant):
    writer = grant(action=Action.CREATE)
    async with database.writing(writer) as connection:
        await database.parameters.hold(connection)
        await add(database, ROW, at=writer.opened_at)
        assert [one async for one in reindex(database, key=KEY)] == []
        assert (await searching_registry(database)).of("Patient")["nickname"].refused
    async for _ in reindex(database, key=KEY):
        pass
    assert not (await searching_registry(database)).of("Patient")["nickname"].refused
