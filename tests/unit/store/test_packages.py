from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from salus.core.errors import MalformedContent, NotFound
from salus.standards.fhir.profiles.tables import TableShelf
from salus.store.packages import install, install_folder, installed, missing, remove, tables_in

PROFILE = {
    "resourceType": "StructureDefinition",
    "url": "http://example.org/p",
    "version": "1.0.0",
    "kind": "resource",
    "type": "Patient",
    "derivation": "constraint",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "differential": {"element": [{"id": "Patient.name", "path": "Patient.name", "min": 1}]},
}


def package(
    name: str = "example.guide", version: str = "1.0.0", fhir: str = "4.0.1", **files: object
) -> bytes:
    manifest = {"name": name, "version": version, "fhirVersions": [fhir], "dependencies": {"absent": "1.0.0"}}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, content in {"package/package.json": manifest, "package/p.json": PROFILE, **files}.items():
            body = json.dumps(content).encode()
            info = tarfile.TarInfo(path)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def test_a_package_is_laid_down_as_the_usual_cache_has_it(tmp_path):
    assert install(package(), tmp_path).label == "example.guide#1.0.0"
    assert (tmp_path / "example.guide#1.0.0" / "package" / "p.json").is_file()
    assert [one.manifest.label for one in installed(tmp_path)] == ["example.guide#1.0.0"]
    assert missing(installed(tmp_path)) == ("absent#1.0.0",)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["example.guide#1.0.0"]


def test_a_package_replaces_the_same_version(tmp_path):
    install(package(**{"package/old.json": {}}), tmp_path)
    install(package(), tmp_path)
    assert not (tmp_path / "example.guide#1.0.0" / "package" / "old.json").exists()


def test_a_package_that_leads_outside_leaves_nothing(tmp_path):
    folder = tmp_path / "packages"
    with pytest.raises(MalformedContent):
        install(package(**{"../../evil.json": {}}), folder)
    assert list(folder.iterdir()) == []
    assert not (tmp_path / "evil.json").exists()


def test_an_unpacked_folder_can_be_installed(tmp_path):
    install(package(), tmp_path / "one")
    install_folder(tmp_path / "one" / "example.guide#1.0.0", tmp_path / "two")
    assert [one.manifest.version for one in installed(tmp_path / "two")] == ["1.0.0"]
    with pytest.raises(NotFound):
        install_folder(tmp_path, tmp_path / "two")


def test_archives_in_a_folder_are_packages_too_and_other_files_are_passed_over(tmp_path):
    (tmp_path / "guide.tgz").write_bytes(package())
    (tmp_path / "broken.tgz").write_bytes(b"nothing")
    (tmp_path / "readme.md").write_text("x")
    assert [one.manifest.label for one in installed(tmp_path)] == ["example.guide#1.0.0"]


def test_what_is_removed_is_gone(tmp_path):
    install(package(), tmp_path)
    install(package(version="2.0.0"), tmp_path)
    assert [one.version for one in remove(tmp_path, "example.guide", "1.0.0")] == ["1.0.0"]
    assert [one.manifest.version for one in installed(tmp_path)] == ["2.0.0"]
    with pytest.raises(NotFound):
        remove(tmp_path, "example.guide", "1.0.0")


def test_the_table_is_made_once_and_again_when_a_package_changes(tmp_path):
    packages, cache = tmp_path / "packages", tmp_path / "cache"
    install(package(), packages)
    first = tables_in(packages, cache)
    assert list(TableShelf(first).versions("http://example.org/p")) == ["1.0.0"]
    assert len(list(cache.iterdir())) == 1
    assert tables_in(packages, cache).packages == first.packages
    assert len(list(cache.iterdir())) == 1
    install(package(name="other"), packages)
    assert len(tables_in(packages, cache).packages) == 2


def test_a_damaged_table_is_made_anew(tmp_path):
    packages, cache = tmp_path / "packages", tmp_path / "cache"
    install(package(), packages)
    tables_in(packages, cache)
    next(cache.iterdir()).write_bytes(b"{")
    assert tables_in(packages, cache).packages == ("example.guide#1.0.0",)


def test_packages_of_other_versions_of_fhir_are_not_used(tmp_path):
    install(package(fhir="5.0.0"), tmp_path)
    assert list(TableShelf(tables_in(tmp_path, tmp_path / "cache")).versions("http://example.org/p")) == []


def test_a_folder_that_is_not_there_has_no_packages(tmp_path):
    assert installed(Path(tmp_path / "absent")) == []
    assert tables_in(tmp_path / "absent", tmp_path / "cache").packages == ()
