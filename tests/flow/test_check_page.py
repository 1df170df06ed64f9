"""The page `/check`: a vendor drops a file, reads what is wrong, on which line, and nothing of it stays."""

from __future__ import annotations

import base64
import json
import logging
import re
import tempfile

import asyncpg
import httpx
import pytest

from salus.cli.node import make_node
from salus.core.limits import Limits
from salus.node import open_node
from salus.settings import Settings
from salus.standards.fhir.checking.report import verify_report
from salus.trust.keys import public_jwks

BASE = "http://127.0.0.1:9"
SECRET = "Xyzzyname-of-nobody"
GOOD = (
    '<Patient xmlns="http://hl7.org/fhir"><text><status value="generated"/>'
    '<div xmlns="http://www.w3.org/1999/xhtml">x</div></text><active value="true"/></Patient>'
)
BOMB = (
    '<!DOCTYPE l [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;">]>'
    '<Patient xmlns="http://hl7.org/fhir"><id value="&b;"/></Patient>'
)
PATIENT = (
    f'{{\n "resourceType": "Patient",\n "gender": "unheard-of",\n "name": [{{"family": "{SECRET}"}}]\n}}'
)
LIMITS = Limits(check_bytes_max=64 * 1024, body_elements_max=2_000)


@pytest.fixture
async def node(tmp_path, database_url):
    settings = Settings(
        node="pt-1", name="Portugal", country="PT", base_url=BASE, port=9, database=database_url,
        languages=("en", "pt"), demo=True, limits=LIMITS,
    )  # fmt: skip
    make_node(tmp_path / "node", settings)
    async with open_node(tmp_path / "node") as opened:
        yield opened


def downloads(text: str) -> dict[str, bytes]:
    found = re.findall(r'download="([^"]+)" href="data:[^;]+;base64,([^"]+)"', text)
    return {name: base64.b64decode(body) for name, body in found}


async def test_a_file_is_checked_shown_and_forgotten(node, database_url, tmp_path, caplog, monkeypatch):
    """One walk, for one node: the form, a verdict with lines, reports, refusals, and nothing kept."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    caplog.set_level(logging.DEBUG)
    before = await _counts(database_url)
    transport = httpx.ASGITransport(node.application)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        form = await client.get("/check")
        assert form.status_code == 200
        assert 'enctype="multipart/form-data"' in form.text
        assert "<script" not in form.text
        assert "/check" in (await client.get("/")).text

        async def send(body: str, name: str = "a.json", language: str = "en") -> httpx.Response:
            return await client.post(f"/check?language={language}", files={"file": (name, body.encode())})

        answer = await send(PATIENT, "C:\\exports\\a.json")
        assert answer.status_code == 200
        assert "Not valid. Errors: 1." in answer.text
        assert '<h2 id="verdict">a.json</h2>' in answer.text
        cells = r'<td class="number" data-label="Line">(\d+)</td>.*?<code>(.*?)</code>'
        row = re.search(cells, answer.text, re.DOTALL)
        assert row is not None
        assert (row[1], row[2]) == ("3", "&#34;gender&#34;: &#34;unheard-of&#34;,")
        assert "Não é válido. Erros: 1." in (await send(PATIENT, language="pt")).text

        taken = downloads(answer.text)
        assert set(taken) == {"check.json", "check.xml", "check.sarif", "check.jws"}
        assert json.loads(taken["check.json"])["resourceType"] == "OperationOutcome"
        report = verify_report(taken["check.jws"].decode(), public_jwks(node.services.keys)["keys"])
        assert report.signer is not None
        assert (report.signer.node, report.files[0].file, report.files[0].errors) == ("pt-1", "a.json", 1)

        assert "Valid: no error was found." in (await send(GOOD, "a.xml")).text
        for broken in ("{", "<Patient", BOMB, "\x00\x01"):
            refused = await send(broken)
            assert (refused.status_code, "The file cannot be read." in refused.text) == (200, True)
        assert (await send("")).status_code == 400
        assert (await client.post("/check", data={"x": "y"})).status_code == 400
        assert (await send('{"a": "' + "x" * LIMITS.check_bytes_max + '"}')).status_code == 413
        assert (await send("[" * 10_000)).status_code == 413

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
    assert list(temporary.iterdir()) == []
    assert SECRET not in caplog.text
    assert "unheard-of" not in caplog.text
    assert await _counts(database_url) == before


async def _counts(url: str) -> dict[str, int]:
    """Return how many rows each table has, but for the counts of checks, which name no file."""
    connection = await asyncpg.connect(url)
    try:
        names = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename <> 'tally'"
        )
        return {
            row["name"]: await connection.fetchval(f"SELECT count(*) FROM {row['name']}") for row in names
        }
    finally:
        await connection.close()
