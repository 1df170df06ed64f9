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
from salus.intake.formats.format import Format, Pages, Unit, pages_of
from salus.intake.identity import EntryNames, Head

WHOLE = frozenset({"transaction", "document", "message"})
"""Types of Bundle that stand or fall as one."""

EACH = frozenset({"collection", "searchset", "history", "batch"})
"""Types of Bundle that are taken resource by resource."""

PAGED = frozenset({"searchset", "history"})
"""Types of Bundle that may be one page of several (http://hl7.org/fhir/R4/http.html#paging)."""

AT_ONCE = frozenset({"document", "history"})
"""Types of Bundle that are read as one: an entry says little without the others."""

_PIECE_BYTES = 1 << 20
_SHOWN_BYTES = 1 << 16
_BLANK = re.compile(r"[ \t\r\n]*")
_STRUCTURE = re.compile(r'[{}\[\]"]')
_IN_STRING = re.compile(r'["\\]')
_AFTER_SCALAR = re.compile(r"[,\]}\s:]")
_decoder = json.JSONDecoder(strict=False)


class _Broken(Exception):
    """The text cannot be read on from here."""


class _TooLong(Exception):
    """A value is longer than one may be; the text goes on after it."""

    def __init__(self, shown: str, offset: int) -> None:
        super().__init__(offset)
        self.shown = shown
        self.offset = offset


class _Scan:
    """What is known of a value while its end is looked for, over any number of windows."""

    def __init__(self) -> None:
        self.ended = False
        self.is_scalar = False
        self._depth = 0
        self._in_string = False
        self._skip = False

    def pass_over(self, text: str, at: int) -> int:
        """Look on from `at`; return where the value ends (`ended`), or the end of the text."""
        if self._skip and at < len(text):
            self._skip, at = False, at + 1
        while at < len(text):
            if self.is_scalar or not (self._depth or self._in_string or text[at] in '{["'):
                self.is_scalar = True
                found = _AFTER_SCALAR.search(text, at)
                self.ended = found is not None
                return found.start() if found else len(text)
            found = (_IN_STRING if self._in_string else _STRUCTURE).search(text, at)
            if found is None:
                return len(text)
            at = found.end()
            if self._mark(found[0]):
                self.ended = True
                return at
            if self._skip and at < len(text):
                self._skip, at = False, at + 1
        return at

    def _mark(self, mark: str) -> bool:
        """Take in one mark; return whether the value ends with it."""
        if mark == "\\":
            self._skip = True
        elif mark == '"':
            self._in_string = not self._in_string
        else:
            self._depth += 1 if mark in "{[" else -1
        return self._depth == 0 and not self._in_string and not self._skip


class _Bundle(msgspec.Struct):
    resourceType: str = ""
    type: str = ""
    pages: Pages = ()


class _Named(msgspec.Struct):
    fullUrl: str = ""
    resource: Head = msgspec.field(default_factory=Head)


class _Text:
    """A stream as text: a window of it, the position in it, and the line there."""

    def __init__(self, stream: BinaryIO, longest: int) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self.longest = longest
        self._window = ""
        self._at = 0
        self._ended = False
        self._read = 0
        self.line = 1

    def _more(self, *, count: int = _PIECE_BYTES) -> bool:
        piece = b"" if self._ended else self._stream.read(count)
        self._ended = not piece
        self._read += len(piece)
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
        """Pass the next value; return it parsed, and its text.

        Raises:
            _TooLong: it was passed, and not held, since it is longer than a value may be.
            _Broken: it does not end, or is no JSON.
        """
        self.peek()
        try:
            parsed, end = _decoder.raw_decode(self._window, self._at)
        except (ValueError, RecursionError):
            parsed, end = None, 0
        if not end or (end == len(self._window) and not self._ended) or end - self._at > self.longest:
            end = self._end_of_value()
            parsed = self._parsed(end)
        text = self._window[self._at : end]
        self._pass(end)
        return parsed, text

    def _parsed(self, end: int) -> Any:  # Any: JSON
        text = self._window[self._at : end]
        try:
            parsed, used = _decoder.raw_decode(text)
        except (ValueError, RecursionError):
            parsed, used = None, 0
        if used == len(text):
            return parsed
        if text[:1] not in ("{", "["):
            raise _Broken("what begins here does not end, or is no JSON")
        return None

    def _end_of_value(self) -> int:
        """Return where the value that begins here ends, by its braces and quotes alone.

        Of one that is too long nothing is kept while its end is looked for.
        """
        start = self._read - len(_bytes(self._window[self._at :]))
        shown, dropped, state, at = "", False, _Scan(), self._at
        while True:
            at = state.pass_over(self._window, at)
            if state.ended:
                break
            if dropped or len(self._window) - self._at > self.longest:
                shown, dropped = shown or self._window[self._at : self._at + _SHOWN_BYTES], True
                self._pass(len(self._window))
            before = at - self._at
            if not self._more(count=max(_PIECE_BYTES, min(len(self._window) - self._at, self.longest))):
                if state.is_scalar and not dropped:
                    return len(self._window)
                raise _Broken("what begins here does not end, or is no JSON")
            at = self._at + (0 if dropped else before)
        if dropped or at - self._at > self.longest:
            shown = shown or self._window[self._at : self._at + _SHOWN_BYTES]
            self._pass(at)
            raise _TooLong(shown, start)
        return at

    def rest(self) -> bytes:
        """Return the beginning of what was not passed."""
        return _bytes(self._window[self._at : self._at + _SHOWN_BYTES])


