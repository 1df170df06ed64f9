r"""Vertical bar encoding, read strictly enough to lose nothing (HL7 v2.5.1, chapter 2, sections 2.5 to 2.7).

A message is segments, a segment fields, a field repetitions, a repetition components, a component
subcomponents. Delimiters are those that the message declares (MSH-1, MSH-2); escape sequences are undone;
lines may end in CR, LF or both, and a line that begins with no segment's name goes on with the last field of
the segment before it, as systems that break lines in texts write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

import msgspec

from salus.core.errors import MalformedContent

SEGMENTS_MAX = 50_000
"""Most segments of one message."""

_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}(?=\W)")
_HEAD = re.compile(rb"(?:FHS|BHS|MSH)[^\w\s]")
_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")
_FORMATTED = {".br": "\n", ".sp": "\n", ".fi": "", ".nf": "", ".in": "", ".ti": "", ".sk": " ", ".ce": "\n"}

# HL7 table 0211 (alternate character sets), as Python knows them.
CHARACTER_SETS: Mapping[str, str] = {
    "ASCII": "ascii",
    "8859/1": "iso-8859-1",
    "8859/2": "iso-8859-2",
    "8859/3": "iso-8859-3",
    "8859/4": "iso-8859-4",
    "8859/5": "iso-8859-5",
    "8859/6": "iso-8859-6",
    "8859/7": "iso-8859-7",
    "8859/8": "iso-8859-8",
    "8859/9": "iso-8859-9",
    "8859/15": "iso-8859-15",
    "UNICODE UTF-8": "utf-8",
}


class Delimiters(msgspec.Struct, frozen=True):
    """What parts a message into its pieces."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str


Components = tuple[tuple[str, ...], ...]
"""Components of one repetition, each its subcomponents."""


class Segment:
    """A segment whose values are asked for by position and remembered as asked for.

    Args:
        name: as PID.
        place: its position in the message, from 0.
        fields: by position, the first at 0; in a header segment MSH-1 is the delimiter.
    """

    def __init__(self, name: str, place: int, fields: list[tuple[Components, ...]]) -> None:
        self.name = name
        self.place = place
        self._fields = fields
        self._taken: set[tuple[int, int, int, int]] = set()

    def count(self, field: int) -> int:
        """Return how many repetitions a field has."""
        return len(self._fields[field - 1]) if 0 < field <= len(self._fields) else 0

    def parts(self, field: int, repetition: int = 0) -> Components:
        """Return the components of one repetition, without taking them."""
        if repetition >= self.count(field):
            return ()
        return self._fields[field - 1][repetition]

    def has(self, field: int, component: int = 0, repetition: int = 0) -> bool:
        """Return whether there is a value; of a component unless it is 0."""
        found = self.parts(field, repetition)
        if component:
            found = found[component - 1 : component]
        return any(text and text != '""' for part in found for text in part)

    def text(self, field: int, component: int = 1, subcomponent: int = 1, repetition: int = 0) -> str:
        """Return a value, "" for none or one that is to be deleted (`""`), and remember that it was taken."""
        found = self.parts(field, repetition)
        part = found[component - 1] if component <= len(found) else ()
        text = part[subcomponent - 1] if subcomponent <= len(part) else ""
        if text:
            self._taken.add((field, repetition, component, subcomponent))
        return "" if text == '""' else text

    def whole(self, field: int, component: int = 1, repetition: int = 0) -> str:
        """Return a component with all its subcomponents as one text: where a type has none, & is a letter."""
        found = self.parts(field, repetition)
        part = found[component - 1] if component <= len(found) else ()
        return "&".join(self.text(field, component, place, repetition) for place in range(1, len(part) + 1))

    def take(self, field: int, repetition: int | None = None) -> None:
        """Remember a field, or one repetition of it, as taken whole."""
        places = range(self.count(field)) if repetition is None else (repetition,)
        for place in places:
            for component, part in enumerate(self.parts(field, place), 1):
                self._taken.update((field, place, component, number) for number in range(1, len(part) + 1))

    def left(self) -> Iterator[tuple[str, str]]:
        """Yield path and text of every value that nobody took; those to be deleted are none."""
        for (field, repetition, component, subcomponent), text in self.values():
            if text != '""' and (field, repetition, component, subcomponent) not in self._taken:
                more = len(self.parts(field, repetition)) > 1
                yield f"{self.name}-{field}{f'.{component}' if more else ''}", text

    def values(self) -> Iterator[tuple[tuple[int, int, int, int], str]]:
        """Yield the place and text of every value that is not empty."""
        for field, repetitions in enumerate(self._fields, 1):
            for repetition, parts in enumerate(repetitions):
                for component, part in enumerate(parts, 1):
                    for subcomponent, text in enumerate(part, 1):
                        if text:
                            yield (field, repetition, component, subcomponent), text


