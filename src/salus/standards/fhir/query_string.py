"""A query string or form body, strictly decoded (URL Standard, application/x-www-form-urlencoded)."""

from __future__ import annotations

from urllib.parse import unquote_to_bytes

from salus.core.errors import MalformedContent, TooLarge

QUERY_BYTES_MAX = 64 * 1024
Pairs = tuple[tuple[str, str], ...]


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
        if part:
            name, _, value = part.partition(b"=")
            pairs.append((decode_pair(name), decode_pair(value)))
    return tuple(pairs)
