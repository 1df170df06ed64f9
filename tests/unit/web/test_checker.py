"""The programs that check a report are those of the repository, and travel with the package."""

import tomllib
from pathlib import Path

import httpx
import pytest

from salus.core.errors import MethodNotAllowed, NotFound
from salus.web.checker import PROGRAMS, face

ROOT = Path(__file__).parents[3]


def client():
    transport = httpx.ASGITransport(face().application)
    return httpx.AsyncClient(transport=transport, base_url="http://node.test")


@pytest.mark.parametrize("path", PROGRAMS)
async def test_a_node_gives_the_program_byte_for_byte(path):
    async with client() as browser:
        answer = await browser.get(path)
    assert answer.content == (ROOT / "verifier" / path.lstrip("/")).read_bytes()
    assert answer.headers["content-type"] == PROGRAMS[path]


async def test_the_page_runs_apart_from_the_pages_of_the_node():
    async with client() as browser:
        policy = (await browser.get("/verify.html")).headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none';")
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize(
    ("method", "path", "refusal"),
    [("POST", "/verify.html", MethodNotAllowed), ("GET", "/verify.py/x", NotFound)],
)
async def test_it_gives_nothing_else(method, path, refusal):
    async with client() as browser:
        with pytest.raises(refusal):
            await browser.request(method, path)


def test_an_installed_package_has_them():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    files = {path.lstrip("/") for path in PROGRAMS}
    assert wheel["force-include"] == {f"verifier/{name}": f"salus/verifier/{name}" for name in files}
    assert {each.name for each in (ROOT / "verifier").iterdir() if each.is_file()} == files
