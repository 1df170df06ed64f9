"""Tiles: the tree as files that anybody can serve and keep (https://c2sp.org/tlog-tiles).

A tile of level L holds the hashes of 256 neighbouring nodes of level 8L of the tree; the last of a level may
be partial. Its path writes the index in groups of three digits, all but the last after an "x".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from salus.core.errors import MalformedContent
from salus.standards.merkle.tree import Node

HEIGHT = 8
WIDTH = 1 << HEIGHT
LEVEL_MAX = 63
INDEX_MAX = 1 << 60
_PATH = re.compile(r"tile/(0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


class Tile(msgspec.Struct, frozen=True):
    """A tile: level and index from 0, and how many of its 256 hashes it has (1 to 256)."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """The tile's path, `.p/` and the width at the end of a partial one."""
        part = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{self.level}/{path_tail(self.index)}{part}"

    @property
    def nodes(self) -> Iterator[Node]:
        """The nodes of the tree whose hashes the tile holds, in order."""
        first = self.index * WIDTH
        return (Node(self.level * HEIGHT, first + offset) for offset in range(self.width))


def path_tail(index: int) -> str:
    """Return an index as paths write it: 1234067 is "x001/x234/067"."""
    assert 0 <= index < INDEX_MAX
    tail = f"{index % 1000:03}"
    while index >= 1000:
        index //= 1000
        tail = f"x{index % 1000:03}/{tail}"
    return tail


def parse_tile(path: str) -> Tile:
    """Return the tile that a path names.

    Raises:
        MalformedContent: it names none; each tile has one path only.
    """
    found = _PATH.fullmatch(path) if len(path) <= 100 else None
    index = int(found[2].replace("x", "").replace("/", "")) if found else INDEX_MAX
    width = int(found[3] or WIDTH) if found else 0
    if found is None or index >= INDEX_MAX or int(found[1]) > LEVEL_MAX or width > WIDTH:
        raise MalformedContent("This is no path of a tile (C2SP tlog-tiles).")
    tile = Tile(int(found[1]), index, width)
    if tile.path != path:
        raise MalformedContent("A tile has one path only; this is another spelling of it.")
    return tile


def tiles_of(size: int) -> Iterator[Tile]:
    """Return the tiles of a tree of `size` leaves, lowest level first."""
    level, count = 0, size
    while count:
        full, part = divmod(count, WIDTH)
        for index in range(full):
            yield Tile(level, index)
        if part:
            yield Tile(level, full, part)
        level, count = level + 1, full
