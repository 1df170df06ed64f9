"""The text around a place, as it is shown beside an issue."""

from __future__ import annotations

from salus.core.plain import plain

SHOWN_MAX = 160
BEFORE = 24
"""Characters of a long line that are shown before the place itself."""


class Excerpts:
    """The lines of a text.

    Args:
        body: the bytes of it; what is no UTF-8 is shown as a replacement character.
    """

    def __init__(self, body: bytes) -> None:
        self._lines = body.decode("utf-8", errors="replace").split("\n")

    def at(self, line: int, column: int) -> str:
        """Return a line, or of a long one what is around a column; "" for a line that is not there."""
        if not 0 < line <= len(self._lines):
            return ""
        text = self._lines[line - 1]
        if len(text) <= SHOWN_MAX:
            return plain(text.strip())
        start = max(0, column - 1 - BEFORE) if column else 0
        shown = text[start : start + SHOWN_MAX]
        before, after = "…" if start else "", "…" if start + SHOWN_MAX < len(text) else ""
        return before + plain(shown.strip()) + after
