"""docs/ledger.md is true: a citizen downloads a report and checks it without Salus; a forgery is told."""

import base64
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest
from tests.flow.test_portal import browser, citizen, node, people  # noqa: F401  fixtures

from salus.cli.token import make_token
from salus.core.access import Role
from salus.settings import read_settings
from salus.store.sequencer import last_checkpoint, sequence
from salus.web.ledger import signer_of

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")
FETCHED = re.findall(r"-o (\S+) http://127\.0\.0\.1:8101(\S+)", TEXT)
COMMAND, SAID = re.search(r"```console\n\$ python3 (.*)\n((?:.*\n)+?)```", TEXT).groups()


@pytest.fixture
def token(node, people):  # noqa: F811
    return make_token(node.services.data, node.settings, Role.CITIZEN, None, people[0]["id"], seconds=None)


@pytest.fixture
async def look(node, people):  # noqa: F811
    """A clinician looks twice, and the log is signed."""
    doctor = make_token(node.services.data, node.settings, Role.CLINICIAN, None, None, seconds=None)
    async with browser(node) as client:
        for _ in range(2):
            answer = await client.get(
                f"/fhir/Patient/{people[0]['id']}", headers={"authorization": f"Bearer {doctor}"}
            )
            assert answer.status_code == 200
    await sign(node)


async def sign(node):  # noqa: F811
    """Do rounds until the tree holds every leaf; the node's own sequencer may have been first."""
    services = node.services
    signer = signer_of(services.base_url, services.keys)
    waiting = "SELECT count(*) FROM leaf WHERE arrival NOT IN (SELECT arrival FROM leaf_index)"
    while True:
        await sequence(services.database, signer, services.clock())
        async with services.database.system() as connection:
            if not await connection.fetchval(waiting):
                return


async def fetched(node, token, folder):  # noqa: F811
    """Do what the documentation's curl commands do."""
    (folder / "verifier").symlink_to(ROOT / "verifier")
    async with browser(node) as client:
        for name, path in FETCHED:
            answer = await client.get(path, headers={"authorization": f"Bearer {token}"})
            assert answer.status_code == 200
            (folder / name).write_bytes(answer.content)


def checked(folder):
    return subprocess.run(
        [sys.executable, "-I", *shlex.split(COMMAND)], cwd=folder, capture_output=True, encoding="utf-8"
    )


def blurred(text):
    """Return the text without what differs from node to node: its address and its counts."""
    return re.sub(r"127\.0\.0\.1:\d+|\d+", "N", text)


async def test_the_example_of_the_documentation_says_what_it_says_there(node, look, token, tmp_path):  # noqa: F811
    await fetched(node, token, tmp_path)
    report = json.loads((tmp_path / "access-report.json").read_text())
    assert len(report["accesses"]) >= 3
    done = checked(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert blurred(done.stdout) == blurred(SAID)


async def test_a_node_that_changes_an_access_is_found_out(node, look, token, tmp_path):  # noqa: F811
    await fetched(node, token, tmp_path)
    path = tmp_path / "access-report.json"
    report = json.loads(path.read_text())
    access = report["accesses"][0]
    entry = base64.b64decode(access["entry"]).replace(b"TREAT", b"ETREAT")
    access["entry"] = base64.b64encode(entry).decode()
    path.write_text(json.dumps(report))
    done = checked(tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith(
        f"FALSE: Access {access['index']} is not the record that the log committed to"
    )


REMOVALS = {
    "the row of the access": (
        "DELETE FROM leaf WHERE arrival = (SELECT arrival FROM leaf_index WHERE index = {index})",
    ),
    "all that the database keeps of it, and the numbers after it": (
        "DELETE FROM leaf WHERE arrival = (SELECT arrival FROM leaf_index WHERE index = {index})",
        "UPDATE leaf_index SET patient = 'nobody' WHERE index = {index}",
        "UPDATE leaf_index SET count = count - 1 WHERE patient = '{patient}' AND index > {index}",
    ),
}


@pytest.mark.parametrize("removal", REMOVALS.values(), ids=REMOVALS)
@pytest.mark.parametrize("place", [0, 1, -1], ids=["newest", "middle", "oldest"])
async def test_an_access_that_the_owner_of_the_tables_removed_is_missed(
    node,  # noqa: F811
    people,  # noqa: F811
    look,
    token,
    tmp_path,
    place,
    removal,
):
    await fetched(node, token, tmp_path)
    report = json.loads((tmp_path / "access-report.json").read_text())
    gone = report["accesses"][place]["index"]
    owner = await asyncpg.connect(read_settings(node.services.data).database)
    await owner.execute("SET session_replication_role = replica")
    for statement in removal:
        await owner.execute(statement.format(index=gone, patient=people[0]["id"]))
    await owner.close()
    (tmp_path / "after").mkdir()
    await fetched(node, token, tmp_path / "after")
    after = json.loads((tmp_path / "after" / "access-report.json").read_text())
    assert gone not in [each["index"] for each in after["accesses"]]
    done = checked(tmp_path / "after")
    assert "COMPLETE" not in done.stdout
    assert done.returncode == 1 or (done.returncode, place) == (3, -1)


async def test_the_database_does_not_tell_who_looked(node, look):  # noqa: F811
    owner = await asyncpg.connect(read_settings(node.services.data).database)
    rows = await owner.fetch("SELECT leaf::text AS text FROM leaf WHERE digest IS NOT NULL")
    plain = await owner.fetchval("SELECT count(*) FROM leaf WHERE get_byte(entry, 0) <> 1")
    await owner.close()
    assert rows
    assert plain == 0
    for told in (b"TREAT", b"clinician", b"Observation", b"Patient/"):
        assert not [row for row in rows if told.hex() in row["text"]]


async def test_the_portal_gives_the_report_as_a_file(node, look, citizen, tmp_path):  # noqa: F811
    page = await citizen.get("/accesses?language=en")
    assert 'href="/accesses/report"' in page.text
    answer = await citizen.get("/accesses/report")
    assert answer.headers["content-disposition"] == 'attachment; filename="access-report.json"'
    assert answer.json()["accesses"]


async def test_a_report_is_the_citizens_alone(node, look):  # noqa: F811
    doctor = make_token(node.services.data, node.settings, Role.CLINICIAN, None, None, seconds=None)
    async with browser(node) as client:
        for headers, status in (({}, 401), ({"authorization": f"Bearer {doctor}"}, 403)):
            assert (await client.get("/ledger/report", headers=headers)).status_code == status


async def test_tiles_are_public_and_an_entry_bundle_is_none(node, look):  # noqa: F811
    size, _, _ = await last_checkpoint(node.services.database)
    async with browser(node) as client:
        answer = await client.get(f"/ledger/tile/0/000.p/{size}")
        assert (answer.status_code, len(answer.content)) == (200, 32 * size)
        assert "immutable" in answer.headers["cache-control"]
        for path, status in (
            ("0/000", 404),
            ("0/0", 400),
            ("entries/000", 400),
            (f"0/000.p/{size + 50}", 404),
        ):
            assert (await client.get(f"/ledger/tile/{path}")).status_code == status
