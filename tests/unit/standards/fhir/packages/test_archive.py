from __future__ import annotations

import io
import tarfile

import pytest

from salus.core.errors import MalformedContent, TooLarge
from salus.standards.fhir.packages import archive
from salus.standards.fhir.packages.archive import manifest_of, members

MANIFEST = b'{"name":"example.guide","version":"1.0.0","dependencies":{"hl7.fhir.r4.core":"4.0.1"}}'


def packed(*files: tuple[str, bytes], link: str = "") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, body in files:
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    return buffer.getvalue()


def test_the_json_files_of_a_package_are_read():
    body = packed(("package/package.json", MANIFEST), ("package/a.json", b"{}"), ("package/readme.md", b"x"))
    assert [one.path for one in members(io.BytesIO(body))] == ["package/package.json", "package/a.json"]
    manifest = manifest_of(body)
    assert (manifest.label, manifest.dependencies) == ("example.guide#1.0.0", {"hl7.fhir.r4.core": "4.0.1"})


@pytest.mark.parametrize(
    "name",
    ["../outside.json", "/etc/x.json", "package/../../x.json", "package\\..\\x.json", "C:/x.json"],
)
def test_a_name_that_leads_outside_is_refused(name):
    with pytest.raises(MalformedContent, match="outside itself"):
        list(members(io.BytesIO(packed((name, b"{}")))))


def test_a_link_is_refused():
    with pytest.raises(MalformedContent, match="link"):
        list(members(io.BytesIO(packed(link="package/a.json"))))


def test_a_package_that_unpacks_to_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(archive, "UNPACKED_BYTES_MAX", 100)
    body = packed(("package/a.json", b"0" * 101))
    with pytest.raises(TooLarge):
        list(members(io.BytesIO(body)))


@pytest.mark.parametrize("body", [b"", b"no archive", packed()[:20]], ids=["nothing", "text", "the start"])
def test_what_is_no_archive_is_refused(body):
    with pytest.raises(MalformedContent):
        manifest_of(body)


@pytest.mark.parametrize(
    "manifest",
    [
        b"{}",
        b'{"name":"../x","version":"1"}',
        b'{"name":"a","version":"1/../2"}',
        b'{"name":"a..b","version":"1"}',
    ],
)
def test_a_manifest_that_could_name_another_folder_is_refused(manifest):
    with pytest.raises(MalformedContent):
        manifest_of(packed(("package/package.json", manifest)))
