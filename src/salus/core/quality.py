"""What became of a source's content when it was brought into another form: mapped, approximated, dropped.

Nothing of XML or of a message is known here: a place is a path in the source's own words. The examples quote
the source; they are for whoever submitted it, and go into no log.
"""

from __future__ import annotations

import msgspec

EXAMPLES_MAX = 3
EXAMPLE_CHARS = 80
LINES_MAX = 2_000
"""Most different places that are told one by one; those beyond are counted at `ELSEWHERE`."""
ELSEWHERE = "(further places)"


class Line(msgspec.Struct, frozen=True):
    """What became of the content at one place.

    Args:
        path: where in the source, without numbers of repetitions.
        reason: what was done with it, or why it was not taken.
        count: how often.
        examples: of the values there, the first few, each at most 80 characters.
    """

    path: str
    reason: str
    count: int
    examples: tuple[str, ...] = ()


class Quality(msgspec.Struct, frozen=True):
    """How much of a source came through.

    Args:
        source: its format and kind, for people.
        mapped: values that the result says as the source did.
        absent: elements by which the source itself says that it has no value.
        approximated: values that the result says in other words, or in part.
        dropped: values that the result does not say; the source, which is kept, does.
    """

    source: str
    mapped: int = 0
    absent: int = 0
    approximated: tuple[Line, ...] = ()
    dropped: tuple[Line, ...] = ()

    @property
    def approximated_count(self) -> int:
        """Return how many values were approximated."""
        return sum(line.count for line in self.approximated)

    @property
    def dropped_count(self) -> int:
        """Return how many values were dropped."""
        return sum(line.count for line in self.dropped)


class Account:
    """Counts while a source is converted."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.mapped = 0
        self.absent = 0
        self._approximated: dict[tuple[str, str], Line] = {}
        self._dropped: dict[tuple[str, str], Line] = {}

    def approximate(self, path: str, reason: str, example: str = "") -> None:
        """Count a value that is said in other words, or in part."""
        _count(self._approximated, path, reason, example)

    def drop(self, path: str, reason: str, example: str = "") -> None:
        """Count a value that is not said."""
        _count(self._dropped, path, reason, example)

    def include(self, part: Quality, place: str) -> None:
        """Count what lies inside at `place`, such as a document in a message."""
        self.mapped += part.mapped
        self.absent += part.absent
        for found, lines in ((self._approximated, part.approximated), (self._dropped, part.dropped)):
            for line in lines:
                path = f"{place}/{line.path}"
                key = (path, line.reason)
                if len(found) >= LINES_MAX:
                    path, key = ELSEWHERE, (ELSEWHERE, line.reason)
                known = found.get(key) or Line(path, line.reason, 0)
                examples = tuple(dict.fromkeys((*known.examples, *line.examples)))[:EXAMPLES_MAX]
                found[key] = Line(path, line.reason, known.count + line.count, examples)

    def quality(self) -> Quality:
        """Return what was counted, places in sorted order."""
        return Quality(
            self.source,
            self.mapped,
            self.absent,
            tuple(self._approximated[key] for key in sorted(self._approximated)),
            tuple(self._dropped[key] for key in sorted(self._dropped)),
        )


def _count(lines: dict[tuple[str, str], Line], path: str, reason: str, example: str) -> None:
    key = (path, reason)
    if key not in lines and len(lines) >= LINES_MAX:
        path, example = ELSEWHERE, ""
        key = (path, reason)
    known = lines.get(key) or Line(path, reason, 0)
    examples, shown = known.examples, example[:EXAMPLE_CHARS]
    if shown and shown not in examples and len(examples) < EXAMPLES_MAX:
        examples = (*examples, shown)
    lines[key] = Line(path, reason, known.count + 1, examples)


def together(source: str, parts: tuple[Quality, ...]) -> Quality:
    """Return the qualities of several sources as one."""
    lines: tuple[dict[tuple[str, str], Line], dict[tuple[str, str], Line]] = ({}, {})
    for part in parts:
        for found, kind in zip(lines, (part.approximated, part.dropped), strict=True):
            for line in kind:
                key = (line.path, line.reason)
                if key not in found and len(found) >= LINES_MAX:
                    key = (ELSEWHERE, line.reason)
                known = found.get(key) or Line(*key, 0)
                examples = tuple(dict.fromkeys((*known.examples, *line.examples)))[:EXAMPLES_MAX]
                found[key] = Line(*key, known.count + line.count, examples)
    approximated, dropped = (tuple(found[key] for key in sorted(found)) for found in lines)
    return Quality(
        source,
        sum(part.mapped for part in parts),
        sum(part.absent for part in parts),
        approximated,
        dropped,
    )
