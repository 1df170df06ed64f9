"""FHIR packages in folders: the usual cache (NAME#VERSION/package/*.json), .tgz files, and the table made
of them.

A package is laid down in a folder of its own beside the others and moved into place whole, so that a cache
never
holds half of one. What a package may not hold is refused before a byte is written
(`standards/fhir/packages`).
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from salus.core.errors import MalformedContent, NotFound, SalusError, StorageUnavailable
from salus.standards.fhir.packages.archive import ARCHIVE_BYTES_MAX, Member, manifest_of, members
from salus.standards.fhir.packages.definitions import Library, definition_of_json
from salus.standards.fhir.packages.dependencies import closure
from salus.standards.fhir.packages.manifest import Manifest, read_manifest
from salus.standards.fhir.profiles.tables import LAYOUT, Tables, read_tables, tables_of

_INSIDE = "package"
_FOREIGN = ("hl7.fhir.r5.", "hl7.fhir.r4b.", "hl7.fhir.r3.", "hl7.fhir.r2.", "hl7.fhir.r6.")


class Installed(msgspec.Struct, frozen=True):
    """A package that is at hand, as a folder or as an archive."""

    manifest: Manifest
    path: Path

    def is_archive(self) -> bool:
        """Return whether it is a .tgz."""
        return self.path.is_file()


def installed(folder: Path) -> list[Installed]:
    """Return the packages in a folder, sorted by name and version; what is no package is passed over.

    A package is a folder NAME#VERSION of the usual cache, any folder with package/package.json, or a .tgz.
    """
    found: dict[str, Installed] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            manifest = _manifest(path)
        except SalusError:
            continue
        if manifest is not None:
            found.setdefault(manifest.label, Installed(manifest, path))
    return sorted(found.values(), key=lambda one: (one.manifest.name, one.manifest.version))


def _manifest(path: Path) -> Manifest | None:
    if path.is_dir():
        file = path / _INSIDE / "package.json"
        return read_manifest(file.read_bytes()) if file.is_file() else None
    if path.suffix == ".tgz" and path.stat().st_size <= ARCHIVE_BYTES_MAX:
        return _manifest_of_archive(path)
    return None


def _manifest_of_archive(path: Path) -> Manifest | None:
    with path.open("rb") as archive:
        for member in members(archive):
            if member.path == f"{_INSIDE}/package.json":
                return read_manifest(member.body)
    return None


def package_members(package: Installed) -> Iterator[Member]:
    """Yield the JSON files of a package, those of its examples too."""
    if package.is_archive():
        with package.path.open("rb") as archive:
            yield from members(archive)
        return
    root = package.path / _INSIDE
    for path in sorted(root.rglob("*.json")):
        if path.is_file() and not path.is_symlink():
            yield Member(path.relative_to(package.path).as_posix(), path.read_bytes())


def is_usable(manifest: Manifest) -> bool:
    """Return whether a package is for R4; one that does not say is taken for what its name says."""
    if manifest.fhir_versions:
        return any(one.startswith("4.0") for one in manifest.fhir_versions)
    return not manifest.name.startswith(_FOREIGN)


def library_of(packages: Iterable[Installed]) -> Library:
    """Return the definitions of packages for R4."""
    library = Library()
    for package in packages:
        if not is_usable(package.manifest):
            continue
        for member in package_members(package):
            if member.path.startswith(f"{_INSIDE}/") and "/example" not in member.path:
                found = definition_of_json(member.body, package.manifest.label)
                if found is not None:
                    library.add(found)
    return library


def tables_in(folder: Path, cache: Path) -> Tables:
    """Return the table of all packages in a folder; made once and kept, until a package changes."""
    packages = installed_quickly(folder)
    kept = cache / f"profiles-{_key(packages)}.json"
    try:
        return read_tables(kept.read_bytes())
    except (OSError, MalformedContent):
        pass
    whole = installed(folder)
    tables = tables_of(library_of(whole), [one.manifest.label for one in whole])
    _keep(kept, msgspec.json.encode(tables))
    return tables


def installed_quickly(folder: Path) -> list[Path]:
    """Return the places in a folder that may be packages, unread."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _key(paths: Iterable[Path]) -> str:
    """Return what tells one state of a folder from another: names, sizes and times of what is in it."""
    digest = hashlib.sha256(f"layout {LAYOUT}".encode())
    for path in paths:
        file = path if path.is_file() else path / _INSIDE / "package.json"
        if file.is_file():
            stat = file.stat()
            digest.update(f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:24]


