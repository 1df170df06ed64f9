"""The rules that Salus ships with, by their SHA-256: R4's tables and the profiles of the six categories."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources

from salus.standards.fhir.checking.report import Source

_TABLES = ("salus.standards.fhir.tables", "salus.standards.fhir.profiles")


@cache
def shipped_sources() -> tuple[Source, ...]:
    """Return each folder of tables as a source: the hash is that of names and contents, in order."""
    return tuple(_of(package) for package in _TABLES)


def _of(package: str) -> Source:
    digest = hashlib.sha256()
    files = [one for one in resources.files(package).iterdir() if one.name.endswith((".json", ".toml"))]
    for one in sorted(files, key=lambda file: file.name):
        digest.update(f"{one.name}\0{hashlib.sha256(one.read_bytes()).hexdigest()}\n".encode())
    return Source(package, digest.hexdigest())
