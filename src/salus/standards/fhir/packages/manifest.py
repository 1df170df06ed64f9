"""package.json of a FHIR package: its name, version and what it depends on."""

from __future__ import annotations

import re

import msgspec

from salus.core.errors import MalformedContent

_NAME = re.compile(r"(?:@[a-z0-9\-]+/)?[A-Za-z0-9][A-Za-z0-9._\-]{0,127}").fullmatch
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_\-]{0,63}").fullmatch


class Manifest(msgspec.Struct, frozen=True, rename="camel"):
    """What a package says of itself.

    Args:
        canonical: the prefix of its resources' addresses, "" where it does not say.
        dependencies: version wanted by package name.
    """

    name: str
    version: str
    canonical: str = ""
    license: str = ""
    fhir_versions: tuple[str, ...] = ()
    dependencies: dict[str, str] = {}

    @property
    def label(self) -> str:
        """Return name#version, as the package cache names its folders."""
        return f"{self.name}#{self.version}"


def read_manifest(body: bytes) -> Manifest:
    """Return the manifest.

    Raises:
        MalformedContent: it is no package.json, or its name or version could not be a folder's name.
    """
    try:
        manifest = msgspec.json.decode(body, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedContent(f"package.json cannot be read: {error}. Take the package anew.") from error
    if not is_name(manifest.name) or not is_version(manifest.version):
        raise MalformedContent(
            "package.json has a name or version that FHIR packages cannot have; take the package anew."
        )
    return manifest


def is_name(text: str) -> bool:
    """Return whether a text can be a package's name; such a text never leaves its folder."""
    return _NAME(text) is not None and ".." not in text


def is_version(text: str) -> bool:
    """Return whether a text can be a package's version."""
    return _VERSION(text) is not None and ".." not in text
