"""Answers in gzip for clients that take it (RFC 9110, 8.4.1.3 and 12.5.3).

Nothing secret stands beside what a client sends in one answer, so that its length tells nothing (BREACH).
"""

from __future__ import annotations

import gzip

BYTES_MIN = 16 * 1024
"""A smaller answer is sent as it is: the network is done with it sooner than the compressor."""

_LEVEL = 5


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether an Accept-Encoding header, "" for none, takes gzip."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameter = part.partition(";")
        key, _, number = parameter.partition("=")
        try:
            weights[name.strip()] = float(number) if key.strip() == "q" else 1.0
        except ValueError:
            continue
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def compress(body: bytes) -> bytes:
    """Return the body in gzip, without a time, so that the same body gives the same bytes."""
    return gzip.compress(body, _LEVEL, mtime=0)
