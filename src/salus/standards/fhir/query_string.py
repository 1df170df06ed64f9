"""A query string or form body, strictly decoded (URL Standard, application/x-www-form-urlencoded)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote_plus, unquote_to_bytes

from salus.core.errors import MalformedContent, TooLarge

QUERY_BYTES_MAX = 64 * 1024
PART_BYTES_MAX = 14 * 1024
"""One parameter: room for 200 ids of 64 characters."""
Pairs = tuple[tuple[str, str], ...]
_PLAIN = re.compile(r"[A-Za-z0-9_.~:|,/-]*")
_CODE_LIKE = re.compile(r"""['"<>;`\\\x00-\x1f]""")


def decode_pair(raw: bytes) -> str:
    """Return a decoded name or value of ``application/x-www-form-urlencoded``.

    Raises:
        MalformedContent: the bytes are not UTF-8 or hold a NUL.
    """
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    if b"%" in raw:
        raw = unquote_to_bytes(raw)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedContent("A search parameter is not valid UTF-8: percent-encode its bytes.") from error
    if "\0" in text:
        raise MalformedContent("A search parameter holds a NUL character, which no value has.")
    return text


def parse_pairs(query: bytes) -> Pairs:
    """Return the parameters of a query string or form body, in order.

    Raises:
        MalformedContent: bad UTF-8 or NUL.
        TooLarge: more than `QUERY_BYTES_MAX` bytes.
    """
    if not query:
        return ()
    if len(query) > QUERY_BYTES_MAX:
        raise TooLarge(f"The search is longer than {QUERY_BYTES_MAX} bytes: split it.")
    pairs = []
    for part in query.split(b"&"):
        if len(part) > PART_BYTES_MAX:
            raise TooLarge(f"A search parameter is longer than {PART_BYTES_MAX} bytes: shorten it.")
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((decode_pair(name), decode_pair(value)))
    return tuple(pairs)


def format_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Return parameters as a query string that `parse_pairs` reads back.

    A text with quotes, markup or control characters is percent-encoded letter by letter, so that no link of
    ours repeats words of an injected statement or script.
    """
    return "&".join(f"{_encoded(name)}={_encoded(text)}" for name, text in pairs)


def _encoded(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    if _CODE_LIKE.search(text):
        return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))
    return quote_plus(text, safe=":|,/")
