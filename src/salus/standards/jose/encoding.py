"""The encodings under JOSE, read strictly: base64url without padding (RFC 7515 appendix C), JSON, DEFLATE.

A text that two readers could take for different bytes, or an object whose members they could take
differently, is refused: non-canonical base64url, members named twice, NaN, halves of surrogate pairs.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from salus.core.errors import MalformedContent, TooLarge


def encode(body: bytes) -> str:
    """Return the bytes in base64url without padding."""
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes of canonical, unpadded base64url.

    Raises:
        MalformedContent: it is none.
    """
    try:
        body = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedContent("a part is not base64url") from error
    if encode(body) != text:
        raise MalformedContent("a part is not canonical base64url")
    return body


def read_json(body: bytes) -> Any:  # Any: what JSON may hold
    """Return a JSON value, each member of an object named once.

    Raises:
        MalformedContent: it cannot be read; the message says why.
    """
    try:
        found = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_number)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise MalformedContent(str(error)[:200]) from error
    return found


def read_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object. Raises MalformedContent."""
    found = read_json(body)
    if not isinstance(found, dict):
        raise MalformedContent("must be a JSON object")
    return found


def write_object(members: Mapping[str, Any]) -> str:
    """Return a JSON object in base64url, as headers and claims are written."""
    return encode(msgspec.json.encode(members))


def deflate(body: bytes) -> bytes:
    """Return the bytes as a raw DEFLATE stream (RFC 1951; `zip` "DEF", RFC 7516 section 4.1.3)."""
    compressor = zlib.compressobj(level=9, wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


def inflate(body: bytes, *, bytes_max: int, raw: bool = True) -> bytes:
    """Return what one whole DEFLATE stream holds.

    Args:
        body: the stream and nothing after it.
        bytes_max: most bytes it may unpack to.
        raw: RFC 1951, as `zip` "DEF" wants; False for RFC 1950 (zlib), as a Token Status List wants.

    Raises:
        MalformedContent: it is no such stream, or something follows it.
        TooLarge: it unpacks to more.
    """
    inflater = zlib.decompressobj(wbits=-zlib.MAX_WBITS if raw else zlib.MAX_WBITS)
    try:
        found = inflater.decompress(body, bytes_max + 1)
    except zlib.error as error:
        raise MalformedContent("the compressed content is damaged") from error
    if len(found) > bytes_max:
        raise TooLarge(f"the content unpacks to more than {bytes_max} bytes")
    if not inflater.eof or inflater.unused_data:
        raise MalformedContent("the compressed content is cut off, or followed by something else")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a member is named twice")
    return dict(pairs)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