def hashes_in(folder: Path) -> list[tuple[str, str]]:
    """Return (name#version, SHA-256) of the packages in a folder.

    Of a .tgz it is that of the file; of an unpacked package that of the names and contents of its JSON files.
    """
    return [(one.manifest.label, _hash_of(one)) for one in installed(folder)]


def _hash_of(package: Installed) -> str:
    if package.is_archive():
        with package.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for member in package_members(package):
        digest.update(f"{member.path}\0{hashlib.sha256(member.body).hexdigest()}\n".encode())
    return digest.hexdigest()


def _keep(path: Path, body: bytes) -> None:
    """Write a table whole or not at all; a cache that cannot be written costs time, nothing else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(body)
        Path(file.name).replace(path)
    except OSError:
        return


def install(body: bytes, folder: Path) -> Manifest:
    """Lay a package down in a cache folder; one of the same name and version is replaced.

    Raises:
        MalformedContent, TooLarge: the archive is no package, or one that must not be used.
        StorageUnavailable: the folder cannot be written.
    """
    manifest = manifest_of(body)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".installing-", dir=folder))
        try:
            for member in members(io.BytesIO(body)):
                _write(work, member)
            _replace(work, folder / manifest.label)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise StorageUnavailable(f"The folder of packages cannot be written: {error.strerror}.") from error
    return manifest


def _write(work: Path, member: Member) -> None:
    target = (work / member.path).resolve()
    if not target.is_relative_to(work.resolve()):
        raise MalformedContent("The package names a place outside itself; do not use it.")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(member.body)


def _replace(work: Path, target: Path) -> None:
    if target.exists():
        old = target.with_name(f".old-{target.name}-{os.getpid()}")
        target.rename(old)
        work.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    else:
        work.rename(target)


def install_folder(source: Path, folder: Path) -> Manifest:
    """Copy an unpacked package (a folder with package/package.json) into a cache folder; errors as
    `install`.
    """
    manifest = _manifest(source)
    if manifest is None:
        raise NotFound(f"{source} holds no package/package.json; name a FHIR package's folder.")
    work = Path(tempfile.mkdtemp(prefix=".installing-", dir=_made(folder)))
    try:
        for member in package_members(Installed(manifest, source)):
            _write(work, member)
        _replace(work, folder / manifest.label)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return manifest


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageUnavailable(f"The folder of packages cannot be written: {error.strerror}.") from error
    return folder


def remove(folder: Path, name: str, version: str = "") -> list[Manifest]:
    """Remove a package, in all versions where none is named; return what was removed.

    Raises:
        NotFound: there is none.
    """
    gone = [
        one
        for one in installed(folder)
        if one.manifest.name == name and version in ("", one.manifest.version)
    ]
    if not gone:
        raise NotFound(
            f"No package {name}{'#' + version if version else ''} is installed; `packages list` shows all."
        )
    for one in gone:
        if one.is_archive():
            one.path.unlink()
        else:
            shutil.rmtree(one.path)
    return [one.manifest for one in gone]


def missing(packages: Iterable[Installed]) -> tuple[str, ...]:
    """Return what packages depend on that is not at hand ("name#version")."""
    manifests = [one.manifest for one in packages]
    return closure(manifests, manifests).missing
