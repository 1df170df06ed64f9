"""Random texts for names and salts, drawn from the system many at a time.

Each draw lets other threads take the interpreter: for every read by id that costs more than its decision.
Keys and nonces are drawn one by one, where they are used: a copy of a running machine must repeat none.
"""

from __future__ import annotations

import os
from collections.abc import Callable

_AT_ONCE = 256


class RandomTexts:
    """Random bytes, each good once, as text."""

    __slots__ = ("_bytes_each", "_drawn", "_written")

    def __init__(self, bytes_each: int, written: Callable[[bytes], str]) -> None:
        """Take how many bytes a text stands for, and how they are written."""
        self._bytes_each = bytes_each
        self._written = written
        self._drawn: list[str] = []
        os.register_at_fork(after_in_child=self._drawn.clear)

    def next(self) -> str:
        """Return a fresh one."""
        while True:
            try:
                return self._drawn.pop()
            except IndexError:
                random, size = os.urandom(self._bytes_each * _AT_ONCE), self._bytes_each
                self._drawn += [
                    self._written(random[start : start + size]) for start in range(0, len(random), size)
                ]