class Message(msgspec.Struct, frozen=True):
    """One message: its segments in order, MSH first."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        """Return MSH."""
        return self.segments[0]


def looks_like_er7(head: bytes) -> bool:
    """Return whether a file begins as messages do."""
    return _HEAD.match(head.lstrip(b"\xef\xbb\xbf\x0b\r\n\t ")) is not None


def split_messages(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each message of a file with the line on which it begins; envelopes (FHS, BHS) are none."""
    held: list[bytes] = []
    begins = 1
    for number, line in enumerate(re.split(rb"\r\n|\r|\n", content), 1):
        clean = (
            line.strip(b"\x0b\x1c\xef\xbb\xbf") if not held or line[:1] == b"\x0b" else line.strip(b"\x1c")
        )
        if clean[:4] in (b"FHS|", b"BHS|", b"BTS|", b"FTS|") or clean[:3] == b"MSH":
            if held:
                yield begins, b"\r".join(held)
            held, begins = ([clean], number) if clean[:3] == b"MSH" else ([], number)
        elif held and clean:
            held.append(clean)
    if held:
        yield begins, b"\r".join(held)


def read_message(content: bytes) -> Message:
    """Return a message taken apart.

    Raises:
        MalformedContent: it does not begin with MSH and its delimiters, or has too many segments.
    """
    content = content.strip(b"\x0b\x1c\r\n\xef\xbb\xbf")
    text = _decode(content) if content.startswith(b"MSH") and len(content) >= 8 else ""
    if not text:
        raise MalformedContent(
            "An HL7 v2 message begins with MSH, the field separator and MSH-2, as MSH|^~\\&."
        )
    delimiters = _delimiters(text)
    found: list[Segment] = []
    for name, line in _lines(text, delimiters.field):
        if len(found) >= SEGMENTS_MAX:
            raise MalformedContent(f"The message has more than {SEGMENTS_MAX} segments; send it in parts.")
        found.append(_segment(name, len(found), line, delimiters))
    return Message(tuple(found))


def _decode(content: bytes) -> str:
    """Return the text in the character set of MSH-18; where it is in another, or names none, in UTF-8, else
    in ISO 8859-1, which reads every byte.
    """
    fields = re.split(rb"[\r\n]", content, maxsplit=1)[0].split(content[3:4])
    named = fields[17].split(fields[1][1:2] or b"~")[0].decode("latin-1").strip() if len(fields) > 17 else ""
    wanted = CHARACTER_SETS.get(named.upper().replace("ISO IR", "").strip(), "")
    for encoding in (wanted, "utf-8"):
        if encoding and encoding != "ascii":
            with suppress(UnicodeDecodeError):
                return content.decode(encoding)
    return content.decode("iso-8859-1")


def _delimiters(text: str) -> Delimiters:
    field = text[3]
    declared = text[4:].split(field, 1)[0]
    declared = "".join(dict.fromkeys(declared))  # a backslash that was doubled on the way is one
    if field.isalnum() or field.isspace() or len(declared) < 2 or field in declared:
        raise MalformedContent("MSH-1 and MSH-2 declare no delimiters that can be told apart, as MSH|^~\\&.")
    padded = declared + "\0" * 4  # what is not declared parts nothing
    return Delimiters(field, padded[0], padded[1], padded[2], padded[3])


def _lines(text: str, separator: str) -> Iterator[tuple[str, str]]:
    name, held = "", ""
    for line in re.split(r"\r\n|\r|\n", text):
        found = _SEGMENT.match(line)
        if (found and line[3:4] == separator) or (len(line) == 3 and line.isupper()):
            if name:
                yield name, held
            name, held = line[:3], line
        elif line.strip():
            held += f"\n{line}"
    if name:
        yield name, held


def _segment(name: str, place: int, line: str, delimiters: Delimiters) -> Segment:
    raw = line.split(delimiters.field)[1:]
    if place == 0:
        raw = [delimiters.field, *raw]
        fields: list[tuple[Components, ...]] = [(((raw[0],),),), (((raw[1],),),)]
        fields += [_field(text, delimiters) for text in raw[2:]]
    else:
        fields = [_field(text, delimiters) for text in raw]
    return Segment(name, place, fields)


def _field(text: str, delimiters: Delimiters) -> tuple[Components, ...]:
    if not text:
        return ()
    return tuple(
        tuple(
            tuple(_unescaped(each, delimiters) for each in part.split(delimiters.subcomponent))
            for part in repetition.split(delimiters.component)
        )
        for repetition in text.split(delimiters.repetition)
    )


def _unescaped(text: str, delimiters: Delimiters) -> str:
    if delimiters.escape not in text:
        return text.strip(" ") if text.isspace() else text
    named = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "H": "",
        "N": "",
    }
    pieces = text.split(delimiters.escape)
    found = [pieces[0]]
    place = 1
    while place < len(pieces):
        piece = pieces[place]
        if place + 1 >= len(pieces):  # an escape that nothing ends is a letter
            found.append(delimiters.escape + piece)
            break
        sequence = _sequence(piece, named)
        if sequence is None:
            found += [delimiters.escape, piece]
            place += 1
            continue
        found += [sequence, pieces[place + 1]]
        place += 2
    return "".join(found)


def _sequence(piece: str, named: Mapping[str, str]) -> str | None:
    """Return what an escape sequence stands for, None for what is none."""
    if piece in named:
        return named[piece]
    if hexadecimal := _HEX.fullmatch(piece):
        return bytes.fromhex(hexadecimal[1]).decode("utf-8", "replace")
    return _FORMATTED.get(piece[:3]) if piece.startswith(".") else None
