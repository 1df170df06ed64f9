"""A JSON file that holds one resource or one Bundle (http://hl7.org/fhir/R4/json.html).

What fits in memory is one unit. A larger Bundle, or one that is cut off, is read entry by entry in two
passes: the first learns its type and the types of its entries, the second yields them. An entry that is no
JSON but whose braces close is cut out as it is, so that only itself is refused.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from salus.core.errors import MalformedContent
from salus.core.limits import Limits
from salus.intake.formats import ndjson
from salus.intake.formats.format import Format, Unit
from salus.intake.identity import EntryNames, Head

WHOLE = frozenset({"transaction", "document", "message"})
"""Types of Bundle that stand or fall as one."""

_PIECE_BYTES = 1 << 20
_SHOWN_BYTES = 1 << 16
_BLANK = re.compile(r"[ \t\r\n]*")
_STRUCTURE = re.compile(r'[{}\[\]]|"(?:[^"\\]|\\.)*"', re.DOTALL)
_decoder = json.JSONDecoder(strict=False)


class _Broken(Exception):
    """The text cannot be read on from here."""


class _Bundle(msgspec.Struct):
    resourceType: str = ""
    type: str = ""


class _Named(msgspec.Struct):
    fullUrl: str = ""
    resource: Head = msgspec.field(default_factory=Head)


class _Text:
    """A stream as text: a window of it, the position in it, and the line there."""

    def __init__(self, stream: BinaryIO, longest: int) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._longest = longest
        self._window = ""
        self._at = 0
        self._ended = False
        self.line = 1

    def _more(self, *, count: int = _PIECE_BYTES) -> bool:
        piece = b"" if self._ended else self._stream.read(count)
        self._ended = not piece
        self._window = self._window[self._at :] + self._decoder.decode(piece, final=self._ended)
        self._at = 0
        return not self._ended

    def peek(self) -> str:
        """Return the next character that is not blank, "" at the end."""
        while True:
            found = _BLANK.match(self._window, self._at)
            self._pass(found.end() if found else self._at)
            if self._at < len(self._window):
                return self._window[self._at]
            if not self._more():
                return ""

    def _pass(self, end: int) -> None:
        self.line += self._window.count("\n", self._at, end)
        self._at = end

    def expect(self, characters: str) -> str:
        """Pass one of these characters and return it."""
        found = self.peek()
        if not found or found not in characters:
            raise _Broken(f"expected one of {characters} but found {found or 'the end of the file'}")
        self._pass(self._at + 1)
        return found

    def value(self) -> tuple[Any, str]:  # Any: JSON; None when the text is no JSON
        """Pass the next value; return it parsed, and its text."""
        self.peek()
        while True:
            try:
                parsed, end = _decoder.raw_decode(self._window, self._at)
            except RecursionError:
                parsed, end = None, -1
            except ValueError:
                parsed, end = None, 0
            if end > 0 and (end < len(self._window) or self._ended):
                break
            size = len(self._window) - self._at
            if end < 0 or size > self._longest or not self._more(count=max(_PIECE_BYTES, size)):
                parsed, end = None, self._closing_brace()
                break
        text = self._window[self._at : end]
        self._pass(end)
        return parsed, text

    def _closing_brace(self) -> int:
        """Return where the braces that open here close, whatever is between them."""
        depth = 0
        for found in _STRUCTURE.finditer(self._window, self._at, self._at + self._longest):
            mark = found[0]
            depth += (mark in "{[") - (mark in "}]") if len(mark) == 1 else 0
            if depth == 0:
                if len(mark) == 1:
                    return found.end()
                break
        raise _Broken("what begins here does not end, or is no JSON")

    def rest(self) -> bytes:
        """Return the beginning of what was not passed."""
        return _bytes(self._window[self._at : self._at + _SHOWN_BYTES])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def read(stream: BinaryIO, limits: Limits) -> Iterator[Unit]:
    """Yield the units of the file; `stream` can be rewound."""
    head = stream.read(limits.document_bytes_max + 1)
    if ndjson.FORMAT.recognises(head[:_SHOWN_BYTES]):
        stream.seek(0)
        yield from ndjson.read(stream, limits)
        return
    if len(head) <= limits.document_bytes_max:
        if _is_sound(head) or not head.strip():
            yield Unit(0, 1, head)
            return
        stream = io.BytesIO(head)
    is_small = len(head) <= limits.document_bytes_max
    stream.seek(0)
    bundle, names = _survey(_Text(stream, limits.document_bytes_max))
    problem = _whole_problem(bundle, stream, limits, is_small=is_small)
    if problem:
        yield Unit(0, 1, head if is_small else head[:_SHOWN_BYTES], problem=problem)
        return
    del head
    yield from _entries(stream, bundle, names, limits)


def _is_sound(body: bytes) -> bool:
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _whole_problem(bundle: _Bundle, stream: BinaryIO, limits: Limits, *, is_small: bool) -> str:
    """Say why what cannot be read as one cannot be read entry by entry either, "" when it can."""
    if bundle.resourceType != "Bundle" or not bundle.type:
        return _why_not(stream, limits)
    if is_small and bundle.type in WHOLE:
        return _why_not(stream, limits)
    if bundle.type == "document":
        return f"A document may have at most {limits.document_bytes_max} bytes (limits.document_bytes_max)."
    return ""


def _entries(stream: BinaryIO, bundle: _Bundle, names: EntryNames, limits: Limits) -> Iterator[Unit]:
    stream.seek(0)
    text = _Text(stream, limits.document_bytes_max)
    group = bundle.type if bundle.type in WHOLE else ""
    number = 0
    try:
        for key in _keys(text):
            if key != "entry":
                text.value()
                continue
            for line, content in _items(text):
                yield Unit(
                    number, line, content, number, is_entry=True, group=group, types=names.relevant(content)
                )
                number += 1
        if text.peek():
            raise _Broken("something follows the end of the Bundle")
    except _Broken as error:
        problem = f"From line {text.line} on the file cannot be read: {error}. What came before it was read."
        yield Unit(number, text.line, text.rest(), number, problem=problem, group=group)


def _survey(text: _Text) -> tuple[_Bundle, EntryNames]:
    """Return the Bundle's head and the types of its entries, as far as it can be read."""
    bundle, names = _Bundle(), EntryNames()
    try:
        for key in _keys(text):
            if key == "entry":
                for _, content in _items(text):
                    _note(content, names)
            else:
                parsed, _ = text.value()
                if key in ("resourceType", "type") and isinstance(parsed, str):
                    setattr(bundle, key, parsed)
    except _Broken:
        pass  # the second pass says where, after yielding what came before
    return bundle, names


