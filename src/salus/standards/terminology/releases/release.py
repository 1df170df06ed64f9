"""What a release of a code system holds, whatever its files look like: the contract of the loaders.

Everything is read in passes, so that a release of a million names never lies in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, Protocol

import msgspec


class Files(Protocol):
    """The files of a release: a folder, a .zip or a single file."""

    def names(self) -> Sequence[str]:
        """Return the paths of the files, with / between folders, sorted."""

    def lines(self, name: str) -> Iterator[str]:
        """Yield the lines of a text file (UTF-8, a mark at its beginning left out) without their ends."""

    def stream(self, name: str) -> BinaryIO:
        """Return a file's bytes as a stream; the caller closes it."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """A concept.

    Args:
        status: as the publisher calls it, "" for in use.
    """

    code: str
    display: str
    definition: str = ""
    is_inactive: bool = False
    is_abstract: bool = False
    status: str = ""


class Name(msgspec.Struct, frozen=True, gc=False):
    """A name of a concept besides its display.

    Args:
        use: "system|code" of its use, "" for none.
        is_display: whether it is what to show in its language.
    """

    code: str
    value: str
    language: str = ""
    use: str = ""
    is_display: bool = False


class Fact(msgspec.Struct, frozen=True, gc=False):
    """A property of a concept; kind is code or string."""

    code: str
    name: str
    value: str
    kind: str = "string"


def none() -> Iterable[tuple[str, str]]:
    """Return no pairs."""
    return ()


class Release(msgspec.Struct, frozen=True):
    """A version of a code system.

    Args:
        language: of the displays, "" where they are of several.
        publisher: whose licence holds; the operator has it.
        properties: what its properties mean, by name.
        concepts: yields every concept.
        edges: yields (child, parent).
        names: yields further names.
        facts: yields properties.
        members: yields (reference set, code).
    """

    url: str
    version: str
    title: str
    publisher: str
    concepts: Callable[[], Iterable[Row]]
    language: str = "en"
    is_case_sensitive: bool = True
    properties: dict[str, str] = {}
    edges: Callable[[], Iterable[tuple[str, str]]] = none
    names: Callable[[], Iterable[Name]] = tuple
    facts: Callable[[], Iterable[Fact]] = tuple
    members: Callable[[], Iterable[tuple[str, str]]] = none


class Wish(msgspec.Struct, frozen=True):
    """What the operator says of a release that its files do not.

    Args:
        url: of the code system, "" for the usual one.
        version: "" for that of the files.
        language: of the displays, "" for that of the files.
    """

    url: str = ""
    version: str = ""
    language: str = ""


class Loader(msgspec.Struct, frozen=True):
    """A kind of release.

    Args:
        name: by which it is asked for.
        title: what it is, in a few words.
        recognises: whether files are of this kind.
        read: returns the release; MalformedContent where the files are not as published.
    """

    name: str
    title: str
    recognises: Callable[[Files], bool]
    read: Callable[[Files, Wish], Release]
