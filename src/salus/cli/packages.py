"""`salus packages install|list|remove`: the FHIR packages that profiles are taken from."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import msgspec

from salus.cli.command import Command
from salus.cli.package_folder import add_packages_option, cache_folder
from salus.cli.terminal import say, say_json
from salus.core.errors import NotFound, SalusError
from salus.standards.fhir.packages.archive import ARCHIVE_BYTES_MAX
from salus.standards.fhir.packages.manifest import Manifest
from salus.store.package_registry import REGISTRY, client, fetch, fetch_package
from salus.store.packages import install, install_folder, installed, missing, remove

PACKAGES_MAX = 200
"""Most packages that one call fetches."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("install", "list", "remove"))
    parser.add_argument(
        "what",
        nargs="*",
        metavar="WHAT",
        help="install: a .tgz, a folder, an address, or NAME@VERSION; remove: NAME or NAME@VERSION",
    )
    add_packages_option(parser)
    parser.add_argument(
        "--registry", metavar="URL", help=f"where NAME@VERSION is fetched (default {REGISTRY})"
    )
    parser.add_argument("--json", action="store_true", help="an object a line")


def _run(options: argparse.Namespace) -> int:
    folder: Path = options.packages or cache_folder()
    if options.action == "list":
        return _list(folder, as_json=options.json)
    if not options.what:
        raise NotFound(f"Name what to {options.action}: salus packages {options.action} WHAT.")
    if options.action == "remove":
        for word in options.what:
            name, version = _split(word)
            _tell(remove(folder, name, version), "removed", as_json=options.json)
        return 0
    return _install(options, folder)


def _split(word: str) -> tuple[str, str]:
    """Return name and version of NAME@VERSION or NAME#VERSION; the name may begin with @ (a scope)."""
    mark = max(word.rfind("@"), word.rfind("#"))
    return (word, "") if mark <= 0 else (word[:mark], word[mark + 1 :])


def _tell(manifests: list[Manifest], verb: str, *, as_json: bool) -> None:
    for one in manifests:
        if as_json:
            say_json(msgspec.json.encode({"package": one.name, "version": one.version, "done": verb}))
        else:
            say(f"{verb} {one.label}")


def _list(folder: Path, *, as_json: bool) -> int:
    found = installed(folder)
    for one in found:
        row = {
            "package": one.manifest.name,
            "version": one.manifest.version,
            "fhir": list(one.manifest.fhir_versions),
            "license": one.manifest.license,
            "path": str(one.path),
        }
        if as_json:
            say_json(msgspec.json.encode(row))
        else:
            say(f"{one.manifest.label}\t{one.manifest.license or 'licence not said'}\t{one.path}")
    if not as_json:
        for label in missing(found):
            say(f"missing {label}\tanother package depends on it; a near version is used, if there is one")
        if not found:
            say(f"no package in {folder}; `salus check` uses the rules that it ships with")
    return 0


def _install(options: argparse.Namespace, folder: Path) -> int:
    with closing(client()) as web:
        for word in options.what:
            _tell(list(_installing(word, folder, options.registry, web)), "installed", as_json=options.json)
        if options.registry or any(not _is_local(word) for word in options.what):
            _fetch_missing(folder, options, web)
    absent = missing(installed(folder))
    if absent and not options.json:
        say(f"still missing: {', '.join(absent)} (install them, or name a --registry)")
    return 0


def _is_local(word: str) -> bool:
    return Path(word).exists()


def _installing(word: str, folder: Path, registry: str | None, web: httpx.Client) -> Iterator[Manifest]:
    path = Path(word)
    if path.is_file():
        yield install(path.read_bytes(), folder)
        yield from _from_beside(path.parent, folder)
    elif (path / "package" / "package.json").is_file():
        yield install_folder(path, folder)
    elif path.is_dir():
        found = installed(path)
        if not found:
            raise NotFound(f"{path} holds no package; name a .tgz or a folder of packages.")
        for one in found:
            yield (
                install(one.path.read_bytes(), folder)
                if one.is_archive()
                else install_folder(one.path, folder)
            )
    elif word.startswith(("http://", "https://")):
        yield install(fetch(web, word, ARCHIVE_BYTES_MAX), folder)
    else:
        name, version = _split(word)
        yield install(fetch_package(web, registry or REGISTRY, name, version), folder)


def _from_beside(source: Path, folder: Path) -> Iterator[Manifest]:
    """Install what is missing from the archives beside one that was named, as far as they are there."""
    beside = {one.manifest.label: one for one in installed(source) if one.is_archive()}
    while wanted := [label for label in missing(installed(folder)) if label in beside]:
        for label in wanted:
            yield install(beside[label].path.read_bytes(), folder)


def _fetch_missing(folder: Path, options: argparse.Namespace, web: httpx.Client) -> None:
    """Fetch what installed packages depend on, until nothing is missing or the registry has no more."""
    tried: set[str] = set()
    while True:
        wanted = [label for label in missing(installed(folder)) if label not in tried]
        if not wanted or len(tried) >= PACKAGES_MAX:
            return
        for label in wanted:
            tried.add(label)
            name, _, version = label.partition("#")
            try:
                body = fetch_package(web, options.registry or REGISTRY, name, version)
            except SalusError as error:
                say(f"not installed: {label} ({error.message})")
                continue
            _tell([install(body, folder)], "installed", as_json=options.json)


COMMAND = Command(
    "packages", "Install, list or remove the FHIR packages that profiles are taken from.", _arguments, _run
)
