"""The ZIP of a record: whole, the same twice, its manifest true, its names safe."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime

import pytest

from salus.primary.rights.archive import MANIFEST, Archive, document_path, is_safe, line_of

NOW = datetime(2026, 11, 24, 9, 0, 30, tzinfo=UTC)


def made(members):
    archive, whole = Archive(NOW), b""
    for path, pieces in members.items():
        archive.begin(path, "text/plain")
        for piece in pieces:
            whole += archive.write(piece)
    return whole + archive.finish({"node": "pt-1"})


MEMBERS = {
    "fhir/Patient.ndjson": [b"{}\n", b"{}\n"],
    "documents/00001-a.pdf": [b"%PDF" * 1000],
    "a.txt": [b""],
}


def test_members_come_out_as_they_went_in_and_the_manifest_names_each():
    opened = zipfile.ZipFile(io.BytesIO(made(MEMBERS)))
    assert opened.testzip() is None
    assert opened.namelist() == [*MEMBERS, MANIFEST]
    manifest = json.loads(opened.read(MANIFEST))
    assert manifest["node"] == "pt-1"
    for file, (path, pieces) in zip(manifest["files"], MEMBERS.items(), strict=True):
        content = b"".join(pieces)
        assert file["path"] == path
        assert opened.read(path) == content
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_the_same_record_at_the_same_moment_gives_the_same_bytes():
    assert made(MEMBERS) == made(MEMBERS)


@pytest.mark.parametrize(
    ("identity", "media_type", "path"),
    [
        ("letter-1", "application/pdf", "documents/00007-letter-1.pdf"),
        ("../../etc/passwd", "text/plain; charset=utf-8", "documents/00007-etc-passwd.txt"),
        ("C:\\con\0.exe", "application/x-msdownload", "documents/00007-C-con-exe.bin"),
        ("/", "TEXT/XML", "documents/00007-document.xml"),
        ("\u202ecod.exe", "a/../../b", "documents/00007-cod-exe.bin"),
    ],
)
def test_names_of_documents_are_safe_whatever_their_sender_called_them(identity, media_type, path):
    found = document_path(7, identity, media_type)
    assert found == path
    assert is_safe(found)


@pytest.mark.parametrize(
    "path", ["../a.txt", "/a.txt", "a//b.txt", "a/../b.txt", "c:a.txt", ".hidden", "a\\b.txt", ""]
)
def test_names_that_leave_the_folder_are_none(path):
    assert not is_safe(path)


def test_a_resource_is_one_line():
    assert line_of(b'{\r\n "a": 1\n}') == b'{  "a": 1 }\n'
