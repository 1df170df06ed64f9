"""FHIR JSON (R4, "JSON representation") to dictionaries and back, RFC 8259 strictly.

Decimals become `decimal.Decimal` and keep their digits. Two equal keys in one object are refused, because
readers disagree which one counts; so are NaN, lone surrogates, and nesting or size over the limits.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, DecimalException
from typing import Any, Self

import msgspec

from salus.core.errors import MalformedContent, NotAnObject, TooLarge
from salus.core.limits import Limits
from salus.standards.fhir.codec.decimals import exact_decimal, out_of_range


class WrittenDecimal(Decimal):
    """A decimal whose text is the one that it was read with."""

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, text: str) -> Self:
        """Keep the text beside the number."""
        made = super().__new__(cls, text)
        made._text = text
        return made

    def __str__(self) -> str:
        """Return the text as it was read: "0.00000010", not "1.0E-7"."""
        return self._text


_decode = msgspec.json.Decoder(float_hook=exact_decimal).decode
_decode_as_written = msgspec.json.Decoder(float_hook=WrittenDecimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

# Numbers that str(Decimal) may write in another way: with an exponent, or smaller than 0.000001.
_RESHAPED = re.compile(
    rb"(?<![\w.+-])-?(?:0\.0{6}[0-9]*|(?:0|[1-9][0-9]{0,399})(?:\.[0-9]+)?[eE][+-]?[0-9]{1,9})(?![\w.+-])"
).findall
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*').sub

_COMMENTS = re.compile(rb'"(?:[^"\\]|\\.)*+"|//[^\r\n]*+|/\*(?:[^*]|\*(?!/))*+\*/', re.DOTALL).sub
_BLACK = re.compile(rb"[^\s]").sub

_BYTE = re.compile(r"\(byte ([0-9]+)\)").search

# The escapes of a body; the group is half of a surrogate pair without the other half.
_ESCAPES = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
).finditer

_LARGE = 16_384

_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")


def parse_json(body: bytes, limits: Limits) -> dict[str, Any]:  # Any: the value of an element, any JSON
    """Return the JSON object in the body.

    Raises:
        MalformedContent: not JSON, not UTF-8, two equal keys, nested too deeply, or not an object.
        TooLarge: more bytes than `limits.body_bytes_max`.
    """
    value = parse_json_value(body, limits)
    if type(value) is not dict:
        raise NotAnObject("A FHIR resource is a JSON object with a resourceType; send one in { }.")
    return value


def without_comments(body: bytes) -> bytes:
    """Return JSON without comments (// and /* */): blanks stand in their place, so that lines stay the same.

    For files written by hand; what is exchanged has none (RFC 8259).
    """
    return _COMMENTS(lambda found: found[0] if found[0][:1] == b'"' else _BLACK(b" ", found[0]), body)


def parse_json_value(body: bytes, limits: Limits) -> Any:  # Any: JSON
    """Return the JSON value in the body, which need not be an object; errors as in `parse_json`."""
    if len(body) > limits.body_bytes_max:
        raise TooLarge(f"The body has {len(body)} bytes; at most {limits.body_bytes_max} are taken.")
    try:
        value = _decode(body)
    except UnicodeDecodeError as error:
        raise MalformedContent(f"The body is not valid UTF-8 ({error.reason}); send UTF-8.") from error
    except msgspec.DecodeError as error:
        raise MalformedContent(_malformed(body, error)) from error
    except DecimalException as error:
        raise out_of_range() from error
    except RecursionError as error:
        raise _too_deep(limits) from error
    if _may_be_deep(body, limits) and _depth(value) > limits.depth_max:
        raise _too_deep(limits)
    if not _keys_are_surely_distinct(body, value):
        _refuse_duplicate_keys(body)
    return value


def parse_as_written(body: bytes) -> Any:  # Any: JSON
    """Return the value of JSON that `parse_json` has accepted before; its decimals are `WrittenDecimal`."""
    return _decode_as_written(body)


def write_json(resource: Any) -> bytes:  # Any: JSON
    """Return compact JSON; a Decimal is written with its digits, as many as were read."""
    return _encode(resource)


def write_json_like(resource: Any, *read: bytes) -> bytes:  # Any: JSON
    """Return compact JSON in which numbers stand as they do in the JSON or FHIR XML that was read.

    A Decimal keeps digits and exponent, not the way they were written: 0.00000010 would become 1.0E-7.
    """
    written = write_json(resource)
    texts = {str(Decimal(text.decode())).encode(): text for body in read for text in _RESHAPED(body)}
    if not texts:
        return written
    return _TOKENS(lambda token: texts.get(token[0], token[0]), written)


def _malformed(body: bytes, error: msgspec.DecodeError) -> str:
    if body.startswith(_BYTE_ORDER_MARKS):
        return "The body starts with a byte order mark; send UTF-8 without one (RFC 8259, section 8.1)."
    if not body.strip():
        return "The body is empty; send one JSON document."
    if any(found[1] for found in _ESCAPES(body)):
        return (
            "A string holds half of a surrogate pair, which is no character: write both \\u escapes of the "
            "pair, or the character itself in UTF-8 (RFC 8259, section 8.2)."
        )
    return f"The body is not JSON{_at(body, error)}: {error}. Send one JSON document (RFC 8259)."


def _at(body: bytes, error: msgspec.DecodeError) -> str:
    """Return where reading stopped, "" where the error does not say it."""
    found = _BYTE(str(error))
    if found is None:
        return ""
    before = body[: int(found[1])]
    line, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
    return f" at line {line}, column {column}"


def _too_deep(limits: Limits) -> MalformedContent:
    return MalformedContent(f"The body is nested more than {limits.depth_max} levels deep; flatten it.")


def _levels(value: Any) -> Iterator[list[Any]]:  # Any: JSON
    """Yield the objects and arrays of each level of nesting, the outermost first, without recursion."""
    level = [value] if isinstance(value, dict | list) else []
    while level:
        yield level
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is not str and (type(child) is dict or type(child) is list)
        ]


def _may_be_deep(body: bytes, limits: Limits) -> bool:
    """Return False where the brackets are too few to nest deeper; of a large body they are not counted."""
    return len(body) > _LARGE or body.count(b"{") + body.count(b"[") > limits.depth_max


def _depth(value: Any) -> int:  # Any: JSON
    return sum(1 for _ in _levels(value))


def _keys_are_surely_distinct(body: bytes, value: Any) -> bool:  # Any: JSON
    """Return True only if no object of the body has two equal keys; False may also mean "look closer".

    Every colon of the body follows a key or stands in a string (the escape \\u003a is looked for first).
    Written anew, the parsed value has one colon for each key that survived, and those in the strings that
    survived. So if both counts are equal, every key has survived.
    """
    if b"\\" in body and (b"\\u003a" in body or b"\\u003A" in body):
        return False
    return body.count(b":") == _encode(value).count(b":")


def _refuse_duplicate_keys(body: bytes) -> None:
    """Parse with a hook that sees every key; about a third of the speed."""

    def distinct(pairs: list[tuple[str, Any]]) -> None:  # Any: JSON
        seen = set()
        for key, _ in pairs:
            if key in seen:
                raise MalformedContent(f"An object has the key {key[:80]!r} twice; keep one of them.")
            seen.add(key)

    json.loads(body.decode(), object_pairs_hook=distinct, parse_int=len, parse_float=len)