def kind_problem(kind: str) -> str:
    """Say why a Bundle of a type is not loaded, "" when it is."""
    if kind in WHOLE or kind in EACH:
        return ""
    return f"A Bundle of type {kind[:40]!a} holds no records to load: {', '.join(sorted(WHOLE | EACH))} do."


def _longest(limits: Limits) -> int:
    """Return how long an entry may be: a resource, and what stands beside it."""
    return min(limits.document_bytes_max, limits.resource_bytes_max + _SHOWN_BYTES)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def read(stream: BinaryIO, limits: Limits) -> Iterator[Unit]:
    """Yield the units of the file; `stream` can be rewound."""
    head = stream.read(limits.document_bytes_max + 1)
    if ndjson.FORMAT.recognises(head[:_SHOWN_BYTES]):
        stream.seek(0)
        yield from ndjson.read(stream, limits)
        return
    is_small = len(head) <= limits.document_bytes_max
    head = head.removeprefix(codecs.BOM_UTF8)
    if is_small:
        if _is_sound(head) or not head.strip():
            yield Unit(0, 1, head)
            return
        stream = io.BytesIO(head)
    stream.seek(0)
    bundle, names = _survey(_Text(stream, _longest(limits)))
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
    if bundle.type in AT_ONCE:
        return (
            f"A Bundle of type {bundle.type} may have at most {limits.document_bytes_max} bytes "
            "(limits.document_bytes_max)."
        )
    return kind_problem(bundle.type)


def _entries(stream: BinaryIO, bundle: _Bundle, names: EntryNames, limits: Limits) -> Iterator[Unit]:
    stream.seek(0)
    text = _Text(stream, _longest(limits))
    group = bundle.type if bundle.type in WHOLE else ""
    number = 0
    try:
        for key in _keys(text):
            if key != "entry":
                _pass_value(text)
                continue
            for line, content, offset in _items(text):
                if offset is not None:
                    problem = (
                        f"The entry that begins at byte {offset} is longer than {text.longest} bytes "
                        "(limits.resource_bytes_max); it was passed over."
                    )
                    yield Unit(number, line, content, number, problem=problem, group=group)
                else:
                    types = names.relevant(content)
                    yield Unit(
                        number, line, content, number, is_entry=True, group=group, types=types,
                        pages=bundle.pages if number == 0 and bundle.type in PAGED else (),
                    )  # fmt: skip
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
                for _, content, offset in _items(text):
                    if offset is None:
                        _note(content, names)
            else:
                parsed = _pass_value(text)
                if key in ("resourceType", "type") and isinstance(parsed, str):
                    setattr(bundle, key, parsed)
                elif key == "link":
                    bundle.pages = pages_of(parsed)
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
        try:
            key, _ = text.value()
        except _TooLong as error:
            raise _Broken(f"the key at byte {error.offset} is too long") from error
        if not isinstance(key, str):
            raise _Broken("an object's key is missing")
        text.expect(":")
        yield key
        if text.expect(",}") == "}":
            return


def _pass_value(text: _Text) -> Any:  # Any: JSON
    """Pass a value that is no entry and return it, None for one that is too long or no JSON."""
    try:
        return text.value()[0]
    except _TooLong:
        return None


def _items(text: _Text) -> Iterator[tuple[int, bytes, int | None]]:
    """Yield line and bytes of each item of the array that begins here.

    Of one that is too long: its beginning, and the byte of the file where that is.
    """
    text.expect("[")
    if text.peek() == "]":
        text.expect("]")
        return
    while True:
        text.peek()
        line = text.line
        try:
            yield line, _bytes(text.value()[1]), None
        except _TooLong as error:
            yield line, _bytes(error.shown), error.offset
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
