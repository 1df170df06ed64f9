"""`salus packages`: install, list, remove."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import httpx
import pytest

from salus.cli import packages
from salus.cli.main import main


def archive(name: str, version: str, **dependencies: str) -> bytes:
    manifest = {"name": name, "version": version, "fhirVersions": ["4.0.1"], "dependencies": dependencies}
    body = json.dumps(manifest).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("package/package.json")
        info.size = len(body)
        tar.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function: (*words) -> exit code and printed text, on a folder of packages of its own."""

    def run(*words: object) -> tuple[int, str]:
        code = main(["packages", *map(str, words), "--packages", str(tmp_path / "cache")])
        return code, capsys.readouterr().out

    return run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "cache").iterdir())


def test_an_archive_brings_what_lies_beside_it(run, tmp_path):
    (tmp_path / "guide.tgz").write_bytes(archive("guide", "1.0.0", base="2.0.0", absent="1.0.0"))
    (tmp_path / "base.tgz").write_bytes(archive("base", "2.0.0", core="4.0.1"))
    (tmp_path / "core.tgz").write_bytes(archive("core", "4.0.1"))
    (tmp_path / "other.tgz").write_bytes(archive("other", "1.0.0"))
    code, out = run("install", tmp_path / "guide.tgz")
    assert (code, names(tmp_path)) == (0, ["base#2.0.0", "core#4.0.1", "guide#1.0.0"])
    assert "still missing: absent#1.0.0" in out
    assert "missing absent#1.0.0" in run("list")[1]


def test_a_folder_of_archives_is_installed_whole(run, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.tgz").write_bytes(archive("a", "1.0.0"))
    (source / "b.tgz").write_bytes(archive("b", "1.0.0"))
    code, out = run("install", source, "--json")
    assert code == 0
    assert [json.loads(line)["package"] for line in out.splitlines()] == ["a", "b"]


def test_a_name_is_fetched_from_the_registry_with_what_it_depends_on(run, tmp_path, monkeypatch):
    found = {
        "/guide": httpx.Response(200, json={"versions": {"1.0.0": {}, "1.1.0": {}}}),
        "/guide/1.1.0": httpx.Response(200, content=archive("guide", "1.1.0", base="2.0.0", absent="1.0.0")),
        "/base/2.0.0": httpx.Response(200, content=archive("base", "2.0.0")),
    }
    transport = httpx.MockTransport(lambda request: found.get(request.url.path, httpx.Response(404)))
    monkeypatch.setattr(packages, "client", lambda: httpx.Client(transport=transport))
    code, out = run("install", "guide@1.x", "--registry", "https://registry.example")
    assert (code, names(tmp_path)) == (0, ["base#2.0.0", "guide#1.1.0"])
    assert "not installed: absent#1.0.0" in out


def test_what_cannot_be_installed_is_one_line_and_exit_code_1(run, tmp_path):
    (tmp_path / "broken.tgz").write_bytes(b"x")
    assert run("install", tmp_path / "broken.tgz")[0] == 1
    assert run("install")[0] == 1
    assert run("remove", "absent")[0] == 1
    assert run("list") == (
        0,
        f"no package in {tmp_path / 'cache'}; `salus check` uses the rules that it ships with\n",
    )