def _note(content: bytes, names: EntryNames) -> None:
    try:
        entry = msgspec.json.decode(content, type=_Named)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return  # the second pass yields it, and its preparation says what is wrong
    if entry.fullUrl and entry.resource.resourceType:
        names.add(entry.fullUrl, entry.resource)


def _keys(text: _Text) -> Iterator[str]:
    """Yield each key of the object that begins here; the caller passes the value."""
    text.expect("{")
    if text.peek() == "}":
        text.expect("}")
        return
    while True:
        key, _ = text.value()
        if not isinstance(key, str):
            raise _Broken("an object's key is missing")
        text.expect(":")
        yield key
        if text.expect(",}") == "}":
            return


def _items(text: _Text) -> Iterator[tuple[int, bytes]]:
    """Yield line and bytes of each item of the array that begins here."""
    text.expect("[")
    if text.peek() == "]":
        text.expect("]")
        return
    while True:
        text.peek()
        line = text.line
        _, item = text.value()
        yield line, _bytes(item)
        if text.expect(",]") == "]":
            return


def _why_not(stream: BinaryIO, limits: Limits) -> str:
    """Say why what is no readable Bundle cannot be taken."""
    if stream.seek(0, io.SEEK_END) > limits.document_bytes_max:
        return (
            f"A resource may have at most {limits.document_bytes_max} bytes; send many as NDJSON or a Bundle."
        )
    stream.seek(0)
    try:
        msgspec.json.decode(stream.read(), type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return str(MalformedContent(f"The file is not JSON: {error}."))
    return "The file holds no FHIR resource."


def _recognises(head: bytes) -> bool:
    begins = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))
    return begins and not ndjson.FORMAT.recognises(head)


FORMAT = Format("FHIR JSON", (".json",), _recognises, read)
